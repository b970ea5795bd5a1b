"""Events turned into batches: points as columns, automatic steps, objects as drafts with their blobs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import attrs

from runatlas.model import codec
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.run import RunPatch
from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded
from runatlas.tracking.column import ColumnBuilder
from runatlas.tracking.entry import SOMEWHERE, Entry, Event, Marker, Objects, Rewind, count_records
from runatlas.tracking.object_encoding import Taken, encode_object
from runatlas.tracking.patch import merge_patches
from runatlas.tracking.step import SeriesKey, StepCounter, series_key
from runatlas.tracking.worker import attempt

__all__ = ["Batcher"]

WEIGHT_MAX = 8_000_000
"""A batch is closed when it holds more bytes than this."""

_POINT_BYTES = 24
_NAMES: dict[type, str] = {LogDraft: "message", ArtifactDraft: "file", RunPatch: "change of the run"}


class Batcher:
    """Turns what left the queue into entries. Used by one thread.

    Args:
        writer: Who writes the batches.
        on_loss: Called with a number of records and the reason when some cannot be kept.
        steps: Counts automatic steps.
    """

    def __init__(self, writer: str, on_loss: Callable[[int, str], None], steps: StepCounter) -> None:
        self.writer = writer
        self.last_sequence = 0
        self.steps = steps
        self._on_loss = on_loss
        self._open = _OpenBatch(steps, on_loss, ColumnBuilder(steps, on_loss))

    def feed(self, events: Iterable[Event]) -> Iterator[Entry | Marker]:
        """Take events in their order, and give out entries and markers in theirs.

        When the iterator ends, all events are in entries. One that cannot be encoded is left out alone, and counted.
        """
        patches: list[RunPatch] = []
        for event in events:
            if isinstance(event, tuple):
                self._open.columns.add(event)
                self._open.weight += len(event[1]) * _POINT_BYTES
            elif isinstance(event, Marker):
                yield from self._close(patches)
                event.sequence = self.last_sequence
                yield event
            elif isinstance(event, Rewind):
                yield from self._close(patches)
                self.last_sequence += 1
                batch = Batch(SOMEWHERE, writer=self.writer, sequence=self.last_sequence, rewind=event.step)
                yield Entry(self.last_sequence, batch, weight=1000)
            else:
                if isinstance(event, RunPatch) and event.state is not None:
                    # A state closes what came before: whoever reads it finds all of that.
                    yield from self._close(patches)
                if problem := self._add(patches, event):
                    self._on_loss(count_records(event), problem)
            if self._open.weight > WEIGHT_MAX:
                yield from self._close(patches)
        yield from self._close(patches)

    def _add(self, patches: list[RunPatch], event: Objects | LogDraft | ArtifactDraft | RunPatch) -> str:
        """Add an event of its own; returns why that cannot be."""
        if isinstance(event, Objects):
            return attempt(partial(self._open.add_objects, event))[1]
        # What is found to be no JSON later would cost all that it lies with.
        _, problem = attempt(partial(_require_json, event))
        if problem:
            return f"a {_NAMES[type(event)]} could not be encoded: {problem}"
        if isinstance(event, RunPatch):
            self._add_patch(patches, event)
        else:
            self._open.add(event)
        return ""

    def _add_patch(self, patches: list[RunPatch], patch: RunPatch) -> None:
        merged = merge_patches(patches[-1], patch) if patches else None
        if merged is None:
            patches.append(patch)
        else:
            patches[-1] = merged

    def _close(self, patches: list[RunPatch]) -> Iterator[Entry]:
        for patch in patches:
            self.last_sequence += 1
            yield Entry(self.last_sequence, patch, weight=1000)
        patches.clear()
        made = self._open
        if not made.weight:
            return
        self._open = _OpenBatch(self.steps, self._on_loss, ColumnBuilder(self.steps, self._on_loss))
        batch = made.build(self.writer, self.last_sequence + 1)
        if batch is not None:
            self.last_sequence += 1
            yield Entry(self.last_sequence, batch, made.records, made.weight, made.blobs)


def _require_json(event: LogDraft | ArtifactDraft | RunPatch) -> None:
    codec.dumps(codec.encode(event)).encode()


@attrs.define(eq=False)
class _OpenBatch:
    """A batch in the making."""

    _steps: StepCounter
    _on_loss: Callable[[int, str], None]
    columns: ColumnBuilder
    records: int = 0
    weight: int = 0
    blobs: dict[str, bytes] = attrs.field(factory=dict)
    _media: dict[tuple[SeriesKey, int], MediaDraft] = attrs.field(factory=dict)
    _logs: list[LogDraft] = attrs.field(factory=list)
    _artifacts: list[ArtifactDraft] = attrs.field(factory=list)

    def add(self, event: LogDraft | ArtifactDraft) -> None:
        if isinstance(event, LogDraft):
            self._logs.append(event)
            self.weight += len(event.message) + 200
        else:
            self._artifacts.append(event)
            self.weight += 300

    def build(self, writer: str, sequence: int) -> Batch | None:
        """The batch; ``None`` if there is nothing in it."""
        points = self.columns.build()
        media = tuple(self._media.values())
        self.records = (
            self.columns.count + sum(len(draft.items) for draft in media) + len(self._logs) + len(self._artifacts)
        )
        if not self.records:
            return None
        lines, files = tuple(self._logs), tuple(self._artifacts)
        return Batch(SOMEWHERE, points, media, lines, artifacts=files, writer=writer, sequence=sequence)

    def add_objects(self, event: Objects) -> None:
        # Numbers of the same series that came before take their automatic steps first.
        self.columns.settle()
        step = self._steps.take(event.key, event.context, event.step)
        items: list[MediaItem] = []
        column_type: ColumnType | None = None
        for item in event.items:
            if isinstance(item, Taken) and item.problem:
                made, problem = None, item.problem
            else:
                made, problem = attempt(partial(encode_object, item))
            if made is None:
                self._on_loss(1, f"an object of {event.key!r} could not be encoded: {problem}")
                continue
            column_type = column_type or made[0]
            items.append(self._make_item(made[0], step, made[1]))
        if column_type is not None:
            time_ms = int(event.time_s * 1000)
            draft = MediaDraft(event.key, step, tuple(items), column_type, event.context, event.epoch, time_ms)
            self._media[series_key(event.key, event.context), step] = draft

    def _make_item(self, kind: ColumnType, step: int, encoded: Encoded) -> MediaItem:
        content = codec.dumps(encoded.data).encode() if encoded.payload is None else encoded.payload
        digest = hashlib.sha256(content).hexdigest()
        self.weight += len(content) + 500
        if encoded.payload is not None:
            self.blobs[digest] = encoded.payload
        return MediaItem(
            path=f"media/{kind.lower()}/{step:03d}-{digest[:8]}.{encoded.suffix}",
            sha256=None if encoded.payload is None else digest,
            size=len(content),
            mime_type=encoded.mime_type,
            caption=encoded.caption,
            data=encoded.data,
            meta=encoded.meta,
        )
