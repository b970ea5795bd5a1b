"""A table of runs: what an address asks for, and the page of runs that answers it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_filter, parse_order
from runatlas.model.filters import STATISTICS, Field, Filter, Sort, Statistic
from runatlas.model.metric import MetricDefinition
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.server.pages.curves.bands import color_field
from runatlas.server.pages.run_column import (
    Cell,
    Column,
    KnownKey,
    cells,
    choose_columns,
    find_columns,
    known_keys,
    ordered_columns,
    shared_config,
    unread_columns,
)
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["PASSED", "RunList", "asked_query", "read_selection", "run_list"]

_RUNS, _LOOKED_AT = 50, 200
_ASKED_MAX = 60
_ASKED = {"filter", "order", "columns", "group", "unfinished", "curves", "drawn", "color", "band", "hidden"}
_ASKED |= {"x", "log", "smooth"}
"""Parameters that are of the whole listing: its links and forms carry them."""

_TEXT_MAX, _ADDRESS_MAX, _SHORT, _KEY_MAX = 2_000, 7_000, 2_000, 1000
"""How long a filter or order may be, and, as written in addresses, what links carry and what each heading's may."""

PASSED = {"after", "at", "choose", "done", "same"}
"""Parameters that are of one page of the listing only, or of one moment."""

_CURSORS_MAX = 4_000
"""How many characters the cursors of the pages before may have in an address."""


