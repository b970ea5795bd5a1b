"""How a config changes: dotted keys are set and taken away one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from runatlas.model.codec import dumps

__all__ = [
    "Spot",
    "change_config",
    "compare_configs",
    "find_value",
    "merge_config",
    "remove_key",
    "revert_config",
    "set_key",
]

Spot = list[Any]
"""A place in a config and what stood there: ``[names, value]``, ``[names]`` where nothing did. ``[names, value, name]``
stood behind that name, or at the beginning if it is ``None``, and was taken away, if only to be set anew at the end."""


def change_config(config: Mapping[str, Any], given: Mapping[str, Any], removed: Iterable[str]) -> dict[str, Any]:
    """Return a config with dotted keys taken away, and then others set: what a ``RunPatch`` means, wherever it applies.

    Args:
        config: As it was; it stays so.
        given: Values by dotted key; objects merge, anything else replaces what was there.
        removed: Dotted keys.

    Example:
        >>> change_config({"model": {"width": 4, "depth": 2}}, {"model.width": 8}, ["model.depth"])
        {'model': {'width': 8}}
    """
    made = copy.deepcopy(dict(config))
    for key in removed:
        remove_key(made, key)
    for key, value in given.items():
        set_key(made, key, copy.deepcopy(value))
    return made


def find_value(config: Mapping[str, Any], key: str) -> Any:
    """Return what a dotted key names; a name with dots of its own counts as it was written.

    Raises:
        KeyError: There is no such key.
    """
    path = _path(config, key)
    if path is None:
        raise KeyError(key)
    holder, name = path[-1]
    return holder[name]


def merge_config(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with another put into it: objects merge, anything else replaces what was there.

    Args:
        config: As it was; it stays so.
        given: Values by key, each as it was written.
    """
    made = copy.deepcopy(dict(config))
    _merge(made, copy.deepcopy(dict(given)))
    return made


def _merge(config: dict[str, Any], given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        held = config.get(key)
        if isinstance(held, dict) and isinstance(value, Mapping):
            _merge(held, value)
        else:
            config[key] = value


def set_key(config: dict[str, Any], key: str, value: Any) -> None:
    """Set what a dotted key names; a scalar and a subtree replace each other.

    Example:
        >>> config = {"model": {"width": 4}, "seed": 1}
        >>> set_key(config, "model.depth", 2)
        >>> config
        {'model': {'width': 4, 'depth': 2}, 'seed': 1}
    """
    holder, name = _find(config, key) or _make(config, key)
    _merge(holder, {name: value})


def remove_key(config: dict[str, Any], key: str) -> None:
    """Take away what a dotted key names, with all below it; objects that this leaves empty go too."""
    path = _path(config, key)
    if path is None:
        return
    for holder, name in reversed(path):
        del holder[name]
        if holder:
            break


def compare_configs(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[list[Spot], list[Spot]]:
    """Return where two configs differ, as each of them has it: what ``revert_config`` takes.

    Example:
        >>> compare_configs({"lr": 1, "net": {"depth": 2}}, {"lr": 1.0, "net": {"depth": 2, "width": 4}})
        ([[['lr'], 1], [['net', 'width']]], [[['lr'], 1.0], [['net', 'width'], 4]])
    """
    spots: tuple[list[Spot], list[Spot]] = ([], [])
    _compare(before, after, [], spots)
    return spots


def _compare(
    before: Mapping[str, Any], after: Mapping[str, Any], path: list[str], spots: tuple[list[Spot], list[Spot]]
) -> None:
    previous: str | None = None
    kept, place = [name for name in after if name in before], 0
    for name, value in before.items():
        names = [*path, name]
        is_in_place = kept[place : place + 1] == [name]
        place += is_in_place
        if not is_in_place:
            spots[0].append([names, value, previous])
            spots[1].append([names, after[name]] if name in after else [names])
        elif isinstance(value, Mapping) and isinstance(after[name], Mapping):
            _compare(value, after[name], names, spots)
        elif dumps(value) != dumps(after[name]):
            spots[0].append([names, value])
            spots[1].append([names, after[name]])
        previous = name
    for name, value in after.items():
        if name not in before:
            spots[0].append([[*path, name]])
            spots[1].append([[*path, name], value])


def revert_config(
    config: Mapping[str, Any], before: Sequence[Spot], after: Sequence[Spot]
) -> tuple[dict[str, Any], list[str]]:
    """Return a config with what ``compare_configs`` found as it was before, and the names that differ from after.

    Example:
        >>> revert_config({"lr": 1.0, "seed": 3}, [[["lr"], 1]], [[["lr"], 1.0]])
        ({'lr': 1, 'seed': 3}, [])
        >>> revert_config({"lr": 2.0}, [[["lr"], 1]], [[["lr"], 1.0]])[1]
        ['lr']
    """
    made = copy.deepcopy(dict(config))
    changed = []
    for old, new in zip(before, after, strict=True):
        *way, name = old[0]
        holder: Any = made
        for step in way:
            holder = holder.get(step) if isinstance(holder, dict) else None
        held = [holder[name]] if isinstance(holder, dict) and name in holder else []
        if not isinstance(holder, dict) or dumps(held) != dumps(new[1:2]):
            changed.append(".".join(old[0]))
        elif len(old) == 1:
            del holder[name]
        else:
            _put(holder, name, *old[1:])
    return made, changed


def _put(holder: dict[str, Any], name: str, value: Any, *behind: str | None) -> None:
    """Set a name; one that was taken away comes back behind the one that it was behind."""
    if behind:
        holder.pop(name, None)
    if not behind or (behind[0] is not None and behind[0] not in holder):
        holder[name] = value
        return
    names = list(holder)
    place = 0 if behind[0] is None else names.index(behind[0]) + 1
    later = {key: holder.pop(key) for key in names[place:]}
    holder |= {name: value, **later}


def _prefixes(key: str) -> Iterable[tuple[str, str]]:
    """Split at each dot, the longest beginning first: a key with dots of its own counts as it was written."""
    end = len(key)
    while (end := key.rfind(".", 0, end)) > 0:
        yield key[:end], key[end + 1 :]


def _path(config: Any, key: str) -> list[tuple[dict[str, Any], str]] | None:
    """The objects from the outermost to the one that has the last part of ``key``, each with its part."""
    if key in config:
        return [(config, key)]
    for name, rest in _prefixes(key):
        inner = config.get(name)
        if isinstance(inner, dict) and (found := _path(inner, rest)):
            return [(config, name), *found]
    return None


def _find(config: dict[str, Any], key: str) -> tuple[dict[str, Any], str] | None:
    path = _path(config, key)
    return path[-1] if path else None


def _make(config: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    holder, rest = config, key
    for name, inner_rest in _prefixes(key):
        inner = config.get(name)
        if isinstance(inner, dict):
            return _make(inner, inner_rest)
    while "." in rest:
        name, rest = rest.split(".", 1)
        inner = holder.get(name)
        if not isinstance(inner, dict):
            inner = holder[name] = {}
        holder = inner
    return holder, rest
