"""``Run``: what training code writes with."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import Any

from typing_extensions import Self

from runatlas.entities.argument import flag
from runatlas.entities.gateway import Gateway
from runatlas.errors import NotFoundError
from runatlas.model.run import RunPatch, RunRecord, RunState
from runatlas.model.text import storable
from runatlas.tracking.delivery import OWN_WORKSPACE
from runatlas.tracking.description import apply_patch
from runatlas.tracking.lifetime import Ending, describe_ending, watch
from runatlas.tracking.observer import Observer
from runatlas.tracking.opening import Opening, first_steps, local_record, make_opening
from runatlas.tracking.read_your_writes import OwnStore
from runatlas.tracking.recorder import Recorder, RecorderPlan
from runatlas.tracking.sync import spooled_steps
from runatlas.tracking.system import validate_interval
from runatlas.tracking.target import Mode, Target, find_target, place_of
from runatlas.tracking.verb import RecordingRun

__all__ = ["CLOSE_S", "Run"]

CLOSE_S = 60.0
"""How long ``close`` brings away what is left, unless told otherwise."""

_STORE_SHARE = 0.75
"""How much of a process's time to end the store gets for a run that another thread closes; the rest is the spool's."""


class Run(RecordingRun):
    """A run that is being written, and reads like any other.

    Recording costs the training loop some microseconds: it puts things into a queue, and threads bring them to the
    store. What the network, a server or a disk does never reaches the training loop, unless ``strict`` is set; what
    could not be kept is counted in ``health``, warned of once and told at ``close()``.

    Args:
        run_hash: The id of a run to go on with, made if there is none; ``None`` for a new one.
        repo: A server's URL or a directory; where ``Api()`` would look if left out.
        frontier_url: Document 001's second URL: the same server as ``repo``.
        read_only: Whether the run is only to be read.
        experiment: The project, made if there is none; ``default`` if left out. A text that cannot be a name is the
            title of a project with a name made of it.
        force_resume: Kept for document 001: a run that is there is gone on with in any case.
        system_tracking_interval: Seconds between two samples of processor, memory, disk, network and GPUs.
        log_system_params: Whether to describe packages, git, command line and environment; secrets are masked.
        capture_terminal_logs: Whether to keep what is printed.
        workspace: Whose the project is; the caller's own if left out.
        name: The display name.
        description: What it is about.
        config: Params: a mapping of any kind, or what has fields: a namespace, a dataclass, a pydantic model, an object
            or a class of settings. What has no structure is kept as text, with one warning.
        tags: The names of tags.
        group: Ties runs together.
        job_type: Such as ``train`` or ``eval``.
        mode: ``online`` (a server), ``local`` (a directory), ``offline`` (only the spool, for ``runatlas sync``) or
            ``disabled``.
        strict: Whether failures are raised.
        api_key: A key for the server.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
        NotFoundError: There is no such run to read.
        TrackingError: The store cannot be reached, and the run is strict.

    Example:
        >>> with Run(repo="./experiments", experiment="baseline", config={"lr": 0.01}) as run:
        ...     for step in range(3):
        ...         run.track(1 / (step + 1), name="loss", step=step, context={"subset": "train"})
        >>> run.state
        'FINISHED'
    """

    _observer: Observer | None

    def __init__(
        self,
        run_hash: str | None = None,
        *,
        repo: Any = None,
        frontier_url: str | None = None,
        read_only: bool = False,
        experiment: str | None = None,
        force_resume: bool = False,
        system_tracking_interval: float | None = None,
        log_system_params: bool | None = False,
        capture_terminal_logs: bool | None = True,
        workspace: str | None = None,
        name: str | None = None,
        description: str | None = None,
        config: Any = None,
        tags: Iterable[str] | None = None,
        group: str | None = None,
        job_type: str | None = None,
        mode: str | None = None,
        strict: bool = False,
        api_key: str | None = None,
    ) -> None:
        interval_s = validate_interval(system_tracking_interval)
        flag(force_resume, "force_resume")
        opening = make_opening(
            run_hash,
            experiment=experiment,
            workspace=workspace,
            name=name,
            description=description,
            config=config,
            tags=tags,
            group=group,
            job_type=job_type,
        )
        target = find_target(repo, frontier_url=frontier_url, mode=mode, api_key=api_key)
        if flag(read_only, "read_only"):
            self._open_to_read(opening, target)
            return
        with watch.opening():
            self._open_to_write(opening, target, strict=flag(strict, "strict"))
            if self._recorder is not None:
                observer = self._observer = Observer(
                    self._recorder,
                    terminal=bool(capture_terminal_logs),
                    environment=bool(log_system_params),
                    interval_s=interval_s,
                )
                observer.start()
                watch.add(self)
                self._recorder.start()

    @classmethod
    def reading(cls, gateway: Gateway, record: RunRecord) -> Self:
        """Return a run that is only read.

        Args:
            gateway: The way to the backend.
            record: What is known of it.
        """
        run = cls.__new__(cls)
        run._begin(gateway, record, None, writable=False)  # noqa: SLF001 - its own class
        return run

    def _begin(
        self,
        gateway: Gateway,
        record: RunRecord,
        recorder: Recorder | None,
        *,
        writable: bool,
        mode: Mode | None = None,
    ) -> None:
        self._observer = None
        self._failed: Ending | None = None
        self._closing = threading.Lock()
        self._ended: threading.Event | None = None
        self._is_primary = True
        RecordingRun.__init__(self, gateway, record, recorder, writable=writable, mode=mode)

    def _open_to_read(self, opening: Opening, target: Target) -> None:
        gateway = _own_gateway(target, None)
        if not opening.names_run:
            raise ValueError("run_hash: name the run that is to be read")
        record = opening.find(gateway.backend)
        if record is None:
            raise NotFoundError(f"there is no run {opening.draft.id!r} in {gateway.location}")
        self._begin(gateway, record, None, writable=False, mode=target.mode)

    def _open_to_write(self, opening: Opening, target: Target, *, strict: bool) -> None:
        if target.mode == "disabled":
            gateway = _own_gateway(target, None)
            self._begin(gateway, local_record(opening.draft), None, writable=True, mode=target.mode)
            return
        problem = ""
        if target.mode != "offline" and opening.names_run:
            opening, problem = opening.located(place_of(target.settings, purpose="send"))
        recorder = Recorder(RecorderPlan(opening.draft, target, strict=strict))
        if opening.names_run:
            recorder.count_on(spooled_steps(target.spool_directory, opening.draft, target.settings.host))
        if target.mode != "offline" and not problem:
            problem = recorder.connect(first_steps)
        if problem:
            recorder.losses.warn("away", f"the store cannot be reached: {problem}; it is tried again")
            recorder.losses.fail(problem)
        if recorder.losses.failure is not None:
            recorder.close(None, 0.0)
            raise recorder.losses.failure
        gateway, record = _own_gateway(target, recorder), recorder.record or local_record(opening.draft)
        self._begin(gateway, record, recorder, writable=True, mode=target.mode)
        if opening.moves_to is not None:
            self.experiment = opening.moves_to

    # -- the end ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether the run goes on: true until ``close()``."""
        return self._is_writable or (self._recorder is None and super().active)

    def close(self, timeout: float = CLOSE_S) -> None:
        """End the run: bring away what is left, mark it finished, and tell what could not be kept.

        What the store does not take in time stays in the spool, for ``runatlas sync``. A second call does nothing.

        Args:
            timeout: Seconds that it may take.

        Raises:
            TrackingError: Something was lost or is left, and the run is strict.
        """
        self._end("FINISHED", "", timeout)

    def finish(self, timeout: float = CLOSE_S) -> None:
        """End the run; the same as ``close``.

        Args:
            timeout: Seconds that it may take.
        """
        self.close(timeout)

    def fail(self, error: str = "", timeout: float = CLOSE_S) -> None:
        """End the run and mark it crashed.

        Args:
            error: Why.
            timeout: Seconds that it may take.
        """
        self._end("CRASHED", error, timeout)

    def close_at_exit(self, state: RunState, error: str, timeout_s: float) -> None:
        """End the run because the process ends.

        Args:
            state: What the process's end means for it.
            error: What ended the process.
            timeout_s: Seconds that it may take.
        """
        if self._failed is not None and state == "FINISHED":
            state, error = self._failed
        if self._is_writable:
            self._end(state, error, timeout_s)
        elif self._recorder is not None and not self._recorder.is_closed:
            self._await_end(self._recorder, timeout_s)

    def _await_end(self, recorder: Recorder, timeout_s: float) -> None:
        """Another thread closes the run, or did where this process was forked from: on the disk, then to the store."""
        deadline = time.monotonic() + timeout_s
        recorder.flush(0.0)
        recorder.hasten(timeout_s * _STORE_SHARE)
        recorder.flush(None)
        recorder.hasten(0.0)
        if self._ended is not None and not self._ended.wait(max(0.0, deadline - time.monotonic())):
            recorder.flush(0.0)

    def note_failure(self, state: RunState, error: str) -> None:
        """Let it be seen that what was recording the run failed, while it can still go on.

        Args:
            state: What the failure means for it.
            error: What failed.
        """
        recorder = self._recorder
        if recorder is None or not self._is_writable or not self._is_primary:
            return
        self._failed = (state, error)
        self._show(self._ending(state, error))
        recorder.put_before_next(self._go_on)

    def _go_on(self) -> RunPatch:
        """Say that a run that failed goes on."""
        patch = RunPatch(state="RUNNING")
        self._failed = None
        with self._describing:
            self._record = apply_patch(self._held(), patch)
        return patch

    def _show(self, patch: RunPatch) -> None:
        with self._describing:
            self._record = apply_patch(self._held(), patch)
        if self._recorder is not None:
            self._recorder.put(patch)

    def _ending(self, state: RunState, error: str) -> RunPatch:
        ended_ms = max(int(time.time() * 1000), self._held().created_at_ms)
        return RunPatch(state=state, finished_at_ms=ended_ms, error=storable(error) or None)

    def _end(self, state: RunState, error: str, timeout_s: float) -> None:
        with self._closing:
            if not self._is_writable:
                return
            self._is_writable = self._is_quick = False
            ended = self._ended = threading.Event()
        try:
            if self._observer is not None:
                self._observer.stop()
            patch = self._ending(state, error)
            if self._is_primary:
                self._record = apply_patch(self._held(), patch)
            if self._recorder is not None:
                self._recorder.close(patch if self._is_primary else None, timeout_s)
        finally:
            watch.remove(self)
            ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(*describe_ending(kind, error, trace), CLOSE_S)

    def __del__(self) -> None:
        if not getattr(self, "_is_writable", False) or self._recorder is None:
            return
        self._is_writable = self._is_quick = False
        if sys.is_finalizing():
            # No thread starts any more, and those there were stand still, with whatever locks they held.
            return
        patch = RunPatch(state="FINISHED", finished_at_ms=int(time.time() * 1000)) if self._is_primary else None
        closing = partial(_close, self._recorder, self._observer, patch)
        # The collector of garbage comes at any moment, also while this thread holds a lock that closing waits for.
        try:
            threading.Thread(target=closing, name="runatlas-closer", daemon=False).start()
        except RuntimeError:
            closing()

    # -- other processes ----------------------------------------------------------------------------------------

    def forked(self) -> None:
        """Begin anew in a forked child: it writes to the same run by itself, and does not end it."""
        self._is_primary = False
        self._describing = threading.RLock()
        self._closing = threading.Lock()
        self._ended = None
        if self._observer is not None:
            self._observer.forked()
        if self._recorder is not None:
            self._recorder.forked()
            self._gateway = _own_gateway(self._recorder.plan.target, self._recorder)

    def __reduce__(self) -> tuple[Any, ...]:
        path = self._path
        arguments = {
            "repo": self._gateway.location,
            "workspace": None if path.workspace == OWN_WORKSPACE else path.workspace,
            "experiment": path.project,
            "mode": self._mode,
            "capture_terminal_logs": False,
            "read_only": not self._is_writable,
        }
        return _join, (type(self), path.run, arguments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hash={self.hash!r}, experiment={self.experiment!r})"


def _own_gateway(target: Target, recorder: Recorder | None) -> Gateway:
    return Gateway(OwnStore(place_of(target.settings, purpose="read"), recorder, target.mode))


def _close(recorder: Recorder, observer: Observer | None, patch: RunPatch | None) -> None:
    if observer is not None:
        observer.stop()
    recorder.close(patch, CLOSE_S)


def _join(kind: type[Run], run_hash: str, arguments: dict[str, Any]) -> Run:
    """Write to a run in another process than the one that opened it, and that ends it."""
    joined = kind(run_hash, **arguments)
    joined._is_primary = False  # noqa: SLF001 - its own class
    return joined
