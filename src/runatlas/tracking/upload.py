"""Files brought to the store in the background."""

from __future__ import annotations

import contextlib
import hashlib
import mimetypes
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import attrs

from runatlas.errors import RunAtlasError
from runatlas.model.artifact import ArtifactDraft, validate_artifact_name
from runatlas.tracking.store_writer import is_verdict
from runatlas.tracking.worker import Worker, describe

if TYPE_CHECKING:
    from runatlas.tracking.run import Run

__all__ = ["Uploader", "log_artifact", "log_artifacts"]

_OPEN_MAX = 64
"""Files held open while they wait, so that one deleted meanwhile is still there."""


_NO_ROOM_S = 1.0


class _NoRoomError(Exception):
    """Neither the store nor the spool takes a file now."""


@attrs.define(eq=False)
class _Task:
    path: Path
    name: str
    file: BinaryIO | None


class Uploader:
    """Stores files and tells when each is there; thread-safe.

    Args:
        put: Stores bytes and returns their sha256; ``None`` if nothing is ever sent.
        keep: Copies bytes into the spool: when nothing is sent, or the store does not take them now.
        announce: Called with each file whose bytes are stored.
        on_loss: Called with a number of files and the reason when some cannot be kept.
    """

    def __init__(
        self,
        *,
        put: Callable[[BinaryIO], str] | None,
        keep: Callable[[str, BinaryIO], None],
        announce: Callable[[ArtifactDraft], None],
        on_loss: Callable[[int, str], None],
    ) -> None:
        self._put = put
        self._keep = keep
        self._announce = announce
        self._on_loss = on_loss
        self.waiting: deque[_Task] = deque()
        """The files that are not stored yet; ``problem`` says why, if something is wrong."""
        self._idle = threading.Condition()
        self._stored: set[str] = set()
        self._giving_up = False
        self.problem = ""
        self._worker = Worker("runatlas-uploader", self._turn, self._on_fault)

    def add(self, path: Path, name: str) -> None:
        """Take a file.

        Raises:
            OSError: It cannot be read.
        """
        file = path.open("rb")
        if len(self.waiting) >= _OPEN_MAX:
            file.close()
        with self._idle:
            self.waiting.append(_Task(path, name, None if file.closed else file))
        self._worker.start()
        self._worker.wake()

    def wait(self, timeout_s: float) -> bool:
        """Wait until every file is stored.

        Returns:
            Whether they are.
        """
        with self._idle:
            return self._idle.wait_for(lambda: not self.waiting, timeout_s)

    def finish(self, is_over: Callable[[], bool]) -> None:
        """Store what is left; what is not stored when it is asked to wait no longer goes to the spool."""
        while self.waiting and not is_over() and self._worker.start() and not self._giving_up:
            self.wait(0.1)
        self._giving_up = True
        self._worker.wake()
        stopped = self._worker.stop(1.0)
        if not stopped and self.waiting:
            # A transfer hangs: its file goes to the spool like those behind it, and what the thread says of it later
            # counts no more.
            with self._idle:
                hanging = self.waiting.popleft()
                self.waiting.appendleft(_Task(hanging.path, hanging.name, None))
        while self.waiting:
            self._turn()

    def _turn(self) -> float:
        task = self.waiting[0] if self.waiting else None
        if task is None:
            return 1.0
        draft, reason = None, ""
        try:
            draft = self._store(task)
        except RunAtlasError as error:
            reason = f"{task.name!r} was refused: {error.message}"
        except _NoRoomError as error:
            # It may be there again soon: the file stays where it is, and is tried again.
            self.problem = f"{task.name!r} cannot be kept now: {error}"
            if not self._giving_up:
                return _NO_ROOM_S
            reason = f"{task.name!r} could not be kept: {error}"
        except OSError as error:
            reason = f"{task.name!r} could not be read: {describe(error)}"
        self._settle(task, draft, reason)
        return 0.0

    def _settle(self, task: _Task, draft: ArtifactDraft | None, reason: str) -> None:
        """Tell what became of a file, unless it was taken from this thread meanwhile."""
        with self._idle:
            is_own = bool(self.waiting) and self.waiting[0] is task
        if is_own:
            if draft is None:
                self._on_loss(1, f"file {reason}")
            else:
                self.problem = ""
                self._announce(draft)
            with self._idle:
                self.waiting.popleft()
                self._idle.notify_all()
        if task.file is not None:
            with contextlib.suppress(OSError):
                task.file.close()

    def _store(self, task: _Task) -> ArtifactDraft:
        file = task.file or task.path.open("rb")
        task.file = file
        sha256, size = _digest(file)
        if sha256 not in self._stored:
            sha256, size = self._transfer(file, sha256, size)
            self._stored.add(sha256)
        mime_type = mimetypes.guess_type(task.name)[0] or "application/octet-stream"
        return ArtifactDraft(task.name, sha256, size, mime_type)

    def _transfer(self, file: BinaryIO, sha256: str, size: int) -> tuple[str, int]:
        file.seek(0)
        if self._put is not None and not self._giving_up:
            try:
                return self._put(file), file.tell()
            except RunAtlasError as error:
                if is_verdict(error):
                    raise
                file.seek(0)
        try:
            self._keep(sha256, file)
        except OSError as error:
            raise _NoRoomError(describe(error)) from error
        return sha256, size

    def _on_fault(self, error: BaseException) -> None:
        if self.waiting:
            self._settle(self.waiting[0], None, describe(error))


