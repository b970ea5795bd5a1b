"""A directory whose machine can lose its power: what was not forced to the disk by then is gone."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import attrs

__all__ = ["Disk", "unplugged_disk"]

_CACHESTAT = 451
_IMAGE_BYTES = 64 << 20


class Disk(Protocol):
    """A disk.

    Attributes:
        directory: Where it is mounted.
    """

    directory: Path

    def cut(self) -> Path:
        """Cut the power now, and return where what is left lies."""
        ...


@contextmanager
def unplugged_disk(place: Path, size: int = _IMAGE_BYTES) -> Iterator[Disk]:
    """Make a disk in a directory: a file system of its own where it can be mounted, else the pages that are clean."""
    image, directory = place / "disk.img", place / "disk"
    directory.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    if _try("mkfs.ext4", "-q", "-F", str(image)) and _try("mount", "-o", "loop", str(image), str(directory)):
        mounted = _Mounted(directory, image, place)
        try:
            yield mounted
        finally:
            mounted.unmount()
    else:
        yield _Paged(directory, place / "left")


@attrs.define
class _Mounted:
    """An ext4 of its own in a file: a copy of the file has what reached the disk."""

    directory: Path
    image: Path
    place: Path
    mounts: list[Path] = attrs.field(factory=list)

    def cut(self) -> Path:
        copy, left = self.place / f"cut{len(self.mounts)}.img", self.place / f"left{len(self.mounts)}"
        shutil.copyfile(self.image, copy)
        left.mkdir()
        subprocess.run(["mount", "-o", "loop", str(copy), str(left)], check=True)
        self.mounts.append(left)
        return left

    def unmount(self) -> None:
        for path in (*self.mounts, self.directory):
            subprocess.run(["umount", "--lazy", str(path)], check=True)


@attrs.define
class _Paged:
    """A copy of a directory without the pages that wait to be written, which Linux 6.5 tells."""

    directory: Path
    left: Path

    def cut(self) -> Path:
        for path in self.directory.rglob("*"):
            target = self.left / path.relative_to(self.directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                target.write_bytes(_clean_bytes(path))
        return self.left


def _clean_bytes(path: Path) -> bytes:
    size = os.sysconf("SC_PAGE_SIZE")
    pieces = []
    with path.open("rb") as file:
        handle = file.fileno()
        dirty = {page for page in range(os.fstat(handle).st_size // size + 1) if _is_dirty(handle, page * size, size)}
        for page, piece in enumerate(iter(lambda: file.read(size), b"")):
            pieces.append(bytes(len(piece)) if page in dirty else piece)
    return b"".join(pieces)


def _is_dirty(handle: int, start: int, length: int) -> bool:
    found = (ctypes.c_uint64 * 5)()
    chosen = (ctypes.c_uint64 * 2)(start, length)
    answer = ctypes.CDLL(None).syscall(_CACHESTAT, handle, ctypes.byref(chosen), ctypes.byref(found), 0)
    return answer == 0 and found[1] + found[2] > 0


def _try(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
