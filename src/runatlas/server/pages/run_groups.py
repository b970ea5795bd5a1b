"""Runs in groups of equal values, and what the metrics of each group amount to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_order
from runatlas.model.filters import Field
from runatlas.model.page import each_item
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.run_check import check_groups
from runatlas.model.run_group import group_value
from runatlas.model.run_value import value_of
from runatlas.server.pages.run_column import Column
from runatlas.server.pages.run_list import RunList, asked_query
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.statistics.aggregate import AggregateRow, aggregate
from runatlas.statistics.grouping import Grouping, Member

__all__ = ["RunGroups", "run_groups"]

_RUNS_MAX, _GROUPS_SHOWN = 10_000, 200
_METRICS, _TEXT_MAX, _LITERAL_MAX = 4, 1_000, 200


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


def run_groups(call: EndpointCall, listing: RunList, everything: RunSelection) -> RunGroups | None:
    """Group runs by what ``group`` of an address names; ``None`` if it names nothing.

    Args:
        call: Who asks, and how.
        listing: The runs that it asks for; the metrics of its columns are averaged.
        everything: The runs that are there.
    """
    text = (call.value("group") or "").strip()[:_TEXT_MAX]
    if not text or listing.problem:
        return None
    unfinished = call.value("unfinished") == "1"
    try:
        fields = tuple(sort.field for sort in parse_order(text, argument="group"))
        check_groups(fields)
        return _grouped(call, listing, everything, RunGroups(text, unfinished=unfinished), fields)
    except FilterSyntaxError as error:
        return RunGroups(text, str(error), unfinished=unfinished)
    except ValidationError as error:
        return RunGroups(text, error.message, unfinished=unfinished)


def _grouped(
    call: EndpointCall, listing: RunList, everything: RunSelection, asked: RunGroups, fields: tuple[Field, ...]
) -> RunGroups:
    metrics = tuple(column for column in listing.columns if column.is_metric)[: None if listing.chosen else _METRICS]
    keys = tuple(field.key for field in fields if field.type == "CONFIG")
    query = attrs.evolve(
        asked_query(call, everything),
        parts=("config",) if keys else (),
        statistics=(*(column.field for column in metrics), *(field for field in fields if field.type == "SCALAR")),
        config_keys=keys or None,
    )
    runs = list(islice(_read(call, query), _RUNS_MAX + 1))
    members = [_member(run, fields, len(metrics)) for run in runs[:_RUNS_MAX]]
    names = [field_name(field) for field in fields]
    grouping = Grouping(by=tuple(names), states=None if asked.unfinished else ("FINISHED",))
    measured = [column.name for column in metrics]
    try:
        table = aggregate(members, measured, grouping)
    except ImportError:  # of what intervals of a mean are worked out with
        table = aggregate(members, measured, attrs.evolve(grouping, spread="sd"))
    rows = _ordered(listing, table.rows, measured)
    left_out = (f"of the runs only the first {_RUNS_MAX:,} count: filter them",) if len(runs) > _RUNS_MAX else ()
    return attrs.evolve(
        asked,
        fields=tuple(Column(field, name) for field, name in zip(fields, names, strict=True)),
        metrics=metrics,
        groups=tuple(Group(row, _filter(listing.filter, fields, row.group)) for row in rows[:_GROUPS_SHOWN]),
        count=len(rows),
        words=table.description,
        notes=(*left_out, *table.notes),
    )


def _read(call: EndpointCall, query: RunQuery) -> Iterator[RunRecord]:
    return each_item(lambda request: call.services.runs.list_runs(call.user, attrs.evolve(query, page=request)))


def _member(run: RunRecord, fields: Sequence[Field], metrics: int) -> Member:
    told = run.statistics or ()
    measured = iter(told[metrics:])
    values = (next(measured) if field.type == "SCALAR" else value_of(run, field) for field in fields)
    group = tuple(group_value(field, held) for field, held in zip(fields, values, strict=True))
    return Member(run.id, run.cuid, run.state, run.created_at_ms, group, values=told[:metrics])


def _ordered(listing: RunList, rows: Sequence[AggregateRow], metrics: Sequence[str]) -> list[AggregateRow]:
    """Put groups into the order of the listing, if that is of one of the metrics; those without a centre come last."""
    place = next((at for at, name in enumerate(metrics) if listing.direction(name)), None)
    if place is None:
        return list(rows)
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
