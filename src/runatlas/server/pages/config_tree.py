"""A config as a tree, with what differs from another one marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

__all__ = ["Branch", "ConfigTree", "config_tree", "is_same"]

_LEAVES = 300
_DEPTH = 12
_FLAT = 20
_ABSENT = object()


@attrs.frozen
class Branch:
    """A name of a config with what it holds.

    Attributes:
        value: What it holds, for one that has no branches.
        branches: Those of a nested one.
        left: How many of its names are not shown.
        change: ``""``, ``differs``, ``added`` or, for a nested one, ``inside``.
        before: What the other config holds, where it differs.
    """

    name: str
    value: Any
    branches: tuple[Branch, ...] | None
    left: int
    change: str
    before: Any = None


@attrs.frozen
class ConfigTree:
    """A config's names, how many more there are, and what only the other config has."""

    branches: tuple[Branch, ...]
    left: int
    removed: tuple[tuple[str, Any], ...]
    differing: int


def config_tree(config: Mapping[str, Any], other: Mapping[str, Any] | None) -> ConfigTree:
    """Make a tree of a config; of the first few hundred names.

    Args:
        config: The config.
        other: What it is held against; ``None`` for nothing.

    Returns:
        The tree, with what differs marked.

    Example:
        >>> [branch.change for branch in config_tree({"lr": 0.1, "seed": 1}, {"lr": 0.2, "seed": 1}).branches]
        ['differs', '']
    """
    room = [_LEAVES]
    branches = _branches(config, _ABSENT if other is None else other, room, 0)
    removed = [] if other is None else list(_only_in(other, config, ""))
    differing = sum(map(_count, branches)) + len(removed)
    return ConfigTree(branches, len(config) - len(branches), tuple(removed[:_LEAVES]), differing)


def _branches(held: Any, other: Any, room: list[int], depth: int) -> tuple[Branch, ...]:
    made = []
    for name, value in _items(held):
        if room[0] <= 0:
            break
        room[0] -= 1
        before = other if other is _ABSENT else _part(other, name)
        is_compared = other is not _ABSENT
        if _is_nested(value) and depth < _DEPTH:
            inner = _branches(value, before, room, depth + 1)
            is_unchanged = not is_compared or (before is not _ABSENT and is_same(value, before))
            change = "" if is_unchanged else "added" if before is _ABSENT else "inside"
            made.append(Branch(name, None, inner, len(value) - len(inner), change))
        elif not is_compared or (before is not _ABSENT and is_same(value, before)):
            made.append(Branch(name, value, None, 0, ""))
        elif before is _ABSENT:
            made.append(Branch(name, value, None, 0, "added"))
        else:
            made.append(Branch(name, value, None, 0, "differs", before))
    return tuple(made)


def _items(held: Any) -> list[tuple[str, Any]]:
    pairs = held.items() if isinstance(held, Mapping) else enumerate(held)
    return [(str(name), value) for name, value in pairs]


def _part(held: Any, name: str) -> Any:
    if isinstance(held, Mapping):
        return held.get(name, _ABSENT)
    if isinstance(held, Sequence) and not isinstance(held, str) and name.isdecimal() and int(name) < len(held):
        return held[int(name)]
    return _ABSENT


def _is_nested(value: Any) -> bool:
    """Tell whether a value is a branch; a short list of plain values is read best in one line."""
    if isinstance(value, Mapping):
        return bool(value)
    is_list = isinstance(value, (list, tuple)) and bool(value)
    return is_list and (len(value) > _FLAT or any(isinstance(item, (Mapping, list, tuple)) for item in value))


def is_same(value: Any, other: Any) -> bool:
    """Tell whether two values are equal, ``1`` and ``True`` apart; NaN is equal to itself."""
    if isinstance(value, bool) is not isinstance(other, bool):
        return False
    return bool(value == other) or (value != value and other != other)  # noqa: PLR0124 - NaN


def _only_in(other: Any, config: Any, prefix: str) -> Collection[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in _items(other):
        held = _part(config, name)
        if held is _ABSENT:
            found.append((prefix + name, value))
        elif isinstance(value, Mapping) and isinstance(held, Mapping) and prefix.count(".") < _DEPTH:
            found += _only_in(value, held, f"{prefix}{name}.")
        if len(found) > _LEAVES:
            break
    return found


def _count(branch: Branch) -> int:
    if branch.branches and branch.change == "inside":
        return sum(map(_count, branch.branches))
    return int(bool(branch.change))
