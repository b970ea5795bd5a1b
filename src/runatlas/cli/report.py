"""``runatlas report``: the page or the table that a spec asks for, and whether one that was written still holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import attrs
import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, mistakes_told, output_option, store_told
from runatlas.cli.api.output import print_json, say
from runatlas.entities.report import Report
from runatlas.entities.report_spec import ReportSpec
from runatlas.entities.run_report import make_spec
from runatlas.terminal import counted

__all__ = ["report", "write_report"]

ReportFormat: TypeAlias = Literal["html", "md", "latex", "csv", "parquet", "xlsx"]
_FORMATS: tuple[ReportFormat, ...] = get_args(ReportFormat)
_BY_NAME: dict[str, ReportFormat] = {".tex": "latex", ".htm": "html", ".markdown": "md"}
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_TOLD = 100


@click.command()
@click.argument("spec", required=False, type=_FILE)
@click.option("--project", help="The project, in place of the one that the spec names.")
@click.option("--format", "form", type=click.Choice(_FORMATS), help="Else as the output ends, or HTML.")
@output_option
@click.option("--name", help="Of Markdown: between the markers of this name in the output.")
@click.option("--check", metavar="FILE", type=_FILE, help="A report: compute every number of it again.")
@as_json_option
@api_command
def report(
    api: Api,
    spec: Path | None,
    *,
    project: str | None,
    form: ReportFormat | None,
    output: Path | None,
    name: str | None,
    check: Path | None,
    as_json: bool,
) -> None:
    """Make the report that SPEC, a file of TOML, asks for; or check one that was made.

    A report is HTML, Markdown, LaTeX, CSV, Parquet or Excel; without --output it goes to stdout. With --check each
    number of FILE that no longer holds is named, and each value that was altered in it; exits with 1 if there is one.
    The file says itself what it was made of, but for CSV, which is checked with its SPEC.
    """
    with mistakes_told(), _extras_told():
        if check is not None:
            if form is not None or output is not None or name is not None:
                raise click.UsageError("--check takes a report, and writes none")
            if spec is None and project is not None:
                raise click.UsageError(
                    "--project goes with a SPEC: what is checked without one says itself where it is of"
                )
            _check(api, check, None if spec is None else _spec_of(spec, project), as_json=as_json)
            return
        if spec is None:
            raise click.UsageError("name the SPEC of a report, or a report after --check")
        chosen = form or _format_of(output)
        if name is not None and (chosen != "md" or output is None):
            raise click.UsageError("--name goes with --format md and --output")
        made = _make(api, _spec_of(spec, project), chosen)
        if as_json:
            print_json(made.json())
        elif output is None:
            _print(made, chosen)
        else:
            write_report(made, chosen, output, name)
            say(f"wrote {output}: {made!r}")


@contextmanager
def _extras_told() -> Iterator[None]:
    """Tell a package that is not installed in its sentence."""
    try:
        yield
    except ImportError as error:
        raise click.ClickException(str(error)) from error


def _format_of(output: Path | None) -> ReportFormat:
    if output is None:
        return "html"
    suffix = output.suffix.lower()
    found = {**{f".{name}": name for name in _FORMATS}, **_BY_NAME}.get(suffix)
    if found is None:
        raise click.UsageError(f"--output: {output.name!r} ends in none of {', '.join(_FORMATS)}; say the --format")
    return found


def _spec_of(file: Path, project: str | None) -> ReportSpec:
    spec = make_spec(file, {})
    if not (project or spec.project):
        raise click.UsageError(f"{file} names no project; add project = 'workspace/name' to it, or give --project")
    return attrs.evolve(spec, project=project or spec.project)


def _make(api: Api, spec: ReportSpec, form: ReportFormat) -> Report:
    charts = spec.charts if form == "html" else ()
    with store_told(api):
        return api.project(spec.project).runs().report(attrs.evolve(spec, project="", charts=charts)).unwrap()


def _print(made: Report, form: ReportFormat) -> None:
    texts: dict[str, Callable[[], str]] = {
        "html": made.to_html,
        "md": made.to_markdown,
        "latex": made.to_latex,
        "csv": made.to_csv,
    }
    if form not in texts:
        raise click.UsageError(f"{form} is no text; give --output")
    click.echo(texts[form](), nl=False)


def write_report(made: Report, form: str, output: Path, name: str | None = None) -> None:
    """Write a report to a file.

    Args:
        made: The report.
        form: One of ``html``, ``md``, ``latex``, ``csv``, ``parquet`` and ``xlsx``.
        output: The file.
        name: Of Markdown: the markers that it goes between.
    """
    if form == "md":
        made.to_markdown(output, name=name)
        return
    {
        "html": made.to_html,
        "latex": made.to_latex,
        "csv": made.to_csv,
        "parquet": made.to_parquet,
        "xlsx": made.to_xlsx,
    }[form](output)


def _check(api: Api, file: Path, spec: ReportSpec | None, *, as_json: bool) -> None:
    with store_told(api):
        found = api.check_report(file, spec).unwrap()
    if as_json:
        print_json(found.json())
    else:
        for item in found.differences[:_TOLD]:
            say(str(item), err=False)
        left = len(found.differences) - _TOLD
        if left > 0:
            say(f"and {counted(left, 'more difference')}", err=False)
        told = "everything holds" if found.holds else counted(len(found.differences), "difference")
        say(f"{file}: {told}; {counted(found.checked, 'value')} computed again")
    click.get_current_context().exit(int(not found.holds))