@attrs.frozen
class RunList:
    """One page of runs as a table.

    Attributes:
        filter, order: The texts that were asked for.
        problem: What is wrong with one of them; ``""`` if nothing is, and then the runs are there.
        columns: What is shown beside a run's own fields, what varies first.
        chosen: Whether the columns were asked for.
        choosing: Whether the choice of columns is open.
        same: Config that all shown runs have in common.
        keys: Configs and metrics that runs there have.
        total: How many runs there are; ``None`` if that was not found out, as there is a problem.
        notes: What the filter asks for and no run has.
        following: The cursor of the next page.
        cursors: Those of this page and of the pages before, as far as the address has them.
        first: Which run of the listing is the first on the page, from 1.
        asked: The parameters of the address that are of the whole listing.
    """

    filter: str
    order: str
    problem: str
    runs: tuple[RunRecord, ...]
    columns: tuple[Column, ...]
    chosen: bool
    choosing: bool
    same: Mapping[str, Any]
    keys: tuple[KnownKey, ...]
    total: int | None
    notes: tuple[str, ...]
    following: str | None
    cursors: tuple[str, ...]
    first: int
    asked: tuple[tuple[str, str], ...]
    sorts: tuple[Sort, ...]
    now_ms: int
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def rows(self) -> Iterator[tuple[RunRecord, tuple[Cell, ...]]]:
        """Each run with what it has in the columns."""
        return zip(self.runs, self.cells, strict=True)

    @property
    def are_numbers(self) -> tuple[bool, ...]:
        """Of each column whether all that runs have in it are numbers."""
        columns = zip(*self.cells, strict=True) if self.cells else [()] * len(self.columns)
        return tuple(all(cell.kind in {"measured", "number"} or cell.held is None for cell in each) for each in columns)

    @property
    def is_short(self) -> bool:
        """Whether an address of the listing is short enough to stand at every heading."""
        return len(urlencode(self.asked)) <= _SHORT

    @property
    def has_labels(self) -> bool:
        """Whether one of the runs has labels or marks."""
        return any(run.labels or run.pin or run.baseline or run.protected or run.archived for run in self.runs)

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What of a metric may be a column beside its last value."""
        return STATISTICS[1:]

    @property
    def without_archived(self) -> str:
        """The filter that leaves archived runs out; ``""`` if there are none on the page."""
        if not any(run.archived for run in self.runs):
            return ""
        return f"({self.filter}) and not archived" if self.filter else "not archived"

    @property
    def other_keys(self) -> tuple[KnownKey, ...]:
        """The keys that are not shown."""
        shown = {column.name for column in self.columns}
        return tuple(known for known in self.keys if known.column.name not in shown)

    def at(self, address: str, **changes: Any) -> str:
        """Return an address with the parameters of the listing, some of them changed.

        Args:
            address: Without a query.
            changes: Texts, lists of texts, or ``None`` for no such parameter.
        """
        pairs = [(name, value) for name, value in self.asked if name not in changes]
        for name, held in changes.items():
            values = held if isinstance(held, (list, tuple)) else () if held in {None, ""} else (held,)
            pairs += [(name, value) for value in values]
        return f"{address}?{urlencode(pairs)}" if pairs else address

    def next_page(self, address: str) -> str:
        """Return the address of the next page."""
        cursors = [*self.cursors, self.following or ""]
        while len(cursors) > 1 and sum(map(len, cursors)) > _CURSORS_MAX:
            del cursors[0]
        return self.at(address, after=cursors, at=self.first + len(self.runs))

    def previous_page(self, address: str) -> str | None:
        """Return the address of the page before; ``None`` on the first one, and where it is not known any more."""
        before = self.first - _RUNS
        if not self.cursors or (len(self.cursors) == 1 and before > 1):
            return None
        return self.at(address, after=self.cursors[:-1], at=before if before > 1 else None)

    def direction(self, name: str) -> str:
        """Return how the listing is ordered by a field first: as ``aria-sort`` says it, or ``""``."""
        if not self.sorts or field_name(self.sorts[0].field) != name:
            return ""
        return "ascending" if self.sorts[0].order == "ASC" else "descending"

    def ordered(self, address: str, name: str) -> str:
        """Return the address of the listing in the order of a field, the other way round if it is in that order."""
        return self.at(address, order=f"-{name}" if self.direction(name) == "ascending" else name)

    def shifted(self, address: str, name: str, by: int) -> str:
        """Return the address of the listing with a column a place further left or right."""
        names = [column.name for column in self.columns]
        place = names.index(name)
        other = min(max(place + by, 0), len(names) - 1)
        names[place], names[other] = names[other], names[place]
        return self.at(address, columns=names, choose="1")


def run_list(
    call: EndpointCall, workspace: str, project: str | None, definitions: Sequence[MetricDefinition] = ()
) -> RunList:
    """Read what an address asks for: ``filter``, ``order``, ``columns``, and ``after``, once a page.

    Args:
        call: Who asks, and how.
        workspace: Whose runs.
        project: Of which project; ``None`` for all of the workspace.
        definitions: What the project says of its metrics.

    Raises:
        NotFoundError: There is no such project or workspace.
    """
    filter_text, order_text = _text(call, "filter"), _text(call, "order")
    cursors = tuple(filter(None, call.values("after")))
    everything = RunSelection(workspace, project)
    problem, found = "", Page[RunRecord](())
    sorts: tuple[Sort, ...] = ()
    columns = find_columns(call.values("columns"))
    try:
        query = asked_query(call, everything)
        sorts = query.sorts
        request = PageRequest(limit=_RUNS, cursor=cursors[-1] if cursors else None, with_total=True)
        statistics = tuple(column.field for column in ordered_columns(columns, sorts) if column.is_asked_for)
        found = call.services.runs.list_runs(call.user, attrs.evolve(query, statistics=statistics, page=request))
    except FilterSyntaxError as error:
        problem = str(error)
    except ValidationError as error:
        problem = error.message
    latest = call.services.runs.list_runs(call.user, RunQuery(everything, page=PageRequest(limit=_LOOKED_AT)))
    runs = found.items or latest.items
    shown = ordered_columns(columns, sorts) if columns else choose_columns(runs, sorts, definitions)
    keys = known_keys(latest.items)
    return RunList(
        filter_text[:_TEXT_MAX],
        order_text[:_TEXT_MAX],
        problem,
        found.items,
        shown,
        bool(columns),
        call.value("choose") == "1",
        shared_config(found.items),
        keys,
        found.total,
        tuple(
            dict.fromkeys(
                (*found.notes, *unread_columns(call.values("columns")), *_unknown(call, everything, columns, keys))
            )
        ),
        found.next_cursor,
        cursors,
        _first(call, cursors),
        tuple(_asked(call)),
        sorts,
        call.services.store.clock(),
        tuple(cells(found.items, shown)),
    )


def _unknown(
    call: EndpointCall, everything: RunSelection, columns: Iterable[Column], keys: Iterable[KnownKey]
) -> tuple[str, ...]:
    """Say which columns, groups, curves and colours are asked for that no run has: mistyped, most likely."""
    known = {attrs.evolve(each.column.field, stat="last", context=()) for each in keys}
    curves = [Field("SCALAR", key) for key in call.values("curves")[:_ASKED_MAX] if 0 < len(key) <= _KEY_MAX]
    grouped = [column.field for column in find_columns(call.values("group"))]
    color = color_field((call.value("color") or "")[:_KEY_MAX])
    asked = dict.fromkeys((*(column.field for column in columns), *grouped, *curves, *filter(None, [color])))
    missing = [field for field in asked if attrs.evolve(field, stat="last", context=()) not in known]
    unknown = tuple(field for field in missing if field.type != "STABLE")
    return call.services.runs.describe_unknown(call.user, everything, unknown) if unknown else ()


def _asked(call: EndpointCall) -> Iterator[tuple[str, str]]:
    """Yield the parameters that links carry on, no more of them than a page bears many times."""
    left = _ADDRESS_MAX
    for name, value in call.query[:_ASKED_MAX]:
        left -= len(urlencode([(name, value)])) if name in _ASKED else 0
        if name in _ASKED and value and left >= 0:
            yield name, value


def asked_query(call: EndpointCall, everything: RunSelection) -> RunQuery:
    """Return what an address asks for in ``filter`` and ``order``.

    Args:
        call: Who asks, and how.
        everything: The runs that are there.

    Raises:
        FilterSyntaxError: One of them cannot be read.
        ValidationError: One of them is too long.
    """
    for name in ("filter", "order"):
        size = len(_text(call, name))
        if size > _TEXT_MAX:
            raise ValidationError(f"{name}: it has {size:,} characters, and a page takes {_TEXT_MAX:,}")
    return RunQuery(read_selection(everything, _text(call, "filter")), _sorts(_text(call, "order")))


def read_selection(everything: RunSelection, filter_text: str) -> RunSelection:
    """Return the runs that fit a filter.

    Args:
        everything: The runs that are there.
        filter_text: The filter; ``""`` for all of them.

    Raises:
        FilterSyntaxError: It cannot be read.
    """
    wanted: Filter | None = parse_filter(filter_text, argument="filter") if filter_text else None
    return attrs.evolve(everything, filter=wanted)


def _sorts(order_text: str) -> tuple[Sort, ...]:
    return parse_order(order_text) if order_text else ()


def _text(call: EndpointCall, name: str) -> str:
    return (call.value(name) or "").strip()


def _first(call: EndpointCall, cursors: tuple[str, ...]) -> int:
    told = call.value("at") or ""
    return int(told) if cursors and told.isdecimal() and len(told) < 10 else 1
