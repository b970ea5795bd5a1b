"""What a filter or an order sees of a run, and what it makes of it: the meaning that the store's SQL has, in Python.

A backend whose server cannot ask a question itself reads the runs and asks it here.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from runatlas.model.codec import dumps
from runatlas.model.config_name import (
    Section,
    find_value,
    list_text,
    member_texts,
    named_values,
    number_of,
    text_of,
    time_of,
)
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Sort
from runatlas.model.glob import fits
from runatlas.model.instant import iso_text
from runatlas.model.run import OWN_FIELDS, RunRecord
from runatlas.model.text import has_part

__all__ = ["Read", "arrange", "field_value", "flatten", "is_nan", "length_of", "matches", "value_of"]

Read = Callable[[Field], Any]
"""Tells what a run has in a field: ``None`` if nothing, a tuple for its labels and colors."""

_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": operator.eq,
    "GTE": operator.ge,
    "LTE": operator.le,
    "GT": operator.gt,
    "LT": operator.lt,
}


def flatten(nested: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a nested mapping's leaves with the names that filters call them by; an empty mapping is a leaf.

    Args:
        nested: The mapping.

    Example:
        >>> dict(flatten({"optim": {"lr": 0.1}, "seed": 1}))
        {'optim.lr': 0.1, 'seed': 1}
    """
    return ((name, value) for name, value in named_values(nested) if not (value and isinstance(value, Mapping)))


def value_of(record: RunRecord, field: Field) -> Any:
    """Return what a run has in a field of its own, its config, or its last values.

    Args:
        record: The run, with config and summary if the field is one of those.
        field: The field; times are Unix milliseconds, a duration is in seconds.

    Returns:
        The value, a ``Section`` for an object of the config; ``None`` if it has none.
    """
    value = _held(record, field)
    return length_of(value) if field.stat == "len" else value


def field_value(record: RunRecord, field: Field) -> Any:
    """Return what a listed run has in a field; ``None`` if it has none.

    Args:
        record: The run, with config and summary.
        field: The field.
    """
    value = value_of(record, field)
    if isinstance(value, Section):
        return None
    if field.type == "STABLE" and STABLE_FIELDS[field.key] == "time":
        return None if value is None else iso_text(value)
    return ", ".join(value) if isinstance(value, tuple) else value


def _held(record: RunRecord, field: Field) -> Any:
    if field.type == "CONFIG":
        return find_value(record.config or {}, field.key)
    if field.type == "SCALAR":
        return (record.summary or {}).get(field.key)
    if field.key == "duration":
        return None if record.finished_at_ms is None else (record.finished_at_ms - record.created_at_ms) / 1000
    if field.key == "user":
        return record.user.username if record.user else None
    return getattr(record, OWN_FIELDS[field.key].attribute)


def length_of(value: Any) -> int | None:
    """Return how long a text, a list, the labels or a section is; ``None`` for what has no length."""
    if isinstance(value, Section):
        return value.size
    return len(value) if isinstance(value, (str, list, tuple)) else None


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
    if node.op in {"IN", "NOT IN"}:
        items: Any = node.value
        return any(_test(held, "EQ", item, lenient=lenient) for item in items) is (node.op == "IN")
    return _test(held, node.op, node.value, lenient=lenient)


def _test(held: Any, op: str, literal: Any, *, lenient: bool) -> bool:
    if isinstance(held, (tuple, list, Section)):
        return _test_many(held, op, literal, lenient=lenient)
    if held is None or literal is None:
        return op == "EQ" and held is None and literal is None
    if op in {"GLOB", "IGLOB"}:
        return isinstance(held, str) and fits(held, literal, any_case=op == "IGLOB")
    if is_nan(held) or is_nan(literal):
        return op == "EQ" and is_nan(held) and is_nan(literal)
    if isinstance(literal, tuple):
        return False
    return _lenient(op, held, literal) if lenient else _strict(op, held, literal)


def _test_many(held: Any, op: str, literal: Any, *, lenient: bool) -> bool:
    """Test labels, a list or a section."""
    if isinstance(held, tuple):
        return literal in held if literal is not None and op in {"EQ", "CONTAIN"} else op == "EQ" and not held
    if isinstance(held, Section):
        return op == "CONTAIN" and literal in held.names
    text = list_text(held)
    if op == "CONTAIN":
        return any(f"\n{line}\n" in text for line in member_texts(literal, lenient=lenient))
    return op == "EQ" and isinstance(literal, tuple) and list_text(literal) == text


def is_nan(value: Any) -> bool:
    """Tell whether a value is the number that is none."""
    return isinstance(value, float) and math.isnan(value)


def _strict(op: str, held: Any, literal: Any) -> bool:
    if isinstance(held, str) and isinstance(literal, str):
        return has_part(held, literal) if op == "CONTAIN" else _ORDERS[op](held, literal)
    if op != "CONTAIN" and isinstance(held, (int, float)) and isinstance(literal, (int, float)):
        return _ORDERS[op](held, literal)
    return False


def _lenient(op: str, held: Any, literal: Any) -> bool:
    """Compare as numbers, else as times, else as text: whatever both sides read as."""
    if op == "CONTAIN":
        return has_part(text_of(held), text_of(literal))
    for read in (_number, _time):
        left, right = read(held), read(literal)
        if left is not None and right is not None:
            return _ORDERS[op](left, right)
    text = text_of(literal)
    if isinstance(held, bool) and text.lower() in {"true", "false"}:
        text = text.lower()
    return _ORDERS[op](text_of(held), text)


def _number(value: Any) -> int | float | None:
    return number_of(value) if isinstance(value, str) else value if isinstance(value, (int, float)) else None


def _time(value: Any) -> int | None:
    return time_of(value) if isinstance(value, str) else None


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
    """Numbers come before texts; lists are their text, and sections have none."""
    if value is None or isinstance(value, Section) or is_nan(value):
        return None
    if isinstance(value, (int, float)):
        return 0, _double(value), ""
    if isinstance(value, tuple):
        return 1, 0.0, dumps(list(value))
    return 1, 0.0, list_text(value) if isinstance(value, list) else text_of(value)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.copysign(math.inf, value)
