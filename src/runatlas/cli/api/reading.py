"""``runatlas api`` commands that read what runs recorded."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, is_project_path, output_option
from runatlas.cli.api.output import print_fields, print_json, print_table, say, say_notes
from runatlas.cli.main import Interruption
from runatlas.entities.run import Run
from runatlas.entities.run_export import FORMATS, ExportFormat
from runatlas.entities.runs import Runs
from runatlas.model.codec import encode
from runatlas.model.log import LOG_LEVELS, LogLevel
from runatlas.model.text import did_you_mean
from runatlas.response import ApiResponse
from runatlas.terminal import counted

__all__ = ["catalog", "compare", "export", "logs", "medias", "metrics", "run", "summary"]


@click.command()
@click.argument("run")
@as_json_option
@api_command
def run(api: Api, run: str, *, as_json: bool) -> None:
    """Show a run: its fields, config and profile.

    RUN is workspace/project/run.
    """
    found = api.run(run).unwrap()
    if as_json:
        print_json(found.json())
        return
    fields = {name: value for name, value in found.json().items() if name != "profile"}
    print_fields(fields | {f"config.{key}": value for key, value in found.config.items()})


class _Number(click.ParamType):  # type: ignore[type-arg]  # of a type only from click 8.4 on
    """A whole number as such, for steps and times; any other as a float."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Read it."""
        for kind in (int, float):
            with suppress(ValueError):
                return kind(value)
        return self.fail(f"{value!r} is not a number", param, ctx)


_NUMBER = _Number()


def _range(options: dict[str, Any]) -> dict[str, Any] | None:
    given = {name: value for name, value in options.items() if value is not None}
    return given if set(given) - {"type"} else None


@click.command()
@click.argument("path")
@click.argument("keys", nargs=-1)
@click.option("-f", "--filter", "filters", help="With a project: which runs.")
@click.option("--sample", type=click.IntRange(min=1), default=1500, show_default=True, help="Points a series.")
@click.option("--all", "all_", is_flag=True, help="Every point.")
@click.option("--x-axis", default="step", help="A metric whose value of the same step each point says beside, or time.")
@click.option(
    "--type", "type", type=click.Choice(["step", "timestamp", "custom"]), help="What --start and --end are of."
)
@click.option("--start", type=_NUMBER, help="From this step, time or value of --x-axis on.")
@click.option("--end", type=_NUMBER, help="Up to this step, time or value.")
@click.option("--last", type=int, help="The last N milliseconds.")
@click.option("--head", type=int, help="The first N points.")
@click.option("--tail", type=int, help="The last N points.")
@as_json_option
@api_command
def metrics(
    api: Api,
    path: str,
    keys: tuple[str, ...],
    filters: str | None,
    *,
    sample: int,
    all_: bool,
    as_json: bool,
    x_axis: str,
    **axis: Any,
) -> None:
    """Read metrics of a run, or of all runs of a project.

    Those named KEYS, or without KEYS all of them.
    """
    wanted: dict[str, Any] = {"keys": list(keys) or None, "sample": sample, "all": all_, "range_query": _range(axis)}
    wanted["x_axis"] = x_axis
    answer: ApiResponse[Any]
    single: Run | None = None
    if is_project_path(path):
        answer = api.project(path).metrics(runs=filters, **wanted)
    elif filters is not None:
        raise click.UsageError("--filter goes with a project, not with a run")
    else:
        single = api.run(path)
        answer = single.metrics(**wanted)
    table: Any = answer.unwrap()
    held = table.to_arrow()
    found = set(held["key"].to_pylist())
    hinted = {told for key, told in table.absences.items() if key not in found}
    said = [note for note in table.notes if note not in hinted]
    named = {key for key in keys if key not in found and any(repr(key) in note for note in said)}
    for note in said:
        if single is None or not any(repr(key) in note for key in named):
            say(note)
    _note_missing(keys if single is not None else [key for key in keys if key not in named], found, single)
    if as_json:
        print_json(table.json())
        return
    print_table(held.column_names, zip(*(column.to_pylist() for column in held.columns), strict=True))


