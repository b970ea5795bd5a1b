"""JSON by msgspec, wherever it reads and writes just what the codec would; the codec does the rest, more slowly."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, repeat
from operator import attrgetter, contains
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from runatlas.model.filters import And, Comparison, Not, Or

__all__ = ["NotPlainError", "convert", "raw_objects", "read", "read_all", "read_known", "require_plain", "write"]

T = TypeVar("T")

_PLAIN = frozenset({str, int, bool, NoneType, msgspec.Raw})
_INT64 = 1 << 63
_TAGGED = frozenset({And, Or, Not, Comparison})


class NotPlainError(ValueError):
    """Only the codec can read or write it, or can say what is wrong with it."""


def read(data: bytes | str, kind: type[T]) -> T:
    """Read a record, a container of records or plain JSON values; names that a record does not have are passed over.

    Args:
        data: A JSON document.
        kind: What it is; ``object`` for plain values.

    Raises:
        NotPlainError: It has special floats in it, is no such record, or no JSON.

    Example:
        >>> read(b'{"lr":0.1}', dict[str, float])
        {'lr': 0.1}
    """
    mark: Any = "$" if isinstance(data, str) else b"$"
    if mark in data:  # looking for one letter takes next to nothing
        _require_unmarked(data)
    with _failures():
        return _known_decoder(kind).decode(data)  # type: ignore[no-any-return]


def read_all(texts: Sequence[str], kind: type[T]) -> list[T]:
    """Read many texts as ``read`` does one: to join them would take as long as to read them.

    Raises:
        NotPlainError: One of them has special floats in it, is no such record, or no JSON.

    Example:
        >>> read_all(['{"lr":0.1}', "{}"], dict[str, float])
        [{'lr': 0.1}, {}]
    """
    if any(map(contains, texts, repeat("$"))):
        for text in texts:
            _require_unmarked(text)
    with _failures():
        return list(map(_known_decoder(kind).decode, texts))


def _require_unmarked(data: str | bytes) -> None:
    marked: Any = '"$float"' if isinstance(data, str) else b'"$float"'
    if marked in data:
        raise NotPlainError("special floats")


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotPlainError(str(error)) from error


def _known_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    decoder = _decoder(kind)
    if decoder is None:
        raise NotPlainError(f"{kind} is not for msgspec")
    return decoder


def read_known(data: bytes, kind: type[T]) -> tuple[T, list[Any]]:
    """Read a record as ``read`` does, if all names in it are of fields; return the free JSON that lies in it as well.

    Raises:
        NotPlainError: It has special floats or other names in it, or is no such record.

    Example:
        >>> read_known(b'{"lr":0.1}', dict[str, Any])
        ({'lr': 0.1}, [{'lr': 0.1}])
    """
    _require_unmarked(data)
    with _failures():
        value = msgspec.json.decode(data)
    free: list[Any] = []
    _require_known([value], kind, free)
    return convert(value, kind), free


def _require_known(values: Collection[Any], kind: Any, free: list[Any]) -> None:
    """Check names and whole numbers in values of one kind, all at once; other kinds are for ``convert`` to refuse."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind in {str, bool, float} or origin is Literal:
        return
    if kind is int:
        numbers = [value for value in values if type(value) is int]
        if numbers and (min(numbers) < -_INT64 or max(numbers) >= _INT64):
            raise NotPlainError("more than 64 bits")
    elif origin is dict:
        free.extend(values)
    elif origin is tuple and inner[1:] == (Ellipsis,):
        lists = [value for value in values if type(value) is list]
        _require_known(list(chain.from_iterable(lists)), inner[0], free)
    elif origin in {Union, UnionType} and len(set(inner) - {NoneType}) == 1:
        (there,) = set(inner) - {NoneType}
        _require_known([value for value in values if value is not None], there, free)
    elif attrs.has(kind) and kind not in _TAGGED:
        hints = get_type_hints(kind)
        objects = [value for value in values if type(value) is dict]
        if not hints.keys() >= set(chain.from_iterable(objects)):
            raise NotPlainError("names that it does not have")
        for name, hint in hints.items():
            _require_known([value[name] for value in objects if name in value], hint, free)
    else:
        raise NotPlainError(f"{kind} is not looked into")


