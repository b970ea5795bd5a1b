"""The process that has a directory open for forked children; see ``runatlas.backends.store_process``."""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from runatlas.backends.store_process import StoreProcessFiles
from runatlas.process.file_lock import FileLock
from runatlas.server import process
from runatlas.server.settings import ServerSettings
from runatlas.tracking.spool import SpoolLeft, find_spools
from runatlas.tracking.sync import sync
from runatlas.tracking.target import SPOOL_NAME

__all__ = ["main"]

_LOOK_S = 0.3
_IDLE_S = 3.0
"""How long it stays when nobody needs it: the next child may come at once."""
_TRIES_MAX = 20
_SHUTDOWN_S = 10

_log = logging.getLogger(__name__)


class _Keeper:
    """Brings the spools of dead children into the store, and ends the process when nobody needs it any more."""

    def __init__(self, directory: Path, files: StoreProcessFiles) -> None:
        self._directory = directory
        self._files = files
        self._used = FileLock(files.used)
        self._tries: dict[Path, int] = {}
        self._due: dict[Path, float] = {}
        self._needed_at = time.monotonic()

    def run(self) -> None:
        """Look until nobody needs the process; then ask it to end. The lock stays: until then, nobody joins."""
        while not self._is_over():
            time.sleep(_LOOK_S)
        shutil.rmtree(self._files.place, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)

    def _is_over(self) -> bool:
        self._deliver()
        for path in (self._files.place, self._files.serving, self._files.used, self._files.address):
            # What looks old is removed from a machine's temporary directory.
            with suppress(OSError):
                os.utime(path)
        if self._left() or not self._used.acquire():
            self._needed_at = time.monotonic()
            return False
        if time.monotonic() - self._needed_at > _IDLE_S and not self._left():
            return True
        self._used.release()
        return False

    def _deliver(self) -> None:
        """Send what the dead left."""
        if not self._left():
            return
        for report in sync(self._directory, only=self._is_due):
            if not report.is_done and not report.is_live:
                tries = self._tries[report.spool] = self._tries.get(report.spool, 0) + 1
                self._due[report.spool] = time.monotonic() + tries * _LOOK_S
                _log.warning("%s: %s", report.spool, report.problem)

    def _left(self) -> list[SpoolLeft]:
        return [left for left in find_spools(self._directory / SPOOL_NAME) if self._is_mine(left)]

    def _is_mine(self, left: SpoolLeft) -> bool:
        """Tell whether a child left it to this process, and is gone; others wait for ``runatlas sync``."""
        return left.is_entrusted and self._tries.get(left.path, 0) < _TRIES_MAX and left.is_orphan

    def _is_due(self, left: SpoolLeft) -> bool:
        return self._due.get(left.path, 0.0) <= time.monotonic() and self._is_mine(left)


def main() -> None:
    """Serve a directory until no forked child needs it. Arguments: the directory, the files' place, a held lock."""
    directory, place, held = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    os.set_inheritable(held, False)
    files, key = StoreProcessFiles(place), secrets.token_urlsafe(32)

    def announce(origin: str) -> None:
        part = files.address.with_suffix(".part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(json.dumps({"origin": origin, "key": key}))
        part.replace(files.address)
        threading.Thread(target=_Keeper(directory, files).run, name="keeper", daemon=True).start()

    process.serve(ServerSettings(directory, port=0, owner_key=key, shutdown_s=_SHUTDOWN_S), announce=announce)
