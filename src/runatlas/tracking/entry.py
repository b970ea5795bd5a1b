"""What a run records on its way to the store: events of the training loop, and the entries that are made of them."""

from __future__ import annotations

import threading
import time
from typing import Any, TypeAlias

import attrs

from runatlas.model import arrow, codec
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.run import RunDraft, RunPatch
from runatlas.model.series import Context
from runatlas.tracking.spool_frame import Frame, FrameKind

__all__ = [
    "SOMEWHERE",
    "SYSTEM_PREFIX",
    "Body",
    "Entry",
    "Event",
    "Head",
    "Marker",
    "Objects",
    "Rewind",
    "Scalars",
    "body_of",
    "count_body",
    "count_records",
    "is_recorded",
    "kind_of",
    "needs_of",
    "payload_of",
]

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
    """Tell whether an event is a number, object or file that the program recorded."""
    if isinstance(event, tuple):
        return not all(name.startswith(SYSTEM_PREFIX) for name in event[1])
    return isinstance(event, (Objects, ArtifactDraft))


@attrs.frozen
class Head:
    """What a spool begins with: which run it is of, and where that belongs.

    Attributes:
        host: The server; ``None`` for the directory that the spool lies in.
    """

    draft: RunDraft
    host: str | None = None


Body = Head | RunPatch | Batch

SOMEWHERE = RunPath("-", "-", "-")
"""The run of a batch that waits: where the run lies is settled when it is sent, for it may move meanwhile."""


@attrs.define(eq=False)
class Entry:
    """One thing to be sent, in its place of the order.

    Attributes:
        body: ``None`` once it lies in the spool only.
        records: How many numbers, objects, lines and files it holds.
        weight: Its bytes in memory, about.
        blobs: Bytes that must be in the store before it, by sha256; those in the spool are not listed.
        offset: Where it lies in the spool; ``None`` if it does not.
        born: When it was made, on a clock that never goes back.
        is_done: Whether the store has it, or will never take it.
    """

    sequence: int
    body: RunPatch | Batch | None
    records: int = 0
    weight: int = 0
    blobs: dict[str, bytes] = attrs.field(factory=dict)
    offset: int | None = None
    born: float = attrs.field(factory=time.monotonic)
    is_done: bool = False


def kind_of(body: Body) -> FrameKind:
    """Return what kind of record a body is in the spool."""
    if isinstance(body, Batch):
        return "batch"
    return "patch" if isinstance(body, RunPatch) else "create"


def payload_of(body: Body) -> bytes:
    """Return a body as bytes: batches as Arrow, everything else as JSON."""
    if isinstance(body, Batch):
        return arrow.encode_batch(body)
    return codec.dumps(codec.encode(body)).encode()


def body_of(frame: Frame) -> Body:
    """Read what ``payload_of`` wrote.

    Raises:
        ResponseFormatError: It does not decode.
        ValueError: It is not JSON.
    """
    if frame.kind == "batch":
        return arrow.decode_batch(frame.payload, SOMEWHERE)
    kind: type[Body] = RunPatch if frame.kind == "patch" else Head
    return codec.decode(codec.loads(frame.payload), kind)


def count_body(body: Body) -> int:
    """Return how many records a body holds."""
    if not isinstance(body, Batch):
        return 0
    points = sum(len(series.steps) for series in body.points)
    return points + sum(len(item.items) for item in body.media) + len(body.logs) + len(body.artifacts)


def needs_of(body: Body) -> frozenset[str]:
    """Return the sha256 of every blob that a body refers to."""
    if not isinstance(body, Batch):
        return frozenset()
    found = {item.sha256 for draft in body.media for item in draft.items if item.sha256}
    return frozenset(found | {draft.sha256 for draft in body.artifacts})
