"""The machinery behind a writing run: a queue, the thread that collects, the thread that sends, and what they share."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from runatlas.backends.contract import Backend
from runatlas.errors import RunAtlasError, StoreError
from runatlas.model.ids import new_cuid
from runatlas.model.log import LogDraft
from runatlas.model.run import RunDraft, RunPatch, RunRecord
from runatlas.process.fork import is_inherited
from runatlas.tracking.batcher import Batcher
from runatlas.tracking.entry import Event, Head, Marker, Rewind, count_records, is_recorded
from runatlas.tracking.health import Flushed, Health, Losses
from runatlas.tracking.orphan_spools import deliver_in_background
from runatlas.tracking.process_end import watch
from runatlas.tracking.send_queue import SendQueue
from runatlas.tracking.sender import FirstSteps, Sender
from runatlas.tracking.spool import SpoolFile
from runatlas.tracking.step import StepCounter
from runatlas.tracking.store_writer import is_verdict
from runatlas.tracking.target import Target
from runatlas.tracking.terminal_capture import TerminalCapture
from runatlas.tracking.upload import Uploader
from runatlas.tracking.worker import Worker, describe

__all__ = ["QUEUE_MAX", "Recorder", "RecorderPlan"]

QUEUE_MAX = 200_000
"""Calls that may wait in memory to be collected; further ones are lost."""

_COLLECT_S = 0.2
_LATE_S = 1.0
_SHOW_S, _SHOW_LATE_S = 1.0, 10.0
"""How often what changed of a line in the making is told, at the most; and while the store is away."""

_ROOM_S = 0.05
_STUCK_S = 5.0
_COLLECTING_MAX_S = 10.0

_STORE_SHARE = 0.75
"""How much of a process's time to end the store gets for a run that another thread closes; the rest is the spool's."""

_abandoned: list[Any] = []
"""What a forked child shares with its parent, kept from being closed by the garbage collector."""


@attrs.frozen
class RecorderPlan:
    """What a recorder is to do.

    Attributes:
        draft: The run.
        target: Where to. ``online`` spools before it sends, ``local`` spools what the store does not take at once,
            ``offline`` only spools.
        strict: Whether what could not be kept is raised.
    """

    draft: RunDraft
    target: Target
    strict: bool = False


class Recorder:
    """Records for one run from one process; thread-safe.

    ``events`` and ``append`` are for the training loop: an event is put by ``append`` as long as ``events`` holds fewer
    than ``QUEUE_MAX``; ``put`` checks that itself.
    """

    def __init__(self, plan: RecorderPlan) -> None:
        self.plan = plan
        self.losses = Losses(str(plan.draft.id), strict=plan.strict)
        self.capture: TerminalCapture | None = None
        self.is_closed = False
        self._is_told = False
        self._losses_told = 0
        self._outcome: Flushed | None = None
        self._begin(Batcher(new_cuid(), self.losses.add, StepCounter()))

    def _begin(self, batcher: Batcher) -> None:
        plan = self.plan
        self.events: deque[Event] = deque()
        self.append: Callable[[Event], None] = self._append_first
        self._batcher = batcher
        directory = plan.target.settings.directory
        is_elsewhere = plan.target.mode == "local" and directory is not None and is_inherited(directory)
        self._spool = SpoolFile(
            plan.target.spool_directory,
            batcher.writer,
            Head(plan.draft, plan.target.settings.host),
            self._entrust_spool if is_elsewhere else None,
        )
        self._send_queue = SendQueue(
            self._spool,
            spool_first=plan.target.mode == "online" or is_elsewhere,
            keep=plan.target.mode == "offline",
            on_loss=self.losses.add,
        )
        self._sender = Sender(self._send_queue, plan.draft, plan.target.settings, self.losses)
        self._collecting = threading.Lock()
        self._end_by = math.inf
        self._stuck_until = 0.0
        self._before_next: Callable[[], RunPatch] | None = None
        self._shown_at = 0.0
        self._collector = Worker("runatlas-collector", self._collect, self._note_fault)
        self._uploader = Uploader(
            put=None if plan.target.mode == "offline" else self._sender.put_file,
            keep=self._send_queue.take_blob,
            announce=self.put,
            on_loss=self.losses.add,
        )

    # -- the training side --------------------------------------------------------------------------------------

    def connect(self, first_steps: Callable[[Backend, RunRecord], FirstSteps]) -> str:
        """Make the run now, if the store can be reached; else it is tried again when something is to be sent.

        Args:
            first_steps: Asked where the automatic steps begin, if the run was there already.

        Returns:
            ``""``, or why the store could not be reached.

        Raises:
            NotSupportedError: The store has no words for the run as it is asked for.
            ValidationError: The store says that the run cannot be as it is asked for.
        """
        try:
            _, first = self._sender.connect(first_steps)
        except (RunAtlasError, OSError) as error:
            if is_verdict(error):
                raise
            return describe(error)
        self._batcher.steps.begin(first)
        return ""

    def count_on(self, first: FirstSteps) -> None:
        """Let automatic steps begin no earlier than this.

        Args:
            first: The first step of each series, by key and canonical context text.
        """
        self._batcher.steps.begin(first)

    def rewind(self, step: int, *, is_known: bool) -> None:
        """Cut everything after a step, before anything that is recorded here; automatic steps go on after it.

        Args:
            step: The last one that stays.
            is_known: Whether the store told where all series are.
        """
        self._batcher.steps.rewind(step, is_known=is_known)
        self.put(Rewind(step))

    @property
    def record(self) -> RunRecord | None:
        """The run as the store has it; ``None`` until it was reached."""
        return self._sender.record

    def is_barred(self, project: str) -> bool:
        """Whether the run was to be moved to a project, and could not."""
        return self._sender.is_barred(project)

    @property
    def has_started(self) -> bool:
        """Whether anything was recorded by this process."""
        return self.append != self._append_first

    @property
    def is_ahead(self) -> bool:
        """Whether this process may have recorded what the store lacks: printed lines and files too."""
        with self._collecting:
            self._take_lines(final=False)
        return self.has_started or bool(self._uploader.waiting)

    def start(self) -> None:
        """Start the threads, so that the store hears that the run goes on, whether or not anything is recorded."""
        self._start()
        directory = self.plan.target.settings.directory
        if self.plan.target.mode == "local" and directory is not None and not is_inherited(directory):
            deliver_in_background(directory, partial(self.losses.warn, "entrusted"))

    def put(self, event: Event) -> None:
        """Record something. When there is no room it is lost, and counted."""
        if len(self.events) >= QUEUE_MAX and not self._wait_for_room():
            self.losses.add(count_records(event), "more was recorded than could be written away")
            return
        self.append(event)

    def put_before_next(self, change: Callable[[], RunPatch]) -> None:
        """Put a change of the run before the next number, object or file that is recorded, in this process.

        Args:
            change: Makes the change; called once, by the thread that collects.
        """
        self._collect()
        self._before_next = change

    def add_file(self, path: Path, name: str) -> None:
        """Store a file in the background.

        Raises:
            OSError: It cannot be read.
        """
        self._start()
        self._uploader.add(path, name)

    def health(self) -> Health:
        """Tell how many records are where."""
        counts = self._send_queue.counts()
        queued = sum(map(count_records, self.events.copy())) + counts.waiting + len(self._uploader.waiting)
        spool = str(self._spool.path) if self._spool.file is not None or self._spool.path.exists() else None
        problem = self._sender.problem or self.losses.reason
        if self._is_told:
            queued = 0  # what was left then is among the lost
        return Health(queued, counts.spooled, counts.sent, self.losses.count, problem, spool)

    def flush(self, timeout_s: float | None) -> Flushed:
        """Wait until everything recorded before is durable.

        Args:
            timeout_s: How long to wait for the store; after that the spool has to do. ``None`` waits as long as the
                store takes things, and turns to the spool when it does not.

        Returns:
            Where everything is now.
        """
        if self._outcome is not None:
            return self._outcome
        flushed = self._flush(timeout_s)
        dropped, self._losses_told = self.losses.count - self._losses_told, self.losses.count
        if not dropped:
            return flushed
        where = flushed.where if flushed.where == "memory" else "lost"
        return Flushed(where, self.losses.reason or flushed.problem, dropped)

    def _flush(self, timeout_s: float | None) -> Flushed:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._uploader.waiting and not self._is_over(deadline):
            if deadline is None and self._uploader.problem:
                break
            self._uploader.wait(0.1)
        files, problem = len(self._uploader.waiting), self._uploader.problem
        # What was printed before was recorded before.
        with self._collecting:
            self._take_lines(final=False)
        marker = Marker()
        self.append(marker)
        self._collector.wake()
        if not self._start():
            self._collect()
        # Collecting is this machine's own work, and quick: it is waited for even when there is no time for the store.
        while not marker.passed.wait(0.1):
            if not self._collector.start():
                self._collect()
            if deadline is not None and time.monotonic() >= deadline + _COLLECTING_MAX_S:
                return Flushed("memory", "collecting took too long")
        is_sent = self.plan.target.mode != "offline" and self._sender.wait_sent(
            marker.sequence, lambda: self._is_over(deadline) or (deadline is None and self._sender.failures > 0)
        )
        if files:
            return Flushed("memory", problem or f"{files} files are not stored yet")
        return Flushed("store") if is_sent else self._settle_for_spool(marker.sequence)

    # -- the end ------------------------------------------------------------------------------------------------

    def close(self, patch: RunPatch | None, timeout_s: float) -> None:
        """Bring away what is left within a time, stop the threads, and tell what could not be brought.

        Args:
            patch: The last change of the run.
            timeout_s: How long that may take; what is left then stays in the spool.

        Raises:
            TrackingError: Something could not be kept, and the run is strict.
        """
        if patch is None and not self.has_started:
            self.is_closed = True
            self._outcome = Flushed("store")
            self._sender.close()
            return
        deadline = time.monotonic() + timeout_s
        self._sender.worker.wake()
        self._uploader.finish(partial(self._is_over, deadline))
        with self._collecting:
            self._take_lines(final=True)
        if patch is not None:
            self.append(patch)
        if self._sender.problem:
            self.losses.warn(
                "closing", f"the store does not take everything yet; closing waits up to {timeout_s:g} s for it"
            )
        interrupt: KeyboardInterrupt | None = None
        try:
            outcome = self.flush(max(0.0, deadline - time.monotonic()))
        except KeyboardInterrupt as error:
            # Who interrupts waits no longer: what is left goes to the spool.
            interrupt, outcome = error, self.flush(0.0)
        self.is_closed = True
        self._collector.stop(1.0)
        stopped = self._sender.stop(1.0)
        health = self.health()
        self._send_queue.close(remove=self._send_queue.is_empty)
        if stopped:
            self._sender.close()
        self._tell(outcome, health)
        self._is_told = True
        self._outcome = outcome
        if interrupt is not None:
            raise interrupt
        self.losses.check()

    def await_end(self, ended: threading.Event | None, timeout_s: float) -> None:
        """Wait for the end that another thread is at, or was where this process was forked from.

        What is left is brought to the disk first, and then to the store.

        Args:
            ended: Set when the other thread is done; ``None`` if there is none in this process.
            timeout_s: Seconds that it may take; the other thread's ``close`` or ``flush`` waits no longer either.
        """
        deadline = time.monotonic() + timeout_s
        self.flush(0.0)
        self._end_by = time.monotonic() + timeout_s * _STORE_SHARE
        self.flush(None)
        self._end_by = time.monotonic()
        if ended is not None and not ended.wait(max(0.0, deadline - time.monotonic())):
            self.flush(0.0)

    def forked(self) -> None:
        """Begin anew in a forked child: what the parent had queued is the parent's to send."""
        # Neither closed nor freed here: connections and files are shared with the parent.
        _abandoned.append((self._sender, self._send_queue))
        self._spool.abandon()
        is_created = self._spool.is_created
        self.losses = Losses(str(self.plan.draft.id), strict=self.plan.strict)
        self._losses_told = 0
        if self.capture is not None:
            self.capture.forked()
        self._begin(Batcher(new_cuid(), self.losses.add, self._batcher.steps))
        self._spool.is_created = is_created

    def _tell(self, outcome: Flushed, health: Health) -> None:
        left = health.queued + health.spooled
        if outcome.where == "memory" or health.queued:
            self.losses.add(health.queued, outcome.problem or "the run ended before it could be written away")
        elif left and self.plan.target.mode != "offline":
            problem = self._sender.problem or outcome.problem
            why = f" ({problem})" if problem else ""
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
            self._take_lines(final=False)
            events = self.events
            if self._before_next is not None and any(map(is_recorded, events.copy())):
                change, self._before_next = self._before_next, None
                events.appendleft(change())
            self._put_away([events.popleft() for _ in range(len(events))])
            if problem := self._send_queue.spill(_LATE_S):
                self.losses.warn("spool", f"nothing can be spooled: {problem}; it is kept in memory, and tried again")
        return _COLLECT_S

    def _put_away(self, events: list[Event]) -> None:
        """Turn events into entries; whatever happens, markers are answered and what is not put away is counted."""
        left = sum(map(count_records, events))
        lost_before = self.losses.count
        try:
            for item in self._batcher.feed(events):
                if isinstance(item, Marker):
                    item.passed.set()
                    continue
                left -= item.records
                if problem := self._send_queue.put(item):
                    self.losses.add(item.records, problem)
            left = 0
        finally:
            for event in events:
                if isinstance(event, Marker):
                    event.passed.set()
            if left:
                left -= self.losses.count - lost_before
                self.losses.add(max(1, left), "something went wrong in the tracker")

    def _take_lines(self, *, final: bool) -> None:
        """Record what was printed; ``_collecting`` is held."""
        capture = self.capture
        if capture is None:
            return
        waited_s = time.monotonic() - self._shown_at
        # What only the spool has of a line in the making nobody reads, and it fills the spool.
        is_away = self.plan.target.mode == "offline" or self._sender.failures > 0
        unfinished = not final and waited_s >= (_SHOW_LATE_S if is_away else _SHOW_S)
        for line in capture.take(final=final, unfinished=unfinished):
            if line.is_open:
                self._shown_at = time.monotonic()
            key = f"{self._batcher.writer}.{line.key}" if line.key else ""
            self.append(LogDraft(line.text, time_ms=line.time_ms, key=key, is_open=line.is_open))
        if capture.lost:
            lost, capture.lost = capture.lost, 0
            self.losses.add(lost, "more was printed than could be written away")

    # -- both ---------------------------------------------------------------------------------------------------

    def _entrust_spool(self) -> None:
        """See to it that what this process cannot send any more reaches the store all the same."""
        from runatlas.backends import store_process  # noqa: PLC0415 - a forked child finds it imported

        try:
            store_process.process_of(str(self.plan.target.settings.directory)).start()
        except StoreError as error:
            self.losses.warn("away", f"the store cannot be reached: {describe(error)}; it is tried again")

    def _append_first(self, event: Event) -> None:
        """The first event starts the threads: a forked child that records nothing gets none, and dies of signals."""
        watch.attend()
        self._start()
        self.append = self.events.append
        self.events.append(event)

    def _start(self) -> bool:
        """Start the threads, and tell whether they run."""
        collecting = self._collector.start()
        return (self.plan.target.mode == "offline" or self._sender.worker.start()) and collecting

    def _wait_for_room(self) -> bool:
        """Let the collecting thread work for a moment, unless that was in vain just now."""
        begun = time.monotonic()
        if begun < self._stuck_until:
            return False
        self._start()
        self._collector.wake()
        while len(self.events) >= QUEUE_MAX and time.monotonic() < begun + _ROOM_S:
            time.sleep(0.001)
        if len(self.events) < QUEUE_MAX:
            return True
        self._stuck_until = begun + _STUCK_S
        return False

    def _settle_for_spool(self, sequence: int) -> Flushed:
        problem = self._send_queue.spill()
        if not problem and self._send_queue.is_kept(sequence):
            try:
                self._send_queue.fsync()
            except OSError as error:
                problem = describe(error)
            else:
                return Flushed("spool", self._sender.problem)
        return Flushed("memory", problem or self._sender.problem)

    def _is_over(self, deadline: float | None) -> bool:
        return time.monotonic() >= (self._end_by if deadline is None else min(deadline, self._end_by))

    def _note_fault(self, error: BaseException) -> None:
        self.losses.warn("fault", f"something went wrong in the tracker: {describe(error)}")
        self.losses.fail(describe(error))
