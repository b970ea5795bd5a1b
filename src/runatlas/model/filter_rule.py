"""Filters, orders and groups as the dicts of the SwanLab API: ``{"key", "type", "op", "value"}``."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, get_args

from runatlas.model.config_name import number_of
from runatlas.model.filter_field import BLANK_TEXTS, STABLE_FIELDS, instant_ms, make_stable_field
from runatlas.model.filters import (
    And,
    Comparison,
    Field,
    FieldType,
    Filter,
    Literal_,
    Not,
    Operator,
    Or,
    Sort,
)
from runatlas.model.instant import iso_text
from runatlas.model.page import Order
from runatlas.model.run_check import LIST_DEPTH_MAX

__all__ = ["RULE_OPERATORS", "from_rules", "groups_from_rules", "sorts_from_rules", "to_rule"]

RULE_OPERATORS: tuple[Operator, ...] = ("EQ", "NEQ", "GTE", "LTE", "IN", "NOT IN", "CONTAIN")
_TYPES: tuple[FieldType, ...] = get_args(FieldType)
_ORDERS: tuple[Order, ...] = get_args(Order)
_RULE_NAMES = {
    **{name: name for name in ("state", "name", "description", "show", "pin", "baseline", "colors", "labels")},
    "group": "cluster",
    "job_type": "job",
    "created_at": "createdAt",
    "updated_at": "updatedAt",
    "finished_at": "finishedAt",
    "pinned_at": "pinnedAt",
}
"""What the SwanLab API calls the run's own fields that its rules can name."""

_BOOLS = {"true": True, "false": False, "1": True, "0": False}


def from_rules(rules: Sequence[Mapping[str, Any]]) -> Filter:
    """Read filter rules; all of them must hold.

    Args:
        rules: Dicts of exactly ``key``, ``type``, ``op`` and ``value`` (a list; one item, but for ``IN`` and
            ``NOT IN``). ``active`` is tolerated; a rule with ``active=False`` is left out. They are not changed.

    Returns:
        The filter as a tree. Config values compare leniently: texts that read as numbers as numbers.

    Raises:
        TypeError: It is not a list of dicts, or a part has the wrong type.
        ValueError: A rule has an unknown key, field, type or operator, or a value that fits none.
            The message names the place, such as ``filters[1].op``.

    Example:
        >>> from_rules([{"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}])
        Comparison(field=Field(type='STABLE', key='state', stat='last', context=()), op='EQ', value='FINISHED', lenient=False)
        >>> from_rules([{"key": "state", "type": "STABLE", "op": "LIKE", "value": ["x"]}])
        Traceback (most recent call last):
        ValueError: filters[0].op: 'LIKE' is none of EQ, NEQ, GTE, LTE, IN, NOT IN, CONTAIN
    """  # noqa: E501
    read = [_read_rule(rule, place) for rule, place in _active(rules, "filters", {"key", "type", "op", "value"})]
    return read[0] if len(read) == 1 else And(tuple(read))


def to_rule(wanted: Filter) -> dict[str, Any] | None:
    """Write a filter as one rule; ``None`` when no rule says exactly this.

    Example:
        >>> to_rule(Comparison(Field("STABLE", "created_at"), "GTE", 1767323045000))
        {'key': 'createdAt', 'type': 'STABLE', 'op': 'GTE', 'value': ['2026-01-02T03:04:05.000Z']}
        >>> to_rule(Comparison(Field("CONFIG", "lr"), "LT", 0.1)) is None
        True
    """
    if not isinstance(wanted, Comparison) or wanted.op not in RULE_OPERATORS:
        return None
    field, value = wanted.field, wanted.value
    key = field.key if field.type != "STABLE" else _RULE_NAMES.get(field.key)
    if key is None:
        return None
    values: list[Any] = list(value) if wanted.op in {"IN", "NOT IN"} and isinstance(value, tuple) else [value]
    if not all(map(_is_plain, values)):
        return None
    if _kind(field) == "time":
        values = [iso_text(item) if isinstance(item, int) else item for item in values]
    rule = {"key": key, "type": field.type, "op": wanted.op, "value": values}
    try:
        return rule if from_rules([rule]) == wanted else None
    except (TypeError, ValueError):
        return None


