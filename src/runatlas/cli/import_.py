"""``runatlas import``: runs from other trackers' files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from runatlas.cli.connection import opened_backend
from runatlas.cli.main import Interruption
from runatlas.importers.importing import import_jsonl
from runatlas.importers.layout import RecordLayout
from runatlas.importers.report import ImportReport
from runatlas.model.codec import dumps, encode
from runatlas.terminal import counted, printable

__all__ = ["import_"]


@click.group("import")
def import_() -> None:
    """Import runs from files of other trackers."""


def _names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Split ``a,b,c``."""
    return None if value is None else tuple(name.strip() for name in value.split(","))


@import_.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="The directory to write to.")
@click.option("--host", help="The server to write to, such as http://127.0.0.1:5170.")
@click.option("--workspace", help="The workspace; your own if not given.")
@click.option("--project", help="The project of all runs; named after the file if not given.")
@click.option("--project-field", help="The field that names a run's project.")
@click.option("--id-fields", callback=_names, help="Fields that tell runs apart, such as name,seed; else all do.")
@click.option("--name-field", help="The field that is the run's name; else the id fields' values.")
@click.option("--config-fields", callback=_names, help="Fields that become the config; else all but the points.")
@click.option("--tag-fields", callback=_names, help="Fields whose values become labels.")
@click.option("--points-field", default="points", show_default=True, help="The field that has the points.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def jsonl(
    file: Path,
    *,
    directory: Path | None,
    host: str | None,
    workspace: str | None,
    project: str | None,
    project_field: str | None,
    id_fields: tuple[str, ...] | None,
    name_field: str | None,
    config_fields: tuple[str, ...] | None,
    tag_fields: tuple[str, ...] | None,
    points_field: str,
    as_json: bool,
) -> None:
    """Import FILE, one JSON object a line, one line a run.

    Importing it again adds nothing, and completes what was interrupted.

    Points are a list of [step, {metric: value}] in the order logged. FILE may be compressed with gzip.
    """
    if project is not None and project_field is not None:
        raise click.UsageError("give either --project or --project-field")
    try:
        layout = RecordLayout(
            project=None if project_field else project or _project_of(file),
            project_field=project_field,
            id_fields=id_fields or (),
            name_field=name_field,
            config_fields=config_fields,
            tag_fields=tag_fields or (),
            points_field=points_field,
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    messages = Console(stderr=True, soft_wrap=True)
    with _resumable(file), opened_backend(directory, host) as backend, _progress(messages) as on_progress:
        report = import_jsonl(
            backend,
            file,
            layout,
            workspace=workspace,
            on_note=lambda note: messages.print(
                printable(f"line {note.line}: {note.message}"), markup=False, highlight=False
            ),
            on_progress=on_progress,
        )
    _show(report, messages, as_json=as_json)
    if not report.complete:
        click.get_current_context().exit(1)


@contextmanager
def _resumable(file: Path) -> Iterator[None]:
    """Say, when it is interrupted, that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interruption(f"interrupted; importing {file} again with the same options completes it") from None


def _project_of(file: Path) -> str:
    """Return a project's name made of the file's."""
    stem = file.name.removesuffix(".gz").rpartition(".")[0] or file.name
    return re.sub(r"[^0-9A-Za-z_.+-]+", "-", stem)[:100].strip("-.") or "imported"


@contextmanager
def _progress(messages: Console) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar while a file is read, on a terminal only."""
    if not messages.is_terminal:
        yield None
        return
    with Progress(console=messages, transient=True) as progress:
        task = progress.add_task("importing", total=None)
        yield lambda position, size: progress.update(task, completed=position, total=size)


def _show(report: ImportReport, messages: Console, *, as_json: bool) -> None:
    if report.twins:
        messages.print(
            f"{counted(len(report.twins), 'line')} with the id fields of an earlier line, but different from it, "
            f"became {'a run of its' if len(report.twins) == 1 else 'runs of their'} own: "
            f"lines {_listed(report.twins)}; a further field in --id-fields would tell them apart",
            highlight=False,
        )
    if report.repeated:
        messages.print(
            f"{counted(len(report.repeated), 'line')} repeated an earlier one: {_listed(report.repeated)}",
            highlight=False,
        )
    if as_json:
        click.echo(dumps({**encode(report), "complete": report.complete}))
        return
    table = Table(title=Text(f"Imported into {report.workspace}"))
    table.add_column("project", overflow="fold")
    for name in ("runs added", "completed", "there before", "values added"):
        table.add_column(name, justify="right")
    for name, tally in report.projects.items():
        counts = (tally.added, tally.completed, tally.present, tally.values)
        table.add_row(Text(printable(name)), *(f"{count:,}" for count in counts))
    Console().print(table)


def _listed(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:20]))
    return shown if len(lines) <= 20 else f"{shown}, …"
