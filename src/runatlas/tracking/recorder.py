"""The machinery behind a writing run: a queue, the thread that collects, the thread that sends, and what they share."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import attrs

from runatlas.backends.base import Backend
from runatlas.errors import ConnectionFailedError, NotSupportedError, RunAtlasError, ValidationError
from runatlas.model.ids import new_cuid
from runatlas.model.log import LogDraft
from runatlas.model.run import RunDraft, RunPatch, RunRecord
from runatlas.tracking.batcher import Batcher
from runatlas.tracking.capture import TerminalCapture
from runatlas.tracking.delivery import Delivery, RunGoneError
from runatlas.tracking.entry import needs_of
from runatlas.tracking.event import Event, Marker, count_records
from runatlas.tracking.health import Flushed, Health, Losses
from runatlas.tracking.outbox import Outbox
from runatlas.tracking.sender import Worker, describe
from runatlas.tracking.spool import SpoolFile
from runatlas.tracking.upload import Uploader

__all__ = ["QUEUE_MAX", "Recorder", "RecorderPlan"]

QUEUE_MAX = 200_000
"""Calls that may wait in memory to be collected; further ones are lost."""

_COLLECT_S = 0.2
_LATE_S = 1.0
_HEARTBEAT_S = 30.0
_RETRY_S, _RETRY_MAX_S = 0.25, 30.0
_ROOM_S = 0.05
_FAULTS_MAX = 5

_abandoned: list[Any] = []
"""What a forked child shares with its parent, kept from being closed by the garbage collector."""


@attrs.frozen
class RecorderPlan:
    """What a recorder is to do.

    Attributes:
        draft: The run.
        mode: ``online`` spools before it sends, ``local`` spools what the store does not take at once, ``offline`` only
            spools.
        directory: Where spools lie.
        open_backend: Opens the backend; called again in a forked child.
        strict: Whether what could not be kept is raised.
    """

    draft: RunDraft
    mode: Literal["online", "local", "offline"]
    directory: Path
    open_backend: Callable[[], Backend]
    strict: bool = False


class Recorder:
    """Records for one run from one process; thread-safe.

    ``events`` and ``append`` are for the training loop: an event is put by ``append`` as long as ``events`` holds fewer
    than ``QUEUE_MAX``; ``put`` checks that itself.
    """

    def __init__(self, plan: RecorderPlan, first_steps: Mapping[tuple[str, str], int] | None = None) -> None:
        self.plan = plan
        self.losses = Losses(str(plan.draft.id), strict=plan.strict)
        self.capture: TerminalCapture | None = None
        self.problem = ""
        self.is_closed = False
        self._begin(Batcher(new_cuid(), self.losses.add, first_steps))

    def _begin(self, batcher: Batcher) -> None:
        plan = self.plan
        self.events: deque[Event] = deque()
        self.append: Callable[[Event], None] = self._append_first
        self._batcher = batcher
        self._spool = SpoolFile(plan.directory, batcher.writer, plan.draft)
        self._outbox = Outbox(self._spool, spool_first=plan.mode == "online", keep=plan.mode == "offline")
        self._delivery: Delivery | None = None
        self._collecting = threading.Lock()
        self._sending = threading.Lock()
        self._failures = self._faults = 0
        self._beat_at = time.monotonic()
        self._collector = Worker("runatlas-collector", self._collect, self._on_fault)
        self._sender = Worker("runatlas-sender", self._send, self._on_fault)
        self._uploader = Uploader(
            put=None if plan.mode == "offline" else self._put_file,
            keep=self._outbox.take_blob,
            announce=self.put,
            on_loss=self.losses.add,
        )

    # -- the training side --------------------------------------------------------------------------------------

    def connect(self, first_steps: Callable[[Backend, RunRecord], Mapping[tuple[str, str], int]]) -> bool:
        """Make the run now, if the store can be reached.

        Args:
            first_steps: Asked where the automatic steps begin, if the run was there already.

        Returns:
            Whether it is new.

        Raises:
            RunAtlasError: The store did not take it; it will be tried again when something is to be sent.
        """
        delivery = self._connected()
        record, created = delivery.create()
        self._spool.is_created = True
        if not created:
            self._batcher.steps.begin(first_steps(delivery.backend, record))
        return created

    @property
    def record(self) -> RunRecord | None:
        """The run as the store has it; ``None`` until it was reached."""
        delivery = self._delivery
        return None if delivery is None else delivery.record

    def put(self, event: Event) -> None:
        """Record something. When there is no room it is lost, and counted."""
        if len(self.events) >= QUEUE_MAX and not self._wait_for_room():
            self.losses.add(count_records(event), "more was recorded than could be written away")
            return
        self.append(event)

    def add_file(self, path: Path, name: str) -> None:
        """Store a file in the background.

        Raises:
            OSError: It cannot be read.
        """
        self._start()
        self._uploader.add(path, name)

    def health(self) -> Health:
        """Tell how many records are where."""
        counts = self._outbox.counts()
        queued = sum(count_records(event) for event in self.events.copy()) + counts.waiting + self._uploader.waiting
        spool = str(self._spool.path) if self._spool.is_open else None
        return Health(queued, counts.spooled, counts.sent, self.losses.count, self.problem or self.losses.reason, spool)

    def flush(self, timeout_s: float | None) -> Flushed:
        """Wait until everything recorded before is durable.

        Args:
            timeout_s: How long to wait for the store; after that the spool has to do. ``None`` waits as long as the
                store takes things, and turns to the spool when it does not.

        Returns:
            Where everything is now.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._uploader.waiting and not self._is_over(deadline):
            self._uploader.wait(0.1)
        marker = Marker()
        self.append(marker)
        self._collector.wake()
        if not self._start():
            self._collect()
        while not marker.passed.wait(0.1):
            if self._is_over(deadline):
                return Flushed("memory", "collecting took too long")
        if self.plan.mode != "offline" and self._wait_sent(marker.sequence, deadline):
            return Flushed("store")
        return self._settle_for_spool(marker.sequence)

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self, patch: RunPatch | None, timeout_s: float) -> None:
        """Bring away what is left within a time, stop the threads, and tell what could not be brought.

        Args:
            patch: The last change of the run.
            timeout_s: How long that may take; what is left then stays in the spool.

        Raises:
            TrackingError: Something could not be kept, and the run is strict.
        """
        deadline = time.monotonic() + timeout_s
        self._uploader.finish(deadline)
        if patch is not None:
            self.put(patch)
        self._collect_last()
        outcome = self.flush(max(0.0, deadline - time.monotonic()))
        self.is_closed = True
        self._sender.stop(0.0)
        self._outbox.notify()
        self._collector.stop(1.0)
        self._sender.stop(1.0)
        done = self._outbox.is_empty
        health = self.health()
        self._outbox.close(remove=done)
        if self._delivery is not None and done:
            self._delivery.backend.close()
        self._tell(outcome, health)
        self.losses.check()

    def forked(self) -> None:
        """Begin anew in a forked child: what the parent had queued is the parent's to send."""
        steps = self._batcher.steps
        # Neither closed nor freed here: connections and files are shared with the parent.
        _abandoned.append((self._delivery, self._outbox))
        self._spool.abandon()
        batcher = Batcher(new_cuid(), self.losses.add)
        batcher.steps = steps
        self.losses = Losses(str(self.plan.draft.id), strict=self.plan.strict)
        if self.capture is not None:
            self.capture.forked()
        self._begin(batcher)

    def _tell(self, outcome: Flushed, health: Health) -> None:
        left = health.queued + health.spooled
        if not outcome.durable or health.queued:
            self.losses.add(health.queued, outcome.problem or "the run ended before it could be written away")
        elif outcome.where == "spool" and self.plan.mode != "offline":
            why = f" ({outcome.problem})" if outcome.problem else ""
            self.losses.warn(
                "left", f"{left} records are not in the store yet{why}; 'runatlas sync' sends them from {health.spool}"
            )
            self.losses.fail(f"the store did not take everything{why}")
        if self.losses.count:
            self.losses.warn("total", f"{self.losses.count} records are lost: {self.losses.reason}")

    # -- the collecting thread ----------------------------------------------------------------------------------

    def _collect(self) -> float:
        """Turn what waits into entries; returns how long to wait for more."""
        with self._collecting:
            if self.capture is not None:
                self._take_lines(final=False)
            events = self.events
            batch = [events.popleft() for _ in range(len(events))]
            for item in self._batcher.feed(batch):
                if isinstance(item, Marker):
                    item.passed.set()
                elif problem := self._outbox.put(item):
                    self.losses.add(item.records, problem)
            self._outbox.spill(_LATE_S)
        return _COLLECT_S

    def _collect_last(self) -> None:
        with self._collecting:
            if self.capture is not None:
                self._take_lines(final=True)

    def _take_lines(self, *, final: bool) -> None:
        capture = self.capture
        if capture is None:
            return
        now_ms = int(time.time() * 1000)
        for line in capture.take(final=final):
            self.append(LogDraft(line, time_ms=now_ms))
        if capture.lost:
            lost, capture.lost = capture.lost, 0
            self.losses.add(lost, "more was printed than could be written away")

    # -- the sending thread -------------------------------------------------------------------------------------

    def _send(self) -> float:
        """Send the first entry; returns how long to wait for the next turn."""
        entry = self._outbox.head(1.0)
        if entry is None:
            self._beat()
            return 0.0
        try:
            body, blobs = self._outbox.load(entry)
            needs = needs_of(body)
            sent = self._connected().send(body, lambda sha256: blobs.get(sha256) or self._outbox.blob(sha256))
        except RunGoneError as error:
            return self._wait_to_retry(error)
        except (ValidationError, NotSupportedError, TypeError, ValueError) as error:
            self.losses.add(entry.records or 1, describe(error))
            self._outbox.done(entry, 0)
            return 0.0
        except (RunAtlasError, OSError) as error:
            return self._wait_to_retry(error)
        self._failures = 0
        self.problem = ""
        self._spool.is_created = True
        self._beat_at = time.monotonic()
        if sent.refused:
            self.losses.add(sent.refused, sent.reason)
        self._outbox.done(entry, sent.records, needs)
        return 0.0

    def _wait_to_retry(self, error: Exception) -> float:
        self._failures += 1
        self.problem = describe(error)
        self.losses.warn("away", f"the store does not take it: {self.problem}; it is kept and tried again")
        self._outbox.notify()
        patience = _RETRY_MAX_S if isinstance(error, RunGoneError) else _RETRY_S * 2.0 ** min(self._failures - 1, 10)
        return min(_RETRY_MAX_S, patience) * (0.5 + random.random() / 2)  # noqa: S311 - jitter

    def _beat(self) -> None:
        """Make the run if nothing made it yet, and let the store know from time to time that it goes on."""
        if self.is_closed or time.monotonic() - self._beat_at < (_HEARTBEAT_S if self.record else _RETRY_S):
            return
        self._beat_at = time.monotonic()
        patch = RunPatch(heartbeat_at_ms=int(time.time() * 1000))
        try:
            self._connected().send(patch, lambda _: None)
            self._spool.is_created = True
        except (RunAtlasError, OSError) as error:
            self.problem = describe(error)

    def _connected(self) -> Delivery:
        if self._delivery is None:
            self._delivery = Delivery(self.plan.open_backend(), self.plan.draft)
        return self._delivery

    def _put_file(self, file: BinaryIO) -> str:
        delivery = self._delivery
        if delivery is None or delivery.record is None:
            raise ConnectionFailedError("the store was not reached yet")
        return delivery.put(file)

    # -- both ---------------------------------------------------------------------------------------------------

    def _append_first(self, event: Event) -> None:
        """The first event starts the threads: a forked child that records nothing gets none."""
        self._start()
        self.append = self.events.append
        self.events.append(event)

    def _start(self) -> bool:
        """Start the threads, and tell whether they run."""
        collecting = self._collector.start()
        return (self.plan.mode == "offline" or self._sender.start()) and collecting

    def _wait_for_room(self) -> bool:
        """Let the collecting thread work for a moment, unless it is known to be stuck."""
        if self._failures and self._outbox.is_full:
            return False
        self._start()
        self._collector.wake()
        deadline = time.monotonic() + _ROOM_S
        while len(self.events) >= QUEUE_MAX and time.monotonic() < deadline:
            time.sleep(0.001)
        return len(self.events) < QUEUE_MAX

    def _wait_sent(self, sequence: int, deadline: float | None) -> bool:
        while not self._outbox.wait_sent(sequence, 0.1):
            if self._is_over(deadline) or (deadline is None and self._failures):
                return False
            if not self._sender.start():
                self._send()
        return True

    def _settle_for_spool(self, sequence: int) -> Flushed:
        problem = self._outbox.spill()
        if not problem and self._outbox.is_kept(sequence):
            try:
                self._outbox.fsync()
            except OSError as error:
                problem = describe(error)
            else:
                return Flushed("spool", self.problem)
        return Flushed("memory", problem or self.problem)

    def _is_over(self, deadline: float | None) -> bool:
        return deadline is not None and time.monotonic() >= deadline

    def _on_fault(self, error: Exception) -> None:
        """Something of ours is broken. After some tries the entry that shows it is given up, not the run."""
        self._faults += 1
        self.losses.warn("fault", f"something went wrong in the tracker: {describe(error)}")
        entry = self._outbox.head(0.0)
        if self._faults >= _FAULTS_MAX and entry is not None:
            self._faults = 0
            self.losses.add(entry.records or 1, describe(error))
            self._outbox.done(entry, 0)
