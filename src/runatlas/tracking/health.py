"""How much of what a run recorded is where, and what of it was lost."""

from __future__ import annotations

import logging
import os
import threading
from typing import Literal

import attrs

from runatlas.errors import RunAtlasError
from runatlas.terminal import printable

__all__ = ["Flushed", "Health", "Losses", "TrackingError"]

_log = logging.getLogger("runatlas")


class TrackingError(RunAtlasError):
    """Something could not be kept, and the run is strict."""


@attrs.frozen
class Health:
    """How many records are where: each number, object, line and file counts as one.

    Attributes:
        queued: In this process's memory only.
        spooled: In the spool on this machine's disk, and not yet in the store.
        sent: In the store.
        dropped: Lost; ``problem`` says why.
        problem: What went wrong last, ``""`` if nothing did or it is over.
        spool: The spool's file; ``None`` if nothing lies there.
    """

    queued: int = 0
    spooled: int = 0
    sent: int = 0
    dropped: int = 0
    problem: str = ""
    spool: str | None = None


@attrs.frozen
class Flushed:
    """Where everything is that was recorded before ``flush`` was called.

    Attributes:
        where: ``store``: the store has all of it. ``spool``: it is on this machine's disk, and will be sent.
            ``memory``: neither in time. ``lost``: ``dropped`` records were lost since the ``flush`` before, and the
            rest is in the store or the spool. ``nowhere``: the run is disabled.
        problem: Why it is not in the store, if something went wrong.
        dropped: How many records were lost since the ``flush`` before: the store refused them, or there was no room.
    """

    where: Literal["store", "spool", "memory", "lost", "nowhere"]
    problem: str = ""
    dropped: int = 0

    @property
    def durable(self) -> bool:
        """Whether it outlives this process and a power cut."""
        return self.where in {"store", "spool"}

    def __bool__(self) -> bool:
        return self.durable


class Losses:
    """Counts what could not be kept, and warns of the first; thread-safe.

    Args:
        run: How to call the run in warnings.
        strict: Whether ``check`` raises.
    """

    def __init__(self, run: str, *, strict: bool) -> None:
        self.count = 0
        self.reason = ""
        self.is_strict = strict
        self.failure: TrackingError | None = None
        self._run = run
        self._lock = threading.Lock()
        self._warned: set[str] = set()

    def add(self, records: int, reason: str) -> None:
        """Count records that are lost."""
        with self._lock:
            self.count += records
            self.reason = reason
        self.warn("lost", f"something could not be kept and is lost: {reason}; the count follows when the run closes")
        self.fail(reason)

    def fail(self, reason: str) -> None:
        """Remember a failure for a strict run."""
        if self.is_strict and self.failure is None:
            self.failure = TrackingError(f"run {self._run}: {reason}")

    def check(self) -> None:
        """Raise what a strict run has to tell.

        Raises:
            TrackingError: Something could not be kept.
        """
        if self.failure is not None:
            raise self.failure

    def warn(self, kind: str, text: str) -> None:
        """Warn of something, once a kind."""
        with self._lock:
            if kind in self._warned:
                return
            self._warned.add(kind)
        silent = os.environ.get("RUNATLAS_SILENT", "").lower() in {"1", "true", "yes", "on"}
        _log.log(logging.INFO if silent else logging.WARNING, "runatlas: run %s: %s", self._run, printable(text))
