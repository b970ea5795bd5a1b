"""What a project says of its metrics: which way is better, and in which unit they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from runatlas.errors import ValidationError
from runatlas.model.glob import fits, parse_glob
from runatlas.model.policy import Goal
from runatlas.model.text import check_text

__all__ = ["DEFINITIONS_MAX", "MetricDefinition", "check_definitions", "find_definition", "merge_definitions"]

DEFINITIONS_MAX = 200
"""How many definitions a project has at the most."""

_UNIT_MAX = 50
_WILD = frozenset("*?[")


@attrs.frozen
class MetricDefinition:
    """What is said of a metric, or of all whose keys fit a pattern.

    Attributes:
        key: The metric's key, or a pattern such as ``val/*``.
        goal: Whether lower or higher values are better: ``min`` or ``max``; ``None`` says nothing of it.
        unit: The unit that its values are in, such as ``s`` or ``percent``; ``""`` says nothing of it.
    """

    key: str
    goal: Goal | None = None
    unit: str = ""


def merge_definitions(
    held: Iterable[MetricDefinition], made: Iterable[MetricDefinition]
) -> tuple[MetricDefinition, ...]:
    """Return definitions with others in the place of those with the same key; one that says nothing takes it away.

    Args:
        held: The definitions so far.
        made: What is said now.

    Example:
        >>> merge_definitions([MetricDefinition("loss", "max")], [MetricDefinition("loss", "min")])
        (MetricDefinition(key='loss', goal='min', unit=''),)
    """
    known = {item.key: item for item in held} | {item.key: item for item in made}
    return tuple(item for item in known.values() if item.goal is not None or item.unit)


def find_definition(definitions: Sequence[MetricDefinition], key: str) -> MetricDefinition | None:
    """Return what is said of a metric: by its own key, else by the first pattern that fits.

    Args:
        definitions: The definitions.
        key: The metric's key.

    Example:
        >>> find_definition([MetricDefinition("val/*", "min"), MetricDefinition("val/acc", "max")], "val/acc").goal
        'max'
    """
    for item in definitions:
        if item.key == key:
            return item
    return next((item for item in definitions if not _WILD.isdisjoint(item.key) and fits(key, item.key)), None)


def check_definitions(definitions: Sequence[MetricDefinition]) -> None:
    """Check definitions.

    Raises:
        ValidationError: One is out of bounds, or there are too many.
    """
    if len(definitions) > DEFINITIONS_MAX:
        raise ValidationError(f"metrics: a project defines up to {DEFINITIONS_MAX}, not {len(definitions)}")
    for item in definitions:
        check_text(item.key, "key of a metric")
        check_text(item.unit, f"unit of {item.key!r}")
        if not item.key:
            raise ValidationError("key of a metric: must not be empty")
        if len(item.unit) > _UNIT_MAX:
            raise ValidationError(f"unit of {item.key!r}: up to {_UNIT_MAX} characters")
        if item.goal not in {None, "min", "max"}:
            raise ValidationError(f"goal of {item.key!r}: expected min or max, got {item.goal!r}")
        try:
            parse_glob(item.key)
        except ValueError as error:
            raise ValidationError(f"key of a metric: {error}") from None
