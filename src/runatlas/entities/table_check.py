"""The cells of a report that is data held against the runs as they are: which were altered, and which do not hold."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from runatlas.entities.report_difference import Difference, make_difference, said
from runatlas.errors import ValidationError, shortened
from runatlas.model.codec import dumps
from runatlas.model.run_value import is_nan
from runatlas.reports.cells import (
    Cells,
    DataForm,
    TableSeal,
    as_kind,
    digest_of,
    held_cell,
    is_kept,
    kept_digest,
    make_cells,
)
from runatlas.reports.content import Content, sealed
from runatlas.reports.seal import Altered
from runatlas.statistics.aggregate import AggregateTable
from runatlas.tables.value import ValueTable

__all__ = ["compare_cells"]

_NEAR = 1e-9
"""To how much of itself a centre or the end of an interval is the same: libraries differ in the last digits."""
_NAMED = 3
_ALTERED = "the file was altered after it was written"


@attrs.frozen
class _Pair:
    """A row of the file, and the row of the report that it is.

    Attributes:
        row: Its cells.
        place: Where the report has it now.
        digest: What it had when it was written; ``""`` if nobody knows.
        is_whole: Whether its cells are as they were written.
        is_kept: Whether they are as a spreadsheet keeps them that saves the file anew.
    """

    row: Sequence[Any]
    place: int
    digest: str = ""
    is_whole: bool = False
    is_kept: bool = False


class _Now:
    """A report as it is now, in the cells of a format."""

    def __init__(self, content: Content, table: ValueTable | AggregateTable, form: DataForm) -> None:
        cells = make_cells(table.to_arrow(), form)
        self.columns, self.rows, self.kinds = cells.columns, cells.rows, cells.kinds
        self.keys = [sealed(row.key) for row in content.rows]
        self.names = [row.name for row in content.rows]
        self.places = {key: place for place, key in enumerate(self.keys)}
        self.is_near = [False] * len(self.columns)
        self._form = form
        self._is_group = isinstance(table, AggregateTable)
        if isinstance(table, AggregateTable):
            near = {f"{metric}{part}" for metric in table.metrics for part in ("", ".low", ".high")}
            self.is_near = [name in near for name in table.columns]
            self._by = len(table.by)
            self._plain = [[row.group[place] for row in table.rows] for place in range(self._by)]
        else:
            self._by = 0
            self._plain = [table.column(name) for name in table.columns]

    def fitted(self, cells: Cells) -> list[list[Any]]:
        """Return the rows of a file, with each cell as what its column holds."""
        kinds = dict(zip(self.columns, self.kinds, strict=True))
        known = [kinds.get(name, "text") for name in cells.columns]
        return [[as_kind(cell, kind, self._form) for cell, kind in zip(row, known, strict=True)] for row in cells.rows]

    def settle(self, pairs: Sequence[_Pair], shared: Sequence[tuple[int, int]]) -> None:
        """Write each column as the file has it: its values, or their JSON text if they were of several types then."""
        for theirs, ours in shared:
            if ours >= len(self._plain) or self.kinds[ours] == "time":
                continue
            ways = self._ways(ours)
            chosen = min(ways, key=lambda column: self._differing(pairs, theirs, ours, column))
            for row, cell in zip(self.rows, chosen, strict=True):
                row[ours] = cell

    def _differing(self, pairs: Sequence[_Pair], theirs: int, ours: int, column: Sequence[Any]) -> int:
        return sum(not self.is_same(pair, pair.row[theirs], column[pair.place], ours) for pair in pairs)

    def is_same(self, pair: _Pair, was: Any, now: Any, place: int) -> bool:
        """Tell whether a cell of a column says in the file what it does in the report, as far as the file can."""
        if self._form == "xlsx" and not pair.is_whole and is_kept(was, now, self.kinds[place]):
            return True
        return _same(was, now, is_near=self.is_near[place])

    def _ways(self, place: int) -> tuple[list[Any], list[Any]]:
        """Return the cells of a column if its values are of one type, and if they are of several."""
        values, now = self._plain[place], [row[place] for row in self.rows]
        if self.kinds[place] != "text" or all(isinstance(value, (str, type(None))) for value in values):
            return now, [value if value is None else held_cell(dumps(value), self._form) for value in values]
        told = [value if isinstance(value, (str, bool, int, float, type(None))) else dumps(value) for value in values]
        if self._form == "csv":
            told = [value if isinstance(value, (str, bool, type(None))) else str(value) for value in told]
        return [held_cell(value, self._form) for value in told], now

    def telling(self) -> list[int]:
        """Return the columns that tell one row from all others; none if there are no such columns."""
        if self._is_group:
            return list(range(self._by))
        for place in range(len(self.columns)):
            held = [row[place] for row in self.rows]
            if all(isinstance(cell, str) for cell in held) and len(set(held)) == len(held):
                return [place]
        return []


def compare_cells(
    cells: Cells,
    form: DataForm,
    source: str,
    made: tuple[Content, ValueTable | AggregateTable],
    written: tuple[TableSeal, Sequence[Altered]] | None,
) -> Iterator[Difference]:
    """Yield what no longer holds of a file, and what was altered in it as far as that can be told.

    Args:
        cells: The cells of the file.
        form: Its format.
        source: What errors call it.
        made: The report as it is now.
        written: What the file carries to check it by; ``None`` to hold its cells against the report alone.

    Raises:
        ValidationError: It has no column of the report, and nothing else to check it by.
    """
    now = _Now(*made, form)
    return _against_report(cells, form, source, now) if written is None else _against_seal(cells, form, now, *written)


# -- a file that carries its seal ---------------------------------------------------------------------------------


def _against_seal(
    cells: Cells, form: DataForm, now: _Now, seal: TableSeal, altered: Sequence[Altered]
) -> Iterator[Difference]:
    for one in altered:
        yield Difference("", "", None, None, f"the sheet 'about': {one.told}" if cells.around else one.told)
    if now.columns != seal.columns:
        told = shortened(f"its columns were {', '.join(seal.columns)}, and are {', '.join(now.columns)}")
        yield Difference("", "", list(seal.columns), list(now.columns), told)
    if cells.columns != seal.columns:
        told = shortened(f"{_ALTERED}: {_columns_told(seal.columns, cells.columns)}")
        yield Difference("", "", list(seal.columns), list(cells.columns), told)
    columns, rows = cells.columns, now.fitted(cells)
    if set(seal.columns) <= set(columns):
        order = [columns.index(name) for name in seal.columns]
        columns, rows = seal.columns, [[row[place] for place in order] for row in rows]
    found, left = _found(rows, seal)
    yield from _moved(found, left, seal, form)
    pairs = []
    for place, number in sorted(found.items()):
        if seal.keys[place] in now.places:
            row, digest = rows[number], seal.digests[place]
            is_as_kept = kept_digest(row) == seal.kept[place]
            pairs.append(_Pair(row, now.places[seal.keys[place]], digest, digest_of(row) == digest, is_as_kept))
        else:
            yield Difference(seal.names[place], "", None, None, "the row is gone")
    yield from _compared(columns, now, pairs)
    known = set(seal.keys)
    for key, name in zip(now.keys, now.names, strict=True):
        if key not in known:
            yield Difference(name, "", None, None, "the row is new")
    if [key for key in seal.keys if key in now.places] != [key for key in now.keys if key in known]:
        yield Difference("", "", None, None, "the order of its rows changed")


def _found(rows: list[list[Any]], seal: TableSeal) -> tuple[dict[int, int], list[int]]:
    """Return where each row lies that was written, and the rows that nobody wrote."""
    empty: list[Any] = [None] * len(seal.columns)
    rows += [empty] * (len(seal.keys) - len(rows))  # a sheet does not have the last ones if they are empty
    found: dict[int, int] = {}
    left = list(range(len(rows)))
    for digests, digest in ((seal.digests, digest_of), (seal.kept, kept_digest)):
        waiting: dict[str, deque[int]] = defaultdict(deque)
        for place, told in enumerate(digests):
            if place not in found:
                waiting[told].append(place)
        others = []
        for number in left:
            if same := waiting.get(digest(rows[number])):
                found[same.popleft()] = number
            else:
                others.append(number)
        left = others
    left = [number for number in left if any(cell is not None for cell in rows[number])]
    lost = [place for place in range(len(seal.keys)) if place not in found]
    if len(left) == len(lost):
        found |= dict(zip(lost, left, strict=True))
        left = []
    return found, left


def _moved(found: dict[int, int], left: Sequence[int], seal: TableSeal, form: DataForm) -> Iterator[Difference]:
    """Say which rows were put in, taken out, or put elsewhere."""
    for number in left:
        yield Difference(_row_name(number, form), "", None, None, f"{_ALTERED}: the row was put in, or is another one")
    for place, name in enumerate(seal.names):
        if place not in found:
            yield Difference(name, "", None, None, f"{_ALTERED}: the row was taken out, or is another one")
    order = [number for _, number in sorted(found.items())]
    if order != sorted(order):
        yield Difference("", "", None, None, f"{_ALTERED}: its rows are in another order")


def _row_name(number: int, form: DataForm) -> str:
    """Return what people call a row that nobody named: its number, with the head as the first one where it is one."""
    return f"row {number + (1 if form == 'parquet' else 2):,}"


# -- a file that is held against a spec ---------------------------------------------------------------------------


def _against_report(cells: Cells, form: DataForm, source: str, now: _Now) -> Iterator[Difference]:
    if not set(cells.columns) & set(now.columns):
        has, wanted = ", ".join(cells.columns[:_NAMED]), ", ".join(now.columns[:_NAMED])
        raise ValidationError(
            shortened(f"{source} has no column of this report: they are {has or 'none'}, and the report's {wanted}")
        )
    if cells.columns != now.columns:
        told = shortened(f"held against the report's, {_columns_told(now.columns, cells.columns)}")
        yield Difference("", "", list(cells.columns), list(now.columns), told)
    rows = now.fitted(cells)
    if form == "xlsx":
        rows += [[None] * len(cells.columns)] * (len(now.rows) - len(rows))
    matched = _matched(cells.columns, rows, now)
    yield from _compared(cells.columns, now, [_Pair(rows[number], place) for number, place in sorted(matched.items())])
    for number, row in enumerate(rows):
        if number not in matched and any(cell is not None for cell in row):
            begins = ", ".join(said(cell, exact=False) for cell in row[:_NAMED])
            told = shortened(f"the report has no such row now: {begins}")
            yield Difference(_row_name(number, form), "", None, None, told)
    held = set(matched.values())
    for place, name in enumerate(now.names):
        if place not in held:
            yield Difference(name, "", None, None, "the row is new, or was taken out of the file")
    order = [place for _, place in sorted(matched.items())]
    if order != sorted(order):
        yield Difference("", "", None, None, "its rows are in another order than the report's")


def _matched(columns: tuple[str, ...], rows: Sequence[Sequence[Any]], now: _Now) -> dict[int, int]:
    """Return which row of the report each row of a file is: one that is equal, else one that is told by the same."""
    matched: dict[int, int] = {}
    ours = [place for place, name in enumerate(now.columns) if name in columns]
    telling = [place for place in now.telling() if now.columns[place] in columns]
    for places, digest in ((ours, digest_of), (telling or ours, kept_digest)):
        theirs = [columns.index(now.columns[place]) for place in places]
        waiting: dict[str, deque[int]] = defaultdict(deque)
        held = set(matched.values())
        for place, cells in enumerate(now.rows):
            if place not in held:
                waiting[digest([cells[each] for each in places])].append(place)
        for number, row in enumerate(rows):
            if number not in matched and (same := waiting.get(digest([row[each] for each in theirs]))):
                matched[number] = same.popleft()
    if not telling:
        held = set(matched.values())
        left = (number for number in range(len(rows)) if number not in matched)
        matched |= dict(zip(left, (place for place in range(len(now.rows)) if place not in held), strict=False))
    return matched


# -- what both need -----------------------------------------------------------------------------------------------


def _columns_told(wanted: Sequence[str], found: Sequence[str]) -> str:
    """Say how the columns of a file are not those that it should have."""
    has, should = set(found), set(wanted)
    gone = ", ".join(repr(name) for name in wanted if name not in has)
    new = ", ".join(repr(name) if name else "one without a head" for name in dict.fromkeys(found) if name not in should)
    told = " and ".join(filter(None, (gone and f"lack {gone}", new and f"have {new} too")))
    return f"its columns {told or 'are in another order, or one is there twice'}"


def _compared(columns: tuple[str, ...], now: _Now, pairs: Sequence[_Pair]) -> Iterator[Difference]:
    """Yield each cell that is not what the report says now, and whether the file or the runs changed."""
    shared = [(columns.index(name), place) for place, name in enumerate(now.columns) if name in columns]
    now.settle(pairs, shared)
    for pair in pairs:
        row, name = now.rows[pair.place], now.names[pair.place]
        is_edited = bool(pair.digest) and not pair.is_whole
        is_same_run = is_edited and digest_of(row) == pair.digest
        if is_edited and not (is_same_run or pair.is_kept):
            yield Difference(name, "", None, None, f"{_ALTERED}, and the runs have changed since")
        for theirs, ours in shared:
            was, is_now = pair.row[theirs], row[ours]
            if now.is_same(pair, was, is_now, ours):
                continue
            column = now.columns[ours]
            if is_same_run:
                told = f"{_ALTERED}: it said {said(is_now, exact=False)}, and says {said(was, exact=False)}"
                yield Difference(name, column, is_now, was, shortened(told))
            else:
                yield make_difference(name, column, was, is_now, told="was" if pair.is_kept else "says")


def _same(was: Any, now: Any, *, is_near: bool) -> bool:
    if isinstance(was, bool) or isinstance(now, bool):
        return was is now
    if is_near and isinstance(was, (int, float)) and isinstance(now, (int, float)):
        return math.isclose(was, now, rel_tol=_NEAR) or (is_nan(was) and is_nan(now))
    return bool(was == now) or (is_nan(was) and is_nan(now))
