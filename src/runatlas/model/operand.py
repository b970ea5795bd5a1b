"""The two sides of a comparison in a text filter: the fields and the values, and which value fits which field."""

from __future__ import annotations

import ast
import math
from datetime import datetime
from typing import Literal

from runatlas.model.codec import make_context
from runatlas.model.filter_text import FilterSyntaxError, FilterText
from runatlas.model.filters import STABLE_FIELDS, Field, Literal_, Operator
from runatlas.model.run import RUN_STATES
from runatlas.model.run_field import (
    STATISTIC_NAMES,
    did_you_mean,
    find_stable_name,
    instant_ms,
    make_stable_field,
)

__all__ = ["SCOPES", "Value", "describe", "fit_value", "is_value", "read_field", "read_value"]

Value = str | int | float | bool | datetime | None
"""What a value in a text can be."""

SCOPES: dict[str, Literal["CONFIG", "SCALAR"]] = {
    "config": "CONFIG",
    "hparams": "CONFIG",
    "summary": "SCALAR",
    "metrics": "SCALAR",
}
"""The names that others hang on."""

_FLOATS = {
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "infinity": math.inf,
    "+infinity": math.inf,
    "-infinity": -math.inf,
    "nan": math.nan,
}
_INT_BOUND = 2**63
_DATETIME_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


# -- values ------------------------------------------------------------------------------------------------------


def is_value(node: ast.expr) -> bool:
    """Whether a node is meant as a value rather than as a field."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return is_value(node.operand)
    if isinstance(node, ast.Name):
        return node.id in {"inf", "nan"}
    return isinstance(node, (ast.Constant, ast.Call, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.JoinedStr))


def read_value(source: FilterText, node: ast.expr) -> Value:
    """Read a literal; calls of ``float`` and ``datetime`` are read, not made."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = read_value(source, node.operand)
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise source.error("a sign belongs to a number", node)
        return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.Name) and node.id in _FLOATS:
        return _FLOATS[node.id]
    if isinstance(node, ast.Call):
        return _read_call(source, node)
    if isinstance(node, ast.Constant):
        return _read_constant(source, node)
    raise source.error(f"{describe(node)} is no value; values are text in quotes, numbers, True, False and None", node)


def _read_constant(source: FilterText, node: ast.Constant) -> Value:
    value = node.value
    if isinstance(value, str):
        if any(c == "\x00" or "\ud800" <= c <= "\udfff" for c in value):
            raise source.error("this text has a character that is not allowed in text", node)
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value >= _INT_BOUND:
        try:
            return float(value)
        except OverflowError:
            raise source.error("this number is too large", node) from None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise source.error(f"{value!r} is no value; values are text in quotes, numbers, True, False and None", node)


def _read_call(source: FilterText, node: ast.Call) -> float | datetime:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name == "float" and len(node.args) == 1 and not node.keywords:
        text = read_value(source, node.args[0])
        if isinstance(text, str) and text.strip().lower() in _FLOATS:
            return _FLOATS[text.strip().lower()]
        raise source.error("float() is for 'inf', '-inf' and 'nan'; write other numbers as they are", node)
    if name in {"datetime", "datetime.datetime"}:
        return _read_datetime(source, node)
    raise source.error(
        f"{name}() cannot be called here; only datetime(2026, 1, 2) and float('inf') have a meaning", node
    )


def _read_datetime(source: FilterText, node: ast.Call) -> datetime:
    parts = [read_value(source, item) for item in node.args]
    named = {item.arg or "**": read_value(source, item.value) for item in node.keywords}
    whole = all(type(part) is int for part in [*parts, *named.values()])
    if not whole or not set(named) <= set(_DATETIME_PARTS) or len(parts) > len(_DATETIME_PARTS):
        raise source.error("datetime() takes whole numbers: year, month, day, hour, minute, second, microsecond", node)
    try:
        return datetime(*parts, **named)  # type: ignore[arg-type]  # noqa: DTZ001
    except (ValueError, TypeError, OverflowError) as error:
        raise source.error(f"this is no date: {error}", node) from None


