"""Columns: the names of what a run recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs

from runatlas.entities.argument import choice, optional, text, texts
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.collection import Collection, UnpagedCollection, Window
from runatlas.entities.media import MediaSeries, make_media_query, make_media_table
from runatlas.entities.metric_reading import MetricRequest, make_metric_request, read_metrics, require_run
from runatlas.entities.run_fields import RunFields
from runatlas.entities.stored_file import Link
from runatlas.errors import NotFoundError
from runatlas.model.media import MediaQuery
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest, each_item
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.run import RunSelection
from runatlas.model.series import (
    COLUMN_CLASSES,
    COLUMN_TYPES,
    MEDIA_TYPES,
    ColumnQuery,
    ColumnRecord,
    Context,
)
from runatlas.response import ApiResponse
from runatlas.tables.metric import make_run_metric_table
from runatlas.tables.series import Series, series_label

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.series import ColumnClass, ColumnType

    Match = Literal["exact", "fuzzy"]

__all__ = ["METRIC_TYPES", "Column", "Columns", "Key", "Keys", "MetricType", "make_column_query"]

MetricType = Literal["SCALAR", "MEDIA"]
METRIC_TYPES: tuple[MetricType, ...] = get_args(MetricType)


def make_column_query(
    *, search: str | None = None, column_class: str | None = None, column_type: str | None = None
) -> ColumnQuery:
    """Check what a caller asked for.

    Args:
        search: Part of the name; case does not matter.
        column_class: ``CUSTOM`` or ``SYSTEM``.
        column_type: ``FLOAT``, ``STRING``, ``IMAGE``, ….

    Raises:
        TypeError: One of them is no string.
        ValueError: One of them is unknown.
    """
    return ColumnQuery(
        search=None if search is None else text(search, "search"),
        column_class=optional(column_class, COLUMN_CLASSES, "column_class"),
        column_type=optional(column_type, COLUMN_TYPES, "column_type"),
    )


class Column(Entity[ColumnRecord]):
    """A metric or media name of a run.

    Args:
        handle: The way to the backend.
        run: The run it belongs to.
        query: Which column: its key, and perhaps a search, class and type.
        record: What is known of it.
    """

    _SHOWN = ("key", "context", "column_type", "column_class", "count")

    __slots__ = ("_context", "_query", "_run")

    def __init__(
        self, handle: BackendHandle, run: RunFields, query: ColumnQuery, record: ColumnRecord | None = None
    ) -> None:
        super().__init__(handle, record)
        self._run = run
        self._query = query
        self._context: Context | None = None if record is None else record.context

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the column."""
        query = self._query
        return (str(self._run.run_path), query.key, query.column_class, query.column_type, self._context)

    def _scope(self) -> str:
        return str(self._run.run_path)

    def _fetch(self) -> ColumnRecord:
        backend, run = self._handle.backend, self._run.run_path
        limit = 1 if self._context is None else PAGE_LIMIT
        for record in each_item(
            lambda page: backend.list_columns(run, attrs.evolve(self._query, page=page)), limit=limit
        ):
            if self._context in {None, record.context}:
                return record
        other = attrs.evolve(self._query, search=None, column_class=None, column_type=None, page=PageRequest(limit=1))
        for record in backend.list_columns(run, other).items if self._is_narrow else ():
            raise NotFoundError(
                f"run {run} has no column like {self._query.key!r} of the class and type asked for; "
                f"{record.key!r} is there with column_class={record.column_class!r}, column_type={record.column_type!r}"
            )
        raise NotFoundError(f"run {run} has no column like {self._query.key!r}")

    @property
    def _is_narrow(self) -> bool:
        return self._query.column_class is not None or self._query.column_type is not None

    @property
    def match(self) -> Match:
        """Whether its key is the one asked for, or only its name contains it."""
        return "exact" if self.key == self._query.key else "fuzzy"

    @property
    def key(self) -> str:
        """The column's key."""
        return self._held().key

    @property
    def name(self) -> str:
        """The display name."""
        return self._held().name

    @property
    def column_class(self) -> ColumnClass:
        """``CUSTOM`` or ``SYSTEM``."""
        return self._held().column_class

    @property
    def column_type(self) -> ColumnType:
        """``FLOAT``, ``STRING``, ``IMAGE``, ….."""
        return self._held().column_type

    @property
    def created_at(self) -> int:
        """When it was first logged, in Unix milliseconds."""
        return self._held().created_at_ms

    @property
    def context(self) -> dict[str, Any]:
        """The context, ``{}`` for the ordinary series."""
        return dict(self._held().context)

    @property
    def count(self) -> int | None:
        """How many points or media it has; ``None`` when the server does not tell."""
        return self._held().count

    @property
    def column_error(self) -> dict[str, Any] | None:
        """What the run reported to be wrong with it."""
        return self._held().error

    @property
    def run_id(self) -> str:
        """The id of the run it belongs to."""
        return self._run.run_path.run

    @property
    def project_id(self) -> str:
        """The store's id of the project it belongs to."""
        return self._run.project_id

    def metric(
        self,
        sample: int = 1500,
        metric_type: MetricType = "SCALAR",
        ignore_timestamp: bool = False,
        media_step: int | None = None,
        *,
        all: bool = False,
        range_query: RangeQuery | ValueRange | Mapping[str, Any] | None = None,
        x_axis: str = "step",
    ) -> ApiResponse[Series | MediaSeries]:
        """Read what the column holds. Whether that is numbers or media is told by its type, not by ``metric_type``.

        Args:
            sample: Points at the most, up to 1500; ignored with ``all`` or ``range_query``.
            metric_type: ``SCALAR`` or ``MEDIA``.
            ignore_timestamp: Whether times are to be left out.
            media_step: The step of a media column; the latest if not given.
            all: Whether every point, or the media of every step, is wanted.
            range_query: The range of points.
            x_axis: What each point says beside, as its ``index``; see ``Run.metrics``.

        Returns:
            A series of points, or of media.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        choice(metric_type, METRIC_TYPES, "metric_type")
        request = make_metric_request(
            None,
            sample=sample,
            all=all,
            range_query=range_query,
            context=None,
            ignore_timestamp=ignore_timestamp,
            x_axis=x_axis,
        )
        media = make_media_query(None, step=media_step, all=all)
        return ApiResponse.of(lambda: self._read(request, media))

    def _read(self, request: MetricRequest, media: MediaQuery) -> Series | MediaSeries:
        record, path = self._held(), self._run.run_path
        label = series_label(record.key, record.context)
        if record.column_type in MEDIA_TYPES:
            query = attrs.evolve(media, keys=(record.key,))
            page = self._handle.backend.list_media(path, query)
            return make_media_table(self._handle, query, page, self._run)[label]
        asked = attrs.evolve(request, keys=(record.key,), context=record.context)
        selection = RunSelection(path.workspace, path.project, ids=(path.run,))
        reading = read_metrics(self._handle, selection, asked, project_id=partial(getattr, self, "project_id"))
        return make_run_metric_table(require_run(reading))[label]

    def export_csv(self) -> ApiResponse[Link]:
        """Write the column to a CSV file (``step,value,timestamp``).

        Returns:
            A link to it: ``result.data["url"]``.
        """
        return ApiResponse.of(self._export_csv)

    def _export_csv(self) -> Link:
        return Link.of(self._handle, self._handle.backend.export_csv(self._run.run_path, self.key))

    def json(self) -> dict[str, Any]:
        """Return the column as plain values."""
        record = self._whole()
        return {
            "name": record.name,
            "key": record.key,
            "column_class": record.column_class,
            "column_type": record.column_type,
            "created_at": record.created_at_ms,
            "context": dict(record.context),
            "count": record.count,
            "error": record.error,
            "run_id": self.run_id,
            "match": self.match,
        }

    def __repr__(self) -> str:
        return f"Column({str(self._run.run_path)!r}, {self._query.key!r})"


class Columns(Collection[Column, ColumnRecord]):
    """The columns of a run, by key.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        run: The run.
        query: Which columns.
    """

    def __init__(self, handle: BackendHandle, window: Window, run: RunFields, query: ColumnQuery) -> None:
        super().__init__(handle, window)
        self._run = run
        self._query = query

    def _scope(self) -> str:
        return str(self._run.run_path)

    def _read(self, page: PageRequest) -> Page[ColumnRecord]:
        return self._handle.backend.list_columns(self._run.run_path, attrs.evolve(self._query, page=page))

    def _make(self, record: ColumnRecord) -> Column:
        query = ColumnQuery(key=record.key, column_class=record.column_class, column_type=record.column_type)
        return Column(self._handle, self._run, query, record)

    def _subject(self) -> str:
        return repr(str(self._run.run_path))


class Key(Column):
    """A metric or media name of a run, as SwanLab's API has it from 0.10 on: a column under its newer names."""

    __slots__ = ()

    @property
    def metric_type(self) -> MetricType:
        """``SCALAR`` or ``MEDIA``."""
        return _metric_type(self._held())

    @property
    def key_class(self) -> ColumnClass:
        """``CUSTOM`` or ``SYSTEM``."""
        return self._held().column_class

    def metric(  # type: ignore[override]
        self,
        sample: int = 1500,
        ignore_timestamp: bool = False,
        media_step: int | None = None,
        all: bool = False,
        x_axis: str = "step",
        *,
        range_query: RangeQuery | ValueRange | Mapping[str, Any] | None = None,
    ) -> ApiResponse[Series | MediaSeries]:
        """Read what the key holds; see ``Column.metric``.

        Args:
            sample: Points at the most, up to 1500; ignored with ``all`` or ``range_query``.
            ignore_timestamp: Whether times are to be left out.
            media_step: The step of media; the latest if not given.
            all: Whether every point, or the media of every step, is wanted.
            x_axis: What each point says beside, as its ``index``; see ``Run.metrics``.
            range_query: The range of points.

        Returns:
            A series of points, or of media.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        return super().metric(
            sample, "SCALAR", ignore_timestamp, media_step, all=all, range_query=range_query, x_axis=x_axis
        )

    def json(self) -> dict[str, Any]:
        """Return the key as plain values."""
        own = {name: getattr(self, name) for name in ("key", "key_class", "metric_type", "project_id", "run_id")}
        return {**own, "context": self.context}

    def __repr__(self) -> str:
        return f"Key({str(self._run.run_path)!r}, {self._query.key!r})"


class Keys(UnpagedCollection[Key, ColumnRecord]):
    """The keys of a run, by name, as SwanLab's API has them from 0.10 on.

    Args:
        handle: The way to the backend.
        run: The run.
        metric_type: ``SCALAR`` or ``MEDIA``.
        query: Which of them.
    """

    def __init__(self, handle: BackendHandle, run: RunFields, metric_type: MetricType, query: ColumnQuery) -> None:
        super().__init__(handle, Window())
        self._run = run
        self._metric_type = metric_type
        self._query = query

    def _scope(self) -> str:
        return str(self._run.run_path)

    def _list(self) -> list[ColumnRecord]:
        backend, run = self._handle.backend, self._run.run_path
        found = each_item(
            lambda page: backend.list_columns(run, attrs.evolve(self._query, page=page)), limit=PAGE_LIMIT
        )
        return [record for record in found if _metric_type(record) == self._metric_type]

    def _make(self, record: ColumnRecord) -> Key:
        query = ColumnQuery(key=record.key, column_class=record.column_class, column_type=record.column_type)
        return Key(self._handle, self._run, query, record)

    def availability(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """Tell which of these keys the run has, whatever ``search`` narrows the listing to.

        Args:
            keys: The keys.

        Returns:
            ``{"loss": ["k3x9q2ab"], "nothing": []}``.

        Raises:
            RunAtlasError: The keys could not be listed.
            TypeError: They are no list of strings.
            ValueError: There are none.
        """
        wanted = texts(keys, "keys")
        there = {key.key for key in Keys(self._handle, self._run, self._metric_type, ColumnQuery())}
        return {key: [self._run.run_path.run] if key in there else [] for key in wanted}

    def json(self) -> dict[str, Any]:
        """Return ``{"keys", "metricClass", "metricType", "projectId", "runId"}``, as the SwanLab API has it.

        Raises:
            RunAtlasError: A request failed.
        """
        return {
            "keys": list(dict.fromkeys(key.key for key in self)),
            "metricClass": self._query.column_class,
            "metricType": self._metric_type,
            "projectId": self._run.project_id,
            "runId": self._run.run_path.run,
        }

    def _subject(self) -> str:
        return repr(str(self._run.run_path))


def _metric_type(record: ColumnRecord) -> MetricType:
    return "MEDIA" if record.column_type in MEDIA_TYPES else "SCALAR"