def _is_plain(value: Any) -> bool:
    """Tell whether other servers compare with a value as we do: lists they do not know, and all numbers are doubles."""
    if isinstance(value, (int, float)):
        return abs(value) < 2**53
    return not isinstance(value, tuple)


def sorts_from_rules(rules: Sequence[Mapping[str, Any]]) -> tuple[Sort, ...]:
    """Read an order: dicts of exactly ``key``, ``type`` and ``order`` (``ASC`` or ``DESC``), the first rule first.

    Raises:
        TypeError: It is not a list of dicts, or a part has the wrong type.
        ValueError: A rule is wrong; the message names the place, such as ``sorts[0].order``.
    """
    return tuple(
        Sort(_read_orderable(rule, place), _choice(rule["order"], _ORDERS, f"{place}.order"))
        for rule, place in _active(rules, "sorts", {"key", "type", "order"})
    )


def groups_from_rules(rules: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Read a grouping: dicts of exactly ``key`` and ``type``, the outermost group first.

    Raises:
        TypeError: It is not a list of dicts, or a part has the wrong type.
        ValueError: A rule is wrong; the message names the place, such as ``groups[0].key``.
    """
    return tuple(_read_orderable(rule, place) for rule, place in _active(rules, "groups", {"key", "type"}))


def _active(rules: Sequence[Mapping[str, Any]], argument: str, names: set[str]) -> list[tuple[Mapping[str, Any], str]]:
    """Check the outer form of rules and return those in force with their places."""
    if isinstance(rules, (str, bytes, Mapping)) or not isinstance(rules, Sequence):
        raise TypeError(f"{argument}: expected a list of dicts, got {type(rules).__name__}")
    found = []
    for index, rule in enumerate(rules):
        place = f"{argument}[{index}]"
        if not isinstance(rule, Mapping):
            raise TypeError(f"{place}: expected a dict, got {type(rule).__name__}")
        for name in sorted(names - set(rule)):
            raise ValueError(f"{place}: {name!r} is missing; a rule has exactly {', '.join(sorted(names))}")
        for name in sorted(map(str, set(rule) - names - {"active"})):
            raise ValueError(f"{place}: {name!r} is unknown; a rule has exactly {', '.join(sorted(names))}")
        if not isinstance(rule.get("active", True), bool):
            raise TypeError(f"{place}.active: expected True or False, got {rule['active']!r}")
        if rule.get("active", True):
            found.append((rule, place))
    return found


def _choice(value: object, choices: tuple[Any, ...], place: str) -> Any:
    if not isinstance(value, str):
        raise TypeError(f"{place}: expected a string, got {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{place}: {value!r} is none of {', '.join(choices)}")
    return value


def _read_field(rule: Mapping[str, Any], place: str) -> Field:
    kind: FieldType = _choice(rule["type"], _TYPES, f"{place}.type")
    key = rule["key"]
    if not isinstance(key, str):
        raise TypeError(f"{place}.key: expected a string, got {type(key).__name__}")
    if not key:
        raise ValueError(f"{place}.key: it is empty")
    if kind != "STABLE":
        return Field(kind, key)
    try:
        return make_stable_field(key)
    except ValueError as error:
        raise ValueError(f"{place}.key: {error}") from None


def _read_orderable(rule: Mapping[str, Any], place: str) -> Field:
    field = _read_field(rule, place)
    if field == Field("STABLE", "labels"):
        raise ValueError(f"{place}.key: runs cannot be ordered by their labels")
    return field


def _read_rule(rule: Mapping[str, Any], place: str) -> Filter:
    field = _read_field(rule, place)
    op = cast(Operator, _choice(rule["op"], RULE_OPERATORS, f"{place}.op"))
    values = rule["value"]
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence):
        raise TypeError(f"{place}.value: expected a list, got {type(values).__name__}; write [{values!r}]")
    if op not in {"IN", "NOT IN"} and len(values) != 1:
        raise ValueError(f"{place}.value: {op} takes one value in its list, got {len(values)}; IN takes several")
    kind = _kind(field)
    if kind == "text" and field.key in BLANK_TEXTS:
        values = ["" if value is None and op in {"EQ", "NEQ"} else value for value in values]
    fitted = tuple(_fit(kind, op, value, f"{place}.value[{index}]") for index, value in enumerate(values))
    if kind == "labels":
        return _read_labels(field, op, fitted, place)
    if op in {"GTE", "LTE"} and (kind == "bool" or any(map(_has_no_order, fitted))):
        raise ValueError(f"{place}.op: {op} needs values that have an order, {values[0]!r} has none")
    value = fitted if op in {"IN", "NOT IN"} else fitted[0]
    return Comparison(field, op, value, lenient=field.type == "CONFIG")


def _has_no_order(value: Any) -> bool:
    return value is None or isinstance(value, tuple) or (isinstance(value, float) and math.isnan(value))


def _read_labels(field: Field, op: Operator, labels: tuple[Literal_, ...], place: str) -> Filter:
    """Labels are a set: equal, in and contain all ask for what the run has among them, ``None`` for none."""
    if op in {"GTE", "LTE"}:
        raise ValueError(f"{place}.op: {op} has no meaning for labels; use CONTAIN, IN or NOT IN")
    has = tuple(Comparison(field, "EQ" if label is None else "CONTAIN", label) for label in labels)
    found = has[0] if len(has) == 1 else Or(has)
    return Not(found) if op in {"NEQ", "NOT IN"} else found


def _kind(field: Field) -> str:
    if field.type == "STABLE":
        return STABLE_FIELDS[field.key]
    return "number" if field.type == "SCALAR" else "any"


def _fit(kind: str, op: Operator, value: Any, place: str) -> Any:
    """Return the value as the field is stored."""
    if isinstance(value, (list, tuple)):
        return _fit_list(kind, op, value, place)
    value = _plain(value, place)
    if op == "CONTAIN":
        return _fit_part(kind, value, place)
    if value is None:
        if op not in {"EQ", "NEQ"}:
            raise ValueError(f"{place}: None is only for EQ and NEQ")
        return None
    return _FITS[kind](value, place)


def _fit_list(kind: str, op: Operator, items: Sequence[Any], place: str, depth: int = 0) -> tuple[Any, ...]:
    if kind != "any" or op in {"GTE", "LTE"}:
        raise TypeError(f"{place}: a list is compared with a config value by EQ, NEQ, IN, NOT IN and CONTAIN only")
    if depth == LIST_DEPTH_MAX:
        raise ValueError(f"{place}: a list nests more than {LIST_DEPTH_MAX} levels deep")
    return tuple(
        _fit_list(kind, op, item, place, depth + 1) if isinstance(item, (list, tuple)) else _plain(item, place)
        for item in items
    )


def _plain(value: Any, place: str) -> Literal_:
    if isinstance(value, (str, bool)) or value is None:
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError(f"{place}: expected text, a number, True, False or None, got {type(value).__name__}")


def _fit_part(kind: str, value: Literal_, place: str) -> str:
    if kind not in {"text", "labels", "any"}:
        raise ValueError(f"{place}: CONTAIN looks into text and labels only")
    return _fit_text(value, place)


def _fit_text(value: Literal_, place: str) -> str:
    if value is None or isinstance(value, bool):
        raise TypeError(f"{place}: expected text, got {value!r}")
    return value if isinstance(value, str) else str(value)


def _fit_time(value: Literal_, place: str) -> int:
    if value is None or isinstance(value, bool):
        raise TypeError(f"{place}: expected a time, got {value!r}")
    try:
        return instant_ms(value)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _fit_bool(value: Literal_, place: str) -> bool:
    found = value if isinstance(value, bool) else _BOOLS.get(str(value).lower())
    if found is None:
        raise ValueError(f"{place}: {value!r} is neither True nor False")
    return found


def _fit_number(value: Literal_, place: str) -> int | float:
    if isinstance(value, str):
        try:
            return number if (number := number_of(value)) is not None else float(value)
        except ValueError:
            raise ValueError(f"{place}: {value!r} is no number") from None
    if value is None or isinstance(value, bool):
        raise TypeError(f"{place}: expected a number, got {value!r}")
    return value


def _fit_any(value: Literal_, place: str) -> Literal_:  # noqa: ARG001 - one signature for all kinds
    return value


_FITS: dict[str, Callable[[Literal_, str], Literal_]] = {
    "any": _fit_any,
    "text": _fit_text,
    "labels": _fit_text,
    "time": _fit_time,
    "bool": _fit_bool,
    "int": _fit_number,
    "number": _fit_number,
}