def convert(value: Any, kind: type[T]) -> T:
    """Make a record of plain JSON values, as ``read`` does of their text.

    Raises:
        NotPlainError: It has a special float in the place of a number, or is no such record.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, TypeError) as error:
        raise NotPlainError(str(error)) from error


def raw_objects(texts: Sequence[str]) -> list[msgspec.Raw]:
    """Check that texts are JSON objects; what comes back is written as it is where a dict would be.

    Raises:
        ValueError: One of them is no JSON object.

    Example:
        >>> write(raw_objects(['{"lr":0.1}', "{}"]))
        b'[{"lr":0.1},{}]'
    """
    try:
        found = list(map(_RAW.decode, texts))
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise ValueError(f"one of the texts is no JSON: {error}") from None
    if not all(map(str.startswith, texts, repeat("{"))):
        raise ValueError("one of the texts is no JSON object")
    return found


_RAW = msgspec.json.Decoder(msgspec.Raw)


@lru_cache(maxsize=256)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any] | None:
    try:
        return msgspec.json.Decoder(Any if kind is object else kind)
    except TypeError:  # a union of records, told apart by what the codec knows
        return None


def write(value: Any) -> bytes:
    """Write a record, a container of records or plain JSON values.

    Raises:
        NotPlainError: There is a NaN, a ±Inf or a filter in it, or something that is no JSON value.
    """
    require_plain(value)
    return msgspec.json.encode(value)


def require_plain(value: Any) -> None:
    """Check that a value can be written.

    Raises:
        NotPlainError: There is a NaN, a ±Inf or a filter in it, or something that is no JSON value.
    """
    if not _are_plain((value,)):
        raise NotPlainError("special floats, or filters")


def _are_plain(values: Collection[Any]) -> bool:
    """Tell whether msgspec writes these as the codec does: no NaN, no ±Inf, no filter among them or inside.

    All of a kind are looked at together, and then all that lies in them, so that nearly everything happens in C.
    """
    kinds = set(map(type, values))
    if len(kinds) == 1:
        return _is_plain(kinds.pop(), values)
    return all(_is_plain(kind, [value for value in values if type(value) is kind]) for kind in kinds - _PLAIN)


def _is_plain(kind: Any, values: Collection[Any]) -> bool:
    """Tell it of values that are all of one kind."""
    if kind in _PLAIN:
        return True
    if kind is float:
        return math.isfinite(sum(values)) or all(map(math.isfinite, values))
    if kind is dict:
        return _are_plain(list(chain.from_iterable(map(dict.values, values))))
    if kind is list or kind is tuple:
        return _are_plain(list(chain.from_iterable(values)))
    names = _doubtful_fields(kind)
    return names is not None and all(_are_plain(list(map(attrgetter(name), values))) for name in names)


@lru_cache(maxsize=256)
def _doubtful_fields(kind: Any) -> tuple[str, ...] | None:
    """The fields of a record that may hold a float or free JSON; ``None`` for what only the codec can write."""
    if kind in _TAGGED or not attrs.has(kind):
        return None
    hints = get_type_hints(kind)
    return tuple(field.name for field in attrs.fields(kind) if not _surely_plain(hints[field.name]))


def _surely_plain(hint: Any) -> bool:
    if hint in _PLAIN or hint is Ellipsis or get_origin(hint) is Literal:
        return True
    if get_origin(hint) in {Union, UnionType, tuple}:
        return all(map(_surely_plain, get_args(hint)))
    return isinstance(hint, type) and _doubtful_fields(hint) == ()
