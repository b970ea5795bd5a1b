"""``Run``: what training code writes with."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

import attrs

from runatlas.display.markup import Html, note
from runatlas.entities.argument import boolean, integer
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run import Run as StoredRun
from runatlas.entities.run_display import show_run
from runatlas.errors import RunAtlasError
from runatlas.model.ids import RunPath, project_names
from runatlas.model.run import RunPatch, RunRecord
from runatlas.tracking import ending, message, overview, params, upload
from runatlas.tracking.auto_capture import AutoCapture
from runatlas.tracking.checks import as_name, check_label, clean_text
from runatlas.tracking.health import Flushed, Health
from runatlas.tracking.object_encoding import is_object
from runatlas.tracking.opening import Opened, make_opening, open_to_read, open_to_write
from runatlas.tracking.patch import apply_patch
from runatlas.tracking.process_end import Ending, describe_ending, watch
from runatlas.tracking.read_your_writes import own_handle
from runatlas.tracking.recorder import QUEUE_MAX, Recorder
from runatlas.tracking.step import STEP_MAX, STEP_MIN
from runatlas.tracking.store_writer import OWN_WORKSPACE
from runatlas.tracking.system_metrics import validate_interval
from runatlas.tracking.target import Mode, find_target
from runatlas.tracking.values import PLAIN, Values

__all__ = ["Run"]

_now = time.time


class Run(StoredRun):
    """A run that is being written, and reads like any other.

    Recording costs the training loop some microseconds: it puts things into a queue, and threads bring them to the
    store. What the network, a server or a disk does never reaches the training loop, unless ``strict`` is set; what
    could not be kept is counted in ``health``, warned of once and told at ``close()``.

    Args:
        run_hash: The id of a run to resume, which is made if there is none; ``None`` for a new one.
        repo: A server's URL or a directory; where ``Api()`` would look if left out.
        frontier_url: The second URL that matyan's client takes: the same server as ``repo``.
        read_only: Whether the run is only to be read.
        experiment: The project, made if there is none; ``default`` if left out. A text that cannot be a name is the
            title of a project with a name made of it.
        force_resume: Kept for programs written for matyan: a run that is there is resumed in any case.
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
            self._begin(open_to_read(opening, target), writable=False, mode=target.mode)
            return
        with watch.opening():
            opened = open_to_write(opening, target, strict=boolean(strict, "strict"), rewind=rewind)
            self._begin(opened, writable=True, mode=target.mode)
            if opened.moves_to is not None:
                self.experiment = opened.moves_to
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
        run._begin(Opened(handle, record), writable=False)  # noqa: SLF001 - its own class
        return run

    def _begin(self, opened: Opened, *, writable: bool, mode: Mode | None = None) -> None:
        record, recorder = opened.record, opened.recorder
        self._auto_capture = None
        self._failed: Ending | None = None
        self._closing = threading.Lock()
        self._ended: threading.Event | None = None
        self._is_primary = True
        self._values = Values()
        self._known = self._values.known
        # Strict runs and disabled ones take the long way, which looks at more.
        self._is_quick = recorder is not None and not recorder.plan.strict
        self._recorder = recorder
        self._is_writable = writable
        self._has_old_summary = False
        self._mode = mode
        self._describing = threading.RLock()
        self._unset: set[str] = set()
        self._own_path = record.path
        super().__init__(opened.handle, record.path, record)

    # What each of these does is written where its name says.
    log_debug = message.log_debug
    log_info = message.log_info
    log_warning = message.log_warning
    log_error = message.log_error
    log_artifact = upload.log_artifact
    log_artifacts = upload.log_artifacts

    close = ending.close
    finish = ending.finish
    fail = ending.fail
    close_at_exit = ending.close_at_exit
    note_failure = ending.note_failure

    get = params.get
    set = params.set
    __getitem__ = params.get_item
    __setitem__ = params.set_item
    __delitem__ = params.forget_item
    __contains__ = params.has_item
    _ipython_key_completions_ = params.list_names

    metrics = overview.metrics
    get_metric = overview.get_metric
    iter_metrics_info = overview.iter_metrics_info
    collect_sequence_info = overview.collect_sequence_info

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

    # -- where it is --------------------------------------------------------------------------------------------

    @property
    def _path(self) -> RunPath:
        """Where the run is: its workspace may be known only when the store was reached, and its project may change."""
        path, recorder = self._own_path, self._recorder
        known = recorder.record if recorder is not None else None
        if recorder is None or known is None:
            return path
        if known.workspace != path.workspace:
            path = self._own_path = attrs.evolve(path, workspace=known.workspace)
        if known.project != path.project and recorder.is_barred(path.project):
            path = self._own_path = attrs.evolve(path, project=known.project)
        return path

    @_path.setter
    def _path(self, path: RunPath) -> None:
        self._own_path = path

    @property
    def hash(self) -> str:
        """The run's unique id."""
        return self._path.run

    def refresh(self) -> Self:
        """Load again what others may have changed; if that cannot be, the run stays as it is known here.

        Returns:
            The run itself.
        """
        if not self._is_writable and self._mode != "offline":
            return super().refresh()
        try:
            record = self._fetch()
        except RunAtlasError:
            # What this process wrote is not forgotten because nobody else can be asked.
            return self
        with self._describing:
            self._record = record
        return self

    def _show(self) -> Html:
        if not self._is_writable:
            return super()._show()
        # What is recorded here is still on its way: waiting for it is for who reads it.
        return show_run(
            self._held(), note("being recorded here: run.summary() and run.metrics() read what came so far")
        )

    # -- its own fields -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The display name; can be set."""
        return self._held().name

    @name.setter
    def name(self, value: str) -> None:
        self._change(RunPatch(name=clean_text(value, "name")))

    @property
    def description(self) -> str:
        """The description; can be set."""
        return self._held().description

    @description.setter
    def description(self, value: str) -> None:
        self._change(RunPatch(description=clean_text(value, "description")))

    @property
    def archived(self) -> bool:
        """Whether the run is hidden from default views; can be set."""
        return self._held().archived

    @archived.setter
    def archived(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise TypeError(f"archived: expected True or False, got {type(value).__name__}")
        self._change(RunPatch(archived=value))

    @property
    def experiment(self) -> str:
        """The name of the run's project; setting it moves the run there, and makes the project if there is none.

        A text that cannot be a name (with blanks, ``/`` or letters of other alphabets) is the title of a project with a
        name made of it.
        """
        return self._path.project

    @experiment.setter
    def experiment(self, value: str) -> None:
        name, title = project_names(value)
        if name == self._path.project:
            return
        self._change(RunPatch(project=name, project_title=title or None))
        self._own_path = attrs.evolve(self._path, project=name)

    @property
    def tags(self) -> list[str]:
        """The names of the tags attached to this run."""
        return self.labels

    @property
    def creation_time(self) -> float:
        """When the run was made: Unix seconds."""
        return self._held().created_at_ms / 1000

    @property
    def end_time(self) -> float | None:
        """When the run ended: Unix seconds; ``None`` while it is active."""
        ended_ms = self._held().finished_at_ms
        return None if ended_ms is None else ended_ms / 1000

    @property
    def duration(self) -> float | None:
        """Seconds from start to end; ``None`` while it is active."""
        end = self.end_time
        return None if end is None else end - self.creation_time

    @property
    def props(self) -> dict[str, Any]:
        """All of the run's own fields, as matyan's client has it."""
        return overview.run_props(self._held()) | {"active": self.active}

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric without context."""
        if self._is_writable or self._has_old_summary:
            record = self._fetch()
            if not self._is_writable:
                self._record, self._has_old_summary = record, False
            return dict(record.summary or {})
        return super().latest

    def add_tag(self, value: str) -> None:
        """Attach a tag to this run; one that it has already is not attached again.

        Args:
            value: The tag's name.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: It is no string.
            ValueError: It is empty or too long.
        """
        label = check_label(value)
        self._change(RunPatch(labels_added=(label,)))

    def remove_tag(self, tag_name: str) -> None:
        """Remove a tag from this run; one that it does not have is ignored.

        Args:
            tag_name: The tag's name.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: It is no string.
            ValueError: It is empty or too long.
        """
        label = check_label(tag_name, "tag_name")
        self._change(RunPatch(labels_removed=(label,)))

    @property
    def health(self) -> Health:
        """How many records are queued, spooled, sent and dropped."""
        return Health() if self._recorder is None else self._recorder.health()

    def flush(self, timeout: float | None = None) -> Flushed:
        """Wait until everything recorded before is durable.

        Args:
            timeout: Seconds to wait for the store; after that the spool on this machine's disk has to do. ``None``
                waits as long as the store takes things, and turns to the spool when it does not.

        Returns:
            Where everything is now; true if it is durable.

        Raises:
            TrackingError: It is not, or something was lost, and the run is strict.
        """
        recorder = self._recorder
        if recorder is None:
            return Flushed("nowhere")
        flushed = recorder.flush(timeout)
        if recorder.losses.is_strict:
            recorder.losses.check()
            if not flushed.durable:
                recorder.losses.fail(flushed.problem)
                recorder.losses.check()
        return flushed

    def _require_writable(self) -> None:
        if not self._is_writable:
            raise RuntimeError(f"run {self._path.run} is closed or read-only; nothing can be recorded")

    def _apply(self, patch: RunPatch) -> None:
        """Change what is known here of the run."""
        with self._describing:
            self._record = apply_patch(self._held(), patch)

    def _change(self, patch: RunPatch) -> None:
        """Change the run here at once, and in the store in its turn."""
        self._require_writable()
        self._apply(patch)
        if self._recorder is not None:
            self._recorder.losses.check()
            self._recorder.put(patch)

    def _update(self, patch: RunPatch) -> tuple[Self, str]:
        if not self._is_writable:
            return super()._update(patch)
        self._change(patch)
        return (self if patch.project is None else self._moved(attrs.evolve(self._path, project=patch.project))), ""

    def _moved(self, path: RunPath) -> Self:
        self._own_path = path
        return self

    # -- the end ------------------------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        """Whether the run goes on: true until ``close()``."""
        return self._is_writable or (self._recorder is None and self._held().state in {"RUNNING", "OFFLINE"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending.end(self, *describe_ending(kind, error, trace), ending.CLOSE_S)

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
            self._handle = own_handle(self._recorder.plan.target, self._recorder)

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


def _close(recorder: Recorder, auto_capture: AutoCapture | None, patch: RunPatch | None) -> None:
    if auto_capture is not None:
        auto_capture.stop()
    recorder.close(patch, ending.CLOSE_S)


def _join(kind: type[Run], run_hash: str, arguments: dict[str, Any]) -> Run:
    """Write to a run in another process than the one that opened it, and that ends it."""
    joined = kind(run_hash, **arguments)
    joined._is_primary = False  # noqa: SLF001 - its own class
    return joined
