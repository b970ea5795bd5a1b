from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunPatch
from runatlas.tracking.entry import Entry, Head, body_of
from runatlas.tracking.health import Losses
from runatlas.tracking.send_queue import SendQueue
from runatlas.tracking.spool import SpoolFile, SpoolLeft, find_spools
from runatlas.tracking.spool_frame import Damage, Frame

HEAD = Head(RunDraft(ProjectPath("w", "p"), id="r"))


def patch(sequence: int, *, weight: int = 10, records: int = 1) -> Entry:
    return Entry(sequence, RunPatch(name=str(sequence)), records=records, weight=weight)


def spooled(directory: Path) -> list[int]:
    """The sequences of the entries in the only spool, and nothing damaged."""
    (left,) = find_spools(directory)
    items = list(left.frames())
    assert not any(isinstance(item, Damage) for item in items)
    return [item.sequence for item in items if isinstance(item, Frame) and item.kind == "patch"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(directory: Path) -> Iterator[SpoolFile]:
    made = SpoolFile(directory, "w", HEAD)
    yield made
    made.close(remove=False)


def test_entries_are_spooled_before_they_can_be_sent(directory: Path, spool: SpoolFile) -> None:
    queue = SendQueue(spool, spool_first=True, keep=False, on_loss=Losses("r", strict=True).add)
    for sequence in (1, 2):
        assert queue.put(patch(sequence)) == ""

    assert spooled(directory) == [1, 2]
    assert (queue.counts().waiting, queue.counts().spooled) == (0, 2)
    head = queue.head(0)
    assert head is not None
    assert queue.load(head) == (RunPatch(name="1"), {})


def test_what_is_sent_leaves_the_spool(directory: Path, spool: SpoolFile) -> None:
    queue = SendQueue(spool, spool_first=True, keep=False, on_loss=Losses("r", strict=True).add)
    for sequence in (1, 2):
        queue.put(patch(sequence))
    for _ in range(2):
        entry = queue.head(0)
        assert entry is not None
        queue.done(entry, 1)
    assert spooled(directory) == []
    assert find_spools(directory)[0].sent() == 2
    assert (queue.is_empty, queue.counts().sent) == (True, 2)
    queue.put(patch(3))
    assert spooled(directory) == [3]
    queue.close(remove=False)
    (left,) = find_spools(directory)
    assert left.sent() == 2


def test_nothing_is_dropped_while_somebody_reads(directory: Path, spool: SpoolFile) -> None:
    queue = SendQueue(spool, spool_first=True, keep=False, on_loss=Losses("r", strict=True).add)
    queue.put(patch(1))
    (reader,) = find_spools(directory)
    assert reader.acquire()
    assert reader.is_live
    entry = queue.head(0)
    assert entry is not None
    queue.done(entry, 1)
    queue.put(patch(2))
    assert spooled(directory) == [1, 2]
    reader.release()
    entry = queue.head(0)
    assert entry is not None
    queue.done(entry, 1)
    assert spooled(directory) == []


def test_two_readers_exclude_each_other(directory: Path, spool: SpoolFile) -> None:
    spool.write("sent", 0)
    first, second = find_spools(directory) + find_spools(directory)

    assert (first.acquire(), second.acquire()) == (True, False)
    first.release()
    assert second.acquire()
    second.release()


def test_no_entry_is_spooled_before_an_earlier_one(directory: Path, spool: SpoolFile) -> None:
    directory.write_text("in the way")
    queue = SendQueue(spool, spool_first=True, keep=False, on_loss=Losses("r", strict=True).add)
    for sequence in (1, 2, 3):
        # It cannot be spooled, and is sent from memory nevertheless.
        assert queue.put(patch(sequence)) == ""
    assert queue.counts().waiting == 3
    assert not queue.is_kept(3)
    entry = queue.head(0)
    assert entry is not None
    queue.done(entry, 1)
    directory.unlink()
    queue.put(patch(4))

    assert spooled(directory) == [2, 3, 4]
    assert queue.is_kept(4)


def test_what_fits_nowhere_is_refused(directory: Path, spool: SpoolFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runatlas.tracking.send_queue.MEMORY_MAX", 25)
    directory.write_text("in the way")
    queue = SendQueue(spool, spool_first=False, keep=False, on_loss=Losses("r", strict=True).add)

    assert [bool(queue.put(patch(sequence))) for sequence in (1, 2, 3)] == [False, False, True]
    directory.unlink()
    assert queue.put(patch(4)) == ""
    assert spooled(directory) == [1, 2, 4]


def test_behind_the_first_entries_memory_is_freed(
    directory: Path, spool: SpoolFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runatlas.tracking.send_queue.MEMORY_MAX", 40)
    queue = SendQueue(spool, spool_first=True, keep=False, on_loss=Losses("r", strict=True).add)
    for sequence in range(1, 30):
        assert queue.put(patch(sequence)) == ""
    for sequence in range(1, 30):
        entry = queue.head(0)
        assert entry is not None
        assert queue.load(entry)[0] == RunPatch(name=str(sequence))
        queue.done(entry, 1)

    assert queue.counts().sent == 29


def test_offline_entries_stay_in_the_spool(directory: Path, spool: SpoolFile) -> None:
    queue = SendQueue(spool, spool_first=False, keep=True, on_loss=Losses("r", strict=True).add)
    queue.put(patch(1))

    assert queue.head(0) is None
    assert (queue.is_empty, queue.counts().spooled, spooled(directory)) == (False, 1, [1])


def test_late_entries_go_to_the_spool_of_a_directory(directory: Path, spool: SpoolFile) -> None:
    queue = SendQueue(spool, spool_first=False, keep=False, on_loss=Losses("r", strict=True).add)
    queue.put(patch(1))
    assert queue.spill(older_than_s=60) == ""
    assert find_spools(directory) == []
    assert queue.spill() == ""
    assert spooled(directory) == [1]


def test_the_beginning_tells_the_run_and_blobs_lie_beside(directory: Path, spool: SpoolFile) -> None:
    spool.is_created = True
    spool.put_blob("a" * 64, b"bytes")
    spool.close(remove=False)
    (left,) = find_spools(directory)
    frames = [item for item in left.frames() if isinstance(item, Frame)]

    assert [frame.kind for frame in frames] == ["create", "create", "sent"]
    assert body_of(frames[1]) == HEAD
    assert left.sent() == 0
    blob = left.blob("a" * 64)
    assert blob is not None
    assert blob.read_bytes() == b"bytes"
    left.remove()
    assert list(directory.iterdir()) == []


def test_a_note_beside_the_file_counts(directory: Path, spool: SpoolFile) -> None:
    spool.write("sent", 3)
    left = SpoolLeft(directory / "w.spool")
    left.note_sent(7)

    assert SpoolLeft(directory / "w.spool").sent() == 7
