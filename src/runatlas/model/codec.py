"""Records to JSON and back: the one converter, and JSON text that keeps NaN and ±Inf.

JSON has no NaN and no infinities. A ``float`` field carries them as the strings ``"NaN"``, ``"Infinity"`` and
``"-Infinity"``; inside free JSON (a config, media data) they are ``{"$float": "NaN"}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

from runatlas.errors import ResponseFormatError
from runatlas.model import fast_json
from runatlas.model.fast_json import NotPlainError
from runatlas.model.filters import And, Comparison, Filter, Literal_, Not, Or
from runatlas.model.page import Page

__all__ = [
    "context_text",
    "converter",
    "decode",
    "decode_all",
    "decode_json",
    "dumps",
    "encode",
    "encode_json",
    "loads",
    "loads_all",
    "make_context",
    "with_float_texts",
]

T = TypeVar("T")

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_FILTERS: dict[str, Any] = {"comparison": Comparison, "and": And, "or": Or, "not": Not}
_INT64 = range(-(2**63), 2**63)


def _float_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _unstructure_float(value: float) -> float | str:
    return value if math.isfinite(value) else _float_text(value)


def _structure_float(value: Any, _: Any) -> float:
    if isinstance(value, str):
        if value not in _SPECIAL:
            raise ValueError(f"{value!r} is not a number")
        return _SPECIAL[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    return float(value)


def _structure_int(value: Any, _: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected int, got {type(value).__name__}")
    if value not in _INT64:
        raise ValueError("the number needs more than 64 bits")
    return value


def _structure_exactly(kind: type) -> Any:
    def structure(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    return structure


def _structure_literal(value: Any, _: Any) -> Literal_:
    if isinstance(value, dict) and set(value) == {"$float"}:
        return _SPECIAL[value["$float"]]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"expected text, a number, a boolean or null, got {type(value).__name__}")


def _unstructure_literal(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_unstructure_literal(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": _float_text(value)}
    return value


_COMPARAND_DEPTH = 10


def _structure_comparand(value: Any, kind: Any, depth: int = 0) -> Any:
    """Read what a filter compares with: a literal, a list of them, or lists within lists."""
    if isinstance(value, (list, tuple)):
        if depth > _COMPARAND_DEPTH:
            raise ValueError(f"lists nest more than {_COMPARAND_DEPTH} levels deep")
        return tuple(_structure_comparand(item, kind, depth + 1) for item in value)
    return _structure_literal(value, kind)


def _make_converter(*, strict: bool = False) -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=True, prefer_attrib_converters=False, forbid_extra_keys=strict)
    made.register_unstructure_hook(float, _unstructure_float)
    made.register_structure_hook(float, _structure_float)
    made.register_structure_hook(int, _structure_int)
    for kind in (str, bool):
        made.register_structure_hook(kind, _structure_exactly(kind))
    made.register_unstructure_hook_func(lambda t: t == dict[str, Any], lambda value: value)
    made.register_structure_hook_func(lambda t: t == dict[str, Any], _structure_exactly(dict))
    numbers = made.get_structure_hook(dict[str, float])
    # A metric that is called "$float", alone and NaN, was taken for the NaN of a config.
    whole = lambda value, kind: numbers({"$float": value} if isinstance(value, float) else value, kind)  # noqa: E731
    made.register_structure_hook_func(lambda t: t == dict[str, float], whole)
    scalar = str | int | float | bool | None
    made.register_structure_hook(scalar, _structure_literal)
    made.register_unstructure_hook(scalar, _unstructure_literal)
    comparand = scalar | tuple[Any, ...]
    made.register_structure_hook_func(lambda t: _same_union(t, comparand), _structure_comparand)
    made.register_unstructure_hook_func(lambda t: _same_union(t, comparand), _unstructure_literal)
    _register_filters(made)
    made.register_structure_hook_func(_is_tuple, lambda value, kind: _structure_tuple(made, value, kind))
    return made


def _structure_tuple(made: cattrs.Converter, value: Any, kind: Any) -> tuple[Any, ...]:
    """Take lists only: a text is a sequence of letters, and nobody means that."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"expected a list, got {type(value).__name__}")
    kinds = get_args(kind)
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(made.structure(value, list[kinds[0]]))  # type: ignore[valid-type]
    if len(value) != len(kinds):
        raise ValueError(f"expected {len(kinds)} items, got {len(value)}")
    return tuple(made.structure(item, each) for item, each in zip(value, kinds, strict=True))


