"""``Run``: what training code writes with."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from typing_extensions import Self

from runatlas.entities.argument import boolean, integer
from runatlas.entities.backend_handle import BackendHandle
from runatlas.errors import NotFoundError
from runatlas.model.config_value import read_value
from runatlas.model.log import LogDraft, LogLevel
from runatlas.model.run import RunPatch, RunRecord, RunState
from runatlas.model.text import storable
from runatlas.tracking.auto_capture import AutoCapture
from runatlas.tracking.checks import as_name, clean_text
from runatlas.tracking.editable_run import EditableRun
from runatlas.tracking.object_encoding import is_object
from runatlas.tracking.opening import Opening, first_steps, local_record, make_opening
from runatlas.tracking.patch import apply_patch
from runatlas.tracking.process_end import Ending, describe_ending, watch
from runatlas.tracking.read_your_writes import OwnStore
from runatlas.tracking.recorder import QUEUE_MAX, Recorder, RecorderPlan
from runatlas.tracking.step import STEP_MAX, STEP_MIN
from runatlas.tracking.store_writer import OWN_WORKSPACE
from runatlas.tracking.sync import spooled_steps
from runatlas.tracking.system_metrics import validate_interval
from runatlas.tracking.target import Mode, Target, find_target, opener_of
from runatlas.tracking.upload import named_file, named_files
from runatlas.tracking.values import PLAIN, Values

__all__ = ["CLOSE_S", "Run"]

CLOSE_S = 60.0
"""How long ``close`` brings away what is left, unless told otherwise."""

_now = time.time


class Run(EditableRun):
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
        force_resume: Kept for programs written for matyan: a run that is there is gone on with in any case.
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
        rewind: Of a run that goes on from an earlier checkpoint, the last step that stays: metrics and media after it
            are cut out before the first new point, and lie in the trash. Automatic steps go on after it.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
        ConflictError: The run is to be rewound, and is protected or behind a model in staging or production.
        NotFoundError: There is no such run to read.
        TrackingError: The store cannot be reached, and the run is strict.

    Example:
        >>> with Run(repo="./experiments", experiment="baseline", config={"lr": 0.01}) as run:
        ...     for step in range(3):
        ...         run.track(1 / (step + 1), name="loss", step=step, context={"subset": "train"})
        >>> run.state
        'FINISHED'
    """

    _auto_capture: AutoCapture | None

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
        rewind: int | None = None,
    ) -> None:
        interval_s = validate_interval(system_tracking_interval)
        boolean(force_resume, "force_resume")
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
        if rewind is not None:
            integer(rewind, "rewind", least=STEP_MIN, most=STEP_MAX - 1)
            if read_only or not opening.names_run:
                raise ValueError("rewind: name the run that goes on, and do not open it to be read only")
        if boolean(read_only, "read_only"):
            self._open_to_read(opening, target)
            return
        with watch.opening():
            self._open_to_write(opening, target, strict=boolean(strict, "strict"), rewind=rewind)
            if self._recorder is not None:
                auto_capture = self._auto_capture = AutoCapture(
                    self._recorder,
                    terminal=bool(capture_terminal_logs),
                    environment=bool(log_system_params),
                    interval_s=interval_s,
                )
                auto_capture.start()
                watch.add(self)
                self._recorder.start()

    @classmethod
    def reading(cls, handle: BackendHandle, record: RunRecord) -> Self:
        """Return a run that is only read.

        Args:
            handle: The way to the backend.
            record: What is known of it.
        """
        run = cls.__new__(cls)
        run._begin(handle, record, None, writable=False)  # noqa: SLF001 - its own class
        return run

    def _begin(
        self,
        handle: BackendHandle,
        record: RunRecord,
        recorder: Recorder | None,
        *,
        writable: bool,
        mode: Mode | None = None,
    ) -> None:
        self._auto_capture = None
        self._failed: Ending | None = None
        self._closing = threading.Lock()
        self._ended: threading.Event | None = None
        self._is_primary = True
        self._values = Values()
        self._known = self._values.known
        # Strict runs and disabled ones take the long way, which looks at more.
        self._is_quick = recorder is not None and not recorder.plan.strict
        EditableRun.__init__(self, handle, record.path, record, recorder, writable=writable, mode=mode)

    def _open_to_read(self, opening: Opening, target: Target) -> None:
        handle = _own_handle(target, None)
        if not opening.names_run:
            raise ValueError("run_hash: name the run that is to be read")
        record = opening.find(handle.backend)
        if record is None:
            raise NotFoundError(f"there is no run {opening.draft.id!r} in {handle.location}")
        self._begin(handle, record, None, writable=False, mode=target.mode)

    def _open_to_write(self, opening: Opening, target: Target, *, strict: bool, rewind: int | None) -> None:
        if target.mode == "disabled":
            handle = _own_handle(target, None)
            self._begin(handle, local_record(opening.draft), None, writable=True, mode=target.mode)
            return
        problem = ""
        if target.mode != "offline" and opening.names_run:
            place = opener_of(target.settings, purpose="send")
            opening, problem = opening.located(place)
            if rewind is not None and not problem:
                opening.require_rewindable(place, rewind)
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
        if rewind is not None:
            recorder.rewind(rewind, is_known=target.mode != "offline" and not problem)
        handle, record = _own_handle(target, recorder), recorder.record or local_record(opening.draft)
        self._begin(handle, record, recorder, writable=True, mode=target.mode)
        if opening.moves_to is not None:
            self.experiment = opening.moves_to

    # -- tracking -----------------------------------------------------------------------------------------------

    def track(
        self,
        value: Any,
        name: str | None = None,
        step: int | None = None,
        epoch: int | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Record a number or an object.

        Args:
            value: A number of any library, an object of ``runatlas.objects`` or with a ``json()``, a list of objects of
                one step, or a dict of them by name.
            name: The name of the sequence; with a dict, what the names in it begin with.
            step: The step; counted from 0 for each name and context if left out, on from the last one in a resumed run.
            epoch: Groups steps.
            context: Tells sequences of one name apart, such as ``{"subset": "train"}``.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: The name is missing, or an argument is out of bounds.
            TypeError: The value is no number and has no ``json()``, or an argument has another type.
        """
        if (
            type(value) in PLAIN
            and self._is_quick
            and context is None
            and epoch is None
            and type(name) is str
            and name in self._known
            and (step is None or (type(step) is int and STEP_MIN <= step <= STEP_MAX))
        ):
            recorder: Any = self._recorder
            if len(recorder.events) < QUEUE_MAX:
                recorder.append((_now(), {name: value}, step, None, ()))
                return
        self._require_writable()
        if isinstance(value, Mapping) and not is_object(value):
            prefix = "" if name is None else f"{as_name(name)}/"
            self._values.record(
                self._recorder, {f"{prefix}{key}": item for key, item in value.items()}, step, epoch, context
            )
        else:
            self._values.record(self._recorder, {as_name(name): value}, step, epoch, context)

    def log(
        self,
        data: Mapping[str, Any],
        step: int | None = None,
        epoch: int | None = None,
        *,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Record several numbers and objects of one step.

        Args:
            data: Values by name; dicts inside are taken apart, their names joined by ``/``.
            step: The step of all of them; each name counts its own if left out.
            epoch: Groups steps.
            context: Tells sequences of one name apart.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: A name is empty, or an argument is out of bounds.
            TypeError: A value is no number and has no ``json()``, or an argument has another type; then nothing of
                ``data`` is recorded.

        Example:
            >>> from runatlas import Run
            >>> with Run(repo="./experiments", capture_terminal_logs=False) as run:
            ...     run.log({"loss": 0.5, "acc": 0.9}, step=1)
        """
        if (
            self._is_quick
            and context is None
            and epoch is None
            and type(data) is dict
            and (step is None or (type(step) is int and STEP_MIN <= step <= STEP_MAX))
        ):
            known = self._known
            for key, value in data.items():
                if type(value) not in PLAIN or key not in known:
                    break
            else:
                recorder: Any = self._recorder
                if len(recorder.events) < QUEUE_MAX:
                    recorder.append((_now(), data.copy(), step, None, ()))
                    return
        self._require_writable()
        if not isinstance(data, Mapping):
            raise TypeError(f"data: expected a dict, got {type(data).__name__}")
        self._values.record(self._recorder, data, step, epoch, context)

    # -- messages -----------------------------------------------------------------------------------------------

    def log_debug(self, msg: str, **kwargs: Any) -> None:
        """Record a message for those who look for faults.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("DEBUG", msg, kwargs)

    def log_info(self, msg: str, **kwargs: Any) -> None:
        """Record a message.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("INFO", msg, kwargs)

    def log_warning(self, msg: str, **kwargs: Any) -> None:
        """Record a warning.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("WARN", msg, kwargs)

    def log_error(self, msg: str, **kwargs: Any) -> None:
        """Record an error.

        Args:
            msg: The message.
            **kwargs: Fields to keep beside it; what has no structure is kept as text.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The message is no string.
        """
        self._say("ERROR", msg, kwargs)

    def _say(self, level: LogLevel, msg: str, fields: dict[str, Any]) -> None:
        self._require_writable()
        plain, notes = read_value(fields, "kwargs")
        draft = LogDraft(clean_text(msg, "msg"), level, tag="record", time_ms=int(_now() * 1000), fields=plain or None)
        if self._recorder is not None:
            if notes:
                self._recorder.losses.warn("fields", f"fields of messages are not kept as they are: {notes[0]}")
            self._recorder.losses.check()
            self._recorder.put(draft)

    # -- files --------------------------------------------------------------------------------------------------

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep a file with the run. It is stored in the background; the same content is stored once.

        Args:
            path: The file. It may be deleted or replaced as soon as this returns; one that is changed in place is
                kept as it is when its turn comes.
            name: Its path inside the run; the file's own name if left out.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: The name is no path inside the run.
            OSError: The file cannot be read.
        """
        self._require_writable()
        file, place = named_file(path, name)
        if self._recorder is not None:
            self._recorder.losses.check()
            self._recorder.add_file(file, place)

    def log_artifacts(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Keep all files of a directory, and of those in it.

        Args:
            path: The directory.
            name: What their paths inside the run begin with.

        Raises:
            RuntimeError: The run is closed or read-only.
            ValueError: A name is no path inside the run.
            OSError: The directory or a file in it cannot be read.
        """
        self._require_writable()
        for file, place in named_files(path, name):
            self.log_artifact(file, place)

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
            self._recorder.await_end(self._ended, timeout_s)

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
        patch = self._ending(state, error)
        self._apply(patch)
        recorder.put(patch)
        recorder.put_before_next(self._go_on)

    def _go_on(self) -> RunPatch:
        """Say that a run that failed goes on."""
        patch = RunPatch(state="RUNNING")
        self._failed = None
        self._apply(patch)
        return patch

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
            if self._auto_capture is not None:
                self._auto_capture.stop()
            patch = self._ending(state, error)
            self._has_old_summary = True
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
        closing = partial(_close, self._recorder, self._auto_capture, patch)
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
        if self._auto_capture is not None:
            self._auto_capture.forked()
        if self._recorder is not None:
            self._recorder.forked()
            self._handle = _own_handle(self._recorder.plan.target, self._recorder)

    def __reduce__(self) -> tuple[Any, ...]:
        path = self._path
        arguments = {
            "repo": self._handle.location,
            "workspace": None if path.workspace == OWN_WORKSPACE else path.workspace,
            "experiment": path.project,
            "mode": self._mode,
            "capture_terminal_logs": False,
            "read_only": not self._is_writable,
        }
        return _join, (type(self), path.run, arguments)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hash={self.hash!r}, experiment={self.experiment!r})"


def _own_handle(target: Target, recorder: Recorder | None) -> BackendHandle:
    return BackendHandle(OwnStore(opener_of(target.settings, purpose="read"), recorder, target.mode))


def _close(recorder: Recorder, auto_capture: AutoCapture | None, patch: RunPatch | None) -> None:
    if auto_capture is not None:
        auto_capture.stop()
    recorder.close(patch, CLOSE_S)


def _join(kind: type[Run], run_hash: str, arguments: dict[str, Any]) -> Run:
    """Write to a run in another process than the one that opened it, and that ends it."""
    joined = kind(run_hash, **arguments)
    joined._is_primary = False  # noqa: SLF001 - its own class
    return joined