def _digest(file: BinaryIO) -> tuple[str, int]:
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while piece := file.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    return digest.hexdigest(), size


def _named_file(path: str | os.PathLike[str], name: str | None) -> tuple[Path, str]:
    """Return a file that is to be kept, and its path inside the run.

    Args:
        path: The file.
        name: Its path inside the run; the file's own name if left out.

    Raises:
        ValueError: The name is no path inside the run.
        IsADirectoryError: It is a directory.
    """
    file = Path(path)
    place = validate_artifact_name(file.name if name is None else name)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a directory; log_artifacts keeps all that is in one")
    return file, place


def _named_files(path: str | os.PathLike[str], name: str | None) -> list[tuple[Path, str]]:
    """Return the files of a directory, and of those in it, with their paths inside the run; all are checked.

    Args:
        path: The directory.
        name: What their paths inside the run begin with.

    Raises:
        ValueError: A name is no path inside the run.
        NotADirectoryError: It is no directory.
    """
    base = Path(path)
    if not base.is_dir():
        raise NotADirectoryError(f"{base} is no directory; log_artifact keeps one file")
    prefix = "" if name is None else f"{validate_artifact_name(name)}/"
    files = [(file, prefix + file.relative_to(base).as_posix()) for file in sorted(base.rglob("*")) if file.is_file()]
    for _, place in files:
        validate_artifact_name(place)
    return files


def log_artifact(self: Run, path: str | os.PathLike[str], name: str | None = None) -> None:  # noqa: D417 - nobody gives self
    """Keep a file with the run. It is stored in the background; the same content is stored once.

    Args:
        path: The file. It may be deleted or replaced as soon as this returns; one that is changed in place is
            kept as it is when its turn comes.
        name: Its path inside the run; the file's own name if left out.

    Raises:
        RuntimeError: The run is closed or read-only.
        ValueError: The name is no path inside the run.
        OSError: The file cannot be read.
    """
    self._require_writable()
    file, place = _named_file(path, name)
    if self._recorder is not None:
        self._recorder.losses.check()
        self._recorder.add_file(file, place)


def log_artifacts(self: Run, path: str | os.PathLike[str], name: str | None = None) -> None:  # noqa: D417 - nobody gives self
    """Keep all files of a directory, and of those in it.

    Args:
        path: The directory.
        name: What their paths inside the run begin with.

    Raises:
        RuntimeError: The run is closed or read-only.
        ValueError: A name is no path inside the run.
        OSError: The directory or a file in it cannot be read.
    """
    self._require_writable()
    for file, place in _named_files(path, name):
        self.log_artifact(file, place)
