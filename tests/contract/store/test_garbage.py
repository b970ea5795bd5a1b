"""What nobody needs goes, what somebody may still need stays."""

from __future__ import annotations

import io
import os

from sqlalchemy import select
from support.database import Location
from support.recording import Recorder, line

from runatlas.model.artifact import ArtifactDraft
from runatlas.model.ids import new_cuid
from runatlas.model.page import PageRequest
from runatlas.server.store.blob_ref import known_blobs
from runatlas.server.store.garbage import DAY_MS, Collected, collect_garbage
from runatlas.server.store.schema import idempotency


def test_only_old_files_that_no_row_knows_are_removed(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    store = recorder.services.store
    kept = recorder.services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(b"kept"))
    recorder.append(run, artifacts=(ArtifactDraft("a", kept.sha256, 4),))
    shelf = store.blobs.path(kept.sha256).parent
    lost, fresh, torn = (
        shelf / (kept.sha256[:2] + "0" * 62),
        shelf / (kept.sha256[:2] + "1" * 62),
        shelf.parent / ".x.part",
    )
    export = store.exports_dir / new_cuid()
    export.mkdir(parents=True)
    for path in (lost, fresh, torn):
        path.write_bytes(b"x")
    now_s = location.clock() / 1000
    for path in (lost, torn, export, store.blobs.path(kept.sha256)):
        os.utime(path, (now_s - 90_000, now_s - 90_000))
    os.utime(fresh, (now_s - 60, now_s - 60))
    assert collect_garbage(store) == Collected(files=3, exports=0)
    assert [path.exists() for path in (lost, torn, export, fresh)] == [False, False, False, True]
    (file,) = recorder.services.artifacts.list_artifacts(recorder.caller, run, PageRequest()).items
    assert b"".join(recorder.services.links.open_link(recorder.caller, file.url or "")) == b"kept"


def test_expired_exports_are_removed(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    recorder.append(run, line("a", 1))
    recorder.services.exports.export_csv(recorder.caller, run, "a")
    assert collect_garbage(recorder.services.store).exports == 0
    location.clock.advance(DAY_MS + 1)
    recorder.services.purging.purge(recorder.caller)
    assert list(recorder.services.store.exports_dir.iterdir()) == []


def test_old_answers_are_forgotten(recorder: Recorder, location: Location) -> None:
    store = recorder.services.store

    def kept() -> list[str]:
        with store.read() as connection:
            return list(connection.scalars(select(idempotency.c.key)))

    recorder.services.idempotency.begin(recorder.caller, "key", "0" * 64)
    recorder.services.idempotency.finish(recorder.caller, "key", 200, b"{}")
    collect_garbage(store)
    assert kept() == ["key"]
    location.clock.advance(DAY_MS + 1)
    collect_garbage(store)
    assert kept() == []


def test_storing_a_blob_again_keeps_it_for_another_day(recorder: Recorder, location: Location) -> None:
    recorder.run()
    store, recording = recorder.services.store, recorder.services.recording
    sha256 = recording.put_blob(recorder.caller, recorder.project, io.BytesIO(b"x")).sha256
    location.clock.advance(DAY_MS)
    recording.put_blob(recorder.caller, recorder.project, io.BytesIO(b"x"))
    location.clock.advance(DAY_MS // 2)
    recorder.services.purging.purge(recorder.caller)
    with store.read() as connection:
        assert known_blobs(connection, [sha256]) == {sha256: 1}
    location.clock.advance(DAY_MS)
    recorder.services.purging.purge(recorder.caller)
    with store.read() as connection:
        assert known_blobs(connection, [sha256]) == {}
    assert list(store.blobs.files()) == []
