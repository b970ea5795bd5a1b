"""Bytes that were put and wait for the batch that says which run and path they are for."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import attrs

__all__ = ["StagedBlob", "Staging", "staging_of"]

_PIECE = 1 << 20
_SPENT_MAX = 256 << 20
"""How many bytes are kept that were sent already: the same picture may be logged at every step."""


@attrs.frozen
class StagedBlob:
    """Bytes in a file of ours.

    Attributes:
        md5: What this protocol tells two versions of a file apart by.
    """

    sha256: str
    size: int
    md5: str
    path: Path


class Staging:
    """Holds bytes by their sha256 until it is no longer used; thread-safe."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._directory = Path(tempfile.mkdtemp(prefix="runatlas-"))
        self._lock = threading.Lock()
        self._held: dict[str, StagedBlob] = {}
        self._spent: OrderedDict[str, int] = OrderedDict()
        weakref.finalize(self, _remove, self._directory, self.process)

    def put(self, data: BinaryIO) -> StagedBlob:
        """Take bytes."""
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with tempfile.NamedTemporaryFile(dir=self._directory, delete=False) as file:
            while piece := data.read(_PIECE):
                sha256.update(piece)
                md5.update(piece)
                size += len(piece)
                file.write(piece)
        blob = StagedBlob(sha256.hexdigest(), size, md5.hexdigest(), Path(file.name))
        with self._lock:
            held = self._held.setdefault(blob.sha256, blob)
            self._spent.pop(blob.sha256, None)
        if held is not blob:
            blob.path.unlink()
        return held

    def find(self, sha256: str) -> StagedBlob | None:
        """Return what was put."""
        with self._lock:
            return self._held.get(sha256)

    def spend(self, blob: StagedBlob) -> None:
        """Note that the server has some bytes; those sent longest ago go first when there are many."""
        with self._lock:
            self._spent[blob.sha256] = blob.size
            self._spent.move_to_end(blob.sha256)
            while sum(self._spent.values()) > _SPENT_MAX:
                gone = self._held.pop(self._spent.popitem(last=False)[0], None)
                if gone is not None:
                    gone.path.unlink(missing_ok=True)


_shared: weakref.WeakValueDictionary[str, Staging] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def staging_of(host: str) -> Staging:
    """Return what all backends of one server share in this process: one may put what another names in a batch."""
    with _sharing:
        found = _shared.get(host)
        if found is None or found.process != os.getpid():
            found = _shared[host] = Staging()
        return found


def _remove(directory: Path, process: int) -> None:
    """Remove the files, unless they are those of the process that this one was forked from."""
    if process == os.getpid():
        shutil.rmtree(directory, ignore_errors=True)
