"""The thread that sends: one entry after another, again and again until the store takes it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final, Literal

from runatlas.backends.contract import Backend
from runatlas.errors import ConnectionFailedError, RunAtlasError, StoreRemovedError
from runatlas.model.batch import Batch
from runatlas.model.heartbeat import heartbeat_s
from runatlas.model.run import RunDraft, RunPatch, RunRecord
from runatlas.settings import ConnectionSettings
from runatlas.tracking.entry import Entry, needs_of
from runatlas.tracking.health import Losses
from runatlas.tracking.send_queue import SendQueue
from runatlas.tracking.store_writer import RunGoneError, StoreWriter
from runatlas.tracking.sync import send_earlier
from runatlas.tracking.target import opener_of
from runatlas.tracking.worker import Worker, describe

__all__ = ["FirstSteps", "Sender"]

FirstSteps = Mapping[tuple[str, str], int]

_RETRY_S, _RETRY_MAX_S = 0.25, 30.0
_RANDOM = random.SystemRandom()
"""Of the operating system: a program's own random numbers stay what its seed makes them, and forks wait differently."""
_PURPOSES: Final[tuple[Literal["send", "upload"], ...]] = ("send", "upload")


class Sender:
    """Sends what is in a queue, on a thread of its own.

    Attributes:
        worker: The thread.
        problem: What went wrong last; ``""`` if nothing did since something was sent.
        failures: How many attempts to send failed since one succeeded.

    Args:
        queue: What is to be sent.
        draft: The run.
        settings: Where to.
        losses: Where to tell of what the store will never take.
    """

    def __init__(self, queue: SendQueue, draft: RunDraft, settings: ConnectionSettings, losses: Losses) -> None:
        self.problem = ""
        self.failures = 0
        self._queue = queue
        self._draft = draft
        self._settings = settings
        self._losses = losses
        self._store_writer: StoreWriter | None = None
        self._is_gone = False
        self._settling = threading.Lock()
        self._is_settled = False
        self._beat_at = time.monotonic()
        self.worker = Worker("runatlas-sender", self._turn, self._on_fault)

    @property
    def record(self) -> RunRecord | None:
        """The run as the store has it; ``None`` until it was reached."""
        return None if self._store_writer is None else self._store_writer.record

    def is_barred(self, project: str) -> bool:
        """Whether the run was to be moved to a project, and could not."""
        return self._store_writer is not None and project in self._store_writer.barred

    def connect(self, first_steps: Callable[[Backend, RunRecord], FirstSteps]) -> tuple[bool, FirstSteps]:
        """Make the run now, if the store can be reached.

        Args:
            first_steps: Asked where automatic steps begin, if the run was there already.

        Returns:
            Whether it is new, and where automatic steps begin.

        Raises:
            RunAtlasError: The store did not take it.
        """
        writer = self._writer()
        record, created = writer.create()
        self._queue.spool.is_created = True
        return created, {} if created else first_steps(writer.backend, record)

    def stop(self, timeout_s: float) -> bool:
        """Let the thread end, and tell whether it did: if not, what it still sends is not counted as sent."""
        asked = self.worker.stop(0.0)
        self._queue.notify()
        ended = asked or self.worker.stop(timeout_s)
        with self._settling:
            self._is_settled = True
        return ended

    def close(self) -> None:
        """Release connections."""
        if self._store_writer is not None:
            self._store_writer.close()

    def wait_sent(self, sequence: int, is_over: Callable[[], bool]) -> bool:
        """Wait until the store has everything up to a sequence.

        Args:
            sequence: Of an entry.
            is_over: Asked whether to wait no longer.

        Returns:
            Whether it has.
        """
        while not self._queue.wait_sent(sequence, 0.1):
            if self._is_gone or is_over():
                return False
            # While the interpreter goes down no thread starts: then this one does the work.
            if not self.worker.start() and not self.worker.stopping:
                self._turn()
        return True

    def put_file(self, file: BinaryIO) -> str:
        """Store a file's bytes.

        Returns:
            Their sha256.

        Raises:
            RunAtlasError: The store does not take them now.
        """
        writer = self._store_writer
        if writer is None or writer.record is None:
            raise ConnectionFailedError("the store was not reached yet")
        return writer.put(file, Path(file.name).absolute())

    def _turn(self) -> float:
        """Send the first entry; returns how long to wait for the next turn."""
        entry = self._queue.head(1.0)
        if self.worker.stopping:
            return -1.0
        if entry is None:
            self._beat()
            return 0.0
        try:
            self._send(entry)
        except (RunGoneError, StoreRemovedError) as error:
            # Only who restores it changes that: nobody waits for it, and what there is stays in the spool.
            self._is_gone = True
            return self._wait_to_retry(error, _RETRY_MAX_S)
        except (RunAtlasError, OSError) as error:
            return self._wait_to_retry(error, _RETRY_S * 2.0 ** min(self.failures, 10))
        if not entry.records:
            # Only what is recorded tells the store that the run goes on.
            self._beat()
        else:
            self._beat_at = time.monotonic()
        return 0.0

    def _send(self, entry: Entry) -> None:
        queue = self._queue
        body, blobs = queue.load(entry)
        if isinstance(body, Batch) and body.rewind is not None:
            send_earlier(queue.spool.path.parent, self._draft, self._settings)
        writer = self._store_writer or self._writer()
        sent = writer.send(body, lambda sha256: blobs.get(sha256) or queue.blob(sha256))
        queue.spool.is_created = True
        with self._settling:
            # After the end it stays in the spool, and whoever sends that tells what became of it.
            if self._is_settled:
                return
            if sent.refused:
                self._losses.add(sent.refused, sent.reason)
            # Before somebody who waits for it sees that it is done.
            self.failures, self._is_gone, self.problem = 0, False, ""
            queue.done(entry, sent.records, needs_of(body))

    def _wait_to_retry(self, error: Exception, patience_s: float) -> float:
        self.failures += 1
        self.problem = describe(error)
        self._losses.warn("away", f"the store does not take it: {self.problem}; it is kept and tried again")
        self._queue.notify()
        wait_s: float = min(_RETRY_MAX_S, patience_s) * (0.5 + _RANDOM.random() / 2)
        # What a busy store asks for is kept.
        return max(wait_s, getattr(error, "retry_after_s", 0.0))

    def _beat(self) -> None:
        """Make the run if nothing made it yet, and let the store know from time to time that it goes on."""
        if time.monotonic() - self._beat_at < (heartbeat_s() if self.record else _RETRY_S):
            return
        self._beat_at = time.monotonic()
        patch = RunPatch(heartbeat_at_ms=int(time.time() * 1000))
        try:
            self._writer().send(patch, lambda _: None)
        except (RunAtlasError, OSError) as error:
            self.problem = describe(error)
        else:
            self._queue.spool.is_created = True

    def _writer(self) -> StoreWriter:
        if self._store_writer is None:
            backend, uploads = (opener_of(self._settings, purpose=purpose)() for purpose in _PURPOSES)
            self._store_writer = StoreWriter(backend, self._draft, uploads, exists=self._queue.spool.is_created)
        return self._store_writer

    def _on_fault(self, error: BaseException) -> None:
        """Note an unexpected error; what was to be sent is kept, and tried again."""
        self.failures += 1
        self.problem = describe(error)
        self._losses.warn("fault", f"something went wrong in the tracker: {self.problem}; it is tried again")
        self._losses.fail(self.problem)
        self._queue.notify()
