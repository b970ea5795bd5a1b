"""The two sides of a comparison in a text filter: the fields and the values, and which value fits which field."""

from __future__ import annotations

import ast
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeGuard, cast

import attrs

from runatlas.model.codec import make_context
from runatlas.model.filter_field import (
    BLANK_TEXTS,
    STABLE_FIELDS,
    STATISTIC_NAMES,
    find_stable_name,
    instant_ms,
    make_stable_field,
)
from runatlas.model.filters import Field, Literal_, Operator
from runatlas.model.glob import parse_glob
from runatlas.model.run import RUN_STATES
from runatlas.model.run_check import has_length
from runatlas.model.syntax import FilterSyntaxError, FilterText
from runatlas.model.text import did_you_mean, is_storable

__all__ = [
    "SCOPES",
    "Value",
    "describe",
    "explain_call",
    "fit_pattern",
    "fit_value",
    "is_lower",
    "is_value",
    "read_field",
    "read_value",
]

Value: TypeAlias = str | int | float | bool | datetime | tuple[Any, ...] | None
"""What a value in a text can be; a tuple is a list."""

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
_DIGITS_MAX = 309
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
_CALLS = (
    "values are ago('30d'), datetime(2026, 1, 2) and float('inf'); fields are asked with len(tags) == 0, "
    "isnan(summary.loss), name.startswith('a'), name.endswith('a'), name.lower() == 'a' and fnmatch(name, 'a*')"
)
_DATETIME_PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")


# -- values ------------------------------------------------------------------------------------------------------


def is_value(node: ast.expr) -> bool:
    """Whether a node is meant as a value rather than as a field."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        return is_value(node.operand)
    if isinstance(node, ast.Name):
        return node.id in {"inf", "nan"}
    if isinstance(node, ast.Call):
        return not (is_len(node) or is_lower(node))
    return isinstance(node, (ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.JoinedStr))


def is_len(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether a node is ``len(...)``, which is a field."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def is_lower(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether a node is ``....lower()``, which is a text in small letters."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "lower"


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
    if isinstance(node, (ast.List, ast.Tuple)):
        return tuple(_read_element(source, item) for item in node.elts)
    raise source.error(f"{describe(node)} is no value; values are text in quotes, numbers, True, False and None", node)


def _read_element(source: FilterText, node: ast.expr) -> Value:
    value = read_value(source, node)
    if isinstance(value, datetime):
        raise source.error("a list of a config has no times; it has texts such as '2026-01-02'", node)
    return value


def _read_constant(source: FilterText, node: ast.Constant) -> Value:
    value = node.value
    if isinstance(value, str):
        if not is_storable(value):
            raise source.error("this text has a character that is not allowed in text", node)
        return value
    if isinstance(value, int) and value >= 10**_DIGITS_MAX:
        raise source.error("this number is too large", node)
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
    if name == "ago":
        return _read_ago(source, node)
    raise explain_call(source, node)


def explain_call(source: FilterText, node: ast.Call) -> FilterSyntaxError:
    """Make the error for a call that has no meaning where it stands."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
    if name in {"match", "search", "fullmatch", "like", "ilike", "glob", "fnmatchcase", "contains"}:
        hint = "a pattern is written fnmatch(name, 'run-*'), a part 'run' in name"
    elif name in {"upper", "casefold"}:
        hint = "compare in small letters: name.lower() == 'a'"
    elif name == "now":
        hint = "a time before now is written ago('30d')"
    elif name == "median":
        hint = "the median of a metric is written summary.loss.median"
    else:
        hint = _CALLS
    return source.error(f"{ast.unparse(node.func)}() cannot be called here; {hint}", node)


def _read_ago(source: FilterText, node: ast.Call) -> datetime:
    given = read_value(source, node.args[0]) if len(node.args) == 1 and not node.keywords else None
    span = _SPAN.fullmatch(given) if isinstance(given, str) else None
    if span is None:
        raise source.error(
            "ago() takes a duration in quotes: ago('90s'), ago('15m'), ago('12h'), ago('30d'), ago('2w')", node
        )
    try:
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    except OverflowError:
        raise source.error(f"{given!r} ago there was no calendar", node) from None


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
    if is_len(node):
        return _read_length(source, node)
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


def _read_length(source: FilterText, node: ast.Call) -> Field:
    if len(node.args) != 1 or node.keywords:
        raise source.error("len() takes one field, as in len(tags) == 0", node)
    if is_value(node.args[0]):
        raise source.error("len() takes one field, as in len(tags) == 0", node)
    field = read_field(source, node.args[0])
    if field.stat == "len" or not has_length(field):
        raise source.error(f"{field.key!r} has no length; len() is for labels, texts and what configs hold", node)
    return attrs.evolve(field, stat="len")


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
    if isinstance(root, ast.Call):
        raise explain_call(source, root)
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
        return source.name_after(step)
    if isinstance(step.slice, ast.Constant) and isinstance(step.slice.value, str):
        return str(_read_constant(source, step.slice))
    raise source.error('in brackets goes a key in quotes, such as ["train/loss"]', step.slice)


def _read_stable(source: FilterText, name: str, place: ast.expr, steps: list[ast.Attribute | ast.Subscript]) -> Field:
    if find_stable_name(name) is None:
        hint = did_you_mean(name, [*STABLE_FIELDS, "tags", *SCOPES])
        path = ".".join([name, *(step.attr for step in steps if isinstance(step, ast.Attribute))])
        hint = hint or f"; config values are config.{path}, metrics summary.{path}, and text goes in quotes"
        raise source.error(f"unknown name {name!r}{hint}", place)
    if steps:
        raise source.error(f"{name!r} has no parts", steps[0])
    return make_stable_field(name)


