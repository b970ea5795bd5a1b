"""A hash is no key: a run names a blob only where it was stored, or where a run refers to it already."""

from __future__ import annotations

import hashlib
import io

import attrs
import pytest
from support.database import Location
from support.recording import Recorder

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.run import RunPatch
from runatlas.server.services.caller import Caller
from runatlas.server.store.garbage import DAY_MS

SECRET = b"secret weights"
HASH = hashlib.sha256(SECRET).hexdigest()


class Interrupted(io.BytesIO):
    """Bytes whose reading gives another the time to do something."""

    def __init__(self, content: bytes, interruption: object) -> None:
        super().__init__(content)
        self._interruption = interruption

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found and callable(self._interruption):
            self._interruption()
            self._interruption = None
        return found


@pytest.fixture
def other(recorder: Recorder) -> Recorder:
    """Another project of the same owner, with a run in each."""
    recorder.run("r")
    made = Recorder.of(recorder.services, "other")
    made.run("r")
    return made


def put(recorder: Recorder, content: bytes = SECRET) -> str:
    return recorder.services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(content)).sha256


def name(recorder: Recorder, run: str = "r", file: str = "f") -> None:
    recorder.append(recorder.project.run(run), artifacts=(ArtifactDraft(file, HASH, 0),))


def delete(recorder: Recorder, *runs: str) -> str:
    selection = recorder.selection(*(recorder.project.run(run) for run in runs))
    plan = recorder.services.trash.plan_run_deletion(recorder.caller, selection, force=True)
    return recorder.services.trash.delete(recorder.caller, plan).trash_id


def move(recorder: Recorder, run: str, to: str) -> None:
    selection = recorder.selection(recorder.project.run(run))
    recorder.services.runs.update_runs(recorder.caller, selection, RunPatch(project=to))


def assert_hidden(recorder: Recorder, sha256: str = HASH) -> None:
    """A blob of another project answers just as one that is nowhere."""
    run, absent = recorder.project.run("r"), hashlib.sha256(b"stored by nobody").hexdigest()

    def refusal(wanted: str, *, as_media: bool) -> str:
        item = MediaItem("media/a.png", wanted, 0, "image/png")
        batch = Batch(run, artifacts=(ArtifactDraft("stolen", wanted, 0),))
        if as_media:
            batch = Batch(run, media=(MediaDraft("pic", 0, (item,), "IMAGE"),))
        with pytest.raises(ValidationError) as caught:
            recorder.services.recording.append(recorder.caller, batch)
        assert caught.value.code == 422
        return caught.value.message.replace(wanted, "…")

    for as_media in (False, True):
        assert refusal(sha256, as_media=as_media) == refusal(absent, as_media=as_media)
    names = {
        item.name for item in recorder.services.artifacts.list_artifacts(recorder.caller, run, PageRequest()).items
    }
    assert "stolen" not in names
    assert recorder.services.media.list_media(recorder.caller, run, MediaQuery()).items == ()


def test_who_knows_a_hash_does_not_get_the_bytes(recorder: Recorder, other: Recorder) -> None:
    put(recorder)
    assert_hidden(other)
    name(recorder)
    assert_hidden(other)


def test_an_owner_s_limited_key_gets_no_more(recorder: Recorder, other: Recorder) -> None:
    put(recorder)
    cuid = other.services.runs.get_run(other.caller, other.project.run("r")).cuid
    limited: Caller = attrs.evolve(other.caller, run_cuid=cuid)
    with pytest.raises(ValidationError):
        name(attrs.evolve(other, caller=limited))
    put(other)
    name(attrs.evolve(other, caller=limited))


def test_one_blob_that_may_not_be_named_keeps_the_batch_out(recorder: Recorder, other: Recorder) -> None:
    put(recorder)
    mine = put(other, b"mine")
    run = other.project.run("r")
    drafts = (ArtifactDraft("mine", mine, 0), ArtifactDraft("theirs", HASH, 0))
    with pytest.raises(ValidationError, match=HASH):
        other.append(run, artifacts=drafts)
    assert other.services.artifacts.list_artifacts(other.caller, run, PageRequest()).items == ()


def test_the_same_bytes_are_stored_once_and_named_in_both_projects(recorder: Recorder, other: Recorder) -> None:
    assert put(recorder) == put(other) == put(other) == HASH
    name(recorder)
    name(other)
    assert [path.name for path in recorder.services.store.blobs.files()] == [HASH]


def test_a_run_that_moves_takes_its_blobs_along(recorder: Recorder, other: Recorder) -> None:
    put(recorder)
    recorder.run("moving")
    name(recorder, "moving")
    move(recorder, "moving", "other")
    name(other, "moving", "again")
    name(other)
    name(recorder)


