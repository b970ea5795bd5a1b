"""Recording: what runs append, applied together or not at all, and a repeated batch once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import BinaryIO

import attrs
import numpy as np

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.media import BlobRecord, MediaDraft
from runatlas.model.series import MEDIA_TYPES
from runatlas.server.services.access import require_project, require_run
from runatlas.server.services.batch import Identity, Incoming, clean_batch, identity_of, series_of
from runatlas.server.services.blob_writing import keep_blob
from runatlas.server.services.caller import Caller
from runatlas.server.services.event_step import number_steps, stepless_ids
from runatlas.server.services.known_steps import first_of_steps, without_known
from runatlas.server.services.trash import Trash
from runatlas.server.store.artifact import put_artifacts
from runatlas.server.store.blob_ref import add_refs, drop_unused_refs, nameable_blobs
from runatlas.server.store.engine import Store
from runatlas.server.store.event import add_events, known_events
from runatlas.server.store.latest import renew_latest
from runatlas.server.store.log import append_logs, set_apart
from runatlas.server.store.media import MediaRow, decode_items, encode_items, held_media, put_media
from runatlas.server.store.merging import Merger
from runatlas.server.store.point_chunk import Points
from runatlas.server.store.project import touch_projects
from runatlas.server.store.run import RunRow
from runatlas.server.store.run_text import keep_shown
from runatlas.server.store.series import (
    Encoded,
    SeriesRow,
    add_chunks,
    add_series,
    encode_series,
    find_series,
    lock_run,
    note_batch,
    touch_run,
    update_series,
)
from runatlas.server.store.statement import Connection
from runatlas.server.store.summary import Extreme, Summary

__all__ = ["Recording"]

_NOTHING = float("nan")


class Recording:
    """What runs write."""

    def __init__(self, store: Store, trash: Trash) -> None:
        self._store = store
        self._trash = trash
        self._merger = Merger(store)

    def append(self, caller: Caller, batch: Batch) -> AppendRecord:
        """Apply a batch: all of it or nothing, a repeated (writer, sequence) once.

        Raises:
            ConflictError: It goes back to an earlier step of a run that is guarded against that; nothing is applied.
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: Something in the batch is out of bounds; nothing is applied.
        """
        self._store.require_room()
        batch = clean_batch(batch)
        series = series_of(batch)
        media = _media_of(batch)
        if batch.once_per_step:
            series = first_of_steps(series)
        # Encoding needs no lock, unless event ids decide which points are new.
        encoded = None if _has_events(series) else _encode(series)
        with self._store.write(shared=batch.rewind is None) as connection:
            run = self._locked_run(connection, caller, batch)
            run_pk = run.id
            writer, sequence = batch.writer, batch.sequence
            if writer is not None and sequence is not None and not note_batch(connection, run_pk, writer, sequence):
                return AppendRecord(applied=False)
            if batch.rewind is not None:
                self._trash.rewind(connection, caller, run, batch.rewind)
            now_ms = self._store.clock()
            if batch.once_per_step or batch.new_values_only:
                fresh = without_known(connection, run_pk, series, by_value=not batch.once_per_step)
                encoded = encoded if fresh is series else None
                series = fresh
            if encoded is None:
                series = _drop_repeated(connection, run_pk, series, now_ms) if _has_events(series) else series
                encoded = _encode(series)
            media, artifacts = _with_sizes(connection, run.project.id, media, batch.artifacts)
            change = _Change(connection, run_pk, now_ms)
            change.record(series, encoded, media)
            ended = renew_latest(connection, [run_pk]) if series else []
            if batch.logs:
                drafts = set_apart(connection, run_pk, batch.logs) if batch.lines_apart else batch.logs
                append_logs(connection, run_pk, drafts, now_ms)
            if artifacts:
                put_artifacts(connection, run_pk, artifacts, now_ms)
            points = sum(found.points for found in encoded.values())
            touch_run(connection, run_pk, now_ms, points=points, bytes_=sum(found.size for found in encoded.values()))
            if ended:
                keep_shown(connection, ended)
        self._merger.offer(change.crowded)
        return AppendRecord(
            applied=True,
            points=points,
            media=len(batch.media),
            logs=len(batch.logs),
            artifacts=len(batch.artifacts),
        )

    def _locked_run(self, connection: Connection, caller: Caller, batch: Batch) -> RunRow:
        """Find the run, and let no other transaction append to it; one that is to be rewound is there afterwards."""
        run = require_run(connection, caller, batch.run, "write")
        if batch.rewind is not None:
            touch_projects(connection, [run.project.id], self._store.clock())
        lock_run(connection, run.id)
        if batch.rewind is None:
            return run
        again = require_run(connection, caller, batch.run, "write")
        if again.id != run.id:
            raise NotFoundError(f"run {batch.run} was deleted meanwhile, and another one has its id")
        return again

    def put_blob(self, caller: Caller, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        """Store bytes under their sha256, so that runs of a project may name them; the same content is stored once.

        Raises:
            NotFoundError: There is no such project.
            PermissionDeniedError: The caller may not write to it.
        """
        with self._store.read() as connection:
            project_id = require_project(connection, caller, project, "write").id
        return keep_blob(self._store, project_id, data)


Media = dict[Identity, dict[int, MediaDraft]]
"""The media of a batch by series and step."""


@attrs.define(eq=False)
class _Change:
    """What a batch does to the series of its run, within a transaction."""

    _connection: Connection
    _run_pk: int
    _now_ms: int
    _known: dict[Identity, SeriesRow] = attrs.field(factory=dict)
    _new: list[SeriesRow] = attrs.field(factory=list)
    _changed: dict[Identity, SeriesRow] = attrs.field(factory=dict)
    crowded: list[int] = attrs.field(factory=list)
    """The series that have many chunks now."""

    def record(self, series: Mapping[Identity, Incoming], encoded: Mapping[Identity, Encoded], media: Media) -> None:
        """Write series, points and media."""
        if not (series or media):
            return
        connection = self._connection
        self._known = find_series(connection, self._run_pk, {key for key, _ in (*series, *media)})
        rows = {identity: self._announce(identity, said) for identity, said in series.items()}
        crowded: list[SeriesRow] = []
        for identity, found in encoded.items():
            row = rows[identity]
            if row.add(found):
                crowded.append(row)
            self._changed[identity] = row
        held = {identity: self._add_media(identity, drafts) for identity, drafts in media.items()}
        changed = [row for row in self._changed.values() if row.id]
        if self._new:
            add_series(connection, self._run_pk, self._new, self._now_ms)
        if changed:
            update_series(connection, changed)
        add_chunks(connection, [(rows[identity].id, found) for identity, found in encoded.items()])
        if media:
            self._put_media(media, held)
        self.crowded = [row.id for row in crowded]

    def _announce(self, identity: Identity, said: Incoming) -> SeriesRow:
        row = self._known.get(identity)
        if row is None:
            row = SeriesRow(*identity, said.column_class, said.column_type, said.name)
            self._known[identity] = row
            self._new.append(row)
            return row
        if row.column_type != said.column_type and (said.points is not None or row.summary is None):
            row.column_type = _settled_type(row, said.column_type)
            self._changed[identity] = row
        if said.name and said.name != row.name:
            row.name = said.name
            self._changed[identity] = row
        return row

    def _add_media(self, identity: Identity, drafts: dict[int, MediaDraft]) -> dict[int, str]:
        """Count media in their series; return what they replace."""
        first = next(iter(drafts.values()))
        row = self._announce(identity, Incoming("CUSTOM", first.column_type, "", None))
        if row.column_type != first.column_type:
            row.column_type = _settled_type(row, first.column_type)
        held = held_media(self._connection, row.id, drafts) if row.id else {}
        for step, draft in drafts.items():
            time_ms = draft.time_ms or self._now_ms
            added = Summary(1, 0, step, Extreme(_NOTHING, step, time_ms), time_ms, None, None, 0.0, 0.0)
            merged = added if row.summary is None else row.summary.merge(added)
            row.summary = merged._replace(points=merged.points - 1) if step in held else merged
        self._changed[identity] = row
        return held

    def _put_media(self, media: Media, held: Mapping[Identity, Mapping[int, str]]) -> None:
        rows = [
            MediaRow(
                self._known[identity].id, step, draft.epoch, draft.time_ms or self._now_ms, encode_items(draft.items)
            )
            for identity, drafts in media.items()
            for step, draft in drafts.items()
        ]
        put_media(
            self._connection,
            rows,
            [(self._known[identity].id, step) for identity, steps in held.items() for step in steps],
        )
        needed = {item.sha256 for drafts in media.values() for draft in drafts.values() for item in draft.items}
        replaced = {
            item.sha256 for steps in held.values() for text in steps.values() for item in decode_items(text)
        } - needed
        add_refs(self._connection, self._run_pk, sorted(filter(None, needed)))
        drop_unused_refs(self._connection, self._run_pk, sorted(filter(None, replaced)))


def _settled_type(row: SeriesRow, wanted: str) -> str:
    """Return the type of a series that was of one type and gets data of another."""
    if row.summary is None:
        return wanted
    if row.column_type in MEDIA_TYPES or wanted in MEDIA_TYPES:
        raise ValidationError(f"key: {row.key!r} holds {row.column_type} data; {wanted} data needs another key")
    return "FLOAT"


def _has_events(series: Mapping[Identity, Incoming]) -> bool:
    return any(said.points is not None and said.points.event_ids is not None for said in series.values())


def _encode(series: Mapping[Identity, Incoming]) -> dict[Identity, Encoded]:
    held = {identity: said.points for identity, said in series.items() if said.points is not None}
    if not held:
        return {}
    return dict(zip(held, encode_series(list(held.values())), strict=True))


def _drop_repeated(
    connection: Connection, run_pk: int, series: Mapping[Identity, Incoming], now_ms: int
) -> dict[Identity, Incoming]:
    """Leave out the points whose event ids were applied, and remember the others' ids."""
    given = [
        event_id
        for said in series.values()
        if said.points is not None
        for event_id in said.points.event_ids or ()
        if event_id is not None
    ]
    seen = known_events(connection, run_pk, set(given))
    fresh = dict.fromkeys(event_id for event_id in given if event_id not in seen)
    add_events(connection, run_pk, fresh, now_ms, stepless_ids(series))
    kept = {
        identity: said if said.points is None else said._replace(points=_new_points(said.points, seen))
        for identity, said in series.items()
    }
    return number_steps(connection, run_pk, kept)


