"""Dicts and lists as they were read: changing one would change nothing that is kept, so they say how that is done."""

from __future__ import annotations

import gc
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from functools import partial
from typing import Any, NoReturn, SupportsIndex, overload

from runatlas.model.missing_key import MissingKeyError

__all__ = ["BuiltIn", "FrozenDict", "FrozenList", "frozen_config", "frozen_labels"]

_CONTAINERS = frozenset({dict, list})

Advice = Callable[[str], str]
"""Says how something is changed, by the dotted key of it inside of what was read; ``""`` for all of that."""


def frozen_config(config: Mapping[str, Any]) -> FrozenDict:
    """Return a config to be read.

    Args:
        config: Plain values; it is copied.

    Example:
        >>> config = frozen_config({"net": {"depth": 18}})
        >>> dict(config, lr=0.1)
        {'net': {'depth': 18}, 'lr': 0.1}
    """
    # As most are, and copying one once is enough: a dict that the collector does not track holds no container.
    is_flat = type(config) is dict and not gc.is_tracked(config)
    made: FrozenDict = _FrozenConfig(config if is_flat else _plain_dict(config))
    return made


def frozen_labels(labels: Iterable[str], owner: str) -> FrozenList:
    """Return labels to be read.

    Args:
        labels: The labels.
        owner: ``run`` or ``project``.
    """
    return FrozenList(labels, partial(_label_advice, owner))


def _config_advice(key: str) -> str:
    key = key or "…"
    return (
        f'run.config is what was read, and changing it changes no run: use run.update(config={{"{key}": …}}) '
        f'or run.update(config_removed=["{key}"]); copy.deepcopy(run.config) is yours to change'
    )


def _label_advice(owner: str, _: str) -> str:
    some = ", or labels_added and labels_removed for some;" if owner == "run" else ";"
    return (
        f"{owner}.labels is what was read, and changing it changes no {owner}: use {owner}.update(labels=[…]){some} "
        f"list({owner}.labels) is yours to change"
    )


class BuiltIn(type):
    """The class of classes that other libraries take for what they are made of.

    Some, such as PyYAML, do not ask whether something is a dict, but what the first class of its type's order is.
    """

    @property
    def __mro__(cls) -> tuple[type, ...]:
        return dict.__mro__ if issubclass(cls, dict) else list.__mro__


class FrozenDict(dict[str, Any], metaclass=BuiltIn):
    """A dict as it was read; copies, pickles and what is made of it are ordinary ones.

    Args:
        values: Plain values, of which nobody else holds what lies inside.
        advice: Says how something in it is changed.
    """

    # It holds plain values, which C code reads past these methods, and hands out what is in it as frozen as itself.
    __slots__ = ("_advice",)

    def __init__(self, values: Mapping[str, Any], advice: Advice) -> None:
        super().__init__(values)
        self._advice = advice

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if type(value) is dict:
            return FrozenDict(value, partial(_inside, self._advice, key))
        return FrozenList(value, partial(_inside, self._advice, key)) if type(value) is list else value

    def __missing__(self, key: str) -> NoReturn:
        path = _path_of(self, key) if isinstance(key, str) else ()
        if path:
            raise KeyError(f"{key!r} lies inside: [{']['.join(map(repr, path))}]")
        raise MissingKeyError(key, self)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        value = super().get(key, default)
        return self[key] if isinstance(value, (dict, list)) and key in self else value

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """Return a view of the values."""
        return ValuesView(self)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Return a view of the keys with their values."""
        return ItemsView(self)

    def copy(self) -> dict[str, Any]:
        """Return an ordinary dict."""
        return _plain_dict(self)

    def __copy__(self) -> dict[str, Any]:
        return _plain_dict(self)

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return _plain_dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (_plain_dict(self),)

    def _refuse(self, *arguments: Any, **named: Any) -> NoReturn:
        keys = [*arguments[:1], *named]
        if keys and isinstance(keys[0], Mapping):
            keys = [*keys[0], *named]
        raise TypeError(self._advice(str(keys[0]) if keys else ""))

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


class _FrozenConfig(FrozenDict):
    """What ``FrozenDict(values, _config_advice)`` is, made in C: of thousands of runs one each."""

    __slots__ = ()
    __init__ = dict.__init__
    _advice = staticmethod(_config_advice)


class FrozenList(list[Any], metaclass=BuiltIn):
    """A list as it was read; copies, pickles and what is made of it are ordinary ones.

    Args:
        values: Plain values, which nobody else holds.
        advice: Says how it is changed.
    """

    __slots__ = ("_advice",)

    def __init__(self, values: Iterable[Any], advice: Advice) -> None:
        super().__init__(values)
        self._advice = advice

    @overload
    def __getitem__(self, place: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> list[Any]: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        value = super().__getitem__(place)
        return value if isinstance(place, slice) else self._frozen(value)

    def __iter__(self) -> Iterator[Any]:
        return map(self._frozen, super().__iter__())

    def __reversed__(self) -> Iterator[Any]:
        return map(self._frozen, super().__reversed__())

    def copy(self) -> list[Any]:
        """Return an ordinary list."""
        return _plain_list(self)

    def __copy__(self) -> list[Any]:
        return _plain_list(self)

    def __deepcopy__(self, memo: Any) -> list[Any]:
        return _plain_list(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (_plain_list(self),)

    def _frozen(self, value: Any) -> Any:
        # No dotted key names what is inside of a list: the list is set as a whole.
        if type(value) is dict:
            return FrozenDict(value, partial(_whole, self._advice))
        return FrozenList(value, partial(_whole, self._advice)) if type(value) is list else value

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(self._advice(""))

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse


def _path_of(held: Mapping[str, Any], dotted: str) -> tuple[str, ...]:
    """Return the keys, one in another, that a dotted name is put together of; none if nothing is there."""
    for key, value in held.items():
        if key == dotted:
            return (key,)
        if isinstance(value, dict) and dotted.startswith(f"{key}."):
            inner = _path_of(value, dotted[len(key) + 1 :])
            if inner:
                return (key, *inner)
    return ()


def _inside(advice: Advice, outer: str, key: str) -> str:
    return advice(f"{outer}.{key}" if key else outer)


def _whole(advice: Advice, _: str) -> str:
    return advice("")


def _plain_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    """Copy plain values, all the way down."""
    made = {**values}
    # Most values are no containers, and configs are read in loops over thousands of runs.
    for key in [key for key, value in made.items() if type(value) in _CONTAINERS]:
        made[key] = _plain(made[key])
    return made


def _plain_list(values: list[Any]) -> list[Any]:
    return [_plain(value) if type(value) in _CONTAINERS else value for value in list.__iter__(values)]


def _plain(value: dict[str, Any] | list[Any]) -> dict[str, Any] | list[Any]:
    return _plain_dict(value) if isinstance(value, dict) else _plain_list(value)