def describe(node: ast.AST) -> str:
    """Name a piece of Python for a person."""
    names: dict[type[ast.AST], str] = {
        ast.Call: "a call",
        ast.BinOp: "arithmetic",
        ast.UnaryOp: "a sign",
        ast.Lambda: "a lambda",
        ast.IfExp: "'if ... else'",
        ast.NamedExpr: "an assignment",
        ast.JoinedStr: "an f-string",
        ast.List: "a list",
        ast.Tuple: "a tuple",
        ast.Set: "a set",
        ast.Dict: "a dict",
        ast.Constant: "a value",
        ast.Compare: "a comparison",
        ast.BoolOp: "a condition",
    }
    return names.get(type(node), "this")


# -- fields ------------------------------------------------------------------------------------------------------


def read_field(source: FilterText, node: ast.expr) -> Field:
    """Read what of a run is looked at."""
    root, steps = _unwind(source, node)
    if root.id == "run":
        if not steps:
            raise source.error("'run' needs a name after it, such as run.state", node)
        first: ast.expr = steps[0]
        name = _step_name(source, steps.pop(0))
    else:
        first, name = root, root.id
    if name in SCOPES:
        if not steps:
            raise source.error(f"{name!r} needs a name after it, such as {name}.{_EXAMPLES[name]}", first)
        return _read_config(source, name, steps) if SCOPES[name] == "CONFIG" else _read_scalar(source, name, steps)
    return _read_stable(source, name, first, steps)


_EXAMPLES = {"config": "lr", "hparams": "lr", "summary": "loss", "metrics": "loss"}


def _unwind(source: FilterText, node: ast.expr) -> tuple[ast.Name, list[ast.Attribute | ast.Subscript]]:
    """Return the first name of ``a.b["c"]``, and what hangs on it from left to right."""
    steps: list[ast.Attribute | ast.Subscript] = []
    root: ast.expr = node
    while isinstance(root, (ast.Attribute, ast.Subscript)):
        steps.append(root)
        root = root.value
    if isinstance(root, ast.BinOp):
        raise _explain_arithmetic(source, root)
    if not isinstance(root, ast.Name):
        raise source.error(f"{describe(root)} is no field; fields are such as state, config.lr and summary.loss", root)
    return root, steps[::-1]


def _explain_arithmetic(source: FilterText, node: ast.BinOp) -> FilterSyntaxError:
    if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        word = "and" if isinstance(node.op, ast.BitAnd) else "or"
        return source.error(f"write {word!r} between conditions", node.right)
    return source.error(
        'arithmetic is not allowed; a key with such characters goes in brackets and quotes: summary["train/loss"]',
        node,
    )


def _step_name(source: FilterText, step: ast.Attribute | ast.Subscript) -> str:
    if isinstance(step, ast.Attribute):
        return step.attr
    if isinstance(step.slice, ast.Constant) and isinstance(step.slice.value, str):
        return str(_read_constant(source, step.slice))
    raise source.error('in brackets goes a key in quotes, such as ["train/loss"]', step.slice)


def _read_stable(source: FilterText, name: str, place: ast.expr, steps: list[ast.Attribute | ast.Subscript]) -> Field:
    if find_stable_name(name) is None:
        hint = did_you_mean(name, [*STABLE_FIELDS, "tags", *SCOPES])
        hint = hint or f"; config values are config.{name}, metrics summary.{name}, and text goes in quotes"
        raise source.error(f"unknown name {name!r}{hint}", place)
    if steps:
        raise source.error(f"{name!r} has no parts", steps[0])
    return make_stable_field(name)


def _read_config(source: FilterText, name: str, steps: list[ast.Attribute | ast.Subscript]) -> Field:
    parts = ["hparams"] if name == "hparams" else []
    parts += [_step_name(source, step) for step in steps]
    if not all(parts):
        raise source.error("a key must not be empty", steps[0])
    return Field("CONFIG", ".".join(parts))


def _read_scalar(source: FilterText, name: str, steps: list[ast.Attribute | ast.Subscript]) -> Field:
    key, context = _read_metric(source, steps[0])
    if not key:
        raise source.error("a key must not be empty", steps[0])
    if len(steps) == 1:
        return Field("SCALAR", key, context=context)
    wanted = steps[1].attr if isinstance(steps[1], ast.Attribute) else None
    if len(steps) == 2 and wanted in STATISTIC_NAMES:
        return Field("SCALAR", key, STATISTIC_NAMES[wanted], context)
    other = wanted or "x"
    hint = did_you_mean(other, STATISTIC_NAMES) or f'; a metric with a dot in its name is {name}["{key}.{other}"]'
    raise source.error(f"after a metric comes one of {', '.join(STATISTIC_NAMES)}{hint}", steps[-1])


