"""Bytes sent by a link are where a batch finds them, and nobody without a link gets in."""

from __future__ import annotations

import io

import attrs
import pytest
from support.database import Location
from support.recording import Recorder

from runatlas.errors import NotFoundError, PermissionDeniedError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.server.services.links import LINK_MS

PATH = "media/image/005-1a2b3c4d.png"


def send(recorder: Recorder, run: RunPath, path: str, content: bytes, mime_type: str = "image/png") -> str:
    (grant,) = recorder.services.uploads.grant_uploads(recorder.caller, run, [path])
    return recorder.services.uploads.put_upload(grant, io.BytesIO(content), mime_type).sha256


def found(recorder: Recorder, run: RunPath, *paths: str) -> dict[str, tuple[int, str]]:
    records = recorder.services.uploads.find_uploads(recorder.caller, run, paths)
    return {path: (record.size, record.mime_type) for path, record in records.items()}


def test_what_is_sent_lies_under_its_path_of_its_run(recorder: Recorder) -> None:
    run, other = recorder.run(), recorder.run()
    send(recorder, run, PATH, b"red")
    send(recorder, run, "b", b"green!", "text/plain")
    assert found(recorder, run, PATH, "b", "c") == {PATH: (3, "image/png"), "b": (6, "text/plain")}
    assert found(recorder, other, PATH) == {}


def test_what_is_sent_again_replaces(recorder: Recorder) -> None:
    run = recorder.run()
    send(recorder, run, PATH, b"red")
    send(recorder, run, PATH, b"green", "image/gif")
    assert found(recorder, run, PATH) == {PATH: (5, "image/gif")}


def test_a_grant_is_for_one_path_and_one_thing_and_expires(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    uploads = recorder.services.uploads
    (grant,) = uploads.grant_uploads(recorder.caller, run, [PATH])
    later = grant.expires_at_ms + 1
    forged = [
        attrs.evolve(grant, path="other"),
        attrs.evolve(grant, run=recorder.services.runs.get_run(recorder.caller, recorder.run()).cuid),
        attrs.evolve(grant, expires_at_ms=later),
        attrs.evolve(grant, signature="0" * 64),
        recorder.services.links.grant("read", grant.run, PATH),
    ]
    for wrong in forged:
        with pytest.raises(NotFoundError):
            uploads.put_upload(wrong, io.BytesIO(b"no"), "image/png")
    location.clock.advance(LINK_MS + 1)
    with pytest.raises(NotFoundError, match="expired"):
        uploads.put_upload(grant, io.BytesIO(b"no"), "image/png")
    assert found(recorder, run, PATH, "other") == {}


def test_a_run_that_is_gone_takes_nothing(recorder: Recorder) -> None:
    run = recorder.run()
    (grant,) = recorder.services.uploads.grant_uploads(recorder.caller, run, [PATH])
    trash = recorder.services.trash
    trash.delete(recorder.caller, trash.plan_run_deletion(recorder.caller, recorder.selection(run), force=True))
    with pytest.raises(NotFoundError):
        recorder.services.uploads.put_upload(grant, io.BytesIO(b"no"), "image/png")


@pytest.mark.parametrize("path", ["", "..", "a/../b", "/etc/passwd", "a//b", "a\\b", "a\x00b", "x" * 1001])
def test_a_path_stays_inside_its_run(recorder: Recorder, path: str) -> None:
    with pytest.raises(ValidationError):
        recorder.services.uploads.grant_uploads(recorder.caller, recorder.run(), [path])


def test_parts_become_one_file(recorder: Recorder) -> None:
    run = recorder.run()
    parts = [b"a" * 3_000_000, b"", b"b" * 5, b"c" * 1_500_000]
    for number, part in enumerate(parts):
        send(recorder, run, f"part/{number}", part)
    paths = [f"part/{number}" for number in range(4)]
    blob = recorder.services.uploads.join_uploads(recorder.caller, run, paths)
    assert recorder.services.store.blobs.path(blob.sha256).read_bytes() == b"".join(parts)
    with pytest.raises(NotFoundError, match="part/9"):
        recorder.services.uploads.join_uploads(recorder.caller, run, ["part/0", "part/9"])


def test_an_upload_that_nothing_refers_to_is_collected_with_its_blob(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    unused = send(recorder, run, "unused", b"unused")
    used = send(recorder, run, "used", b"used")
    recorder.append(run, artifacts=(ArtifactDraft("weights", used, 4),))
    location.clock.advance(2 * 24 * 3600 * 1000)
    recorder.services.purging.purge(recorder.caller, expired_only=True)
    assert set(found(recorder, run, "used", "unused")) == {"used"}
    assert not recorder.services.store.blobs.path(unused).exists()


def test_strangers_get_no_grant(recorder: Recorder) -> None:
    run = recorder.run()
    services = recorder.services
    services.admin.create_user(recorder.caller, "stan")
    key = services.accounts.create_key(recorder.caller, "stan").secret
    stan = services.accounts.authenticate(key)
    assert stan is not None
    with pytest.raises(NotFoundError):
        services.uploads.grant_uploads(stan, run, [PATH])
    services.workspaces.set_member(recorder.caller, run.workspace, "stan", "VIEWER")
    with pytest.raises(PermissionDeniedError):
        services.uploads.grant_uploads(stan, run, [PATH])


def test_a_grant_of_a_run_is_for_all_its_paths_and_no_other_run(recorder: Recorder, location: Location) -> None:
    run, other = recorder.run(), recorder.run()
    uploads = recorder.services.uploads
    grant = uploads.grant_run(recorder.caller, run, 60_000)
    uploads.put_by_run(grant, "a/b", io.BytesIO(b"ab"), "text/plain")
    uploads.put_by_run(grant, "c", io.BytesIO(b"c"), "text/plain")
    assert set(found(recorder, run, "a/b", "c")) == {"a/b", "c"}
    elsewhere = recorder.services.runs.get_run(recorder.caller, other).cuid
    for wrong in (attrs.evolve(grant, run=elsewhere), attrs.evolve(grant, signature="")):
        with pytest.raises(NotFoundError):
            uploads.put_by_run(wrong, "a/b", io.BytesIO(b"no"), "text/plain")
    with pytest.raises(NotFoundError):
        uploads.put_upload(grant, io.BytesIO(b"no"), "text/plain")
    with pytest.raises(ValidationError):
        uploads.put_by_run(grant, "../b", io.BytesIO(b"no"), "text/plain")
    location.clock.advance(60_001)
    with pytest.raises(NotFoundError, match="expired"):
        uploads.put_by_run(grant, "a/b", io.BytesIO(b"no"), "text/plain")


def test_media_are_found_by_their_path(recorder: Recorder) -> None:
    run = recorder.run()
    sha256 = send(recorder, run, PATH, b"red")
    note = MediaItem("media/text/1-é.txt", data={"text": "hello"})
    drafts = (
        MediaDraft("pic", 5, (MediaItem(PATH, sha256=sha256, mime_type="image/png"),), "IMAGE"),
        MediaDraft("note", 1, (note,), "TEXT"),
    )
    recorder.append(run, media=drafts)
    items = recorder.services.media.find_items(recorder.caller, run, [PATH, "media/text/1-é.txt", "5"])
    assert {path: (item.sha256, item.data) for path, item in items.items()} == {
        PATH: (sha256, None),
        "media/text/1-é.txt": (None, {"text": "hello"}),
    }
    assert items[PATH].url is not None