def test_what_a_run_took_along_goes_where_it_goes(recorder: Recorder, other: Recorder) -> None:
    third = Recorder.of(recorder.services, "third")
    third.run("r")
    put(recorder)
    recorder.run("moving")
    name(recorder, "moving")
    move(recorder, "moving", "other")
    move(other, "moving", "third")
    assert_hidden(other)
    name(third)


def test_what_was_sent_to_a_run_goes_where_it_goes(recorder: Recorder, other: Recorder) -> None:
    uploads = recorder.services.uploads
    run = recorder.run("moving")
    (grant,) = uploads.grant_uploads(recorder.caller, run, ["seen.png"])
    assert uploads.put_upload(grant, io.BytesIO(SECRET), "image/png").sha256 == HASH
    assert_hidden(other)
    move(recorder, "moving", "other")
    assert uploads.find_uploads(other.caller, other.project.run("moving"), ["seen.png"])["seen.png"].sha256 == HASH
    name(other, "moving")


@pytest.mark.parametrize("whole_run", [False, True])
def test_what_is_sent_by_link_may_be_named_in_its_project(
    recorder: Recorder, other: Recorder, *, whole_run: bool
) -> None:
    uploads, run = recorder.services.uploads, recorder.project.run("r")
    if whole_run:
        uploads.put_by_run(uploads.grant_run(recorder.caller, run, DAY_MS), "a", io.BytesIO(SECRET), "image/png")
    else:
        uploads.put_upload(uploads.grant_uploads(recorder.caller, run, ["a"])[0], io.BytesIO(SECRET), "image/png")
    assert_hidden(other)
    name(recorder)
    uploads.put_by_run(uploads.grant_run(recorder.caller, run, DAY_MS), "a", io.BytesIO(b"later"), "image/png")
    recorder.run("second")
    name(recorder, "second")


def test_a_file_sent_in_parts_may_be_named_in_its_project(recorder: Recorder, other: Recorder) -> None:
    uploads, run = recorder.services.uploads, recorder.project.run("r")
    grant = uploads.grant_run(recorder.caller, run, DAY_MS)
    for path, part in (("1", SECRET[:5]), ("2", SECRET[5:])):
        uploads.put_by_run(grant, path, io.BytesIO(part), "image/png")
    assert uploads.join_uploads(recorder.caller, run, ["1", "2"]).sha256 == HASH
    assert_hidden(other)
    name(recorder)


def test_a_run_in_the_trash_still_refers_to_its_blobs(recorder: Recorder, other: Recorder, location: Location) -> None:
    put(recorder)
    recorder.run("moving")
    name(recorder, "moving")
    move(recorder, "moving", "other")
    entry = delete(other, "moving")
    location.clock.advance(2 * DAY_MS)
    other.services.purging.purge(other.caller)
    other.run("second")
    name(other, "second")
    assert other.services.trash.restore(other.caller, entry).runs == 1
    name(other, "moving", "again")
    other.services.purging.purge(other.caller, trash_id=delete(other, "moving", "second"))
    assert_hidden(other)
    location.clock.advance(2 * DAY_MS)
    other.services.purging.purge(other.caller)
    assert_hidden(recorder)
    assert list(recorder.services.store.blobs.files()) == []


def test_a_project_gets_back_what_was_stored_in_it_and_its_namesake_does_not(
    recorder: Recorder, other: Recorder
) -> None:
    put(recorder)
    name(recorder)
    trash = recorder.services.trash
    entry = trash.delete(
        recorder.caller, trash.plan_project_deletion(recorder.caller, recorder.project, force=True)
    ).trash_id
    recorder.run("r")
    assert_hidden(recorder)
    assert_hidden(other)
    namesake = trash.delete(
        recorder.caller, trash.plan_project_deletion(recorder.caller, recorder.project, force=True)
    ).trash_id
    recorder.services.purging.purge(recorder.caller, trash_id=namesake)
    trash.restore(recorder.caller, entry)
    name(recorder, file="again")


def test_having_stored_a_blob_keeps_it_for_a_day_and_no_longer(
    recorder: Recorder, other: Recorder, location: Location
) -> None:
    put(recorder)
    location.clock.advance(DAY_MS // 2)
    recorder.services.purging.purge(recorder.caller)
    location.clock.advance(DAY_MS)
    recorder.services.purging.purge(recorder.caller)
    assert list(recorder.services.store.blobs.files()) == []
    put(other)
    assert_hidden(recorder)


def test_bytes_for_a_project_that_is_purged_meanwhile_are_for_nobody(recorder: Recorder, other: Recorder) -> None:
    trash = recorder.services.trash

    def remove_project() -> None:
        plan = trash.plan_project_deletion(recorder.caller, recorder.project, force=True)
        entry = trash.delete(recorder.caller, plan).trash_id
        recorder.services.purging.purge(recorder.caller, trash_id=entry)

    with pytest.raises(NotFoundError):
        recorder.services.recording.put_blob(recorder.caller, recorder.project, Interrupted(SECRET, remove_project))
    assert_hidden(other)
    put(other)
    name(other)
