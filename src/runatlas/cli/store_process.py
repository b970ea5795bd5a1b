"""The process that has a directory open for forked children; see ``runatlas.backends.store_process``."""

from __future__ import annotations

import gc
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
from typing import TYPE_CHECKING

from runatlas.process.file_lock import FileLock
from runatlas.process.store_process_files import StoreProcessFiles
from runatlas.server import process
from runatlas.server.settings import ServerSettings
from runatlas.server.store.engine import DATABASE_NAME
from runatlas.server.store.sqlite import identity_of

if TYPE_CHECKING:
    from runatlas.tracking.orphan_spools import EntrustedSpools

__all__ = ["main"]

_LOOK_S = 0.3
_IDLE_S = 3.0
"""How long it stays when nobody needs it: the next child may come at once."""
_SHUTDOWN_S = 10

_log = logging.getLogger(__name__)


class _Keeper:
    """Brings the spools of dead children into the store, and ends the process when nobody needs it any more."""

    def __init__(self, directory: Path, files: StoreProcessFiles) -> None:
        self._directory = directory
        self._files = files
        self._used = FileLock(files.used)
        self._needed_at = time.monotonic()
        self._database = str(directory / DATABASE_NAME)
        self._identity = identity_of(self._database)

    def run(self) -> None:
        """Look until nobody needs the process, or its store is gone; then ask it to end, and let nobody join."""
        # Whoever waits for this process to answer does not wait for what answering does not need.
        from runatlas.tracking.orphan_spools import EntrustedSpools  # noqa: PLC0415

        spools = EntrustedSpools(self._directory)
        # A database that takes the place of this one needs a process that opens that one.
        while identity_of(self._database) == self._identity and not self._is_over(spools):
            time.sleep(_LOOK_S)
        shutil.rmtree(self._files.place, ignore_errors=True)
        os.kill(os.getpid(), signal.SIGTERM)

    def _is_over(self, spools: EntrustedSpools) -> bool:
        left = spools.deliver()
        for path in (self._files.place, self._files.serving, self._files.used, self._files.address):
            # What looks old is removed from a machine's temporary directory.
            with suppress(OSError):
                os.utime(path)
        if left or not self._used.acquire():
            self._needed_at = time.monotonic()
            return False
        if time.monotonic() - self._needed_at > _IDLE_S and not spools.find():
            return True
        self._used.release()
        return False


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
        gc.enable()
        threading.Thread(target=_Keeper(directory, files).run, name="keeper", daemon=True).start()

    settings = ServerSettings(
        directory,
        port=0,
        protocols=("native",),
        pages=False,
        owner_key=key,
        evaluates=False,
        shutdown_s=_SHUTDOWN_S,
        makes_store=False,
    )
    process.serve(settings, announce=announce)
