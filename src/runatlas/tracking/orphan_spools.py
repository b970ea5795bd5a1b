"""Sending of the spools that forked children left when they died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from runatlas.process.file_lock import FileLock
from runatlas.settings import resolve
from runatlas.tracking.spool import ENTRUSTED, SpoolLeft, find_spools
from runatlas.tracking.sync import sync
from runatlas.tracking.target import SPOOL_NAME
from runatlas.tracking.worker import Worker, describe

__all__ = ["EntrustedSpools", "deliver_in_background"]

_RETRY_S = 0.3
_LOOK_S = 1.0
_TRIES_MAX = 20

_log = logging.getLogger(__name__)


class EntrustedSpools:
    """The spools in a directory that dead children left to whoever writes there next.

    One process at a time delivers them. What is refused again and again waits for ``runatlas sync``, as spools do that
    were left by others.

    Args:
        directory: A store's.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._spools = directory / SPOOL_NAME
        self._tries: dict[Path, int] = {}
        self._due: dict[Path, float] = {}

    def find(self) -> list[SpoolLeft]:
        """Return those that are left and are still to be tried, the oldest first."""
        return [left for left in find_spools(self._spools) if self._is_mine(left)]

    def deliver(self) -> int:
        """Send those that are due, unless another process does so just now.

        Returns:
            How many are left, due or not.
        """
        if not self.find():
            return 0
        with self._alone() as is_alone:
            # Such a spool is of this directory, whatever it says.
            here = resolve(directory=self.directory)
            for report in sync(self.directory, here, only=self._is_due) if is_alone else ():
                if not report.is_done and not report.is_live:
                    tries = self._tries[report.spool] = self._tries.get(report.spool, 0) + 1
                    self._due[report.spool] = time.monotonic() + tries * _RETRY_S
                    _log.log(
                        logging.WARNING if tries == _TRIES_MAX else logging.INFO,
                        "%s could not be sent: %s; 'runatlas sync' tries it again",
                        report.spool,
                        report.problem,
                    )
        return len(self.find())

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        lock = FileLock(self._spools / "entrusted.lock")
        try:
            is_alone = lock.acquire() and lock.is_held
        except OSError:
            # Who may only read delivers nothing.
            is_alone = False
        try:
            yield is_alone
        finally:
            if is_alone:
                with suppress(OSError):
                    lock.path.unlink()
            lock.release()

    def _is_mine(self, left: SpoolLeft) -> bool:
        return left.is_entrusted and self._tries.get(left.path, 0) < _TRIES_MAX and left.is_orphan

    def _is_due(self, left: SpoolLeft) -> bool:
        return self._due.get(left.path, 0.0) <= time.monotonic() and self._is_mine(left)


def deliver_in_background(directory: Path, tell: Callable[[str], None]) -> None:
    """Let a thread deliver what dead children left in a directory, if there is anything; nothing waits for it.

    Args:
        directory: A store's, which this process may open.
        tell: Called once if there is something, with what.
    """
    place = directory / SPOOL_NAME
    if not any(place.glob(f"*{ENTRUSTED}")):
        return
    spools = EntrustedSpools(directory)
    is_told = False

    def turn() -> float:
        nonlocal is_told
        try:
            left = len(spools.find())
            if left and not is_told:
                is_told = True
                tell(f"{left} processes that were killed left something in {place}; it is being sent")
            return _LOOK_S if spools.deliver() else -1.0
        except OSError as error:
            _log.warning("%s cannot be read: %s; 'runatlas sync' tries it again", place, describe(error))
            return -1.0

    Worker("runatlas-entrusted", turn, lambda error: _log.warning("%s: %s", place, describe(error))).start()