def _same_union(kind: Any, other: Any) -> bool:
    return get_origin(kind) in (Union, UnionType) and kind == other


def _is_tuple(kind: Any) -> bool:
    origin: Any = get_origin(kind)
    return origin is tuple


def _is_filter(kind: Any) -> bool:
    if get_origin(kind) not in (Union, UnionType):
        return False
    return set(get_args(kind)) - {type(None)} == set(_FILTERS.values())


def _tagged(name: str, plain: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {"kind": name, **plain(value)}


def _register_filters(made: cattrs.Converter) -> None:
    made.register_structure_hook_func(_is_filter, lambda value, kind: _structure_filter(made, value, kind))
    made.register_unstructure_hook_func(_is_filter, lambda value: None if value is None else made.unstructure(value))
    for name, kind in _FILTERS.items():
        made.register_unstructure_hook(kind, _tagged(name, make_dict_unstructure_fn(kind, made)))
        made.register_structure_hook(kind, make_dict_structure_fn(kind, made))


def _structure_filter(made: cattrs.Converter, value: Any, kind: Any) -> Filter | None:
    if value is None and type(None) in get_args(kind):
        return None
    name = value.get("kind") if isinstance(value, Mapping) else None
    if not isinstance(name, str) or name not in _FILTERS:
        raise ValueError(f"a filter needs a 'kind' of {', '.join(_FILTERS)}")
    fields = {key: item for key, item in value.items() if key != "kind"}
    return made.structure(fields, _FILTERS[name])  # type: ignore[no-any-return]


converter = _make_converter()
"""The one converter between records and plain JSON values."""

_strict_converter = _make_converter(strict=True)


def encode(record: Any) -> Any:
    """Return a record, or a container of them, as plain JSON values."""
    return converter.unstructure(record)


def decode(value: Any, kind: type[T], *, strict: bool = False) -> T:
    """Make a record of plain JSON values.

    Args:
        value: What ``encode`` made, or a JSON document said.
        kind: The record's class, or a container of one.
        strict: Whether names that the record does not have are an error; else they are passed over, as a client must
            that talks to a newer server.

    Returns:
        The record.

    Raises:
        ResponseFormatError: The value does not fit; the message names the path inside it.
    """
    if attrs.has(kind) and not isinstance(value, Mapping):
        # A list would pass for a record all of whose fields have defaults.
        raise ResponseFormatError(f"the document does not decode: expected an object @ {kind.__name__}")
    try:
        return (_strict_converter if strict else converter).structure(value, kind)
    except (cattrs.BaseValidationError, ValueError, TypeError, KeyError) as error:
        what = "; ".join(cattrs.transform_error(error, getattr(kind, "__name__", "$"), _misfit))
        raise ResponseFormatError(f"the document does not decode: {what}") from error


_WANTED: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number of 64 bits",
    float: "a number, 'NaN', 'Infinity' or '-Infinity'",
    dict: "an object",
    tuple: "a list",
    list: "a list",
}


def _misfit(error: BaseException, kind: Any) -> str:
    """Say what was expected in the words of JSON: whoever sent it knows nothing of our classes."""
    kinds = [part for part in _parts(kind) if part is not type(None)]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return f"expected one of {', '.join(map(str, get_args(kinds[0])))}"
    if isinstance(error, KeyError):
        return "required field missing"
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return f"extra fields found ({', '.join(sorted(error.extra_fields))})"
    if kind is None or _is_filter(kind):
        return str(error)
    names = {"an object" if attrs.has(part) else _WANTED.get(get_origin(part) or part, "") for part in kinds}
    return f"expected {' or '.join(sorted(names))}" if all(names) else str(error)


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _mark(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": _float_text(value)}
    if isinstance(value, Mapping):
        return {key: _mark(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mark(item) for item in value]
    return value


def _unmark(pairs: dict[str, Any]) -> Any:
    text = pairs.get("$float") if len(pairs) == 1 else None
    return _SPECIAL[text] if isinstance(text, str) and text in _SPECIAL else pairs


_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))
"""One for all: ``json.dumps`` would make one a text, which takes longer than most of the texts."""


def dumps(value: Any) -> str:
    """Return compact JSON text; NaN and ±Inf become ``{"$float": ...}``.

    Raises:
        TypeError: Something in ``value`` is no JSON value.
    """
    try:
        return _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_mark(value))


