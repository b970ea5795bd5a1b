"""The functions and methods that expressions may call. None of them changes a value, and none makes a large one."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runatlas.compat.matyanql.value import EvaluationRefusedError, Record, is_plain
from runatlas.model.instant import parse_iso

if TYPE_CHECKING:
    from runatlas.compat.matyanql.interpreter import Evaluation

__all__ = ["FUNCTIONS", "METHODS", "NAMESPACES", "call_method"]

Function = Callable[["Evaluation", list[Any], dict[str, Any]], Any]

_DIGITS_MAX = 400
_RANGE_MAX = 2**63


def _taking(low: int, high: int, make: Callable[..., Any], *words: str) -> Function:
    """Make a function of plain values of which none is long."""

    def call(evaluation: Evaluation, values: list[Any], given: dict[str, Any]) -> Any:
        if not low <= len(values) <= high or not set(given) <= set(words):
            raise TypeError("the wrong number of arguments")
        if not all(map(is_plain, [*values, *given.values()])):
            raise TypeError("this takes plain values")
        evaluation.meter.charge_values(*values)
        return make(*values, **given)

    return call


def _all(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
    return all(_only(evaluation, values, words))


def _any(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
    return any(_only(evaluation, values, words))


def _only(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Iterator[Any]:
    if len(values) != 1 or words:
        raise TypeError("one argument is taken")
    return evaluation.iterate(values[0])


def _bool(_: Evaluation, values: list[Any], words: dict[str, Any]) -> bool:
    if len(values) > 1 or words:
        raise TypeError("one argument is taken")
    return bool(*values)


def _len(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> int:
    if len(values) != 1 or words:
        raise TypeError("one argument is taken")
    (value,) = values
    return sum(1 for _ in evaluation.iterate(value)) if isinstance(value, Record) else len(value)


def _sum(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
    if not 1 <= len(values) <= 2 or not set(words) <= {"start"}:
        raise TypeError("the wrong number of arguments")
    total = words.get("start", values[1] if len(values) == 2 else 0)
    if isinstance(total, str):
        raise TypeError("texts are joined, not added")
    items = list(evaluation.iterate(values[0]))
    if all(isinstance(item, (int, float)) for item in [total, *items]):
        return sum(items, total)
    for item in items:
        total = evaluation.combine(ast.Add(), total, item)
    return total


def _extreme(pick: Callable[..., Any]) -> Function:
    def call(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
        if not values or not set(words) <= {"key", "default"}:
            raise TypeError("the wrong number of arguments")
        items = list(evaluation.iterate(values[0]) if len(values) == 1 else values)
        if not items and "default" in words and len(values) == 1:
            return words["default"]
        evaluation.meter.charge_values(items)
        return pick(items, key=_key(evaluation, words))

    return call


def _key(evaluation: Evaluation, words: dict[str, Any]) -> Callable[[Any], Any] | None:
    key = words.get("key")
    return None if key is None else lambda item: evaluation.call(key, [item], {})


def _sorted(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> list[Any]:
    if len(values) != 1 or not set(words) <= {"key", "reverse"}:
        raise TypeError("the wrong number of arguments")
    items = list(evaluation.iterate(values[0]))
    for _ in range(len(items).bit_length()):
        evaluation.meter.charge_values(items)
    return sorted(items, key=_key(evaluation, words), reverse=bool(words.get("reverse", False)))


def _collecting(make: Callable[[Any], Any]) -> Function:
    def call(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
        if not values and not words:
            return make(())
        items = list(_only(evaluation, values, words))
        if make in {set, frozenset}:
            evaluation.meter.charge_values(items)
        return make(items)

    return call


def _zip(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Iterator[Any]:
    if not set(words) <= {"strict"}:
        raise TypeError("the wrong arguments")
    return zip(*map(evaluation.iterate, values), strict=bool(words.get("strict", False)))


def _reversed(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Iterator[Any]:
    if len(values) != 1 or words or not isinstance(values[0], (str, list, tuple, range)):
        raise TypeError("a list is taken")
    return evaluation.iterate(reversed(values[0]))


def _enumerate(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Iterator[Any]:
    if not 1 <= len(values) <= 2 or not set(words) <= {"start"}:
        raise TypeError("the wrong number of arguments")
    start = words.get("start", values[1] if len(values) == 2 else 0)
    if not isinstance(start, int):
        raise TypeError("start is a whole number")
    return enumerate(evaluation.iterate(values[0]), start)


def _range(*values: Any) -> range:
    if any(isinstance(value, int) and abs(value) >= _RANGE_MAX for value in values):
        raise EvaluationRefusedError("a range is too long")
    return range(*values)


def _round(value: Any, ndigits: Any = None) -> Any:
    if not isinstance(value, (int, float)):
        raise TypeError("a number is rounded")
    if isinstance(ndigits, int) and abs(ndigits) > _DIGITS_MAX:
        raise EvaluationRefusedError(f"at most {_DIGITS_MAX} digits are rounded to")
    return round(value, ndigits)


def _pow(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> Any:
    if words or not 2 <= len(values) <= 3:
        raise TypeError("the wrong number of arguments")
    if len(values) == 2:
        return evaluation.combine(ast.Pow(), *values)
    if not all(isinstance(value, int) for value in values):
        raise TypeError("whole numbers are taken")
    for value in values:
        evaluation.meter.check_bits(value.bit_length())
    evaluation.meter.charge(1 + values[1].bit_length() // 8)
    return pow(*values)


def _int(*values: Any) -> int:
    if values and isinstance(values[0], str) and len(values[0]) > 4300:
        raise ValueError("too many digits")
    return int(*values)


def _isinstance(_: Evaluation, values: list[Any], words: dict[str, Any]) -> bool:
    if len(values) != 2 or words:
        raise TypeError("two arguments are taken")
    value, kinds = values
    for kind in kinds if isinstance(kinds, tuple) else (kinds,):
        known = [made for name, made in _TYPES.items() if kind is FUNCTIONS[name]]
        if not known:
            raise TypeError("that is no type")
        if isinstance(value, known[0]):
            return True
    return False


_TYPES: dict[str, type] = {
    "bool": bool,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "list": list,
    "set": set,
    "str": str,
    "tuple": tuple,
}


def _text(make: Callable[[Any], str]) -> Function:
    def call(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> str:
        if words or len(values) > 1 or not all(map(is_plain, values)):
            raise TypeError("one plain value is taken")
        evaluation.meter.charge_values(*values)
        return evaluation.meter.checked(make(*values))

    return call


# -- times: Unix seconds ---------------------------------------------------------------------------------------------


def _datetime(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> float:
    """Read a time; without a zone it is the caller's."""
    if not all(isinstance(value, int) for value in [*values, *words.values()]):
        raise TypeError("whole numbers are taken")
    moment = datetime(*values, **words).replace(tzinfo=UTC)  # noqa: DTZ001  the caller's zone follows
    return moment.timestamp() - evaluation.utc_offset_s


