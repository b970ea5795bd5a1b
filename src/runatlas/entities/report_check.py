"""Reports held against the runs as they are now: each number that no longer holds is named."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import attrs

from runatlas.display.markup import Html, heading, joined, note, table
from runatlas.display.shown import Shown
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.collection import Window
from runatlas.entities.report_difference import Difference, make_difference
from runatlas.entities.report_spec import ReportSpec, ReportSpecError, read_spec
from runatlas.entities.run_report import draw_charts
from runatlas.entities.runs import Runs
from runatlas.entities.table_check import compare_cells
from runatlas.errors import ResponseFormatError, ValidationError, shortened
from runatlas.file_access import open_to_read
from runatlas.model.codec import decode
from runatlas.model.filters import Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunQuery, RunSelection
from runatlas.model.run_value import is_nan
from runatlas.reports.cells import Cells, DataForm, read_cells, unpack_table
from runatlas.reports.content import Content
from runatlas.reports.document import make_latex, make_markdown
from runatlas.reports.page import make_page
from runatlas.reports.seal import FILE_MAX, Altered, Seal, find_seals, is_sealed, make_seal, marked_lines
from runatlas.statistics.aggregate import AggregateTable
from runatlas.tables.value import ValueTable
from runatlas.terminal import counted

__all__ = ["ReportCheck", "check_report"]

_NEAR = 1e-9
"""To how much of itself the end of an interval is the same: libraries differ in the last digits."""
_SHOWN = 100
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0"
_TAG = re.compile(r"<[^>]*>")
_CELL = re.compile(r"<t[hd]\b[^>]*>(.*?)</t[hd]>")
_BOLD = re.compile(r"^(?:\*\*(.*)\*\*|\\textbf\{(.*)\})$")


@attrs.frozen(repr=False)
class ReportCheck(Shown):
    """What a check of a report found.

    Attributes:
        path: The file.
        differences: What no longer holds.
        checked: How many values were computed again.
    """

    path: str
    differences: tuple[Difference, ...]
    checked: int

    @property
    def holds(self) -> bool:
        """Whether everything is as the report says."""
        return not self.differences

    def json(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = [attrs.asdict(item) for item in self.differences]
        return {"path": self.path, "holds": self.holds, "checked": self.checked, "differences": told}

    def _show(self) -> Html:
        shown = self.differences[:_SHOWN]
        rows = ((item.row, item.column, item.what) for item in shown)
        left = len(self.differences) - len(shown)
        more = note(f"… and {counted(left, 'more difference')}") if left else None
        title = (Path(self.path).name, self._found(), f"{counted(self.checked, 'value')} checked")
        return joined(heading(*title), table(("row", "column", "what"), rows) if shown else None, more)

    def _found(self) -> str:
        return "holds" if self.holds else counted(len(self.differences), "difference")

    def __repr__(self) -> str:
        return f"<ReportCheck {self.path!r}: {self._found()}, {counted(self.checked, 'value')} checked>"


def check_report(handle: BackendHandle, path: Path, spec: ReportSpec | None = None) -> ReportCheck:
    """Compute every number of a report again, from the runs as they are now.

    Args:
        handle: The way to the backend.
        path: The report; of a Markdown file with several every one.
        spec: What it was made of, with its project: for CSV, and for what a program saved anew without its seal.

    Raises:
        ImportError: What intervals or charts need is not installed.
        OSError: The file cannot be read.
        ValidationError: It is no report, or is damaged, or is one that a spec is, or is not, needed for.
    """
    with open_to_read(path.resolve() if path.exists() else path) as file:
        data = file.read(FILE_MAX + 1)
    if len(data) > FILE_MAX:
        raise ValidationError(f"{path} is larger than a report that can be checked ({FILE_MAX:,} bytes)")
    form = _form_of(path, data, spec)
    if form is not None:
        return _check_data(handle, str(path), read_cells(data, form, str(path)), form, spec)
    document = data.decode(errors="replace")
    seals = find_seals(document, str(path))
    if spec is not None:
        raise ValidationError(f"{path} carries the spec that it was made of: check it without another one")
    differences: list[Difference] = []
    for seal, altered in seals:
        differences += _check(handle, seal, altered, str(path))
    checked = sum(len(values) for seal, _ in seals for _, _, values in seal.rows)
    return ReportCheck(str(path), tuple(differences), checked)


def _form_of(path: Path, data: bytes, spec: ReportSpec | None) -> DataForm | None:
    """Return the format of a file of data; ``None`` for a document.

    Raises:
        ValidationError: It is a workbook of another format.
    """
    if data.startswith(b"PAR1"):
        return "parquet"
    if data.startswith(b"PK"):
        return "xlsx"
    if data.startswith(_OLD_WORKBOOK):
        raise ValidationError(f"{path} is a workbook of Excel 97, or has a password; save it as .xlsx without one")
    return "csv" if path.suffix.lower() == ".csv" or (spec is not None and not is_sealed(data)) else None


def _check_data(
    handle: BackendHandle, source: str, cells: Cells, form: DataForm, spec: ReportSpec | None
) -> ReportCheck:
    written = None
    if spec is not None:
        place = ProjectPath.named(spec.project)
        runs = Runs(handle, Window(), RunQuery(RunSelection(place.workspace, place.project)))
        _, content, table = runs._read_report(spec)  # noqa: SLF001 - the part of runs that makes reports
    elif cells.seal:
        written = unpack_table(cells, source)
        _, content, table, _ = _read_again(handle, written[0].origin, source)
    else:
        why = "CSV has no place for it" if form == "csv" else "a program that saved it anew may have left it out"
        raise ValidationError(
            f"{source} carries nothing to check it by ({why}); say the spec that it was made of: "
            "runatlas report SPEC --check FILE, or check_report(path, spec=…)"
        )
    differences = tuple(compare_cells(cells, form, source, (content, table), written))
    return ReportCheck(source, differences, len(cells.rows) * len(cells.columns))


def _check(handle: BackendHandle, seal: Seal, altered: Sequence[Altered], source: str) -> Iterator[Difference]:
    content = _made_anew(handle, seal, source)
    yield from _altered(altered, content)
    now = make_seal(content)
    if now.columns != seal.columns:
        told = shortened(f"its columns were {', '.join(seal.columns)}, and are {', '.join(now.columns)}")
        yield Difference("", "", list(seal.columns), list(now.columns), told)
    found = list(_compared(seal, now))
    yield from found
    for place, (was, is_now) in enumerate(zip(seal.drawn, content.drawn, strict=False), start=1):
        if was != is_now:
            told = f"chart {place}{f', {was[0]!r},' if was[0] else ''} would show other values now"
            yield Difference("", "", was[1], is_now[1], shortened(told))
    if not found and now.columns == seal.columns and now.fingerprint != seal.fingerprint:
        hidden = max(seal.total, now.total) - len(seal.rows)
        changed = f"of the {hidden:,} rows that the file does not show" if hidden > 0 else "in the order of its rows"
        yield Difference("", "", seal.fingerprint, now.fingerprint, f"something {changed} changed")


def _altered(altered: Sequence[Altered], content: Content) -> Iterator[Difference]:
    """Say what was altered in the file: which value and from what, where its line is still written as it was."""
    written_lines: dict[str, str] = {}
    if any(one.mark for one in altered):
        for make in (make_page, make_markdown, make_latex):
            written_lines |= marked_lines(make(content))
    heads = [column.title for column in content.columns]
    for one in altered:
        was, now = _texts(written_lines.get(one.mark, "")), _texts(one.line)
        if not len(was) == len(now) == len(heads) or was == now:
            yield Difference("", "", None, None, one.told)
            continue
        for head, old, new in zip(heads, was, now, strict=True):
            if old != new:
                told = f"the file was altered after it was written: it said {old}, and says {new}"
                yield Difference(was[0], head, old, new, shortened(told))


def _texts(line: str) -> list[str]:
    """Return what stands in the columns of a line of a page, of Markdown or of LaTeX; nothing if it is no row."""
    found = _CELL.findall(line)
    if found:
        return [unescape(_TAG.sub("", text)) for text in found]
    if not line.startswith("| ") and not line.endswith("\\\\"):
        return []
    parts = line.strip().strip("|").removesuffix("\\\\").split(" | " if line.startswith("|") else " & ")
    return [_BOLD.sub(r"\1\2", part.strip()) for part in parts]


def _made_anew(handle: BackendHandle, seal: Seal, source: str) -> Content:
    """Return the content of a report as it is now; charts are drawn again if there are any in the file."""
    chosen, content, _, spec = _read_again(handle, seal.origin, source)
    try:
        charts = draw_charts(chosen, spec) if seal.drawn else []
    except ValueError as error:
        raise ValidationError(f"{source}: {error}") from error
    drawn = tuple((told.title, chart.fingerprint) for told, chart in zip(spec.charts, charts, strict=False))
    return attrs.evolve(content, drawn=drawn)


def _read_again(
    handle: BackendHandle, origin: Mapping[str, Any], source: str
) -> tuple[Runs, Content, ValueTable | AggregateTable, ReportSpec]:
    """Read what a report says now: the runs, the content, its table, and what it is asked for."""
    try:
        selection = decode(origin["selection"], RunSelection, strict=True)
        sorts = decode(origin["sorts"], tuple[Sort, ...], strict=True)
        spec = read_spec(origin["spec"])
    except (KeyError, TypeError, AttributeError, ResponseFormatError, ReportSpecError, RecursionError) as error:
        raise ValidationError(f"{source}: what it was asked for cannot be read ({error})") from error
    runs = Runs(handle, Window(), RunQuery(selection, sorts=sorts))
    return *runs._read_report(spec), spec  # noqa: SLF001 - the part of runs that makes reports


def _compared(was: Seal, now: Seal) -> Iterator[Difference]:
    """Yield what differs of the rows that are shown."""
    places = {name: place for place, name in enumerate(now.columns)}
    current = {key: values for key, _, values in now.rows}
    for key, name, values in was.rows:
        if key not in current:
            is_hidden = now.total > len(now.rows)
            yield Difference(name, "", None, None, "the row is gone" + (", or further down" if is_hidden else ""))
            continue
        for column, value in zip(was.columns, values, strict=False):
            if column in places and not _same(value, current[key][places[column]]):
                yield make_difference(name, column, value, current[key][places[column]])
    known = {key for key, _, _ in was.rows}
    for key, name, _ in now.rows:
        if key not in known:
            yield Difference(name, "", None, None, "the row is new")


def _same(was: Any, now: Any) -> bool:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        return was.keys() == now.keys() and all(_near(held, now[name]) for name, held in was.items())
    return type(was) is type(now) and (was == now or (is_nan(was) and is_nan(now)))


def _near(was: Any, now: Any) -> bool:
    if isinstance(was, float) and isinstance(now, float):
        return math.isclose(was, now, rel_tol=_NEAR) or (is_nan(was) and is_nan(now))
    return type(was) is type(now) and was == now
