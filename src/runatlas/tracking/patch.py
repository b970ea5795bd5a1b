"""Changes of a run: what they make of its record, and which of them can wait together and be one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from runatlas.model.run import RunPatch, RunRecord
from runatlas.model.run_config import change_config

__all__ = ["apply_patch", "merge_patches", "patch_parts", "patch_pieces"]

_TOGETHER = (
    ("state", "finished_at_ms"),
    ("project", "project_title"),
    ("config", "config_removed"),
    ("labels", "labels_added", "labels_removed"),
    ("protected", "protected_reason"),
)
_SETS = ("config", "config_removed", "labels", "labels_added", "labels_removed")


def merge_patches(first: RunPatch, second: RunPatch) -> RunPatch | None:
    """Make one patch of two that follow each other.

    Returns:
        The patch, or ``None`` if applying it might not be the same as applying both in turn.
    """
    labels = (second.labels, second.labels_added, second.labels_removed)
    if any(labels) and any((first.labels, first.labels_added, first.labels_removed)):
        return None
    if first.project is not None or second.project is not None:
        return None
    # What the second sets anew replaces what the first set under the same key.
    anew = {key for key in second.config or {} if key in second.config_removed}
    named_first = [key for key in [*(first.config or {}), *first.config_removed] if key not in anew]
    named_second = [*(second.config or {}), *second.config_removed]
    # Removals come first in a patch: they must not hit what the other of the two sets.
    if _overlap(named_first, named_second):
        return None
    changes = {
        field.name: value
        for field in attrs.fields(RunPatch)
        if field.name not in _SETS and (value := getattr(second, field.name)) is not None
    }
    config = {**(first.config or {}), **(second.config or {})}
    return attrs.evolve(
        first,
        **changes,
        config=config or None,
        config_removed=tuple(dict.fromkeys([*first.config_removed, *second.config_removed])),
        labels=first.labels if second.labels is None else second.labels,
        labels_added=(*first.labels_added, *second.labels_added),
        labels_removed=(*first.labels_removed, *second.labels_removed),
    )


def patch_parts(patch: RunPatch) -> Iterator[RunPatch]:
    """Cut a patch into changes that can be made one by one."""
    given = {
        field.name: value for field in attrs.fields(RunPatch) if (value := getattr(patch, field.name)) != field.default
    }
    for names in (*_TOGETHER, *((name,) for name in tuple(given))):
        part = {name: given.pop(name) for name in names if name in given}
        if part:
            yield RunPatch(**part)


def patch_pieces(patch: RunPatch) -> tuple[RunPatch, ...]:
    """Cut a refused patch further; none if it is one change."""
    parts = tuple(patch_parts(patch))
    if len(parts) > 1:
        return parts
    if patch.config and (len(patch.config) > 1 or patch.config_removed):
        removed = (RunPatch(config_removed=patch.config_removed),) if patch.config_removed else ()
        return (*removed, *(RunPatch(config={key: value}) for key, value in patch.config.items()))
    return ()


def _overlap(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether a dotted key of one is, or lies inside, a key of the other."""
    taken = set(first)
    inside = {".".join(parts[:end]) for key in taken for parts in (key.split("."),) for end in range(1, len(parts))}
    for key in second:
        parts = key.split(".")
        if key in inside or any(".".join(parts[:end]) in taken for end in range(1, len(parts) + 1)):
            return True
    return False


def apply_patch(record: RunRecord, patch: RunPatch) -> RunRecord:
    """Return what a patch makes of a record."""
    names = [field.name for field in attrs.fields(RunPatch) if hasattr(record, field.name)]
    special = {"config", "labels", "project"}
    changes: dict[str, Any] = {
        name: getattr(patch, name) for name in names if name not in special and getattr(patch, name) is not None
    }
    changes["labels"] = patch.relabel(record.labels)
    if patch.project is not None:
        changes |= {"project": patch.project, "project_cuid": ""}
    if patch.config or patch.config_removed:
        changes["config"] = change_config(record.config or {}, patch.config or {}, patch.config_removed)
    if patch.state == "RUNNING":
        changes |= {"finished_at_ms": None, "error": ""}
    if patch.protected is False:
        changes["protected_reason"] = ""
    return attrs.evolve(record, **changes)