def _now(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> float:
    if values or words:
        raise TypeError("no argument is taken")
    return evaluation.now_s


def _from_iso(evaluation: Evaluation, values: list[Any], words: dict[str, Any]) -> float:
    if words or len(values) != 1 or not isinstance(values[0], str) or len(values[0]) > 64:
        raise TypeError("a text is taken")
    moment = parse_iso(values[0])
    if moment.tzinfo is not None:
        return moment.timestamp()
    return moment.replace(tzinfo=UTC).timestamp() - evaluation.utc_offset_s


def _from_timestamp(_: Evaluation, values: list[Any], words: dict[str, Any]) -> float:
    if words or len(values) != 1 or not isinstance(values[0], (int, float)):
        raise TypeError("a number is taken")
    return float(values[0])


def _timedelta(*values: Any, **words: Any) -> float:
    return timedelta(*values, **words).total_seconds()


_SPANS = ("days", "seconds", "microseconds", "milliseconds", "minutes", "hours", "weeks")

FUNCTIONS: dict[str, Function] = {
    "abs": _taking(1, 1, abs),
    "all": _all,
    "any": _any,
    "bool": _bool,
    "chr": _taking(1, 1, chr),
    "datetime": _datetime,
    "divmod": _taking(2, 2, divmod),
    "enumerate": _enumerate,
    "float": _taking(0, 1, float),
    "frozenset": _collecting(frozenset),
    "hex": _taking(1, 1, hex),
    "int": _taking(0, 2, _int),
    "isinstance": _isinstance,
    "len": _len,
    "list": _collecting(list),
    "max": _extreme(max),
    "min": _extreme(min),
    "oct": _taking(1, 1, oct),
    "ord": _taking(1, 1, ord),
    "pow": _pow,
    "range": _taking(1, 3, _range),
    "repr": _text(repr),
    "reversed": _reversed,
    "round": _taking(1, 2, _round, "ndigits"),
    "set": _collecting(set),
    "sorted": _sorted,
    "str": _text(str),
    "sum": _sum,
    "timedelta": _taking(0, 7, _timedelta, *_SPANS),
    "tuple": _collecting(tuple),
    "zip": _zip,
}
"""The functions by name; they are also the types that ``isinstance`` knows."""

_MATH_ONE = ("ceil", "exp", "fabs", "floor", "isfinite", "isinf", "isnan", "log10", "log2", "sqrt", "trunc")
_MATH = {
    **{name: _taking(1, 1, getattr(math, name)) for name in _MATH_ONE},
    **{name: _taking(2, 2, getattr(math, name)) for name in ("copysign", "fmod", "pow")},
    "hypot": _taking(0, 8, math.hypot),
    "isclose": _taking(2, 2, math.isclose, "rel_tol", "abs_tol"),
    "log": _taking(1, 2, math.log),
    **{name: getattr(math, name) for name in ("e", "inf", "nan", "pi", "tau")},
}
NAMESPACES: dict[str, Mapping[str, Any]] = {
    "math": _MATH,
    "datetime": {
        "now": _now,
        "utcnow": _now,
        "fromisoformat": _from_iso,
        "fromtimestamp": _from_timestamp,
        "utcfromtimestamp": _from_timestamp,
    },
}
"""What stands behind a name and a dot."""


# -- methods ---------------------------------------------------------------------------------------------------------

_TEXT_METHODS = (
    "capitalize", "casefold", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii", "isdecimal",
    "isdigit", "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "lower",
    "lstrip", "partition", "removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip",
    "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper",
)  # fmt: skip
_PADDING = ("center", "ljust", "rjust", "zfill")
_SET_METHODS = (
    "difference", "intersection", "isdisjoint", "issubset", "issuperset", "symmetric_difference", "union",
)  # fmt: skip
_DICT_METHODS = ("get", "items", "keys", "values")
_TIME_METHODS = ("timestamp", "total_seconds")
_OTHER_METHODS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (list, ("count", "index")),
    (tuple, ("count", "index")),
    (dict, _DICT_METHODS),
    (float, ("is_integer",)),
)

