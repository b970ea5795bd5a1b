"""Bringing a run's things to a store, whatever happens to the run and its bytes on the way."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest
from support.database import Location

from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.server.services.services import Services
from runatlas.server.store.garbage import DAY_MS
from runatlas.tracking.store_writer import Sent, StoreWriter

BYTES = b"a picture"
HASH = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def backend(services: Services) -> Backend:
    return LocalBackend(services, services.owner())


@pytest.fixture
def home(backend: Backend) -> ProjectPath:
    backend.create_project(ProjectDraft("other"))
    return backend.create_project(ProjectDraft("home")).path


@pytest.fixture
def writer(backend: Backend, home: ProjectPath) -> StoreWriter:
    """A run that was made."""
    made = StoreWriter(backend, RunDraft(home, id="r"))
    made.create()
    return made


def move(backend: Backend, home: ProjectPath) -> None:
    backend.update_runs(RunSelection(home.workspace, home.project, ids=("r",)), RunPatch(project="other"))


def file_of(home: ProjectPath) -> Batch:
    return Batch(home.run("r"), artifacts=(ArtifactDraft("a.bin", HASH, 0),), writer="w", sequence=1)


def kept(backend: Backend, run: RunPath) -> list[bytes]:
    found = backend.list_artifacts(run, PageRequest()).items
    return [b"".join(backend.open_link(item.url or "")) for item in found]


def test_a_file_stored_before_its_run_moved_is_stored_again_where_the_run_is(
    backend: Backend, home: ProjectPath, writer: StoreWriter, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(BYTES)
    with (tmp_path / "a.bin").open("rb") as file:
        assert writer.put(file, tmp_path / "a.bin") == HASH
    move(backend, home)
    assert writer.send(file_of(home), lambda _: None) == Sent(1)
    assert kept(backend, ProjectPath(home.workspace, "other").run("r")) == [BYTES]


def test_objects_stored_before_their_run_moved_are_stored_again_where_the_run_is(
    backend: Backend, home: ProjectPath, writer: StoreWriter
) -> None:
    item = MediaItem("media/a.png", HASH, 0, "image/png")
    batch = Batch(home.run("r"), media=(MediaDraft("pic", 0, (item,), "IMAGE"),))
    asked: list[str] = []

    def bytes_of(sha256: str) -> bytes:
        if not asked:
            move(backend, home)
        asked.append(sha256)
        return BYTES

    assert writer.send(batch, bytes_of) == Sent(1)
    assert writer.send(batch, bytes_of) == Sent(1)
    assert asked == [HASH, HASH], "once in each of the projects"


def test_a_file_is_stored_whole_when_its_run_moved_and_the_project_is_gone(
    backend: Backend, home: ProjectPath, writer: StoreWriter, tmp_path: Path
) -> None:
    move(backend, home)
    backend.delete(backend.plan_project_deletion(home, force=True))
    assert writer.put(io.BytesIO(BYTES), tmp_path / "gone") == HASH
    assert writer.send(file_of(home), lambda _: None) == Sent(1)


def test_bytes_that_were_collected_meanwhile_are_stored_again(
    backend: Backend, home: ProjectPath, writer: StoreWriter, location: Location, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(BYTES)
    with (tmp_path / "a.bin").open("rb") as file:
        writer.put(file, tmp_path / "a.bin")
    location.clock.advance(2 * DAY_MS)
    assert backend.purge().blobs == 1
    sent = writer.send(file_of(home), lambda _: None)
    assert (sent.records, sent.refused) == (1, 0)
    assert kept(backend, home.run("r")) == [BYTES]


def test_bytes_that_nobody_has_any_more_are_told_of(
    backend: Backend, home: ProjectPath, writer: StoreWriter, tmp_path: Path
) -> None:
    writer.put(io.BytesIO(BYTES), tmp_path / "gone")
    move(backend, home)
    sent = writer.send(file_of(home), lambda _: None)
    assert (sent.records, sent.refused) == (0, 1)
    assert f"there is no blob {HASH}" in sent.reason
