"""How a config changes: dotted keys are set and taken away one by one."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["change_config", "find_value", "merge_config", "remove_key", "set_key"]


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