def _read_metric(
    source: FilterText, step: ast.Attribute | ast.Subscript
) -> tuple[str, tuple[tuple[str, Literal_], ...]]:
    if isinstance(step, ast.Attribute) or not isinstance(step.slice, ast.Tuple):
        return _step_name(source, step), ()
    items = step.slice.elts
    if len(items) != 2 or not isinstance(items[1], ast.Dict) or not isinstance(items[0], ast.Constant):
        raise source.error('a metric in a context is written ["loss", {"split": "val"}]', step.slice)
    pairs: dict[str, Literal_] = {}
    for name, value in zip(items[1].keys, items[1].values, strict=True):
        key = read_value(source, name) if name is not None else None
        literal = read_value(source, value)
        if not isinstance(key, str) or isinstance(literal, datetime) or key in pairs:
            raise source.error(
                "a context maps different names in quotes to text, numbers, True, False or None", items[1]
            )
        pairs[key] = literal
    name_value = _read_constant(source, items[0])
    if not isinstance(name_value, str):
        raise source.error("the metric's key goes in quotes", items[0])
    return name_value, make_context(pairs)


# -- which value fits which field --------------------------------------------------------------------------------


def fit_value(source: FilterText, field: Field, op: Operator, value: Value, node: ast.AST) -> Literal_:
    """Return the value as the field is stored, or fail with what kind of value the field takes."""
    kind = "number" if field.type == "SCALAR" else "any"
    if field.type == "STABLE":
        kind = STABLE_FIELDS[field.key]
    if op == "CONTAIN":
        return _fit_part(source, field, kind, value, node)
    if kind == "labels":
        raise source.error("labels are asked for one by one: 'baseline' in tags", node)
    if value is None:
        if op not in {"EQ", "NEQ"}:
            raise source.error("None has no order and is in no list; write 'is None' or 'is not None'", node)
        return None
    if kind == "time":
        return _fit_time(source, field, value, node)
    if isinstance(value, datetime):
        raise source.error(f"{field.key!r} is no time", node)
    reason = _find_misfit(field, kind, op, value) or _find_unknown_state(field, op, value)
    if reason:
        raise source.error(reason, node)
    return value


def _find_unknown_state(field: Field, op: Operator, value: object) -> str | None:
    """Tell a state that no run can have: ``!=`` a mistyped one would hold for all runs."""
    if (field.type, field.key) != ("STABLE", "state") or op not in {"EQ", "NEQ", "IN"} or value in RUN_STATES:
        return None
    hint = did_you_mean(str(value).upper(), RUN_STATES) or f"; states are {', '.join(RUN_STATES)}"
    return f"{value!r} is no state{hint}"


def _fit_part(source: FilterText, field: Field, kind: str, value: Value, node: ast.AST) -> str:
    if kind not in {"text", "labels", "any"}:
        raise source.error(f"'in' looks into text and labels, {field.key!r} is neither", node)
    if not isinstance(value, str):
        raise source.error("'in' looks for text, which goes in quotes", node)
    return value


def _fit_time(source: FilterText, field: Field, value: Value, node: ast.AST) -> int:
    if isinstance(value, bool) or value is None:
        raise source.error(f"{field.key!r} is a time; write it as '2026-01-02' or datetime(2026, 1, 2)", node)
    try:
        return instant_ms(value)
    except ValueError as error:
        raise source.error(str(error), node) from None


def _find_misfit(field: Field, kind: str, op: Operator, value: object) -> str | None:
    if kind == "text" and not isinstance(value, str):
        return f"{field.key!r} is text; write the value in quotes"
    if kind == "bool" and (not isinstance(value, bool) or op not in {"EQ", "NEQ", "IN"}):
        return f"{field.key!r} is True or False; write {field.key} or not {field.key}"
    if kind in {"number", "int"} and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"{field.key!r} is a number, {value!r} is none"
    return None
