"""Values of any maker as plain JSON: configs as people have them.

What has a structure keeps it: mappings and sequences of any kind, records (dataclasses, attrs, pydantic, named tuples),
namespaces and plain objects, arrays and tensors. What has one plain form gets it: numbers, enums, paths, times. The
rest is kept as text, and one warning names it.

Libraries are known by what their objects can do, so that none is imported.
"""

from __future__ import annotations

import base64
import enum
import functools
import logging
import math
import operator
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence, Set, ValuesView
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any
from uuid import UUID

import attrs

from runatlas.model import codec
from runatlas.model.object_fields import attributes_of, fields_of, is_record, settings_of
from runatlas.model.text import is_storable, storable
from runatlas.terminal import printable

__all__ = ["check_path", "is_masked", "plain_config", "plain_value", "read_value"]

_log = logging.getLogger("runatlas")

_DEPTH = 64
"""How deeply a config nests at the most: no store takes more."""
_ELEMENTS = 10_000
"""Elements of an array that is kept as a list at the most."""
_ATTRIBUTES = 1_000
_TEXT_MAX, _NAMED = 1_000, 5
_WHOLE_BITS = 10_000
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_NOTHING = {"MaskedConstant", "NAType", "NaTType"}
"""Classes of NumPy and pandas whose only value stands for none."""
_UNREADABLE: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, BufferError, ImportError, LookupError),
    *(NameError, OSError, RuntimeError, TypeError, ValueError, Warning),
)
"""What reading an object of somebody else may raise."""


def check_path(key: str, argument: str) -> str:
    """Return a dotted key, if a config can have it.

    Args:
        key: The dotted key.
        argument: What to call it in messages.

    Raises:
        ValueError: It leads too deep.
    """
    if key.count(".") > _DEPTH:
        raise ValueError(f"{argument}: {key[:40]!r}… leads more than {_DEPTH} levels deep, and no config has so many")
    return key


def plain_config(config: Any, argument: str = "config", depth: int = 0) -> dict[str, Any]:
    """Return a config as plain JSON, copied; one warning names what could be kept as text only.

    Args:
        config: A mapping, or anything with fields: a record, a namespace, an object, a class or a module of settings.
        argument: What to call it in messages.
        depth: How deeply its keys lead by their dots.

    Raises:
        TypeError: It has no fields.

    Example:
        >>> import argparse
        >>> plain_config(argparse.Namespace(lr=0.1, layers=(64, 128)))
        {'lr': 0.1, 'layers': [64, 128]}
    """
    reader = _Reader(depth)
    if isinstance(config, (type, ModuleType)):
        plain = reader.read_fields(settings_of(config), argument)
    else:
        plain = reader.read(config, argument)
        if not isinstance(plain, dict) and hasattr(config, "__dict__") and not callable(config):
            reader = _Reader(depth)
            plain = reader.read_fields(attributes_of(config), argument)
    if not isinstance(plain, dict):
        raise TypeError(f"{argument}: expected a dict or an object with fields, got {type(config).__name__}")
    _warn(argument, reader.notes)
    return plain


def plain_value(value: Any, where: str, depth: int = 0) -> Any:
    """Return a value as plain JSON, copied; one warning names what could be kept as text only.

    Args:
        value: Anything.
        where: What to call it in messages.
        depth: How deeply it will lie in a config.
    """
    plain, notes = read_value(value, where, depth)
    _warn(where, notes)
    return plain


def read_value(value: Any, where: str, depth: int = 0) -> tuple[Any, list[str]]:
    """Return a value as plain JSON, copied, and what is to be said of it.

    Args:
        value: Anything.
        where: What to call it in messages.
        depth: How deeply it will lie in a config.
    """
    reader = _Reader(depth)
    return reader.read(value, where), reader.notes


def is_masked(value: Any) -> bool:
    """Tell whether a value is a masked one of NumPy, or an array with one: it has a number that is not meant."""
    mask = getattr(value, "mask", None)
    if mask is None or not hasattr(value, "filled"):
        return False
    return bool(mask) if not hasattr(mask, "any") else bool(mask.any())


def _warn(argument: str, notes: Sequence[str]) -> None:
    if not notes:
        return
    more = f" and {len(notes) - _NAMED} more" if len(notes) > _NAMED else ""
    silent = os.environ.get("RUNATLAS_SILENT", "").lower() in {"1", "true", "yes", "on"}
    text = f"{'; '.join(notes[:_NAMED])}{more}"
    _log.log(
        logging.INFO if silent else logging.WARNING, "runatlas: %s: not kept as it is: %s", argument, printable(text)
    )


