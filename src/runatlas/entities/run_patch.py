"""What may be changed of a run, from outside of its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

from runatlas.entities.argument import boolean, choice, integer, text, texts
from runatlas.model.config_value import check_path, plain_config
from runatlas.model.ids import project_names
from runatlas.model.run import OWN_FIELDS, RUN_STATES, RunPatch, RunState
from runatlas.model.text import did_you_mean

__all__ = ["RunChanges", "make_run_patch"]


class RunChanges(TypedDict, total=False):
    """The arguments of ``update``; what is left out stays.

    Attributes:
        labels: Replaces all labels; ``labels_added`` and ``labels_removed`` change some.
        replace_labels: Whether ``labels`` may replace different labels of several runs.
        protected: Whether no deletion takes it; ``protected_reason`` says why.
        config: Sets these dotted keys and keeps the others; ``config_removed`` takes some away.
        project: Moves to that project of the same workspace.
        state: How the run stands; an end sets ``finished_at`` where there is none, ``RUNNING`` takes it away.
        error: Why it ended; shown as ``crash_message``.
    """

    name: str
    description: str
    labels: Sequence[str]
    labels_added: Sequence[str]
    labels_removed: Sequence[str]
    replace_labels: bool
    group: str
    job_type: str
    show: bool
    pin: bool
    baseline: bool
    archived: bool
    protected: bool
    protected_reason: str
    colors: Sequence[str]
    config: Mapping[str, Any]
    config_removed: Sequence[str]
    project: str
    state: RunState
    error: str


def _any_text(value: object, argument: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{argument}: expected a string, got {type(value).__name__}")
    return value


def _any_texts(value: object, argument: str) -> tuple[str, ...]:
    return texts(value, argument, empty=True)


def _config(value: object, argument: str) -> dict[str, Any]:
    depth = 0
    if isinstance(value, Mapping):
        for key in value:
            depth = max(depth, check_path(text(key, argument), argument).count("."))
    return plain_config(value, argument, depth)


def _project(value: Any, argument: str) -> str:
    return project_names(value, argument=argument)[0]


def _state(value: object, argument: str) -> RunState:
    return choice(value, RUN_STATES, argument)


def _check_of(name: str) -> Callable[[Any, str], Any]:
    """Return the check of an argument: by a rule of its own, or as the type of the field wants it."""
    default = OWN_FIELDS[name].default if name in OWN_FIELDS else ()
    return _RULED.get(name) or next(check for kind, check in _BY_TYPE if isinstance(default, kind))


_BY_TYPE: tuple[tuple[type, Callable[[Any, str], Any]], ...] = (
    (tuple, _any_texts),
    (bool, boolean),
    (str, _any_text),
    (int, partial(integer, least=-(2**63), most=2**63 - 1)),
)
_RULED: dict[str, Callable[[Any, str], Any]] = {
    "name": text,
    "config": _config,
    "project": _project,
    "state": _state,
    "replace_labels": boolean,
}
_CHECKS = {name: _check_of(name) for name in RunChanges.__annotations__}


def make_run_patch(changes: Mapping[str, Any]) -> RunPatch:
    """Check what a caller wants to change.

    Args:
        changes: The arguments of ``update``.

    Raises:
        TypeError: There is no such field, or it has another type.
        ValueError: Nothing is to be changed, or a value is out of bounds.
    """
    known = ", ".join(_CHECKS)
    if not changes:
        raise ValueError(f"update: nothing to change; it takes {known}")
    for name in changes:
        if name not in _CHECKS:
            meant = next((field.name for field in OWN_FIELDS.values() if name in field.aliases), name)
            near = did_you_mean(meant, _CHECKS)
            raise TypeError(f"update: a run has no field {name!r} to change{near or f'; it takes {known}'}")
    if "labels" in changes and ("labels_added" in changes or "labels_removed" in changes):
        raise ValueError("labels: it replaces all labels; give labels_added and labels_removed without it")
    if "replace_labels" in changes and "labels" not in changes:
        raise ValueError("replace_labels: it goes with labels, which replace those of several runs")
    return RunPatch(**{name: _CHECKS[name](value, name) for name, value in changes.items()})
