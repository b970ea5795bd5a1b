"""What a filter or an order sees of a run, and what it makes of it: the meaning that the store's SQL has, in Python.

A backend whose server cannot ask a question itself reads the runs and asks it here.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from runatlas.model.codec import dumps
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Sort
from runatlas.model.run import RunRecord
from runatlas.model.run_field import instant_ms
from runatlas.model.text import has_part

__all__ = ["Read", "arrange", "flatten", "matches", "value_of"]

Read = Callable[[Field], Any]
"""Tells what a run has in a field: ``None`` if nothing, a tuple for its labels and colors."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}
_NUMBER = re.compile(r"[ \t\n\r]*-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?[ \t\n\r]*", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a nested mapping's leaves with dotted names; an empty mapping is a leaf.

    Args:
        nested: The mapping.
        prefix: What the names begin with.

    Example:
        >>> dict(flatten({"optim": {"lr": 0.1}, "seed": 1}))
        {'optim.lr': 0.1, 'seed': 1}
    """
    for name, value in nested.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def value_of(record: RunRecord, field: Field) -> Any:
    """Return what a run has in a field of its own, its config, or its last values.

    Args:
        record: The run, with config and summary if the field is one of those.
        field: The field; times are Unix milliseconds, a duration is in seconds.

    Returns:
        The value; ``None`` if it has none.
    """
    if field.type == "CONFIG":
        return dict(flatten(record.config or {})).get(field.key)
    if field.type == "SCALAR":
        return (record.summary or {}).get(field.key)
    if field.key.endswith("_at"):
        return getattr(record, f"{field.key}_ms")
    if field.key == "duration":
        return None if record.finished_at_ms is None else (record.finished_at_ms - record.created_at_ms) / 1000
    if field.key == "user":
        return record.user.username if record.user else None
    return getattr(record, field.key)


def matches(wanted: Filter, read: Read) -> bool:
    """Tell whether a run is one that a filter wants.

    Args:
        wanted: The filter.
        read: Tells what the run has.

    Example:
        >>> matches(Comparison(Field("CONFIG", "lr"), "LT", 0.1), {Field("CONFIG", "lr"): 0.01}.get)
        True
    """
    if isinstance(wanted, Comparison):
        return _compare(wanted, read(wanted.field))
    if isinstance(wanted, Not):
        return not matches(wanted.item, read)
    answers = (matches(item, read) for item in wanted.items)
    return all(answers) if isinstance(wanted, And) else any(answers)


def _compare(node: Comparison, held: Any) -> bool:
    lenient = node.lenient and node.field.type == "CONFIG"
    if node.op == "NEQ":
        return not _test(held, "EQ", node.value, lenient=lenient)
    if isinstance(node.value, tuple):
        return any(_test(held, "EQ", item, lenient=lenient) for item in node.value) is (node.op == "IN")
    return _test(held, node.op, node.value, lenient=lenient)


def _test(held: Any, op: str, literal: Any, *, lenient: bool) -> bool:
    if isinstance(held, tuple):
        return literal in held if literal is not None and op in {"EQ", "CONTAIN"} else op == "EQ" and not held
    if held is None or literal is None:
        return op == "EQ" and held is None and literal is None
    return _lenient(op, held, literal) if lenient else _strict(op, held, literal)


def _strict(op: str, held: Any, literal: Any) -> bool:
    if op == "CONTAIN":
        return isinstance(literal, str) and _contains(held, literal)
    if isinstance(held, str) and isinstance(literal, str):
        return _ORDERS[op](held, literal)
    if isinstance(held, (int, float)) and isinstance(literal, (int, float)):
        return _ORDERS[op](_double(held), _double(literal))
    return False


def _lenient(op: str, held: Any, literal: Any) -> bool:
    """Compare as numbers, else as times, else as text: whatever both sides read as."""
    if any(isinstance(side, float) and math.isnan(side) for side in (held, literal)):
        return op == "CONTAIN" and held == held and _contains(_text(held), _text(literal))  # noqa: PLR0124
    if op == "CONTAIN":
        return _contains(_text(held), _text(literal))
    for read in (_number, _time):
        left, right = read(held), read(literal)
        if left is not None and right is not None:
            return _ORDERS[op](left, right)
    text = _text(literal)
    if isinstance(held, bool) and text.lower() in {"true", "false"}:
        text = text.lower()
    return _ORDERS[op](_text(held), text)


def _contains(held: Any, part: str) -> bool:
    return has_part(held, part) if isinstance(held, str) else isinstance(held, list) and part in held


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if isinstance(value, str) else dumps(value)


def _number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return _double(value) if isinstance(value, (int, float)) else None


def _time(value: Any) -> int | None:
    if not isinstance(value, str) or not _DATE.match(value):
        return None
    try:
        return instant_ms(value)
    except ValueError:
        return None


def arrange(runs: Iterable[RunRecord], sorts: Sequence[Sort], read: Callable[[RunRecord, Field], Any]) -> list[Any]:
    """Put runs in order: by the first key, then the next; those that a key has nothing of come last either way.

    Args:
        runs: In the order that counts where the keys are equal.
        sorts: The keys.
        read: Tells what a run has.
    """
    ordered = list(runs)
    for sort in reversed(sorts):
        keyed = [(_sort_key(read(run, sort.field)), run) for run in ordered]
        present = [(key, run) for key, run in keyed if key is not None]
        present.sort(key=operator.itemgetter(0), reverse=sort.order == "DESC")
        ordered = [run for _, run in present] + [run for key, run in keyed if key is None]
    return ordered


def _sort_key(value: Any) -> tuple[int, float, str] | None:
    """Numbers come before texts; lists and empty objects are their JSON text."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (int, float)):
        return 0, _double(value), ""
    return 1, 0.0, _text(list(value) if isinstance(value, tuple) else value)
