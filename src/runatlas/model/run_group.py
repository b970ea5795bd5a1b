"""Runs that have equal values: how they are counted, and the filter that selects just those of a group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs

from runatlas.errors import ValidationError
from runatlas.model.config_name import Section, list_text
from runatlas.model.filters import And, Comparison, Field, Filter, Literal_, Not, Or
from runatlas.model.run_check import LIST_DEPTH_MAX

__all__ = [
    "GROUPS_MAX",
    "GROUPS_TEXT_MAX",
    "GroupValue",
    "Place",
    "RunGroupRecord",
    "RunValues",
    "count_groups",
    "group_filter",
    "group_value",
    "place_of",
    "too_many_groups",
]

GROUPS_MAX = 20_000
"""How many groups are told; who asks for more names fewer fields, or fewer runs."""

GROUPS_TEXT_MAX = 8_000_000
"""How many characters the values of all groups may have together."""

GroupValue: TypeAlias = "str | int | float | bool | tuple[Any, ...] | None"
"""What the runs of a group have in a field; a tuple is a list, ``None`` is for those that have none."""

Place: TypeAlias = "tuple[int, float, str, bool]"
"""Where a value stands among others, equal for equal values: numbers, then texts and lists, then NaN, then none."""


@attrs.frozen
class RunGroupRecord:
    """Runs with equal values.

    Attributes:
        values: In the order of the fields; of values that are equal, such as ``1``, ``1.0`` and ``True``, one.
        count: How many runs there are.
        states: How many are in which state.
    """

    values: tuple[Literal_ | tuple[Any, ...], ...]
    count: int
    states: dict[str, int]
    first_created_at_ms: int
    last_created_at_ms: int

    def __attrs_post_init__(self) -> None:
        """Make lists within lists tuples too, as JSON that is read quickly leaves them what they are."""
        if any(isinstance(value, tuple) for value in self.values):
            frozen = tuple(_frozen(value) if isinstance(value, tuple) else value for value in self.values)
            object.__setattr__(self, "values", frozen)


class RunValues(NamedTuple):
    """What a run has in the fields that runs are grouped by, and of metrics; a tuple, as there are very many."""

    id: str
    cuid: str
    state: str
    created_at_ms: int
    group: tuple[GroupValue, ...]
    values: tuple[float | None, ...]


def place_of(value: GroupValue | list[Any]) -> Place:
    """Return where a value stands among others.

    Example:
        >>> place_of(1) == place_of(True), place_of(1) < place_of("1") < place_of((1,)) < place_of(None)
        (True, True)
        >>> place_of([1]) == place_of((True,))
        True
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 3 if value is None else 2, 0, "", False
    if isinstance(value, (list, tuple)):
        return 1, 0, list_text(value), True
    return (1, 0, value, False) if isinstance(value, str) else (0, value, "", False)


def group_value(field: Field, held: Any) -> GroupValue:
    """Return what a run has in a field as a value to group by.

    Args:
        field: The field.
        held: What ``runatlas.model.run_value.value_of`` says.

    Raises:
        ValidationError: It is a list that no filter can ask for.
    """
    if isinstance(held, Section):
        return None
    if not isinstance(held, list):
        return held  # type: ignore[no-any-return]
    if not _is_plain(held, 1):
        raise ValidationError(
            f"fields: {field.key!r} of some runs is a list of objects or a deep one, which no filter can ask for"
        )
    return _frozen(held)


def _is_plain(items: list[Any], depth: int) -> bool:
    nested = [item for item in items if isinstance(item, (dict, list))]
    return depth <= LIST_DEPTH_MAX and all(isinstance(item, list) and _is_plain(item, depth + 1) for item in nested)


def _frozen(items: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_frozen(item) if isinstance(item, (list, tuple)) else item for item in items)


def count_groups(found: Iterable[RunGroupRecord]) -> tuple[RunGroupRecord, ...]:
    """Put together what has equal values, and put the groups in order.

    Args:
        found: Runs, or runs that were counted already, each with its values.

    Raises:
        ValidationError: There are too many groups, or their values are too long; no more is read then.
    """
    size = 0
    places: dict[Any, Place] = {}
    groups: dict[tuple[Place, ...], RunGroupRecord] = {}
    for item in found:
        key = []
        for value in item.values:
            place = places.get((type(value), value))
            if place is None:
                place = places[type(value), value] = place_of(value)
            key.append(place)
        same = tuple(key)
        if same in groups:
            groups[same] = _together(groups[same], item)
            continue
        groups[same] = item
        size += sum(len(text) for _, _, text, _ in same)
        if len(groups) > GROUPS_MAX:
            raise too_many_groups()
        if size > GROUPS_TEXT_MAX:
            raise ValidationError(
                f"fields: the values of the groups have more than {GROUPS_TEXT_MAX:,} characters together; "
                "group by shorter ones, or filter the runs"
            )
    return tuple(groups[key] for key in sorted(groups))


def too_many_groups() -> ValidationError:
    """Make the error for more groups than are told."""
    return ValidationError(f"fields: there are more than {GROUPS_MAX:,} groups; name fewer fields, or filter the runs")


def _together(left: RunGroupRecord, right: RunGroupRecord) -> RunGroupRecord:
    return RunGroupRecord(
        left.values,
        left.count + right.count,
        dict(Counter(left.states) + Counter(right.states)),
        min(left.first_created_at_ms, right.first_created_at_ms),
        max(left.last_created_at_ms, right.last_created_at_ms),
    )


def group_filter(fields: Sequence[Field], values: Sequence[GroupValue], lists: Sequence[Collection[Any]]) -> Filter:
    """Make the filter that selects the runs of a group.

    Args:
        fields: What was grouped by.
        values: Of the group.
        lists: The values of all groups that are lists, field by field.
    """
    items = (_holds(field, value, known) for field, value, known in zip(fields, values, lists, strict=True))
    return And(tuple(items))


def _holds(field: Field, value: GroupValue, lists: Collection[Any]) -> Filter:
    same = Comparison(field, "EQ", value)
    if value is not None or field.type != "CONFIG":
        return same
    # A section is no value to group by. It is what has a length, and is no text and none of the lists.
    length = attrs.evolve(field, stat="len")
    items: list[Filter] = [Comparison(length, "GTE", 0), Not(Comparison(field, "GLOB", "*"))]
    if lists:
        items.append(Comparison(field, "NOT IN", tuple(lists)))
    return Or((same, And(tuple(items))))
