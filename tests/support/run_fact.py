"""What one run holds, as plain Python, and a filter's answer to it: the meaning that every compiled form must have."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from runatlas.model.filters import And, Comparison, Field, Filter, Literal_, Not

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}


@attrs.frozen
class RunFact:
    """One run.

    Attributes:
        stable: Its own fields by name; ``labels`` a tuple.
        config: By dotted key.
        summary: By key, then statistic.
    """

    stable: Mapping[str, Any] = attrs.field(factory=dict)
    config: Mapping[str, Any] = attrs.field(factory=dict)
    summary: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)

    def value(self, field: Field) -> Any:
        """What the run has there; ``None`` if nothing."""
        if field.type == "STABLE":
            return self.stable.get(field.key)
        if field.type == "CONFIG":
            return self.config.get(field.key)
        return None if field.context else self.summary.get(field.key, {}).get(field.stat)

    def matches(self, condition: Filter) -> bool:
        """Whether the run is one that the filter wants."""
        if isinstance(condition, Comparison):
            return self._compare(condition)
        if isinstance(condition, Not):
            return not self.matches(condition.item)
        answers = [self.matches(item) for item in condition.items]
        return all(answers) if isinstance(condition, And) else any(answers)

    def _compare(self, comparison: Comparison) -> bool:
        found, op, wanted = self.value(comparison.field), comparison.op, comparison.value
        if isinstance(wanted, tuple):
            return any(_equal(found, item) for item in wanted) is (op == "IN")
        if op in {"EQ", "NEQ"}:
            return _equal(found, wanted) is (op == "EQ")
        if op == "CONTAIN":
            return _contains(found, wanted)
        comparable = (_is_number(found) and _is_number(wanted)) or (isinstance(found, str) and isinstance(wanted, str))
        return comparable and _ORDERS[op](found, wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not (isinstance(value, float) and math.isnan(value))


def _equal(found: Any, wanted: Literal_) -> bool:
    return found is None if wanted is None else bool(found is not None and found == wanted)


def _contains(found: Any, wanted: Any) -> bool:
    if isinstance(found, tuple):
        return wanted in found
    return isinstance(found, str) and wanted.lower() in found.lower()
