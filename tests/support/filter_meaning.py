"""What a filter means, in plain Python: the answer that every engine must give."""

from __future__ import annotations

import fnmatch
import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
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
        if node.op in ("IN", "NOT IN"):
            items: Any = node.value
            found = any(self._test(node.field, "EQ", item, lenient=node.lenient) for item in items)
            return found is (node.op == "IN")
        return self._test(node.field, node.op, node.value, lenient=node.lenient)

    def _test(self, field: Field, op: str, literal: Any, *, lenient: bool) -> bool:
        if field.type == "STABLE" and field.key in _SETS and field.stat != "len":
            held = self.stable[field.key]
            return op in ("EQ", "CONTAIN") and (literal in held if literal is not None else op == "EQ" and not held)
        value = self._value(field)
        if value is None or literal is None:
            return op == "EQ" and value is None and literal is None
        if isinstance(value, dict):
            names = _names(self.config)
            return op == "CONTAIN" and isinstance(literal, str) and f"{field.key}.{literal}" in names
        lenient = lenient and field.type == "CONFIG" and field.stat != "len"
        if isinstance(value, list):
            return _test_list(value, op, literal, lenient=lenient)
        if isinstance(literal, tuple):
            return False
        if op in ("GLOB", "IGLOB"):
            return isinstance(value, str) and _fits(value, literal, any_case=op == "IGLOB")
        if value != value or literal != literal:
            return op == "EQ" and value != value and literal != literal
        return _lenient(op, value, literal) if lenient else _strict(op, value, literal)

    def _value(self, field: Field) -> Any:
        if field.stat == "len":
            value = self._value(attrs.evolve(field, stat="last"))
            return len(value) if isinstance(value, (str, list, tuple, dict)) else None
        if field.type == "STABLE":
            return self.stable[field.key]
        if field.type == "CONFIG":
            return _names(self.config).get(field.key)
        values = self.series.get((field.key, tuple(sorted(field.context))))
        return None if values is None else statistics(values)[field.stat]


def _paths(config: Mapping[str, Any]) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in config.items():
        found.append(((key,), value))
        if isinstance(value, Mapping):
            found += [((key, *path), inner) for path, inner in _paths(value)]
    return found


def _names(config: Mapping[str, Any]) -> dict[str, Any]:
    """Every value and section by its dotted name; of several of one name, the one with the longer keys has it."""
    paths = sorted(_paths(config), key=lambda item: [-len(part) for part in item[0]])
    taken = {".".join(path) for path, _ in paths}
    found: dict[str, Any] = {}
    for path, value in paths:
        name = ".".join(path)
        number = 2
        while name in found or (number > 2 and name in taken):
            name = f"{'.'.join(path)}#{number}"
            number += 1
        found[name] = value
    return found


def _test_list(held: list[Any], op: str, literal: Any, *, lenient: bool) -> bool:
    if op == "EQ":
        return isinstance(literal, tuple) and _alike(held, literal)
    if op != "CONTAIN":
        return False
    if any(_alike(item, literal) for item in held):
        return True
    if not lenient or isinstance(literal, tuple):
        return False
    number = _as_number(literal)
    texts = [_as_text(literal)] if isinstance(literal, (int, float)) else []
    return any(
        (isinstance(item, str) and item in texts)
        or (isinstance(literal, str) and number is not None and isinstance(item, (int, float)) and item == number)
        for item in held
    )


def _alike(left: Any, right: Any) -> bool:
    """Equality as Python has it, but that NaN equals NaN."""
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_alike, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_alike(left[key], right[key]) for key in left)
    return bool(left == right or (left != left and right != right))


def _fits(text: str, pattern: str, *, any_case: bool) -> bool:
    if any_case:  # the patterns that are tried have no sets, so that folding both sides tells
        fold = str.maketrans({c: c.lower() for c in (*text, *pattern) if len(c.lower()) == 1 == len(c.lower().upper())})
        text, pattern = text.translate(fold), pattern.translate(fold)
    return fnmatch.fnmatchcase(text, pattern)


def statistics(values: list[float]) -> dict[str, Any]:
    """Sum a series up as summaries do."""
    real = [value for value in values if not math.isnan(value)]
    total = sum(real) if len({math.inf, -math.inf} & set(real)) < 2 else math.nan
    return {
        "last": values[-1],
        "min": min(real, default=None),
        "max": max(real, default=None),
        "avg": total / len(real) if real else None,
        "std": _deviation(real),
        "median": _median(real),
        "count": len(values),
        "first_step": 0,
        "last_step": len(values) - 1,
    }


def _median(real: list[float]) -> float | None:
    """As NumPy has it: the mean of the two in the middle, which is NaN between the infinities."""
    if not real:
        return None
    low, high = sorted(real)[(len(real) - 1) // 2], sorted(real)[len(real) // 2]
    return low if low == high else (low + high) / 2


def _deviation(real: list[float]) -> float | None:
    if not real or any(map(math.isinf, real)):
        return math.nan if real else None
    mean = sum(real) / len(real)
    return math.sqrt(sum((value - mean) ** 2 for value in real) / len(real))


def _strict(op: str, value: Any, literal: Any) -> bool:
    if op == "CONTAIN":
        return isinstance(value, str) and isinstance(literal, str) and _has_part(value, literal)
    if isinstance(value, str) and isinstance(literal, str):
        return _ORDERS[op](value, literal)
    if isinstance(value, (int, float)) and isinstance(literal, (int, float)):
        return _ORDERS[op](value, literal)
    return False


def _has_part(value: str, part: str) -> bool:
    width = len(part)
    pieces = (value[i : i + width] for i in range(len(value) - width + 1))
    return any(all(h in (c, c.lower(), c.upper()) for c, h in zip(part, piece, strict=True)) for piece in pieces)


def _as_text(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _as_number(value: Any) -> int | float | None:
    if not isinstance(value, str):
        return value if isinstance(value, (int, float)) else None
    if not _JSON_NUMBER.fullmatch(value):
        return None
    return float(value) if set(value) & set(".eE") else int(value)


def _as_time(value: Any) -> int | None:
    if not isinstance(value, str) or not re.match(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        return None
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _lenient(op: str, value: Any, literal: Any) -> bool:
    if op == "CONTAIN":
        return _has_part(_as_text(value), _as_text(literal))
    for read in (_as_number, _as_time):
        left, right = read(value), read(literal)
        if left is not None and right is not None:
            return _ORDERS[op](left, right)
    text = _as_text(literal)
    if isinstance(value, bool) and text.lower() in ("true", "false"):
        text = text.lower()
    return _ORDERS[op](_as_text(value), text)
