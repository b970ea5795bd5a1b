from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

import pytest

from runatlas.errors import ConnectionFailedError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.tracking.upload import Uploader


class Store:
    """Takes bytes, or refuses them."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.put_names: list[str] = []
        self.kept: dict[str, bytes] = {}
        self.announced: list[ArtifactDraft] = []
        self.lost: list[tuple[int, str]] = []

    def put(self, file: BinaryIO) -> str:
        content = file.read()
        self.put_names.append(content.decode())
        if self.error is not None:
            raise self.error
        return hashlib.sha256(content).hexdigest()

    def keep(self, sha256: str, file: BinaryIO) -> None:
        self.kept[sha256] = file.read()

    def uploader(self, *, offline: bool = False) -> Uploader:
        return Uploader(
            put=None if offline else self.put,
            keep=self.keep,
            announce=self.announced.append,
            on_loss=lambda count, reason: self.lost.append((count, reason)),
        )


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = [tmp_path / name for name in ("a.txt", "b.txt", "c.json")]
    for path, content in zip(found, ("one", "one", "two"), strict=True):
        path.write_text(content)
    return found


def run(uploader: Uploader, files: list[Path]) -> None:
    for path in files:
        uploader.add(path, f"in/{path.name}")
    assert uploader.wait(30)
    uploader.finish(lambda: False)


def test_each_content_is_stored_once(files: list[Path]) -> None:
    store = Store()
    run(store.uploader(), files)

    assert store.put_names == ["one", "two"]
    assert [(item.name, item.size, item.mime_type) for item in store.announced] == [
        ("in/a.txt", 3, "text/plain"),
        ("in/b.txt", 3, "text/plain"),
        ("in/c.json", 3, "application/json"),
    ]
    assert store.announced[0].sha256 == hashlib.sha256(b"one").hexdigest()


def test_what_the_store_does_not_take_now_goes_to_the_spool(files: list[Path]) -> None:
    store = Store(ConnectionFailedError("away"))
    run(store.uploader(), files)

    assert sorted(store.kept.values()) == [b"one", b"two"]
    assert [item.name for item in store.announced] == ["in/a.txt", "in/b.txt", "in/c.json"]
    assert store.lost == []


def test_offline_files_go_to_the_spool(files: list[Path]) -> None:
    store = Store()
    run(store.uploader(offline=True), files)

    assert (store.put_names, sorted(store.kept.values())) == ([], [b"one", b"two"])


def test_what_the_store_refuses_is_counted(files: list[Path]) -> None:
    store = Store(ValidationError("too large"))
    run(store.uploader(), files[:1])

    assert (store.announced, store.kept) == ([], {})
    assert [count for count, _ in store.lost] == [1]
    assert "too large" in store.lost[0][1]


def test_a_file_deleted_meanwhile_is_stored_all_the_same(files: list[Path]) -> None:
    store = Store()
    uploader = store.uploader()
    uploader.add(files[0], "a")
    files[0].unlink()
    assert uploader.wait(30)
    uploader.finish(lambda: True)

    assert [item.name for item in store.announced] == ["a"]
    with pytest.raises(FileNotFoundError):
        uploader.add(files[0], "a")
