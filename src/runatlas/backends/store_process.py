"""A process that has a directory open for those that must not: the children that were forked while it was open.

There is one a directory and user at the most. The first child that needs it starts it afresh; it answers on this
machine only, and only to those who read its key from a file that is the user's alone. It goes on while such children
live, brings the spools of those that died into the store, and then ends by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import attrs

import runatlas.process
from runatlas.backends.contract import Backend
from runatlas.backends.native import NativeBackend
from runatlas.errors import StoreError
from runatlas.process.file_lock import FileLock
from runatlas.process.fork import ProcessLock
from runatlas.process.server_note import ServerNote
from runatlas.process.store_process_files import StoreProcessFiles
from runatlas.settings import ConnectionSettings

__all__ = ["StoreProcess", "connect", "process_of"]

_PATIENCE_S = 60.0
_LOOK_S = 0.02
_STARTS_MAX = 3
_PROGRAM = "import gc, os; os.fork() and os._exit(0); gc.disable(); from runatlas.cli.store_process import main; main()"
"""It is nobody's child: a program that waits for all of its own does not wait for this one.

To collect garbage while it only loads modules would be a sixth of the time that it takes to start.
"""


@attrs.frozen
class _Address:
    origin: str
    key: str = attrs.field(repr=False)


class StoreProcess:
    """The way to the process of a directory; thread-safe. Making one does nothing.

    Args:
        directory: An absolute path.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._files = StoreProcessFiles.of(directory)
        self._serving = FileLock(self._files.serving)
        self._used = FileLock(self._files.used)
        self._lock = ProcessLock()

    def start(self) -> None:
        """Let there be a process, now or in a moment, as long as this one lives.

        Raises:
            StoreError: It cannot be started.
        """
        with self._lock:
            self._join(time.monotonic() + _PATIENCE_S)

    def address(self) -> _Address:
        """Return where the process answers; it is started if there is none, and waited for.

        Raises:
            StoreError: It cannot be started, or does not answer in time.
        """
        deadline = time.monotonic() + _PATIENCE_S
        starts = 0
        with self._lock:
            while True:
                starts += self._join(deadline)
                found = self._read()
                if found is not None:
                    return found
                if starts > _STARTS_MAX or time.monotonic() > deadline:
                    raise self._failure("does not answer")
                time.sleep(_LOOK_S)

    def _join(self, deadline: float) -> bool:
        """Keep the process from ending, and start it if there is none; tell whether it was started."""
        try:
            # While the process ends it holds this one alone, and then removes it.
            while not self._used.is_held:
                self._used.release()
                self._files.make()
                if self._used.acquire(shared=True):
                    continue
                if time.monotonic() > deadline:
                    raise self._failure("does not end")
                time.sleep(_LOOK_S)
            if not self._serving.acquire():
                return False
            try:
                self._start()
            finally:
                self._serving.release()
        except OSError as error:
            raise self._failure(f"cannot be started ({error.strerror or error})") from error
        return True

    def _start(self) -> None:
        self._files.address.unlink(missing_ok=True)
        held = self._serving.fileno()
        package = str(Path(runatlas.process.__file__).parents[2])
        paths = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), package]))
        arguments = [self.directory, str(self._files.place), str(held)]
        descriptor = os.open(self._files.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            started = subprocess.Popen(  # noqa: S603 - this interpreter, with our own program
                [sys.executable, "-c", _PROGRAM, *arguments],
                cwd=self._files.place,
                env={**os.environ, "PYTHONPATH": paths},
                pass_fds=(held,),
                start_new_session=True,
                stderr=descriptor,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
            )
        finally:
            os.close(descriptor)
        started.wait(_PATIENCE_S)

    def _read(self) -> _Address | None:
        try:
            return _Address(**json.loads(self._files.address.read_text()))
        except FileNotFoundError:
            return None

    def _failure(self, what: str) -> StoreError:
        try:
            said = self._files.log.read_text(errors="replace").strip().rpartition("\n")[2]
        except OSError:
            said = ""
        more = f": {said}" if said else ""
        return StoreError(
            f"{self.directory} was open where this process was forked from, so another process has to open it, "
            f"and that one {what}{more}"
        )


_known: dict[str, StoreProcess] = {}


def process_of(directory: str) -> StoreProcess:
    """Return the way to the process of a directory, one and the same for all of this process.

    Args:
        directory: An absolute path.
    """
    return _known.setdefault(directory, StoreProcess(directory))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_known.clear)


class _ElsewhereBackend:
    """A directory, through its process. It is looked for with each call, for it may be killed and started anew."""

    def __init__(self, settings: ConnectionSettings) -> None:
        self.location = str(settings.directory)
        self._settings = settings
        self._process = process_of(self.location)
        self._lock = ProcessLock()
        self._known: tuple[_Address, NativeBackend] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._current(), name)

    @property
    def web_url(self) -> str:
        return ServerNote(self.location).read() or Path(self.location).as_uri()

    def close(self) -> None:
        with self._lock:
            known, self._known = self._known, None
        if known is not None:
            known[1].close()

    def forget(self, _: str | None = None) -> None:
        """Nothing of it is kept in memory."""

    def _current(self) -> NativeBackend:
        address = self._process.address()
        with self._lock:
            if self._known is None or self._known[0] != address:
                at = attrs.evolve(self._settings, host=address.origin, key=address.key, directory=None, cache=False)
                self._known = (address, NativeBackend.from_settings(at))
            return self._known[1]


def connect(settings: ConnectionSettings) -> Backend:
    """Describe a directory that this process must not open.

    Args:
        settings: They name the directory.
    """
    return cast(Backend, _ElsewhereBackend(settings))
