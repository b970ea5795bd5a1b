"""The file in which a run keeps what the store does not have yet, and the reading of one that was left behind.

``<writer>.spool`` holds the records (see ``frame``), ``<writer>.blobs/`` the bytes that they refer to, by sha256. While
its process lives, ``<writer>.live`` is locked; whoever reads the file of a living process locks ``<writer>.reading``.
``<writer>.entrusted`` says that a forked child left it to the process that has the directory open for it.
"""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runatlas.file_access import FileAccess, is_own_directory, open_to_read
from runatlas.process.file_lock import FileLock
from runatlas.tracking.entry import Head, payload_of
from runatlas.tracking.spool_frame import FILE_MARK, Damage, Frame, FrameKind, pack_frame, read_frames

__all__ = ["ENTRUSTED", "SpoolFile", "SpoolLeft", "find_spools"]

_SUFFIX = ".spool"
_DIGITS_MAX = 20
_HASH = re.compile("[0-9a-f]{64}")
ENTRUSTED = ".entrusted"
"""Ends the name of the file that says so."""


class SpoolFile:
    """The spool of a living run. The owner locks; nothing is made before the first write.

    Args:
        directory: Where spools lie.
        writer: Whose it is.
        head: Written before everything else, twice: without it nobody knows which run the rest belongs to.
        entrust: Called before there is a file, so that somebody looks after it when this process dies; ``None`` leaves
            it for ``runatlas sync``.
    """

    def __init__(self, directory: Path, writer: str, head: Head, entrust: Callable[[], None] | None = None) -> None:
        self.path = directory / f"{writer}{_SUFFIX}"
        self.is_created = False
        """Whether the store has the run: then whoever sends the rest must not make it again."""
        self._head = head
        self._entrust = entrust
        self._blobs = directory / f"{writer}.blobs"
        self._live = FileLock(directory / f"{writer}.live")
        self._reading = FileLock(directory / f"{writer}.reading")
        self.file: BinaryIO | None = None
        """Open while there is one."""
        self._was_open = self._is_closed = False
        self._head_end = 0
        self._end = 0

    def drop_removed(self) -> bool:
        """Let go of the file if somebody removed it: what is written to it still would be gone at the end.

        Returns:
            Whether it was removed, and all that was in it.
        """
        if self.file is None:
            return False
        own = os.fstat(self.file.fileno())
        try:
            found = self.path.stat()
        except OSError:
            found = None
        if found is not None and (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
            return False
        self.abandon()
        self._head_end = self._end = 0
        return True

    def write(self, kind: FrameKind, sequence: int, payload: bytes = b"") -> int:
        """Append a record.

        Returns:
            Where it begins.

        Raises:
            OSError: It could not be written; the file is as before.
        """
        file = self._opened()
        offset = self._end
        self._append(file, pack_frame(kind, sequence, payload))
        return offset

    def put_blob(self, sha256: str, data: bytes) -> None:
        """Keep bytes under their digest.

        Raises:
            OSError: They could not be written.
        """
        self.take_blob(sha256, io.BytesIO(data))

    def take_blob(self, sha256: str, source: BinaryIO) -> None:
        """Copy a file's bytes under their digest.

        Raises:
            OSError: They could not be copied.
        """
        self._opened()
        access = FileAccess.of_new_store()
        access.make_directory(self._blobs)
        target = self._blobs / sha256
        if target.exists():
            return
        part = target.with_suffix(".part")
        with os.fdopen(access.open_file(part, os.O_WRONLY | os.O_TRUNC), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        part.replace(target)

    def blob(self, sha256: str) -> Path | None:
        """Where bytes lie that were kept; ``None`` if they were not."""
        path = self._blobs / sha256
        return path if path.exists() else None

    def read(self, offset: int) -> Frame:
        """Read a record back.

        Raises:
            OSError: It is not what was written there.
        """
        with self.path.open("rb") as file:
            found = next(read_frames(file, offset), None)
        if not isinstance(found, Frame):
            raise OSError(f"{self.path} is damaged at byte {offset}")
        return found

    def fsync(self) -> None:
        """Return when everything written is on the disk.

        Raises:
            OSError: It is not.
        """
        if self.file is None:
            return
        if self._blobs.exists():
            for path in (*self._blobs.iterdir(), self._blobs):
                _sync(path)
        os.fsync(self.file.fileno())
        _sync(self.path.parent)

    def clear(self, sent: int) -> None:
        """Drop everything up to ``sent``, which must be all there is; unless somebody reads the file just now.

        Raises:
            OSError: The file cannot be changed.
        """
        if self.file is None or self._end == self._head_end or not self._reading.acquire():
            return
        try:
            self._cut(self.file, self._head_end)
            self._append(self.file, pack_frame("sent", sent))
            shutil.rmtree(self._blobs, ignore_errors=True)
        finally:
            self._reading.release()

    def close(self, *, remove: bool) -> None:
        """Close the file for good; a second call does nothing.

        Args:
            remove: Nothing in it is needed any more.
        """
        self._is_closed = True
        if self.file is None:
            return
        self.file.close()
        self.file = None
        if remove:
            remove_files(self.path)
        self._live.release()

    def abandon(self) -> None:
        """Let go of the file in a forked child, without touching what is the parent's."""
        if self.file is not None:
            self.file.close()
            self.file = None
        self._live.release()

    def _opened(self) -> BinaryIO:
        if self.file is not None:
            return self.file
        if self._is_closed:
            # Opening it anew would empty it, and what is left in it is for whoever sends spools.
            raise OSError(f"{self.path} was closed")
        home = self.path.parent.parent
        if (self._was_open or (self.is_created and self._head.host is None)) and not home.is_dir():
            # Whoever removed the store does not want it back half.
            raise FileNotFoundError(errno.ENOENT, f"{home} was removed while the run wrote to it")
        access = FileAccess.of_new_store()
        access.make_directory(self.path.parent)
        if not is_own_directory(self.path.parent):
            raise OSError(errno.ELOOP, f"{self.path.parent} is a link")
        if self._entrust is not None:
            self._entrust()
            os.close(access.open_file(self.path.with_suffix(ENTRUSTED), os.O_WRONLY))
        self._live.acquire()
        # Unbuffered, so that a killed process leaves no half of a record in memory.
        file = os.fdopen(access.open_file(self.path, os.O_WRONLY | os.O_TRUNC), "wb", buffering=0)
        try:
            head = pack_frame("create", 0, payload_of(self._head))
            self._append(file, FILE_MARK + head + head + (pack_frame("sent", 0) if self.is_created else b""))
        except OSError:
            file.close()
            remove_files(self.path)
            self._live.release()
            raise
        self.file = file
        self._was_open = True
        self._head_end = self._end
        return file

    def _append(self, file: BinaryIO, data: bytes) -> None:
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += file.write(view[written:])
        except OSError:
            self._cut(file, self._end)
            raise
        self._end += len(view)

    def _cut(self, file: BinaryIO, end: int) -> None:
        file.truncate(end)
        file.seek(end)
        self._end = end


class SpoolLeft:
    """A spool file that somebody else wrote: a process that ended, or one that still runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        stem = path.with_suffix("")
        self.writer = path.stem
        self._blobs = stem.with_suffix(".blobs")
        self._live = FileLock(stem.with_suffix(".live"))
        self._reading = FileLock(stem.with_suffix(".reading"))
        self._note = stem.with_suffix(".sent")
        self.is_live = False

    @property
    def is_entrusted(self) -> bool:
        """Whether a forked child left it to the process that has the directory open."""
        return self.path.with_suffix(ENTRUSTED).exists()

    @property
    def is_orphan(self) -> bool:
        """Whether its process has ended."""
        try:
            return self.path.exists() and self._live.acquire()
        except OSError:
            # What cannot be locked, 'runatlas sync' tells of.
            return False
        finally:
            self._live.release()

    def drop_blank(self) -> bool:
        """Delete it if nothing of it ever reached the disk, as after a power cut: none of it was acknowledged.

        Returns:
            Whether it was deleted.

        Raises:
            OSError: It cannot be read.
        """
        if not self.acquire():
            return False
        try:
            is_blank = not self.is_live and _is_blank(self.path)
            if is_blank:
                self.remove()
        finally:
            self.release()
        return is_blank

    def acquire(self) -> bool:
        """Take it for reading; ``is_live`` then tells whether its process still runs.

        Returns:
            Whether nobody else reads it.

        Raises:
            OSError: It cannot be locked.
        """
        if not self._reading.acquire():
            return False
        try:
            self.is_live = not self._live.acquire()
        except OSError:
            self._reading.release()
            raise
        return True

    def release(self) -> None:
        """Give it back."""
        self._live.release()
        self._reading.release()

    def frames(self) -> Iterator[Frame | Damage]:
        """Read its records.

        Raises:
            ValueError: It is no spool file.
            OSError: It cannot be read.
        """
        with open_to_read(self.path) as file:
            if file.read(len(FILE_MARK)) != FILE_MARK:
                raise ValueError(f"{self.path} is no spool of a run")
            yield from read_frames(file)

    def sent(self) -> int:
        """The last sequence that is known to have reached the store; -1 for none."""
        noted = self._noted()
        marks = (item.sequence for item in self.frames() if isinstance(item, Frame) and item.kind == "sent")
        return max([noted, *marks])

    def note_sent(self, sequence: int) -> None:
        """Remember beside the file what reached the store, for the file is another process's."""
        part = self._note.with_suffix(".part")
        with os.fdopen(FileAccess.of_new_store().open_file(part, os.O_WRONLY | os.O_TRUNC), "w") as file:
            file.write(str(sequence))
        _sync(part)
        part.replace(self._note)

    def _noted(self) -> int:
        try:
            with open_to_read(self._note) as file:
                return int(file.read(_DIGITS_MAX))
        except (OSError, ValueError):
            # Not there, or not what was written: then all is sent again, which changes nothing.
            return -1

    def blob(self, sha256: str) -> Path | None:
        """Where bytes lie that were kept; ``None`` if they were not, or if something else lies there."""
        path = self._blobs / sha256
        is_kept = _HASH.fullmatch(sha256) is not None and is_own_directory(self._blobs) and path.is_file()
        return path if is_kept and not path.is_symlink() else None

    def size(self) -> int:
        """Return the bytes of the file and of those that it refers to."""
        blobs = self._blobs.iterdir() if is_own_directory(self._blobs) else ()
        return sum(path.lstat().st_size for path in (self.path, *blobs))

    def remove(self) -> None:
        """Delete the file and everything beside it."""
        remove_files(self.path)


def find_spools(directory: Path) -> list[SpoolLeft]:
    """Return the spools that lie in a directory, the oldest first."""
    if not directory.is_dir():
        return []
    found = []
    for path in directory.glob(f"*{_SUFFIX}"):
        # Their owners remove them when they like.
        with suppress(FileNotFoundError):
            found.append((path.lstat().st_mtime_ns, path.name, path))
    return [SpoolLeft(path) for _, _, path in sorted(found)]


def remove_files(path: Path) -> None:
    """Delete a spool file and what lies beside it; the spool itself last, so that an interruption loses nothing."""
    stem = path.with_suffix("")
    shutil.rmtree(stem.with_suffix(".blobs"), ignore_errors=True)
    path.unlink(missing_ok=True)
    for suffix in (".sent", ".reading", ".live", ENTRUSTED):
        stem.with_suffix(suffix).unlink(missing_ok=True)


def _is_blank(path: Path) -> bool:
    with open_to_read(path) as file:
        return not any(any(piece) for piece in iter(lambda: file.read(1 << 20), b""))


def _sync(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        # Some systems open no directories; the file's own fsync has to do there.
        return
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():
            raise
    finally:
        os.close(descriptor)
