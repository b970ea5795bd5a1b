"""The values of a config by their dotted names, and what of them is compared: the same for SQL and for Python.

The name of a value is the keys that lead to it, joined by dots; a section (an object) has a name like any value. Keys
with dots of their own can give two values one name, as in ``{"x.y": 1, "x": {"y": 2}}``. Then the name is that of the
value whose keys were written longer, here ``1``, and the others are ``x.y#2`` and so on: each can be asked for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.model.filter_field import instant_ms

__all__ = [
    "DEPTH_MAX",
    "Section",
    "check_depth",
    "find_value",
    "list_text",
    "member_texts",
    "named_values",
    "nests_deeper",
    "number_of",
    "parts_of",
    "text_of",
    "time_of",
]

_LEAVES = frozenset({str, int, float, bool, NoneType})

DEPTH_MAX = 64
"""How deep sections and lists may lie in a config, and in whatever else of a run is JSON."""

_NUMBER = re.compile(r"[ \t\n\r]*-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?[ \t\n\r]*", re.ASCII)
_WHOLE = re.compile(r"[ \t\n\r]*-?[0-9]+[ \t\n\r]*", re.ASCII)
_HARD = frozenset("#\ufffd")
"""What is in names that are not those of the keys."""
_WHOLE_MAX = 4000
"""So many digits Python reads as a whole number."""
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


@attrs.frozen
class Section:
    """An object of a config, as a comparison sees it.

    Attributes:
        size: How many keys it has.
        names: The names of what lies in it, without its own.
    """

    size: int
    names: frozenset[str]


def check_depth(value: Any, argument: str) -> None:
    """Check that a config, or another JSON value of a run, does not nest too deeply.

    Raises:
        ValidationError: It does.

    Example:
        >>> check_depth({"layers": [[1, 2], [3]]}, "config")
    """
    if nests_deeper(value, DEPTH_MAX + 1):
        raise ValidationError(f"{argument}: it nests more than {DEPTH_MAX} levels deep")


def nests_deeper(value: Any, most: int) -> bool:
    """Tell whether more than so many lists and objects lie in each other, the outermost counted."""
    level = [value]
    for _ in range(most):
        level = [inner for outer in level for inner in _items(outer) if isinstance(inner, (dict, list, tuple))]
        if not level:
            return False
    return True


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def named_values(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every value and section of a config with its name; no name comes twice.

    Raises:
        ValidationError: It has a key that is not text.

    Example:
        >>> list(named_values({"optim": {"lr": 0.1}}))
        [('optim', {'lr': 0.1}), ('optim.lr', 0.1)]
        >>> dict(named_values({"x": {"y": 2}, "x.y": 1}))
        {'x.y': 1, 'x': {'y': 2}, 'x.y#2': 2}
    """
    found: list[tuple[str, Any]] = []
    _walk(config, "", found)
    names = {name for name, _ in found}
    if len(names) == len(found):
        yield from found
        return
    paths = sorted(_paths(config, ()), key=lambda item: [-len(key) for key in item[0]])
    taken: dict[str, int] = {}
    for path, value in paths:
        name = _name(".".join(path))
        number = taken[name] = taken.get(name, 0) + 1
        while number > 1 and f"{name}#{number}" in names:
            number = taken[name] = number + 1
        yield name if number == 1 else f"{name}#{number}", value


def _walk(value: Mapping[str, Any], prefix: str, found: list[tuple[str, Any]]) -> None:
    for key, item in value.items():
        if not isinstance(key, str):
            raise ValidationError(f"config: the key {key!r} is not text")
        name = prefix + _name(key)
        found.append((name, item))
        if (
            type(item) not in _LEAVES and item and isinstance(item, Mapping)
        ):  # whether it is a mapping takes long to tell
            _walk(item, f"{name}.", found)


def _paths(value: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, item in value.items():
        yield (*path, key), item
        if isinstance(item, Mapping):
            yield from _paths(item, (*path, key))


def _name(key: str) -> str:
    return key.replace("\x00", "\ufffd") if "\x00" in key else key


def parts_of(configs: Sequence[Mapping[str, Any]], names: Iterable[str]) -> list[dict[str, Any]]:
    """Return of configs what decides what they have under some names, with all that lies in it.

    Args:
        configs: The configs.
        names: The names, as ``find_value`` takes them.

    Example:
        >>> parts_of([{"lr": 1, "net": {"depth": 2}, "seed": 3}], ["net.depth", "lr"])
        [{'lr': 1, 'net': {'depth': 2}}]
    """
    stems = [name.partition("#")[0] for name in names]
    kept = [
        key
        for key in dict.fromkeys(chain.from_iterable(configs))
        if any(stem.startswith(_name(key)) or _name(key).startswith(stem) for stem in stems)
    ]
    return [{key: config[key] for key in kept if key in config} for config in configs]


def find_value(config: Mapping[str, Any], name: str) -> Any:
    """Return what a config has under a name: a value, a ``Section``, or ``None``."""
    if _HARD.isdisjoint(name):
        held: Any = config
        parts = name.split(".")
        for part in parts:
            if not isinstance(held, (dict, Mapping)) or (len(parts) > 1 and "." in "".join(map(str, held))):
                break
            held = held.get(part)
        else:  # no key on the way has a dot of its own: there is one way only
            if not isinstance(held, (dict, Mapping)):
                return held
    values = dict(named_values(config))
    found = values.get(name)
    if not isinstance(found, Mapping):
        return found
    start = f"{name}."
    return Section(len(found), frozenset(key.removeprefix(start) for key in values if key.startswith(start)))


# -- what is compared --------------------------------------------------------------------------------------------


def number_of(text: str) -> int | float | None:
    """Return the number that a text is, or ``None``.

    Example:
        >>> number_of("1e-3"), number_of(" 7"), number_of("adam")
        (0.001, 7, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if len(text) < _WHOLE_MAX and _WHOLE.fullmatch(text) else float(text)


def time_of(text: str) -> int | None:
    """Return the Unix milliseconds that a text means as an ISO 8601 date or time, or ``None``."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return instant_ms(text)
    except ValueError:
        return None


def text_of(value: str | int | float | bool) -> str:
    """Return the text that a config value or a literal is compared as."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def list_text(items: Sequence[Any]) -> str:
    """Return a list as a text that is equal exactly when the list is; each element stands on a line of its own.

    Example:
        >>> list_text([64, 128.0]) == list_text([64.0, 128]), list_text([1, [2]])
        (True, '[\\n1\\n[2]\\n]')
    """
    return "[\n" + "".join(f"{_element(item)}\n" for item in items) + "]"


def member_texts(value: Any, *, lenient: bool) -> tuple[str, ...]:
    """Return the lines of ``list_text`` of which a list has one when the value is in it."""
    texts = {_element(value): None}
    if lenient and isinstance(value, str) and (number := number_of(value)) is not None:
        texts[_element(number)] = None
    elif lenient and isinstance(value, (int, float)):
        texts[dumps(text_of(value))] = None
    return tuple(texts)


def _element(value: Any) -> str:
    if isinstance(value, str) or value is None:
        return dumps(value)
    if isinstance(value, (int, float)):
        whole = math.isfinite(value) and value == int(value) if isinstance(value, float) else True
        return str(int(value)) if whole else text_of(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{dumps(str(key))}:{_element(item)}" for key, item in sorted(value.items())) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_element, value)) + "]"
    return dumps(value)