@click.command()
@click.argument("run")
@click.argument("keys", nargs=-1)
@as_json_option
@api_command
def summary(api: Api, run: str, keys: tuple[str, ...], *, as_json: bool) -> None:
    """Show the statistics of metrics of RUN.

    Those named KEYS, or without KEYS all of them.
    """
    found = api.run(run).summary(list(keys) or None).unwrap()
    _note_missing(keys, found, api.run(run))
    if as_json:
        print_json(found)
        return
    shown = ("latest", "min", "max", "avg", "median")
    print_table(
        ("metric", *shown),
        ((key, *(_value(item.get(name)) for name in shown)) for key, item in found.items()),
    )


_NAMES_MAX = 1000
"""Among how many columns of a run a mistyped one is looked for."""


def _note_missing(keys: Iterable[str], found: Collection[str], run: Run | None, what: str = "points") -> None:
    """Say what was asked for and is not there: a name may be mistyped, or of another kind of thing."""
    for key in keys:
        if key not in found:
            column = None if run is None else run.column(key, None, None)
            is_there = column is not None and column.ok and column.match == "exact"
            if column is not None and is_there:
                other = f"; it is there with the type {column.column_type}"
            else:
                other = did_you_mean(key, [] if run is None else [held.key for held in run.columns(limit=_NAMES_MAX)])
            say(f"there are no {what} of {key!r}{other}")


def _value(statistic: Any) -> Any:
    return statistic.get("value") if isinstance(statistic, dict) else statistic


@click.command()
@click.argument("run")
@click.option("--offset", type=click.IntRange(min=0), default=0, show_default=True, help="Lines to skip.")
@click.option("--level", type=click.Choice(LOG_LEVELS), default="INFO", show_default=True, help="At least as severe.")
@as_json_option
@api_command
def logs(api: Api, run: str, offset: int, level: LogLevel, *, as_json: bool) -> None:
    """Print the log lines of RUN."""
    found = api.run(run).logs(offset=offset, level=level).unwrap()
    if as_json:
        print_json(found.json())
    else:
        for line in found:
            say(str(line), err=False)


@click.command()
@click.argument("run")
@click.argument("keys", nargs=-1, required=True)
@click.option("--step", type=int, help="Of this step; else of the latest.")
@click.option("--all", "all_", is_flag=True, help="Of every step.")
@click.option("--download", type=click.Path(path_type=Path, file_okay=False), help="Save the files there.")
@as_json_option
@api_command
def medias(
    api: Api, run: str, keys: tuple[str, ...], step: int | None, *, all_: bool, download: Path | None, as_json: bool
) -> None:
    """List the media KEYS of RUN, with links."""
    found = api.run(run).medias(list(keys), step=step, all=all_).unwrap()
    _note_missing(found.missing, (), api.run(run), what="media")
    if download is not None:
        saved = found.download(download)
        say(f"saved {counted(len(saved), 'file')} in {download}")
    if as_json:
        print_json(found.json())
        return
    print_table(
        ("key", "step", "caption", "url"),
        (
            (key, media_step.step, item.caption, item.url)
            for key, series in found.items()
            for media_step in series
            for item in media_step
        ),
    )


