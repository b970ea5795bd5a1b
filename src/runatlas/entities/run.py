"""Runs: one training or inference run each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Literal, Self, Unpack, overload

from runatlas.entities import change, data_cut, run_plot, transfer
from runatlas.entities.annotation import Annotation, Annotations
from runatlas.entities.argument import boolean, choice, integer, one_or_more, optional, optional_text, text
from runatlas.entities.artifact import Artifact, Artifacts
from runatlas.entities.collection import make_window
from runatlas.entities.column import METRIC_TYPES, Column, Columns, Keys, MetricType, make_column_query
from runatlas.entities.deletion import Deletion, DeletionPlan, delete
from runatlas.entities.folder import Folder, folder_id
from runatlas.entities.ingestion_key import IngestionKey, IngestionKeys
from runatlas.entities.log import Logs, make_logs
from runatlas.entities.media import MediaTable, make_media_query, make_media_table
from runatlas.entities.metric_reading import make_metric_request, note_near, read_metrics, read_summaries, require_run
from runatlas.entities.model import ModelVersion
from runatlas.entities.project_fields import ProjectFields
from runatlas.entities.run_display import Catalog, Summaries
from runatlas.entities.run_fields import RunFields
from runatlas.entities.run_patch import RunChanges, make_run_patch
from runatlas.entities.stored_file import Link
from runatlas.entities.update import UpdatePlan
from runatlas.entities.usage import Usage, measure
from runatlas.model.annotation import AnnotationDraft
from runatlas.model.artifact import validate_artifact_name
from runatlas.model.ids import RunPath
from runatlas.model.log import LOG_LEVELS, LogLevel, LogQuery
from runatlas.model.page import PageRequest
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.registry import STAGES, ModelVersionDraft, Stage
from runatlas.model.run import RunPatch, RunSelection
from runatlas.model.series import COLUMN_CLASSES, COLUMN_TYPES, CatalogEntry, ColumnQuery
from runatlas.model.usage import UsageGroup
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable, make_run_metric_table
from runatlas.tables.statistic import SummaryItem

__all__ = ["Experiment", "Run"]

_FOLDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROWS_MAX = 500_000
_LINES = 1000


class Run(RunFields):
    """A run, lazily: its path is known, everything else is asked for once, when it is needed.

    Example:
        >>> from runatlas import Api
        >>> Api("./experiments").run("ann/demo/k3x9q2ab").path
        'ann/demo/k3x9q2ab'
    """

    __slots__ = ()

    # What is also there for many runs, or for a project, stands once, where its name says.
    audit = change.audit
    copy = transfer.copy
    delete_artifacts = data_cut.delete_artifacts
    delete_media = data_cut.delete_media
    delete_metrics = data_cut.delete_metrics
    plot = run_plot.plot
    rename_metric = transfer.rename_metric
    rewind = data_cut.rewind
    thin = data_cut.thin

    def _selected(self) -> RunSelection:
        return self.selection

    def _place(self) -> tuple[str, str | None]:
        return self._path.workspace, self._path.project

    def _at_most(self, limit: int, most: int | None) -> tuple[Run, str]:  # noqa: ARG002 - it is one
        return self, ""

    def _cut_of(self) -> RunPath:
        return self._path

    def _audited(self) -> str:
        return str(self._path)

    # -- numbers ------------------------------------------------------------------------------------------------

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
    ) -> ApiResponse[MetricTable[str]]:
        """Read scalar metrics.

        Args:
            keys: Metric keys; ``None`` for every scalar one.
            sample: Points a series at the most, up to 1500, the first, last, smallest and largest always kept. Ignored
                with ``all`` or ``range_query``.
            all: Whether every point is wanted.
            range_query: A range of each series by step or time, ``last``, ``head`` or ``tail``; with a metric as
                ``x_axis`` and ``{"type": "custom"}`` by its values.
            ignore_timestamp: Whether times are to be left out.
            context: Only series of this context; ``{}`` for those without; ``None`` for every one.
            x_axis: What each point says beside, as its ``index``: ``"time"`` or ``"relative_time"`` (milliseconds), or
                a metric: its value at the same step. A sampled answer leaves out points without one, and says so; with
                ``all`` or ``range_query`` they lie at NaN.

        Returns:
            Series by key; a metric the run does not have is empty and listed in ``missing``.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        request = make_metric_request(
            keys,
            sample=sample,
            all=all,
            range_query=range_query,
            context=context,
            ignore_timestamp=ignore_timestamp,
            x_axis=x_axis,
        )

        def read() -> MetricTable[str]:
            reading = read_metrics(
                self._handle, self.selection, request, project_id=partial(getattr, self, "project_id")
            )
            return make_run_metric_table(note_near(require_run(reading), lambda: self.latest))

        return ApiResponse.of(read)

    def summary(self, keys: Sequence[str] | None = None) -> ApiResponse[dict[str, SummaryItem]]:
        """Read what scalar metrics amount to; the latest value is the authoritative one.

        Args:
            keys: Metric keys; ``None`` for every scalar one. A key the run does not have is left out.

        Returns:
            ``{key: {"value", "step", "latest", "min", "max", "avg", "median", "std", "count", "first_step"}}``.

        Raises:
            TypeError: ``keys`` holds what is no text.
            ValueError: ``keys`` is empty.
        """
        wanted = None if keys is None else one_or_more(keys, "keys")
        return ApiResponse.of(lambda: self._summary(wanted))

    def _summary(self, keys: tuple[str, ...] | None) -> dict[str, SummaryItem]:
        found = list(read_summaries(self._handle, self.selection, keys))
        if not found:
            self._handle.backend.get_run(self._path)  # a run without metrics is not the same as no run
        return Summaries(found, self._handle, self._path.project_path)

    # -- media and logs -----------------------------------------------------------------------------------------

    def medias(self, keys: Sequence[str] | None, step: int | None = None, all: bool = False) -> ApiResponse[MediaTable]:
        """Read media: images, audio, video, text and other objects, with links that expire.

        Args:
            keys: Media keys; ``None`` for every one.
            step: Exactly that step; if not given, the latest step of each key.
            all: Whether every step is wanted.

        Returns:
            Media by key, each object with ``url`` and ``download()``.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``keys`` is empty, or ``step`` is given with ``all``.
        """
        query = make_media_query(keys, step=step, all=all)

        def read() -> MediaTable:
            return make_media_table(self._handle, query, self._handle.backend.list_media(self._path, query), self)

        return ApiResponse.of(read)

    def logs(
        self,
        offset: int = 0,
        level: LogLevel = "INFO",
        ignore_timestamp: bool = False,
        *,
        all: bool = False,
    ) -> ApiResponse[Logs]:
        """Read log lines: up to 1000, ``next_offset`` tells where to go on.

        Args:
            offset: Only lines after this line number.
            level: Only lines at least that severe: ``DEBUG``, ``INFO``, ``WARN`` or ``ERROR``.
            ignore_timestamp: Whether times are to be left out.
            all: Whether to go on to the last line.

        Returns:
            The lines, ascending.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        query = LogQuery(integer(offset, "offset", least=0), choice(level, LOG_LEVELS, "level"), _LINES)
        timed, to_the_end = not boolean(ignore_timestamp, "ignore_timestamp"), boolean(all, "all")

        def read() -> Logs:
            pages = [self._handle.backend.read_logs(self._path, query)]
            while to_the_end and (offset := pages[-1].next_offset) is not None:
                pages.append(self._handle.backend.read_logs(self._path, LogQuery(offset, query.level, query.limit)))
            return make_logs(pages, self, timed=timed)

        return ApiResponse.of(read)

    def export_logs(self, start: int = 0, rows: int = _ROWS_MAX) -> ApiResponse[Link]:
        """Write log lines to a ``.log`` file.

        Args:
            start: The first line, counted from 0.
            rows: How many lines, up to 500,000.

        Returns:
            A link to it: ``result.data["url"]``.

        Raises:
            TypeError: An argument is no whole number.
            ValueError: An argument is out of bounds.
        """
        first, count = integer(start, "start", least=0), integer(rows, "rows", least=1, most=_ROWS_MAX)
        return ApiResponse.of(
            lambda: Link.of(self._handle, self._handle.backend.export_logs(self._path, start=first, rows=count))
        )

    # -- columns ------------------------------------------------------------------------------------------------

    def columns(  # noqa: PLR0917 - as documented
        self,
        page: int | None = None,
        size: int | None = None,
        search: str | None = None,
        column_class: str | None = None,
        column_type: str | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Columns:
        """List what the run recorded.

        Args:
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Columns a page: 100 unless given, 1000 at the most.
            search: Part of the name; case does not matter.
            column_class: ``CUSTOM`` or ``SYSTEM``.
            column_type: ``FLOAT``, ``STRING``, ``IMAGE``, ….
            all: Everything from ``page`` on.
            limit: How many columns at the most.

        Returns:
            The columns, by key.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds or unknown.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        query = make_column_query(search=search, column_class=column_class, column_type=column_type)
        return Columns(self._handle, window, self, query)

    def column(self, key: str, column_class: str | None = "CUSTOM", column_type: str | None = "FLOAT") -> Column:
        """Find one column: the one of exactly that key, else the first whose name contains it; ``match`` tells which.

        Args:
            key: The key, or part of the name.
            column_class: ``CUSTOM`` or ``SYSTEM``; ``None`` for either.
            column_type: ``FLOAT``, ``STRING``, ``IMAGE``, …; ``None`` for any.

        Returns:
            The column, lazily.

        Raises:
            TypeError: An argument is no string.
            ValueError: An argument is empty or unknown.
        """
        wanted = text(key, "key")
        query = ColumnQuery(
            search=wanted,
            key=wanted,
            column_class=optional(column_class, COLUMN_CLASSES, "column_class"),
            column_type=optional(column_type, COLUMN_TYPES, "column_type"),
            page=PageRequest(limit=1),
        )
        return Column(self._handle, self, query)

    def series(self, metric_type: MetricType = "SCALAR", metric_class: str = "CUSTOM", search: str = "") -> Keys:
        """List what the run recorded under the names of SwanLab 0.10.3: keys in place of ``columns()``.

        Args:
            metric_type: ``SCALAR`` or ``MEDIA``.
            metric_class: ``CUSTOM`` or ``SYSTEM``.
            search: Part of the name; case does not matter.

        Raises:
            TypeError: An argument is no string.
            ValueError: ``metric_type`` or ``metric_class`` is unknown.
        """
        query = make_column_query(
            search=optional_text(search, "search") or None,
            column_class=choice(metric_class, COLUMN_CLASSES, "metric_class"),
        )
        return Keys(self._handle, self, choice(metric_type, METRIC_TYPES, "metric_type"), query)

    # -- files --------------------------------------------------------------------------------------------------

    def artifacts(self, *, limit: int | None = None) -> Artifacts:
        """List the files kept with the run.

        Args:
            limit: How many at the most.

        Returns:
            The files, by name; each has ``download()``, and the listing has one for all.

        Raises:
            TypeError: ``limit`` is no whole number.
            ValueError: It is out of bounds.
        """
        return Artifacts(self._handle, make_window(limit=limit), self)

    def artifact(self, name: str) -> Artifact:
        """Find one file.

        Args:
            name: Its path inside the run.

        Returns:
            The file, lazily.

        Raises:
            TypeError: It is no string.
            ValueError: It is no path inside a run.
        """
        return Artifact(self._handle, self, validate_artifact_name(name))

    # -- what people put around it ------------------------------------------------------------------------------

    @overload
    def move(self, folder: Folder | str | None) -> ApiResponse[Self]: ...
    @overload
    def move(
        self, *, project: ProjectFields | str, commit: Literal[False] = False, create: bool = False
    ) -> ApiResponse[transfer.TransferPlan]: ...
    @overload
    def move(
        self, *, project: ProjectFields | str, commit: Literal[True], create: bool = False
    ) -> ApiResponse[transfer.Transfer]: ...
    @overload
    def move(
        self, *, project: ProjectFields | str, commit: bool, create: bool = False
    ) -> ApiResponse[transfer.TransferPlan] | ApiResponse[transfer.Transfer]: ...
    def move(
        self,
        folder: Any = ...,
        *,
        project: ProjectFields | str | None = None,
        commit: bool = False,
        create: bool = False,
    ) -> ApiResponse[Self] | ApiResponse[transfer.TransferPlan] | ApiResponse[transfer.Transfer]:
        """Put it into a folder of its project, or move it to another project as ``Runs.move`` does.

        Args:
            folder: A folder, or its id; ``None`` takes it out of the one that it is in. It is put there at once.
            project: The project that it moves to, its name or its path.
            commit: Whether to move it to that project; else nothing is changed.
            create: Whether a project that is not there is made.

        Returns:
            The run; of a move to a project the plan, with ``apply()``, or what was done.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``folder`` is no folder's id, or ``project`` cannot be a name or a path.
        """
        if (folder is ...) is (project is None):
            raise TypeError("move: give either a folder or a project")
        if project is None:
            return self._put(folder)
        return transfer.move(self, project, commit=commit, create=create)

    def _put(self, folder: Folder | str | None) -> ApiResponse[Self]:
        target = folder_id(folder, "folder")
        if isinstance(folder, str) and not _FOLDER_ID.fullmatch(folder):
            raise ValueError(f"folder: {folder!r} is no folder's id; to move to a project write project={folder!r}")

        def put() -> tuple[Self, str]:
            change_id = self._handle.backend.update_runs(self.selection, RunPatch(folder_id=target)).change_id
            self._forget()
            return self, change_id

        return change.noted(self._handle, put)

    def annotate(self, note: str, metadata: Mapping[str, Any] | None = None) -> ApiResponse[Annotation]:
        """Note something on it.

        Args:
            note: 1 to 16,000 characters.
            metadata: What is to be kept beside the text: JSON.

        Raises:
            TypeError: The note is no text.
        """
        draft = AnnotationDraft(text(note, "note"), dict(metadata or {}))

        def annotate() -> Annotation:
            made = self._handle.backend.create_annotation(self._path, draft)
            return Annotation(self._handle, self._path, made.id, made)

        return ApiResponse.of(annotate)

    def annotations(self, *, limit: int | None = None) -> Annotations:
        """Return the notes on it, oldest first."""
        return Annotations(self._handle, make_window(limit=limit), self._path)

    def ingestion_keys(self) -> IngestionKeys:
        """Return the keys that may only write to it."""
        return IngestionKeys(self._handle, make_window(), self._path)

    def create_ingestion_key(self, name: str, *, life: timedelta | None = None) -> ApiResponse[IngestionKey]:
        """Make a key that may only write to it.

        Args:
            name: What to call it.
            life: How long it works: a day unless said otherwise, a week at the most.

        Returns:
            The key; its ``secret`` is known only now.

        Raises:
            TypeError: The name is no text, or the life no time span.
        """
        called = text(name, "name")
        if life is not None and not isinstance(life, timedelta):
            raise TypeError(f"life: expected a timedelta, got {type(life).__name__}")
        ttl_ms = None if life is None else int(life / timedelta(milliseconds=1))

        def create() -> IngestionKey:
            made = self._handle.backend.create_ingestion_key(self._path, called, ttl_ms=ttl_ms)
            return IngestionKey(self._handle, self._path, made.key, made.secret)

        return ApiResponse.of(create)

    def catalog(self) -> ApiResponse[tuple[CatalogEntry, ...]]:
        """List its scalar metrics by key, with their contexts and numbers of points; no points are read."""
        return ApiResponse.of(lambda: Catalog(self._handle.backend.get_catalog(self._path)))

    def register_model(
        self, name: str, artifact: str, *, stage: Stage = "none", description: str = ""
    ) -> ApiResponse[ModelVersion]:
        """Register one of its artifacts as the next version of a model.

        Args:
            name: The model's name.
            artifact: The artifact's name.
            stage: ``none``, ``staging``, ``production`` or ``archived``.
            description: What is to be said of it.

        Raises:
            TypeError: A name is no text.
            ValueError: There is no such stage.
        """
        at: Stage = choice(stage, STAGES, "stage")
        draft = ModelVersionDraft(text(name, "name"), str(self._path), text(artifact, "artifact"), at, description)
        return ApiResponse.of(lambda: ModelVersion(self._handle, self._handle.backend.create_model_version(draft)))

    # -- changes ------------------------------------------------------------------------------------------------

    @overload
    def update(self, *, commit: Literal[True] = True, **changes: Unpack[RunChanges]) -> ApiResponse[Self]: ...
    @overload
    def update(self, *, commit: Literal[False], **changes: Unpack[RunChanges]) -> ApiResponse[UpdatePlan]: ...
    @overload
    def update(self, *, commit: bool, **changes: Unpack[RunChanges]) -> ApiResponse[Self] | ApiResponse[UpdatePlan]: ...
    def update(
        self, *, commit: bool = True, **changes: Unpack[RunChanges]
    ) -> ApiResponse[Self] | ApiResponse[UpdatePlan]:
        """Change some of the run's own fields.

        Args:
            commit: Whether to change them; else it is told what that would do.
            **changes: ``name``, ``description``, ``labels``, ``labels_added``, ``labels_removed``, ``group``,
                ``job_type``, ``show``, ``pin``, ``baseline``, ``archived``, ``protected``, ``protected_reason``,
                ``colors``, ``config`` (dotted keys),
                ``config_removed``, ``project`` (moves the run), ``state`` (such as ``ABORTED``), ``error`` (why).

        Returns:
            The run, which loads again when next asked; under its new path if it was moved. The answer's ``change``
            takes it back: ``answer.change.undo()``. Without ``commit`` the plan, with ``apply()``.

        Raises:
            TypeError: There is no such field, or it has another type.
            ValueError: Nothing is to be changed, or a value is out of bounds.
        """
        patch = make_run_patch(changes)
        if not boolean(commit, "commit"):
            return ApiResponse.of(
                lambda: UpdatePlan(self._handle, self._handle.backend.plan_update(self.selection, patch), self._forget)
            )
        return change.noted(self._handle, lambda: self._update(patch))

    def _update(self, patch: RunPatch) -> tuple[Self, str]:
        change_id = self._handle.backend.update_runs(self.selection, patch).change_id
        self._forget()
        if patch.project is None or patch.project == self._path.project:
            return self, change_id
        return self._moved(RunPath(self._path.workspace, patch.project, self._path.run)), change_id

    def _moved(self, path: RunPath) -> Self:
        return type(self)(self._handle, path)

    def usage(self, *, by: UsageGroup = "metric", limit: int = 1000) -> ApiResponse[Usage]:
        """Tell how much room the run takes; see ``Api.usage``.

        Args:
            by: What to tell apart: ``workspace``, ``project``, ``run`` or ``metric``.
            limit: How many of the largest.

        Returns:
            The total and the items, largest first.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        return measure(self._handle, lambda: str(self._path), by, limit)

    def protect(self, reason: str = "") -> ApiResponse[Self]:
        """Keep the run from being deleted, through any door, until it is unprotected.

        Args:
            reason: Why; a refused deletion says it.

        Returns:
            The run.

        Raises:
            TypeError: ``reason`` is no text.

        Example:
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="demo") as made:
            ...     pass
            >>> run = Api("./experiments").run(made.path).protect("the best of the sweep").data
            >>> run.protected, run.delete(commit=True).ok, run.unprotect().ok
            (True, False, True)
        """
        return self.update(protected=True, protected_reason=reason)

    def unprotect(self) -> ApiResponse[Self]:
        """Let the run be deleted again.

        Returns:
            The run.
        """
        return self.update(protected=False)

    @overload
    def delete(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def delete(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete the run, or tell what that would take.

        It goes also if it is pinned, a baseline or running; a ``ConflictError`` keeps one that is protected, or that a
        model version in staging or production came from.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take it also from under a model version; never one that is protected.

        Returns:
            The plan, with ``apply()``; or what was deleted, with ``restore()``.

        Raises:
            TypeError: ``commit`` or ``force`` is no boolean.
        """
        return delete(self._handle, lambda: self._path, commit=commit, force=force)


Experiment = Run
"""The SwanLab API's other name for a run."""
