"""What waits in the queue between the training loop and the thread that collects."""

from __future__ import annotations

import threading
from typing import Any, TypeAlias

import attrs

from runatlas.model.artifact import ArtifactDraft
from runatlas.model.log import LogDraft
from runatlas.model.run import RunPatch
from runatlas.model.series import Context

__all__ = ["SYSTEM_PREFIX", "Event", "Marker", "Objects", "Rewind", "Scalars", "count_records", "is_recorded"]

SYSTEM_PREFIX = "__system__"
"""What the names of numbers begin with that the tracker measures on the machine."""

Scalars: TypeAlias = tuple[float, dict[str, Any], int | None, int | None, Context]
"""Unix seconds, numbers by name, step, epoch, context: a plain tuple, because making one is all a call may cost."""


@attrs.frozen
class Objects:
    """Objects tracked under one name at one step."""

    time_s: float
    key: str
    items: tuple[Any, ...]
    step: int | None
    epoch: int | None
    context: Context


@attrs.define(eq=False)
class Marker:
    """A place in the queue that somebody waits for.

    Attributes:
        passed: Set when everything before it has left the queue.
        sequence: Then the number of the last entry before it.
    """

    passed: threading.Event = attrs.field(factory=threading.Event)
    sequence: int = 0


@attrs.frozen
class Rewind:
    """All metrics and media after a step go, before anything that follows.

    Attributes:
        step: The last one that stays.
    """

    step: int


Event: TypeAlias = Scalars | Objects | LogDraft | ArtifactDraft | RunPatch | Rewind | Marker


def count_records(event: Event) -> int:
    """Return how many records an event is: each number, object, line and file counts."""
    if isinstance(event, tuple):
        return len(event[1])
    if isinstance(event, Objects):
        return len(event.items)
    return 0 if isinstance(event, Marker) else 1


def is_recorded(event: Event) -> bool:
    """Tell whether an event is a number, object or file of the program: all others come by themselves."""
    if isinstance(event, tuple):
        return not all(name.startswith(SYSTEM_PREFIX) for name in event[1])
    return isinstance(event, (Objects, ArtifactDraft))