def _new_points(points: Points, seen: set[str]) -> Points | None:
    """Return the points whose ids were not seen, and add these ids."""
    if points.event_ids is None:
        return points
    kept = []
    for place, event_id in enumerate(points.event_ids):
        if event_id is None or event_id not in seen:
            kept.append(place)
            if event_id is not None:
                seen.add(event_id)
    return points.take(np.array(kept, np.int64)) if kept else None


def _media_of(batch: Batch) -> Media:
    """Group a batch's media; of several for one step the last counts."""
    found: Media = {}
    for draft in batch.media:
        found.setdefault(identity_of(draft), {})[draft.step] = draft
    return found


def _with_sizes(
    connection: Connection, project_id: int, media: Media, artifacts: Collection[ArtifactDraft]
) -> tuple[Media, Collection[ArtifactDraft]]:
    """Check that runs of the project may name the blobs of media and files, and note their true sizes.

    Raises:
        ValidationError: One is not there, or its hash is all that is known of it in the project.
    """
    hashes = {item.sha256 for drafts in media.values() for draft in drafts.values() for item in draft.items}
    named = {sha256 for sha256 in hashes.union(draft.sha256 for draft in artifacts) if sha256 is not None}
    if not named:
        return media, artifacts
    sizes = nameable_blobs(connection, project_id, named)
    missing = sorted(named - sizes.keys())
    if missing:
        raise ValidationError(f"sha256: there is no blob {missing[0]}; store it before what refers to it")

    def sized(draft: MediaDraft) -> MediaDraft:
        items = (item if item.sha256 is None else attrs.evolve(item, size=sizes[item.sha256]) for item in draft.items)
        return attrs.evolve(draft, items=tuple(items))

    return (
        {identity: {step: sized(draft) for step, draft in drafts.items()} for identity, drafts in media.items()},
        [attrs.evolve(draft, size=sizes[draft.sha256]) for draft in artifacts],
    )