METHODS = frozenset(
    {*_TEXT_METHODS, *_PADDING, *_SET_METHODS, *_DICT_METHODS, *_TIME_METHODS, "contains", "is_integer", "join"}
    | {"replace"}
)
"""The methods that anything here has."""


def call_method(evaluation: Evaluation, value: Any, name: str, values: list[Any], words: dict[str, Any]) -> Any:
    """Call a method of a value.

    Raises:
        AttributeError: It has no such method.
        EvaluationRefusedError: What it makes would be too large.
        TypeError: It takes other arguments.
    """
    if name == "contains" and len(values) == 1 and not words:
        return evaluation.contains(value, values[0])
    if isinstance(value, dict) and name in value:
        raise TypeError("a param cannot be called")
    evaluation.meter.charge_values(value, *values)
    if isinstance(value, str):
        return _call_text(evaluation, value, name, values, words)
    if words:
        raise TypeError("no names are taken")
    if isinstance(value, (set, frozenset)) and name in _SET_METHODS:
        values = [list(evaluation.iterate(item)) for item in values]
    elif isinstance(value, (int, float)) and name in _TIME_METHODS and not values:
        # Times are Unix seconds already, and spans of time are seconds.
        return float(value)
    elif not any(isinstance(value, kind) and name in names for kind, names in _OTHER_METHODS):
        raise AttributeError(name)
    made = getattr(value, name)(*values)
    return made if is_plain(made) else list(made)


def _call_text(evaluation: Evaluation, value: str, name: str, values: list[Any], words: dict[str, Any]) -> Any:
    if name == "join":
        (items,) = values
        texts = list(evaluation.iterate(items))
        if not all(isinstance(item, str) for item in texts):
            raise TypeError("texts are joined")
        evaluation.meter.check_length(sum(map(len, texts)) + len(value) * len(texts))
        return value.join(texts)
    if name == "replace":
        _check_replace(evaluation, value, *values)
    elif name in _PADDING:
        width = values[0] if values else None
        if not isinstance(width, int):
            raise TypeError("a width is a whole number")
        evaluation.meter.check_length(max(width, 0))
    elif name not in _TEXT_METHODS:
        raise AttributeError(name)
    return getattr(value, name)(*values, **words)


def _check_replace(evaluation: Evaluation, value: str, old: Any, new: Any, count: Any = -1) -> None:
    if not (isinstance(old, str) and isinstance(new, str) and isinstance(count, int)):
        raise TypeError("texts are replaced")
    times = value.count(old) if count < 0 else min(value.count(old), count)
    evaluation.meter.check_length(len(value) + times * max(len(new) - len(old), 0))
