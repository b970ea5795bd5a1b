"""The report on runs of a project: a form that asks for it, the report itself, and its files."""

from __future__ import annotations

import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import attrs
from markupsafe import Markup

from runatlas.display import markup
from runatlas.errors import NotFoundError, RateLimitedError, ValidationError
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.reports.content import Content, cells
from runatlas.server.pages.address import project_address, run_address
from runatlas.server.pages.page import page, project_path
from runatlas.server.pages.report.form import RUNS_MAX, ReportForm, known_values, report_form, spec_text
from runatlas.server.pages.report.maker import MadeReport, ReportMaker, ReportMistakeError
from runatlas.server.pages.run_column import known_keys
from runatlas.server.pages.run_list import read_selection
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import Download
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["Reports"]

_LOOKED_AT = 200
_BYTES_MAX = 100_000
"""How large the rows of a page are together, before its charts."""

_DRAWN_MAX = 10_000
"""Of how many values an interval is worked out by drawing them anew ten thousand times: seconds of work."""

_NOTES = 40
_PLACES, _PATIENCE_S = 2, 5.0

_NAME_MAX = 60
_NO_NAME = re.compile(r"[^\w.]+")
_HERE = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])[:/]")
"""A server for this machine: its port may be another one when it is begun anew."""

_FILES = {
    "html": (".html", "text/html"),
    "md": (".md", "text/markdown"),
    "latex": (".tex", "application/x-tex"),
    "csv": (".csv", "text/csv"),
    "xlsx": (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "parquet": (".parquet", "application/vnd.apache.parquet"),
    "toml": (".toml", "application/toml"),
}
"""How the name of each file ends, and what it is."""

_SPANS = {"": "any time", "1d": "the last day", "7d": "the last 7 days", "30d": "the last 30 days"}


@attrs.frozen
class ReportRow:
    """A row of a report.

    Attributes:
        address: Of the run that it tells of; ``None`` for a group.
        cells: What it says, and whether that is a number.
    """

    address: str | None
    cells: tuple[tuple[Markup, bool], ...]


@attrs.frozen
class ReportView:
    """A report as a page shows it.

    Attributes:
        content: What it says.
        rows: As many of its rows as a page bears.
        charts: Its pictures.
        lacks: Why charts are not there; ``""`` if they are.
    """

    content: Content
    rows: tuple[ReportRow, ...]
    charts: tuple[Markup, ...]
    lacks: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What its numbers are, and what is left out."""
        return self.content.notes[:_NOTES]

    @property
    def are_numbers(self) -> tuple[bool, ...]:
        """Of each column whether there are numbers in it."""
        held = zip(*(row.cells for row in self.rows), strict=True) if self.rows else [()] * len(self.content.columns)
        return tuple(any(is_number for _, is_number in column) for column in held)


class Reports:
    """The pages of reports."""

    def __init__(self, make: ReportMaker | None) -> None:
        """Make them.

        Args:
            make: Makes reports; without it there are no such pages.
        """
        self._make = make or _no_reports
        self._places = threading.BoundedSemaphore(_PLACES)

    def show(self, call: EndpointCall) -> Answer:
        """Show a report on the runs that an address asks for, and the form that it was asked for with.

        Raises:
            NotFoundError: There is no such project.
            RateLimitedError: Other reports are being made.
        """
        path = project_path(call)
        project = call.services.projects.get_project(call.user, path)
        runs = _some_runs(call, path)
        form = report_form(call, project, runs)
        problems = dict[str, str]()
        view = None
        try:
            with self._turn():
                made = self._made(call, path, form, *form.asked())
            view = _view(path, made, of_runs=form.rows == "runs")
            problems = form.problems(made.unknown)
        except ReportMistakeError as error:
            problems = form.problems(error.mistakes)
        return page(
            call,
            "report.html",
            project=project,
            address=f"{project_address(path)}/report",
            form=form,
            problems=defaultdict(str, problems),
            view=view,
            spans=_SPANS,
            values=known_values(runs),
            keys=[known.column for known in known_keys(runs)],
            command=_command(call, path, form),
            is_here=_HERE.match(call.user.origin or "") is not None,
        )

    def file(self, call: EndpointCall) -> Download:
        """Return a report as a file.

        Raises:
            NotFoundError: There is no such project, or no such file.
            RateLimitedError: Other reports are being made.
            ValidationError: What is asked for is no report.
        """
        path, kind = project_path(call), call.params["form"]
        project = call.services.projects.get_project(call.user, path)
        if kind not in _FILES:
            raise NotFoundError("there is nothing at this address")
        form = report_form(call, project, _some_runs(call, path))
        try:
            asked, wrong = form.asked()
            if kind == "toml" and not wrong:
                body = spec_text(asked, path, _command(call, path, form)).encode()
            else:
                asked = asked if kind == "html" else _without_charts(asked)
                with self._turn():
                    body = self._made(call, path, form, asked, wrong).file(kind)
        except ReportMistakeError as error:
            raise ValidationError(str(error)) from error
        suffix, media_type = _FILES[kind]
        pieces = lambda start, stop: iter([body[start:stop]])  # noqa: E731
        return Download(pieces, len(body), f"{_file_name(path, form)}{suffix}", media_type, secrets.token_hex(8))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for one's turn: so many are made, drawn and written at once."""
        if not self._places.acquire(timeout=_PATIENCE_S):
            raise RateLimitedError("other reports are being made; try again in a moment")
        try:
            yield
        finally:
            self._places.release()

    def _made(
        self, call: EndpointCall, path: ProjectPath, form: ReportForm, asked: Mapping[str, Any], wrong: Sequence[str]
    ) -> MadeReport:
        try:
            if form.rows == "groups" and not wrong:
                _check_count(call, path, asked)
            return self._make(call.services, call.user, path, asked, wrong)
        except ValidationError as error:
            raise ReportMistakeError([error.message]) from error


def _no_reports(*_: object) -> MadeReport:
    raise NotFoundError("this server makes no reports")


def _some_runs(call: EndpointCall, path: ProjectPath) -> tuple[RunRecord, ...]:
    """Return some runs, which tell what a report may say: of the latest those that fit the filter, if any do."""
    everything = RunSelection(path.workspace, path.project)
    selections = [everything]
    with suppress(ValueError):  # of which the form says what is wrong
        selections.insert(0, read_selection(everything, (call.value("filter") or "").strip()))
    for selection in selections:
        query = RunQuery(selection, page=PageRequest(limit=_LOOKED_AT))
        with suppress(ValidationError):
            found = call.services.runs.list_runs(call.user, query).items
            if found:
                return found
    return ()


def _check_count(call: EndpointCall, path: ProjectPath, asked: Mapping[str, Any]) -> None:
    """Refuse to put more runs together than a page may take."""
    selection = read_selection(RunSelection(path.workspace, path.project), asked.get("filter", ""))
    query = RunQuery(selection, parts=(), page=PageRequest(limit=1, with_total=True))
    total = call.services.runs.list_runs(call.user, query).total or 0
    drawn = total * len(asked.get("stats", ())) if _is_drawn_anew(asked) else 0
    if drawn > _DRAWN_MAX:
        raise ReportMistakeError(
            [
                f"center: an interval of the middle half is worked out by drawing the values anew, on a page of "
                f"{_DRAWN_MAX:,} at the most, and these are {drawn:,}; take another centre or spread, or fewer runs"
            ]
        )
    if total > RUNS_MAX:
        raise ReportMistakeError(
            [
                f"filter: {total:,} runs fit it, and a page puts {RUNS_MAX:,} together at the most; "
                "make it narrower, or make the report by the command"
            ]
        )


def _is_drawn_anew(asked: Mapping[str, Any]) -> bool:
    return asked.get("center") == "iqm" and asked.get("spread", "ci95") == "ci95"


def _without_charts(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: held for name, held in asked.items() if name != "charts"}


def _file_name(path: ProjectPath, form: ReportForm) -> str:
    """Return what files of a report are called without their ending: as its title, in letters that a shell leaves."""
    return _NO_NAME.sub("-", form.title.casefold())[:_NAME_MAX].strip("-._") or path.project


def _command(call: EndpointCall, path: ProjectPath, form: ReportForm) -> str:
    """Return what makes the same report elsewhere, of its spec."""
    name = _file_name(path, form)
    return f"runatlas report {name}.toml --host {call.user.origin} --output {name}.html"


def _view(path: ProjectPath, made: MadeReport, *, of_runs: bool) -> ReportView:
    content = made.content
    rows, left = [], _BYTES_MAX
    for row, found in zip(content.shown, cells(content), strict=True):
        texts = [cell.text or row.name * (of_runs and not place) for place, cell in enumerate(found)]
        shown = tuple(
            (_shown(text, is_best=cell.is_best), cell.is_number) for text, cell in zip(texts, found, strict=True)
        )
        left -= sum(len(text.encode("utf-8", "backslashreplace")) + 30 for text, _ in shown)
        if left < 0:
            break
        rows.append(ReportRow(run_address(path.run(row.name)) if of_runs else None, shown))
    charts = tuple(Markup(svg) for _, svg in content.charts)  # noqa: S704 - as the report has it
    return ReportView(content, tuple(rows), charts, made.lacks)


def _shown(text: str, *, is_best: bool) -> Markup:
    made = Markup(markup.text(text).text)  # noqa: S704 - made of an escaped text
    return Markup("<strong>{}</strong>").format(made) if is_best else made
