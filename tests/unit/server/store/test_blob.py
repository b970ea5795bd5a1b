"""Blobs are named by their content and are whole, or are not there."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from runatlas.errors import NotFoundError, StoreError
from runatlas.server.store.blob import BlobStore


def put(store: BlobStore, content: bytes) -> str:
    with store.stage(io.BytesIO(content)) as staged:
        store.keep(staged)
    return staged.sha256


@pytest.mark.parametrize("content", [b"", b"abc", b"x" * (3 << 20)], ids=["empty", "small", "large"])
def test_a_blob_is_named_by_its_content(tmp_path: Path, content: bytes) -> None:
    store = BlobStore(tmp_path / "blobs")
    sha256 = put(store, content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    with store.open(sha256) as file:
        assert file.read() == content
    assert list(store.files()) == [store.path(sha256)]


def test_what_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with store.stage(io.BytesIO(b"abc")) as staged:
        assert staged.path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == []


class Torn(io.BytesIO):
    """A stream that breaks off."""

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(2)
        if not piece:
            raise ConnectionResetError
        return piece


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    with pytest.raises(ConnectionResetError), store.stage(Torn(b"abcdef")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_removed_blob_is_gone_and_removing_it_again_is_no_error(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    sha256 = put(store, b"abc")
    store.remove(sha256)
    store.remove(sha256)
    with pytest.raises(NotFoundError, match="there is no blob"):
        store.open(sha256)


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "/", "0" * 64 + "\n"]
)
def test_only_a_hash_becomes_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError):
        BlobStore(tmp_path).path(name)


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("a file in the way")
    with (
        pytest.raises(StoreError, match="blobs cannot be written to"),
        BlobStore(tmp_path / "blobs").stage(io.BytesIO()),
    ):
        pass


@pytest.mark.parametrize("size", [10, 3 << 20], ids=["small", "large"])
@pytest.mark.parametrize(
    "damage",
    [lambda whole: whole[:-1] + b"y", lambda whole: whole[:-1], lambda whole: whole + b"x", lambda _: b""],
    ids=["other", "cut", "longer", "empty"],
)
def test_the_same_bytes_stored_again_heal_a_damaged_blob(
    tmp_path: Path, damage: Callable[[bytes], bytes], size: int
) -> None:
    store = BlobStore(tmp_path)
    content = b"x" * size
    path = store.path(put(store, content))
    path.write_bytes(damage(content))
    put(store, content)
    assert path.read_bytes() == content


@pytest.mark.parametrize("size", [10, 3 << 20], ids=["small", "large"])
def test_a_damaged_blob_is_told(tmp_path: Path, size: int) -> None:
    store = BlobStore(tmp_path)
    content = b"x" * size
    sha256 = put(store, content)
    path = store.path(sha256)
    for damaged in (content[:-1] + b"y", content[:-1], content + b"x", b""):
        path.write_bytes(damaged)
        read: list[bytes] = []
        with pytest.raises(StoreError, match="is damaged; store the same bytes again"):
            read.extend(store.pieces(sha256))
        assert sum(map(len, read)) < max(len(damaged), 1)
        with pytest.raises(StoreError, match="is damaged"):
            store.pieces(sha256, 1, 5)
        with pytest.raises(StoreError, match="is damaged"):
            store.open(sha256)
    put(store, content)
    assert b"".join(store.pieces(sha256)) == content
    assert b"".join(store.pieces(sha256, 1, 5)) == content[1:5]
