"""What waits to be sent, in its order: in memory, in the spool, or in both, until the store has it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import attrs

from runatlas.model.batch import Batch
from runatlas.model.run import RunPatch
from runatlas.tracking.entry import Entry, Head, body_of, kind_of, payload_of
from runatlas.tracking.spool import SpoolFile
from runatlas.tracking.worker import describe

__all__ = ["Counts", "SendQueue"]

MEMORY_MAX = 64_000_000
"""Bytes of entries that may lie in memory; more are only in the spool, or lost if there is none."""


@attrs.frozen
class Counts:
    """How many records are where.

    Attributes:
        waiting: In memory only.
        spooled: In the spool, and not in the store.
        sent: In the store.
    """

    waiting: int = 0
    spooled: int = 0
    sent: int = 0


class SendQueue:
    """Entries on their way; thread-safe. One thread puts, one takes, anybody waits.

    Entries are spooled in their order, without gaps: whoever reads the spool later sends in that order, and the store
    takes a sequence below one it has for a repeat.

    Args:
        spool: Where entries go that the store does not take at once.
        spool_first: Whether every entry is spooled before it can be sent.
        keep: Whether nothing is ever sent: entries stay in the spool.
        on_loss: Called with a number of records and the reason when some were lost with a spool that was removed.
    """

    def __init__(self, spool: SpoolFile, *, spool_first: bool, keep: bool, on_loss: Callable[[int, str], None]) -> None:
        self.spool = spool
        self._spool_first = spool_first or keep
        self._keep = keep
        self._on_loss = on_loss
        self._changed = threading.Condition()
        # Held while the spool is written, which is slow. Never taken while holding the other.
        self._spooling = threading.RLock()
        self._entries: deque[Entry] = deque()
        self._unspooled: deque[Entry] = deque()
        self._weight = 0
        self._waiting = self._spooled = self._sent = 0
        self._last_sent = self._last_put = -1
        self._pinned: set[str] = set()

    # -- the collecting side ------------------------------------------------------------------------------------

    def put(self, entry: Entry) -> str:
        """Take an entry.

        Returns:
            ``""``, or why it could not be kept: then it is not.
        """
        with self._spooling:
            with self._changed:
                self._unspooled.append(entry)
                self._weight += entry.weight
                self._waiting += entry.records
                full = self._weight > MEMORY_MAX
            problem = self.spill() if self._spool_first or full else ""
            with self._changed:
                if problem and full and entry.records and entry.offset is None:
                    self._unspooled.remove(entry)
                    self._weight -= entry.weight
                    self._waiting -= entry.records
                    return problem
                if not self._keep:
                    self._entries.append(entry)
                self._last_put = entry.sequence
                self._changed.notify_all()
        return ""

    def spill(self, older_than_s: float = 0.0) -> str:
        """Write to the spool what is neither there nor in the store.

        Args:
            older_than_s: Only what waits longer than this.

        Returns:
            ``""``, or why it could not be written.
        """
        if not self._unspooled and self.spool.file is None:
            return ""
        with self._spooling:
            if self.spool.file is not None and self.spool.drop_removed():
                self._take_back()
            while True:
                with self._changed:
                    if not self._unspooled:
                        return ""
                    entry = self._unspooled[0]
                    if older_than_s and time.monotonic() - entry.born < older_than_s:
                        return ""
                    body, blobs = entry.body, entry.blobs
                if body is None:
                    return "an entry lost its content"
                try:
                    for sha256, data in blobs.items():
                        self.spool.put_blob(sha256, data)
                    offset = self.spool.write(kind_of(body), entry.sequence, payload_of(body))
                except (OSError, TypeError, ValueError) as error:
                    return describe(error)
                self._note_spooled(entry, offset)

    def fsync(self) -> None:
        """Return when everything that is in the spool is on the disk.

        Raises:
            OSError: It is not.
        """
        with self._spooling:
            self.spool.fsync()

    def take_blob(self, sha256: str, source: BinaryIO) -> None:
        """Copy a file's bytes into the spool, for an entry that comes later.

        Raises:
            OSError: They could not be copied.
        """
        with self._spooling:
            self._pinned.add(sha256)
            self.spool.take_blob(sha256, source)

    def close(self, *, remove: bool) -> None:
        """Close the spool.

        Args:
            remove: Whether it holds nothing that is needed.
        """
        with self._spooling:
            self.spool.close(remove=remove)

    # -- the sending side ---------------------------------------------------------------------------------------

    def head(self, timeout_s: float) -> Entry | None:
        """Wait for something to send.

        Returns:
            The first entry, which stays; ``None`` if nothing came in time, or ``notify`` was called.
        """
        with self._changed:
            if not self._entries:
                self._changed.wait(timeout_s)
            return self._entries[0] if self._entries else None

    def notify(self) -> None:
        """End everybody's wait."""
        with self._changed:
            self._changed.notify_all()

    def load(self, entry: Entry) -> tuple[RunPatch | Batch, dict[str, bytes]]:
        """Return an entry's body and the blobs in memory.

        Raises:
            OSError: It lies in the spool and cannot be read.
        """
        with self._changed:
            body, blobs, offset = entry.body, entry.blobs, entry.offset
        if body is not None:
            return body, blobs
        if offset is None:
            raise OSError("an entry is neither in memory nor in the spool")
        found = body_of(self.spool.read(offset))
        if isinstance(found, Head):
            raise OSError("an entry's place in the spool holds something else")
        return found, blobs

    def blob(self, sha256: str) -> Path | None:
        """Where bytes lie that were spooled."""
        return self.spool.blob(sha256)

    def done(self, entry: Entry, records: int, blobs: frozenset[str] = frozenset()) -> None:
        """Forget the first entry: the store has it, or will never take it.

        Args:
            entry: What ``head`` returned.
            records: How many of its records the store has.
            blobs: What it referred to.
        """
        with self._changed:
            if not self._entries or self._entries[0] is not entry:
                return
            self._entries.popleft()
            if self._unspooled and self._unspooled[0] is entry:
                self._unspooled.popleft()
            entry.is_done = True
            if entry.offset is None:
                self._waiting -= entry.records
            else:
                self._spooled -= entry.records
            self._weight -= entry.weight
            self._sent += records
            self._last_sent = entry.sequence
            self._pinned -= blobs
            self._changed.notify_all()
        if self.spool.file is not None:
            self._mark_sent()

    # -- everybody ----------------------------------------------------------------------------------------------

    def wait_sent(self, sequence: int, timeout_s: float) -> bool:
        """Wait until everything up to a sequence is in the store, or ``notify`` was called.

        Returns:
            Whether it is.
        """
        with self._changed:
            if self._entries and self._entries[0].sequence <= sequence:
                self._changed.wait(timeout_s)
            return not self._entries or self._entries[0].sequence > sequence

    def is_kept(self, sequence: int) -> bool:
        """Whether everything up to a sequence is in the store or in the spool."""
        with self._changed:
            return not self._unspooled or self._unspooled[0].sequence > sequence

    @property
    def is_empty(self) -> bool:
        """Whether the store has everything."""
        with self._changed:
            return not (self._entries or (self._keep and self._last_put >= 0))

    def counts(self) -> Counts:
        """Tell how many records are where."""
        with self._changed:
            return Counts(self._waiting, self._spooled, self._sent)

    def _take_back(self) -> None:
        """The spool was removed: what is in memory too is to be spooled anew, the rest is lost."""
        with self._changed:
            kept = [entry for entry in self._entries if entry.body is not None]
            spooled = [entry for entry in kept if entry.offset is not None]
            held = sum(entry.records for entry in spooled)
            lost = self._spooled - held
            self._waiting += held
            self._spooled = 0
            for entry in spooled:
                entry.offset = None
            self._unspooled.extendleft(reversed(spooled))
            self._entries = deque(kept)
            self._changed.notify_all()
        if lost:
            self._on_loss(lost, f"{self.spool.path} was removed, and they with it")

    def _note_spooled(self, entry: Entry, offset: int) -> None:
        with self._changed:
            if self._unspooled and self._unspooled[0] is entry:
                self._unspooled.popleft()
            if entry.is_done:
                return
            entry.offset = offset
            self._waiting -= entry.records
            self._spooled += entry.records
            # While the store keeps up, what it takes next stays in memory; behind that it is read back.
            if self._keep or self._weight > MEMORY_MAX // 4:
                self._weight -= entry.weight
                entry.body, entry.blobs, entry.weight = None, {}, 0

    def _mark_sent(self) -> None:
        with self._spooling:
            with self._changed:
                sent, empty = self._last_sent, not self._entries
            if self.spool.file is None:
                return
            try:
                if empty and not self._pinned:
                    self.spool.clear(sent)
                else:
                    self.spool.write("sent", sent)
            except OSError:
                # The note only saves sending something twice, which is harmless.
                return