def with_float_texts(value: Any) -> Any:
    """Return plain values for JSON that other programs read: NaN and ±Inf as the texts of that name."""
    if isinstance(value, float) and not math.isfinite(value):
        return _float_text(value)
    if isinstance(value, Mapping):
        return {key: with_float_texts(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_float_texts(item) for item in value]
    return value


def loads(text: str | bytes) -> Any:
    """Read what ``dumps`` wrote.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    try:
        return fast_json.read(text, object)
    except NotPlainError:
        return _loads(text)


def _loads(text: str | bytes) -> Any:
    """Read special floats too, or say what is wrong with the text."""
    # json.loads reads halves of characters in bytes, which no store holds.
    plain = text if isinstance(text, str) else str(text, "utf-8-sig")
    try:
        return json.loads(plain, object_hook=_unmark if '"$float"' in plain else None)
    except RecursionError:
        raise ValueError("the JSON text is nested too deeply") from None


def encode_json(value: Any) -> bytes:
    """Write a record, a container of records or plain JSON values, as ``dumps(encode(value))`` but quickly.

    Raises:
        TypeError: Something in it is no record and no JSON value.
    """
    try:
        return fast_json.write(value)
    except NotPlainError:
        if isinstance(value, Page):
            return fast_json.write(attrs.evolve(value, items=tuple(map(_plain, value.items))))
        return dumps(encode(value)).encode()


def _plain(item: Any) -> Any:
    """Return an item of a page as it can be written quickly: few of them are not so already."""
    try:
        fast_json.require_plain(item)
    except NotPlainError:
        return _mark(encode(item))
    return item


def decode_json(data: bytes, kind: type[T]) -> T:
    """Read what ``encode_json`` wrote, as ``decode(loads(data), kind)`` but quickly; whole numbers may be of any size.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
        ResponseFormatError: It does not fit; the message names the path inside it.
    """
    try:
        return fast_json.read(data, kind)
    except NotPlainError:
        value = loads(data)
    if get_origin(kind) is Page and isinstance(value, dict) and isinstance(value.get("items"), list):
        with suppress(NotPlainError, ResponseFormatError):  # the place in the whole document is to be named
            page: Any = fast_json.convert(value | {"items": []}, kind)
            return attrs.evolve(page, items=tuple(_item(each, *get_args(kind)) for each in value["items"]))  # type: ignore[no-any-return]
    return decode(value, kind)


def _item(value: Any, kind: type[T]) -> T:
    try:
        return fast_json.convert(value, kind)
    except NotPlainError:
        return decode(value, kind)


def loads_all(texts: Sequence[str]) -> list[Any]:
    """Read many texts at once: faster than one by one, and equal keys are one object.

    Raises:
        ValueError: One of them is not JSON, or nested too deeply.

    Example:
        >>> loads_all(['{"lr":0.1}', "[]"])
        [{'lr': 0.1}, []]
    """
    try:
        return fast_json.read_all(texts, object)
    except NotPlainError:
        return list(map(loads, texts))


def decode_all(texts: Sequence[str], kind: type[T]) -> list[T]:
    """Read many texts of records, as ``decode_json`` does one.

    Raises:
        ValueError: One of them is not JSON, or nested too deeply.
        ResponseFormatError: One does not fit.

    Example:
        >>> decode_all(['{"lr":0.1}', '{"lr":"NaN"}'], dict[str, float])
        [{'lr': 0.1}, {'lr': nan}]
    """
    try:
        return fast_json.read_all(texts, kind)
    except NotPlainError:
        return [decode_json(text.encode(), kind) for text in texts]


def make_context(value: Mapping[str, Any] | None) -> tuple[tuple[str, str | int | float | bool | None], ...]:
    """Make the canonical form of a context of a flat mapping.

    Raises:
        TypeError: It is not a mapping from text to text, numbers, booleans or null.
    """
    if not value:
        return ()
    if not isinstance(value, Mapping):
        raise TypeError(f"context: expected a dict, got {type(value).__name__}")
    for name, item in value.items():
        if not isinstance(name, str) or not (item is None or isinstance(item, (str, int, float, bool))):
            raise TypeError(f"context: {name!r} must map text to text, a number, a boolean or None")
    return tuple(sorted(value.items()))


def context_text(context: tuple[tuple[str, Any], ...]) -> str:
    """Return the canonical JSON text of a context; ``""`` for the empty one."""
    return dumps(dict(context)) if context else ""
