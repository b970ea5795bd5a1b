"""What a filter means, in plain Python: the answer that every engine must give."""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

import attrs

from runatlas.model.filters import And, Comparison, Field, Filter, Not

__all__ = ["Fact", "statistics"]

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}
_JSON_NUMBER = re.compile(r"[ \t\n\r]*-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?[ \t\n\r]*", re.ASCII)
_SETS = ("labels", "colors")
Series = tuple[str, tuple[tuple[str, Any], ...]]


@attrs.frozen
class Fact:
    """One run.

    Attributes:
        stable: Its own fields; ``labels`` and ``colors`` as tuples, ``None`` for what is missing.
        config: Nested, as it was given.
        series: The values in the order of their steps, by key and context; steps count from 0.
    """

    stable: Mapping[str, Any]
    config: Mapping[str, Any]
    series: Mapping[Series, list[float]]

    def matches(self, wanted: Filter) -> bool:
        """Tell whether the run is one that the filter wants."""
        if isinstance(wanted, Comparison):
            return self._compare(wanted)
        if isinstance(wanted, Not):
            return not self.matches(wanted.item)
        answers = [self.matches(item) for item in wanted.items]
        return all(answers) if isinstance(wanted, And) else any(answers)

    def _compare(self, node: Comparison) -> bool:
        if node.op == "NEQ":
            return not self._test(node.field, "EQ", node.value, lenient=node.lenient)
        if isinstance(node.value, tuple):
            found = any(self._test(node.field, "EQ", item, lenient=node.lenient) for item in node.value)
            return found is (node.op == "IN")
        return self._test(node.field, node.op, node.value, lenient=node.lenient)

    def _test(self, field: Field, op: str, literal: Any, *, lenient: bool) -> bool:
        if field.type == "STABLE" and field.key in _SETS:
            held = self.stable[field.key]
            return op in ("EQ", "CONTAIN") and (literal in held if literal is not None else op == "EQ" and not held)
        value = self._value(field)
        if value is None or literal is None:
            return op == "EQ" and value is None and literal is None
        if lenient and field.type == "CONFIG":
            return _lenient(op, value, literal)
        return _strict(op, value, literal)

    def _value(self, field: Field) -> Any:
        if field.type == "STABLE":
            return self.stable[field.key]
        if field.type == "CONFIG":
            return _leaves(self.config).get(field.key)
        values = self.series.get((field.key, tuple(sorted(field.context))))
        return None if values is None else statistics(values)[field.stat]


def _leaves(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        nested = isinstance(value, Mapping) and value
        found |= _leaves(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return found


def statistics(values: list[float]) -> dict[str, Any]:
    """Sum a series up as summaries do."""
    real = [value for value in values if not math.isnan(value)]
    total = sum(real) if len({math.inf, -math.inf} & set(real)) < 2 else math.nan
    return {
        "last": values[-1],
        "min": min(real, default=None),
        "max": max(real, default=None),
        "avg": total / len(real) if real else None,
        "count": len(values),
        "first_step": 0,
        "last_step": len(values) - 1,
    }


def _double(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _strict(op: str, value: Any, literal: Any) -> bool:
    if op == "CONTAIN":
        return isinstance(literal, str) and _has_part(value, literal)
    if isinstance(value, str) and isinstance(literal, str):
        return _ORDERS[op](value, literal)
    if isinstance(value, (int, float)) and isinstance(literal, (int, float)):
        return _ORDERS[op](_double(value), _double(literal))
    return False


def _has_part(value: Any, part: str) -> bool:
    if isinstance(value, str):
        width = len(part)
        pieces = (value[i : i + width] for i in range(len(value) - width + 1))
        return any(all(h in (c, c.lower(), c.upper()) for c, h in zip(part, piece, strict=True)) for piece in pieces)
    return isinstance(value, list) and part in value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _JSON_NUMBER.fullmatch(value) else None
    return _double(value) if isinstance(value, (int, float)) else None


def _as_time(value: Any) -> int | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        return None
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return round(aware.timestamp() * 1000)


def _lenient(op: str, value: Any, literal: Any) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return False
    if op == "CONTAIN":
        return _has_part(_as_text(value), _as_text(literal))
    if isinstance(literal, float) and math.isnan(literal):
        return False
    for read in (_as_number, _as_time):
        left, right = read(value), read(literal)
        if left is not None and right is not None:
            return _ORDERS[op](left, right)
    text = _as_text(literal)
    if isinstance(value, bool) and text.lower() in ("true", "false"):
        text = text.lower()
    return _ORDERS[op](_as_text(value), text)