@click.command()
@click.argument("path")
@click.option("--csv", "csv_key", help="Of a run: this metric as CSV.")
@click.option("--logs", "as_logs", is_flag=True, help="Of a run: its log lines.")
@click.option("-f", "--filter", "filters", help="Of a project: which runs.")
@click.option("--exact", is_flag=True, help="Of a project: texts as they are, also those a spreadsheet would run.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="Of a project; else as the file ends, or CSV.")
@click.option("--resume", is_flag=True, help="Of a project: go on where writing this file was interrupted.")
@output_option
@api_command
def export(  # noqa: PLR0917 - one argument an option
    api: Api,
    path: str,
    csv_key: str | None,
    filters: str | None,
    form: ExportFormat | None,
    output: Path | None,
    *,
    as_logs: bool,
    exact: bool,
    resume: bool,
) -> None:
    """Write a table of runs, a metric, or log lines.

    PATH is a project for its runs: CSV, with an apostrophe before what a spreadsheet would run as a formula, or
    Parquet or JSON lines if the file ends in .parquet or .jsonl. It is a run for one of its metrics
    (--csv KEY), or for its log lines (--logs).
    """
    if is_project_path(path):
        if csv_key is not None or as_logs:
            raise click.UsageError("--csv and --logs go with a run, not with a project")
        chosen = api.runs(path, filters)
        _export_runs(chosen, form, output, exact=exact, resume=resume)
        if filters:
            say_notes(chosen)
        return
    if (csv_key is None) != as_logs:
        raise click.UsageError("give either --csv KEY or --logs")
    found: Run = api.run(path)
    link = found.export_logs() if csv_key is None else api.column(path, csv_key).export_csv()
    _write(link.unwrap().read().unwrap(), output)


_ENDINGS: dict[str, ExportFormat] = {"": "csv", ".txt": "csv", **{f".{form}": form for form in FORMATS}}


def _export_runs(runs: Runs, form: ExportFormat | None, output: Path | None, *, exact: bool, resume: bool) -> None:
    ending = ".csv" if output is None else output.suffix.lower()
    wanted = form or _ENDINGS.get(ending)
    if wanted is None:
        what = f"{ending!r} is no table that can be written; let the file end in .csv, .parquet or .jsonl"
        raise click.BadParameter(what, param_hint="--output")
    if output is not None and (output.is_file() or not output.exists()):
        try:
            runs.export(output, format=wanted, exact=exact, resume=resume).unwrap()
        except KeyboardInterrupt:
            raise Interruption("interrupted; what was read is kept: export again with --resume to go on") from None
        say(f"wrote {output} ({output.stat().st_size} bytes)")
        return
    if resume:
        raise click.UsageError("--resume goes with the file of --output")
    with TemporaryDirectory() as folder:  # a pipe takes what is whole
        made = runs.export(Path(folder) / "runs", format=wanted, exact=exact).unwrap()
        with Path(made).open("rb") as file, _opened(output) as stream:
            shutil.copyfileobj(file, stream)


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Open what is written to: a file, a pipe, or stdout."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with output.open("wb") as stream:
        yield stream


def _write(data: bytes, output: Path | None) -> None:
    with _opened(output) as stream:
        stream.write(data)
    if output is not None:
        say(f"wrote {output} ({len(data)} bytes)")


@click.command()
@click.argument("run")
@as_json_option
@api_command
def catalog(api: Api, run: str, *, as_json: bool) -> None:
    """List the metrics of RUN with their contexts.

    No points are read.
    """
    entries = api.run(run).catalog().unwrap()
    if as_json:
        print_json([encode(entry) for entry in entries])
        return
    print_table(
        ("metric", "points", "contexts"),
        ((entry.key, entry.points, [dict(context) for context in entry.contexts if context]) for entry in entries),
    )


@click.command()
@click.argument("metric")
@click.argument("runs", nargs=-1, required=True)
@click.option("--all", "all_", is_flag=True, help="Every point.")
@as_json_option
@api_command
def compare(api: Api, metric: str, runs: tuple[str, ...], *, all_: bool, as_json: bool) -> None:
    """Read METRIC of RUNS, of whatever projects, into one table."""
    table = api.compare([(run, metric) for run in runs], all=all_).unwrap()
    if as_json:
        print_json(table.json())
        return
    held = table.to_arrow()
    print_table(held.column_names, zip(*(column.to_pylist() for column in held.columns), strict=True))