def _read_config(source: FilterText, name: str, steps: list[ast.Attribute | ast.Subscript]) -> Field:
    parts = ["hparams"] if name == "hparams" else []
    for step in steps:
        if isinstance(step, ast.Subscript) and not (
            isinstance(step.slice, ast.Constant) and isinstance(step.slice.value, str)
        ):
            raise source.error(_NO_ELEMENTS, step.slice)
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
        if not isinstance(key, str) or isinstance(literal, (datetime, tuple)) or key in pairs:
            raise source.error(
                "a context maps different names in quotes to text, numbers, True, False or None", items[1]
            )
        pairs[key] = literal
    name_value = _read_constant(source, items[0])
    if not isinstance(name_value, str):
        raise source.error("the metric's key goes in quotes", items[0])
    return name_value, make_context(pairs)


_NO_ELEMENTS = (
    "in brackets goes a key in quotes; a list is asked as a whole: config.layers == [64, 128], 64 in config.layers, "
    "len(config.layers) == 2"
)

# -- which value fits which field --------------------------------------------------------------------------------


def fit_value(
    source: FilterText, field: Field, op: Operator, value: Value, node: ast.AST
) -> Literal_ | tuple[Any, ...]:
    """Return the value as the field is stored, or fail with what kind of value the field takes."""
    kind = _kind(field)
    if op == "CONTAIN":
        return _fit_part(source, field, kind, value, node)
    if kind == "labels":
        if op in {"EQ", "NEQ"} and value in {None, ()}:
            return None
        raise source.error("labels are asked for one by one: 'baseline' in tags; none at all: len(tags) == 0", node)
    if value is None:
        if op not in {"EQ", "NEQ"}:
            raise source.error("None has no order and is in no list; write 'is None' or 'is not None'", node)
        return "" if (field.type, field.stat) == ("STABLE", "last") and field.key in BLANK_TEXTS else None
    if kind == "time":
        return _fit_time(source, field, value, node)
    reason = _find_misfit(field, kind, op, value) or _find_unknown_state(field, op, value)
    if reason:
        raise source.error(reason, node)
    return cast("Literal_ | tuple[Any, ...]", value)


def _kind(field: Field) -> str:
    if field.type == "SCALAR" or field.stat == "len":
        return "number"
    return STABLE_FIELDS[field.key] if field.type == "STABLE" else "any"


def _find_unknown_state(field: Field, op: Operator, value: object) -> str | None:
    """Tell a state that no run can have: ``!=`` a mistyped one would hold for all runs."""
    if (field.type, field.key) != ("STABLE", "state") or op not in {"EQ", "NEQ", "IN"} or value in RUN_STATES:
        return None
    hint = did_you_mean(str(value).upper(), RUN_STATES) or f"; states are {', '.join(RUN_STATES)}"
    return f"{value!r} is no state{hint}"


def _fit_part(source: FilterText, field: Field, kind: str, value: Value, node: ast.AST) -> Literal_ | tuple[Any, ...]:
    if kind not in {"text", "labels", "any"}:
        raise source.error(f"'in' looks into text, labels and lists, {field.key!r} is none of these", node)
    if isinstance(value, datetime) or not (kind == "any" or isinstance(value, str)):
        raise source.error("'in' looks for text, which goes in quotes", node)
    if value is None:
        raise source.error("None has no order and is in no list; write 'is None' or 'is not None'", node)
    return value


def fit_pattern(source: FilterText, field: Field, pattern: Value, node: ast.AST) -> str:
    """Return a pattern of text that fits a field."""
    kind = _kind(field)
    if kind == "labels":
        raise source.error("labels are asked for one by one, as they are: 'baseline' in tags", node)
    if kind not in {"text", "any"} or field.key == "colors":
        raise source.error(f"{field.key!r} is no text", node)
    if not isinstance(pattern, str):
        raise source.error("here goes text in quotes, as in name.startswith('run')", node)
    try:
        parse_glob(pattern)
    except ValueError as error:
        raise source.error(str(error), node) from None
    return pattern


def _fit_time(source: FilterText, field: Field, value: Value, node: ast.AST) -> int:
    if isinstance(value, (bool, tuple)) or value is None:
        raise source.error(
            f"{field.key!r} is a time; write it as '2026-01-02', datetime(2026, 1, 2) or ago('30d')", node
        )
    try:
        return instant_ms(value)
    except ValueError as error:
        raise source.error(str(error), node) from None


def _find_misfit(field: Field, kind: str, op: Operator, value: object) -> str | None:
    if isinstance(value, datetime):
        return f"{field.key!r} is no time"
    if kind == "text" and not isinstance(value, str):
        return f"{field.key!r} is text; write the value in quotes"
    if kind == "bool" and (not isinstance(value, bool) or op not in {"EQ", "NEQ", "IN"}):
        return f"{field.key!r} is True or False; write {field.key} or not {field.key}"
    if kind in {"number", "int"} and (isinstance(value, bool) or not isinstance(value, (int, float))):
        return f"{field.key!r} is a number, {value!r} is none"
    if op in {"GTE", "LTE", "GT", "LT"}:
        return _find_no_order(value)
    return None


def _find_no_order(value: object) -> str | None:
    if isinstance(value, tuple):
        return "a list has no order here; compare it with == or !="
    if isinstance(value, float) and math.isnan(value):
        return "nan has no order; == nan finds it, and != nan what is not nan"
    return None
