"""A run that can be edited: its own fields, tags and params, as written here and not yet everywhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import attrs
from typing_extensions import Self

from runatlas.display.markup import Html, note
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run import Run as StoredRun
from runatlas.entities.run_display import show_run
from runatlas.errors import RunAtlasError
from runatlas.model.config_value import plain_value
from runatlas.model.ids import RunPath, project_names
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.run import RunPatch, RunRecord
from runatlas.model.run_config import find_value
from runatlas.model.run_value import flatten
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable
from runatlas.tracking.checks import as_context, as_key, as_name, check_label, clean_text
from runatlas.tracking.health import Flushed, Health
from runatlas.tracking.overview import (
    check_sequence_types,
    list_columns,
    metric_traces,
    object_traces,
    read_summaries,
    run_props,
)
from runatlas.tracking.patch import apply_patch
from runatlas.tracking.recorder import Recorder
from runatlas.tracking.target import Mode

__all__ = ["EditableRun"]


class EditableRun(StoredRun):
    """A run whose own fields, tags and params can be set, with overviews of what it tracked as matyan's client has it.

    While it is written, its record is this process's own: what was set here is there at once, ``refresh()`` brings what
    others changed.
    """

    def __init__(
        self,
        handle: BackendHandle,
        path: RunPath,
        record: RunRecord | None,
        recorder: Recorder | None = None,
        *,
        writable: bool = False,
        mode: Mode | None = None,
    ) -> None:
        self._own_path = path
        self._recorder = recorder
        self._is_writable = writable
        self._has_old_summary = False
        self._mode = mode
        self._describing = threading.RLock()
        self._unset: set[str] = set()
        super().__init__(handle, path, record)

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
    def active(self) -> bool:
        """Whether the run goes on: true until ``close()``."""
        return self._held().state in {"RUNNING", "OFFLINE"}

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
        return run_props(self._held()) | {"active": self.active}

    @property
    def latest(self) -> dict[str, float]:
        """The last value of each metric without context."""
        if self._is_writable or self._has_old_summary:
            record = self._fetch()
            if not self._is_writable:
                self._record, self._has_old_summary = record, False
            return dict(record.summary or {})
        return super().latest

    # -- tags ---------------------------------------------------------------------------------------------------

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

    # -- params -------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        """Return a param by name or dotted path."""
        name = as_key(key)
        if self._unset and any(name == item or name.startswith(item + ".") for item in self._unset):
            return find_value(self._stored_params(), name)
        return find_value(self.config, name)

    def _ipython_key_completions_(self) -> list[str]:
        return [key for key, _ in flatten(self.config)]

    def __setitem__(self, key: str, value: Any) -> None:
        """Set a param by name or dotted path; an object replaces what was there, with all below it."""
        name = as_key(key)
        plain = plain_value(value, name, name.count(".") + 1)
        self._unset.discard(name)
        # What was there is taken away first: objects would merge.
        self._change(RunPatch(config={name: plain}, config_removed=(name,)))

    def __delitem__(self, key: str) -> None:
        """Forget what this process knows of a param; what the store has of it stays.

        ``run.update(config_removed=[key])`` takes it away for good.
        """
        name = as_key(key)
        find_value(self.config, name)
        self._unset.add(name)

    def __contains__(self, key: object) -> bool:
        """Whether there is a param of that name or dotted path."""
        if not isinstance(key, str):
            return False
        try:
            self[key]
        except KeyError:
            return False
        return True

    def get(self, key: str, default: Any = None) -> Any:
        """Return a param by name or dotted path, or ``default``.

        Args:
            key: Such as ``hparams.lr``.
            default: What to return if there is none.
        """
        try:
            return self[key]
        except KeyError:
            return default

    def set(self, key: str, val: Any) -> None:
        """Set a param; the same as ``run[key] = val``.

        Args:
            key: Such as ``hparams.lr``.
            val: Anything: what has a structure keeps it, the rest is kept as text, with a warning.

        Raises:
            RuntimeError: The run is closed or read-only.
            TypeError: The key is no string.
            ValueError: A part of the key is empty.
        """
        self[key] = val

    def _stored_params(self) -> dict[str, Any]:
        if self._mode in {"offline", "disabled"}:
            return {}
        return dict(self._handle.backend.get_run(self._path).config or {})

    # -- what it tracked ----------------------------------------------------------------------------------------

    @overload
    def metrics(self) -> list[dict[str, Any]]: ...
    @overload
    def metrics(
        self,
        keys: Sequence[str] | None,
        sample: int = 1500,
        all: bool = False,
        range_query: RangeQuery | ValueRange | Mapping[str, Any] | None = None,
        ignore_timestamp: bool = False,
        *,
        context: Mapping[str, Any] | None = None,
        x_axis: str = "step",
    ) -> ApiResponse[MetricTable[str]]: ...
    def metrics(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]] | ApiResponse[MetricTable[str]]:
        """Without arguments: an overview of all tracked metrics. With keys: their values, as every run gives them.

        Args:
            *args: ``keys``, ``sample``, ``all``, ``range_query``, ``ignore_timestamp``.
            **kwargs: The same by name, ``context`` and ``x_axis``.

        Returns:
            A list of ``{"name", "context", "last_value", "last_step", "first_step", "count", "min", "max"}``; or the
            answer with a table.

        Raises:
            RunAtlasError: The overview could not be read.
        """
        if not args and not kwargs:
            return metric_traces(read_summaries(self._handle.backend, self.selection))
        return super().metrics(*args, **kwargs)

    def get_metric(self, name: str, context: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return the overview of one metric.

        Args:
            name: The metric's name.
            context: Its context; the metric without one if left out.

        Returns:
            One item of ``metrics()``; ``None`` if the run has no such metric.

        Raises:
            TypeError: An argument has another type.
            RunAtlasError: It could not be read.
        """
        wanted, place = as_name(name), dict(as_context(context))
        return next((item for item in self.metrics() if item["name"] == wanted and item["context"] == place), None)

    def iter_metrics_info(self) -> Iterator[tuple[str, dict[str, Any], Self]]:
        """Iterate over the tracked metrics.

        Returns:
            ``(name, context, run)`` of each.

        Raises:
            RunAtlasError: They could not be read.
        """
        for item in self.metrics():
            yield item["name"], item["context"], self

    def collect_sequence_info(self, sequence_types: str | tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
        """Return overviews of what was tracked, by kind.

        Args:
            sequence_types: ``metric``, ``images``, ``figures``, ``texts``, ``audios``, ``distributions``; one,
                several in a tuple, or none for all.

        Returns:
            ``{"metric": [...], "images": [...]}``.

        Raises:
            ValueError: There is no such kind.
            RunAtlasError: They could not be read.
        """
        kinds = check_sequence_types(sequence_types)
        backend = self._handle.backend
        columns = list(list_columns(backend, self._path)) if any(kind != "metric" for kind in kinds) else []
        return {
            kind: metric_traces(read_summaries(backend, self.selection))
            if kind == "metric"
            else object_traces(columns, kind)
            for kind in kinds
        }

    # -- how it stands ------------------------------------------------------------------------------------------

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
        if patch.project is not None:
            self._own_path = attrs.evolve(self._path, project=patch.project)
        return self, ""