class _Reader:
    """Reads one value with all that is in it.

    Args:
        depth: How deeply the value will lie in a config.
        holders: What the value lies in.
        most: How many values are read at the most.

    Attributes:
        notes: What was kept as text, and where.
    """

    def __init__(self, depth: int = 0, *, holders: list[Any] | None = None, most: float = math.inf) -> None:
        self.notes: list[str] = []
        self._depth = depth
        self._holders: list[Any] = [] if holders is None else holders
        self._left = most

    def read(self, value: Any, where: str) -> Any:
        self._left -= 1
        if self._left < 0:
            self._note(where, "there is more than a config has")
            return None
        kind = type(value)
        if kind is bool or kind is float:
            return value
        if value is None or kind.__name__ in _NOTHING:
            return None
        if kind is str or kind is int:
            return self.text(value, where) if kind is str else self.whole(value, where)
        convert = next((convert for base, convert in _CONVERSIONS if isinstance(value, base)), None)
        if convert is None:
            return self._structure(value, where)
        try:
            plain = convert(value)
        except OverflowError:
            plain = self._as_text(str(value), where, value)
        return self.read(plain, where)

    # -- values that have one plain form ------------------------------------------------------------------------

    def text(self, value: str, where: str) -> str:
        text = str.__str__(value)
        if not is_storable(text):
            self._note(where, "has NUL characters or lone surrogates, which no store holds")
            return storable(text)
        return text

    def whole(self, value: int, where: str) -> Any:
        number = int(value)
        return self._as_text(hex(number), where, value) if number.bit_length() > _WHOLE_BITS else number

    # -- structures ---------------------------------------------------------------------------------------------

    def _structure(self, value: Any, where: str) -> Any:
        if any(value is holder for holder in self._holders):
            self._note(where, "holds itself")
            return _text_of(value)
        if self._depth + len(self._holders) > _DEPTH:
            self._note(where, f"is nested more than {_DEPTH} levels deep")
            return _text_of(value)
        self._holders.append(value)
        try:
            for has_it, structure in () if isinstance(value, _BARE) or _is_large(value) else _STRUCTURES:
                if not has_it(value):
                    continue
                try:
                    found = structure(value)
                    if _is_mapping(found):
                        return self._mapping(_entries(found), where)
                except _raised_by(value):
                    continue
                if isinstance(found, list):
                    return self._items(found, where)
                if found is not value:
                    return self.read(found, where)
            return self._plain_object(value, where)
        finally:
            self._holders.pop()

    def read_fields(self, fields: Mapping[str, Any], where: str) -> dict[str, Any]:
        return self._mapping(list(fields.items()), where)

    def _mapping(self, entries: list[tuple[Any, Any]], where: str) -> dict[str, Any]:
        texts = {key for key, _ in entries if type(key) is str}
        made: dict[str, Any] = {}
        for key, item in entries:
            name = self._key(key, made if type(key) is str else texts | made.keys(), where)
            made[name] = self._unread(item, f"{where}.{name}")
        return made

    def _items(self, values: list[Any], where: str) -> list[Any]:
        return [self._unread(item, f"{where}[{place}]") for place, item in enumerate(values)]

    def _unread(self, item: Any, where: str) -> Any:
        if isinstance(item, _Unread):
            self._note(where, item.reason)
            return self.read(item.text, where)
        return self.read(item, where)

    def _key(self, key: Any, taken: Collection[str], where: str) -> str:
        """A key as text; keys of two types that read alike are told apart."""
        if isinstance(key, str) and not isinstance(key, enum.Enum):
            name = self.text(key, where)
        else:
            plain, notes = read_value(key, where, _DEPTH)
            name = plain if isinstance(plain, str) else str(plain)
            if notes or isinstance(plain, (list, dict)):
                self._note(where, f"the key {name!r} is of the type {type(key).__name__}")
        if name in taken:
            told = f"{name} ({type(key).__name__})"
            self._note(where, f"it has two keys that read {name!r}, one is kept as {told!r}")
            return self._key(told, taken, where)
        return name

    def _plain_object(self, value: Any, where: str) -> Any:
        """An object whose attributes are all plain is a structure; one that holds more than these is not."""
        if isinstance(value, functools.partial):
            parts = {"function": value.func, "args": value.args, "keywords": value.keywords}
            return self._mapping([(name, part) for name, part in parts.items() if part], where)
        if not callable(value) and not hasattr(value, "__next__") and not isinstance(value, ModuleType):
            attributes = attributes_of(value)
            if attributes:
                trial = _Reader(self._depth, holders=self._holders, most=_ATTRIBUTES)
                plain = trial.read_fields(attributes, where)
                if not trial.notes:
                    return plain
        return self._as_text(_text_of(value), where, value)

    def _as_text(self, text: str, where: str, value: Any) -> str:
        self._note(where, f"a {_name_of(type(value))} is kept as text")
        return text

    def _note(self, where: str, what: str) -> None:
        self.notes.append(f"{where}: {what}")


def _of_member(member: enum.Enum) -> Any:
    value = member.value
    return value if isinstance(value, (str, int, float)) or value is None else member.name


def _of_decimal(value: Decimal) -> int | float:
    if value.is_finite() and value.as_tuple().exponent == 0:
        return int(value)
    number = math.nan if value.is_snan() else float(value)
    if math.isinf(number) and value.is_finite():
        raise OverflowError("it is more than a double holds")
    return number


