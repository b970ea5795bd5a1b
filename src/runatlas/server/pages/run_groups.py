"""Runs in groups of equal values, and what the metrics of each group amount to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_order
from runatlas.model.filters import Field
from runatlas.model.run import RunSelection
from runatlas.model.run_group import RunGroupRecord, place_of
from runatlas.server.pages.run_column import Column
from runatlas.server.pages.run_list import RunList, asked_query
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.statistics.aggregate import AggregateRow, aggregate
from runatlas.statistics.estimate import estimate
from runatlas.statistics.grouping import Grouping, Member

__all__ = ["RunGroups", "run_groups"]

_VALUES_MAX = 200_000
"""How many values are read at the most: of each run what groups it, and one a metric."""

_GROUPS_SHOWN = 200
_METRICS, _CURVES, _TEXT_MAX, _LITERAL_MAX = 4, 2, 1_000, 200


@attrs.frozen
class Group:
    """A group of runs.

    Attributes:
        row: What it has in common, and what its metrics amount to.
        filter: The filter that selects its runs; ``None`` if none is short enough.
    """

    row: AggregateRow
    filter: str | None


@attrs.frozen
class RunGroups:
    """The groups of the runs that an address asks for.

    Attributes:
        text: The fields that it groups by.
        problem: Why there are none; ``""`` if there are.
        fields, metrics: What tells groups apart, and what is averaged.
        groups: Those that are shown.
        count: How many there are.
        words: What the centres and intervals are.
        notes: What does not count.
        unfinished: Whether runs count that did not finish.
    """

    text: str
    problem: str = ""
    fields: tuple[Column, ...] = ()
    metrics: tuple[Column, ...] = ()
    groups: tuple[Group, ...] = ()
    count: int = 0
    words: str = ""
    notes: tuple[str, ...] = ()
    unfinished: bool = False

    @property
    def curves(self) -> list[str]:
        """The metrics whose curves are drawn if nothing else is said."""
        return list(dict.fromkeys(column.field.key for column in self.metrics))[:_CURVES]


def run_groups(call: EndpointCall, listing: RunList, everything: RunSelection) -> RunGroups | None:
    """Group runs by what ``group`` of an address names; ``None`` if it names nothing.

    Args:
        call: Who asks, and how.
        listing: The runs that it asks for; the metrics of its columns are averaged.
        everything: The runs that are there.
    """
    text = (call.value("group") or "").strip()[:_TEXT_MAX]
    if not text:
        return None
    if listing.problem:
        return RunGroups(text)
    unfinished = call.value("unfinished") == "1"
    try:
        fields = tuple(sort.field for sort in parse_order(text, argument="group"))
        return _grouped(call, listing, everything, RunGroups(text, unfinished=unfinished), fields)
    except FilterSyntaxError as error:
        return RunGroups(text, str(error), unfinished=unfinished)
    except ValidationError as error:
        return RunGroups(text, error.message, unfinished=unfinished)


def _grouped(
    call: EndpointCall, listing: RunList, everything: RunSelection, asked: RunGroups, fields: tuple[Field, ...]
) -> RunGroups:
    metrics = tuple(column for column in listing.columns if column.is_metric)[: None if listing.chosen else _METRICS]
    selection = asked_query(call, everything).selection
    most = _VALUES_MAX // (1 + len(metrics))
    services = call.services.runs
    runs = services.list_values(call.user, selection, fields, tuple(column.field for column in metrics), most + 1)
    members = [Member(*run[:-1], values=run.values) for run in runs[:most]]
    names = [field_name(field) for field in fields]
    measured = [column.name for column in metrics]
    grouping = Grouping(by=tuple(names), states=None if asked.unfinished else ("FINISHED",))
    try:
        table = aggregate(members, measured, grouping)
    except ImportError:  # of what intervals of a mean are worked out with
        table = aggregate(members, measured, attrs.evolve(grouping, spread="sd"))
    rows: Sequence[AggregateRow] = table.rows
    left_out = ""
    if len(runs) > most:
        counts = services.group_runs(call.user, selection, fields)
        rows = list(_counted(rows, counts, len(metrics)))
        total = sum(group.count for group in counts)
        left_out = f"counts are of all {total:,} runs, means of the newest {most:,}: filter them, or show fewer metrics"
    rows = _ordered(listing, rows, measured)
    return attrs.evolve(
        asked,
        fields=tuple(Column(field, name) for field, name in zip(fields, names, strict=True)),
        metrics=metrics,
        groups=tuple(Group(row, _filter(listing.filter, fields, row.group)) for row in rows[:_GROUPS_SHOWN]),
        count=len(rows),
        words=table.description,
        notes=(*filter(None, [left_out]), *table.notes),
    )


def _counted(rows: Iterable[AggregateRow], counts: Iterable[RunGroupRecord], metrics: int) -> Iterator[AggregateRow]:
    """Yield every group with how many runs it has, also those of which no run was read."""
    known = {tuple(map(place_of, row.group)): row for row in rows}
    for group in counts:
        row = known.get(tuple(map(place_of, group.values)))
        none = AggregateRow(group.values, 0, (estimate(()),) * metrics, ())
        yield attrs.evolve(row or none, runs=group.count)


def _ordered(listing: RunList, rows: Sequence[AggregateRow], metrics: Sequence[str]) -> Sequence[AggregateRow]:
    """Put groups into the order of the listing, if that is of one of the metrics; those without a centre come last."""
    place = next((at for at, name in enumerate(metrics) if listing.direction(name)), None)
    if place is None:
        return rows
    sign = 1 if listing.direction(metrics[place]) == "ascending" else -1

    def rank(row: AggregateRow) -> tuple[bool, float]:
        center = row.estimates[place].center
        return center is None, 0 if center is None else sign * center

    return sorted(rows, key=rank)


def _filter(text: str, fields: Sequence[Field], values: Sequence[Any]) -> str | None:
    """Write the filter that selects the runs of a group, out of those that a filter selects."""
    parts = [f"({text})"] if text else []
    for field, held in zip(fields, values, strict=True):
        literal = _literal(held)
        if literal is None or (field.type == "STABLE" and STABLE_FIELDS[field.key] == "time"):
            return None
        parts.append(f"{field_name(field)} {literal}")
    return " and ".join(parts)


def _literal(held: Any) -> str | None:
    if held is None:
        return "is None"
    if isinstance(held, float) and not math.isfinite(held):
        return f"== {held!r}"
    said = repr(list(held) if isinstance(held, tuple) else held)
    return f"== {said}" if len(said) <= _LITERAL_MAX else None