def _of_time(value: Any) -> Any:
    """A time as ISO 8601, a length of time in seconds; one that is none is not equal to itself."""
    if value != value:  # noqa: PLR0124
        return None
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (enum.Enum, _of_member),
    (str, str.__str__),
    (int, int),
    (float, float),
    (Decimal, _of_decimal),
    (Fraction, float),
    ((date, time, timedelta), _of_time),
    (os.PathLike, os.fsdecode),
    (UUID, str),
)
"""Kinds of values that have one plain form."""


@attrs.frozen
class _Unread:
    """What a config has under a key, and cannot give."""

    text: Any
    reason: str


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping) or (_has(value, "keys") and _has(value, "__getitem__"))


def _has(value: Any, name: str) -> bool:
    """Whether a method is its class's: some objects answer to every name."""
    return callable(getattr(type(value), name, None))


def _raised_by(value: Any) -> tuple[type[BaseException], ...]:
    """What reading a value may raise: the usual, and the error at hand if it is of the value's own library."""
    error = sys.exc_info()[0]
    own = error is not None and issubclass(error, Exception) and _package(error) == _package(type(value))
    return (*_UNREADABLE, error) if own and error is not None else _UNREADABLE


def _package(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


def _entries(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, dict):
        return list(value.items())
    return [(key, _entry(value, key)) for key in list(value.keys())]


def _entry(value: Any, key: Any) -> Any:
    try:
        return value[key]
    except _raised_by(value) as error:
        written = _as_written(value, key)
        return _Unread(written, f"it has no value, {written!r} is kept ({type(error).__name__})")


def _as_written(value: Any, key: Any) -> Any:
    """What stands in an OmegaConf config in place of a value: ``???``, or an interpolation that leads nowhere."""
    library = sys.modules.get("omegaconf")
    if library is None or not library.OmegaConf.is_config(value):
        return None
    return library.OmegaConf.to_container(value, resolve=False)[key]


def _elements(array: Any) -> Any:
    """The numbers of an array or a tensor, of one without axes the number."""
    kind = getattr(getattr(array, "dtype", None), "kind", "")
    if kind in {"m", "M"}:
        # As whole numbers of any unit they would say nothing.
        array = array.astype(f"{'timedelta64' if kind == 'm' else 'datetime64'}[us]")
    found = array.tolist() if _has(array, "tolist") else array.numpy().tolist()
    return float(found) if type(found) is type(array) else found


def _sequence(values: Any) -> list[Any]:
    if isinstance(values, (list, tuple, ValuesView, deque)):
        return list(values)
    if isinstance(values, Set):
        try:
            return sorted(values)
        except TypeError:
            return sorted(values, key=repr)
    return [_entry(values, place) for place in range(len(values))]


def _document(value: Any) -> Any:
    found = value.json()
    return codec.loads(found) if isinstance(found, (str, bytes)) else found


def _is_large(value: Any) -> bool:
    return hasattr(type(value), "shape") and math.prod(value.shape) > _ELEMENTS


def _is_model(value: Any) -> bool:
    """Whether it is one of pydantic's, whose ``json`` is another thing."""
    return _has(value, "model_dump") or (hasattr(type(value), "__fields__") and _has(value, "dict"))


def _is_named_tuple(value: Any) -> bool:
    return isinstance(value, tuple) and hasattr(type(value), "_fields")


def _itself(value: Any) -> Any:
    return value


def _having(name: str) -> tuple[Callable[[Any], bool], Callable[[Any], Any]]:
    return lambda value: _has(value, name), operator.methodcaller(name)


_BARE = (type, ModuleType, bytes, bytearray, memoryview)
_STRUCTURES: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (lambda value: hasattr(type(value), "shape"), _elements),
    (lambda value: isinstance(value, Mapping), _itself),
    (_is_named_tuple, operator.methodcaller("_asdict")),
    (lambda value: isinstance(value, (Sequence, Set, ValuesView, deque)), _sequence),
    _having("model_dump"),
    (lambda value: _has(value, "model_dump"), dict),
    (_is_model, lambda model: model.dict()),
    (lambda value: _has(value, "json") and not _is_model(value), _document),
    (is_record, fields_of),
    (_is_mapping, _itself),
    *map(_having, ("to_dict", "as_dict", "asdict", "tolist")),
    (lambda value: _has(value, "__index__"), operator.index),
    (lambda value: _has(value, "__float__"), float),
)
"""Who has which structure, and the ways to it, those that say the most first."""


def _text_of(value: Any) -> str:
    """The text that stands for an object: the same in every process."""
    kind = type(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _text_of_bytes(bytes(value))
    if isinstance(getattr(value, "__qualname__", None), str):
        return _name_of(value)
    if hasattr(kind, "shape") and hasattr(value, "dtype"):
        return f"{_name_of(kind)} of {value.dtype}, shape {tuple(value.shape)}"
    try:
        text = str(value)
    except _raised_by(value):
        return _name_of(kind)
    if text == object.__repr__(value):
        return _name_of(kind)
    return storable(_ADDRESS.sub("", text)[:_TEXT_MAX])


def _text_of_bytes(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


def _name_of(named: Any) -> str:
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in {None, "builtins"} else f"{module}.{named.__qualname__}"
