"""Runs as the tables that a question in SQL is asked of."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, Literal

import attrs
from arro3.core import Array, DataType, RecordBatch, Schema
from arro3.core import Field as ArrowField

from runatlas.entities.argument import text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run_table import RunTables, Snapshot
from runatlas.errors import TooMuchWorkError
from runatlas.model import codec
from runatlas.model.filters import And, Comparison, Field, FieldType
from runatlas.model.page import PAGE_LIMIT, each_item
from runatlas.model.run import RunPart, RunRecord, RunSelection
from runatlas.model.run_value import flatten
from runatlas.model.series import PointQuery, ReadFailure, SummaryQuery, SummaryRecord, each_block
from runatlas.response import ApiResponse
from runatlas.tables.metric import make_batch
from runatlas.tables.query import Query, QueryTable, Source

__all__ = ["Queryable", "ask"]

_TEXT, _INT64, _FLOAT64 = DataType.string(), DataType.int64(), DataType.float64()
_MILLISECONDS = DataType.timestamp("ms", tz="UTC")
_RUN = {"project": _TEXT, "run": _TEXT}
_CONFIG = {**_RUN, "key": _TEXT, "value": _TEXT, "number": _FLOAT64}
_SUMMARIES = {**_RUN, "key": _TEXT, "value": _FLOAT64}
_SERIES = {
    **_RUN,
    "key": _TEXT,
    "context": _TEXT,
    "points": _INT64,
    "first_step": _INT64,
    "last_step": _INT64,
    "last": _FLOAT64,
    "min": _FLOAT64,
    "min_step": _INT64,
    "max": _FLOAT64,
    "max_step": _INT64,
    "mean": _FLOAT64,
    "std": _FLOAT64,
}
_POINTS = {
    **_RUN,
    "key": _TEXT,
    "context": _TEXT,
    "step": _INT64,
    "value": _FLOAT64,
    "time": _MILLISECONDS,
    "epoch": _INT64,
}
_KEYED: dict[str, FieldType] = {"config": "CONFIG", "summaries": "SCALAR", "series": "SCALAR", "points": "SCALAR"}
"""Tables that have a column of keys, and of what."""

_UNASKED_MAX = 5_000_000
"""How many points are read of a question that names neither metrics nor runs."""

_BLOCK = 1_000_000
_ASKED_MAX = 10
"""Of how many keys that were not met it is asked what is near."""


class Queryable(RunTables):
    """Runs that questions in SQL can be asked of."""

    _handle: BackendHandle

    @abstractmethod
    def _place(self) -> tuple[str, str | None]:
        """Return the workspace, and the project if all of them are of one."""

    @abstractmethod
    def _read_records(self, parts: Sequence[RunPart], statistics: Sequence[Field]) -> Iterator[RunRecord]:
        """Read the runs with these parts and statistics, a page a request."""

    @abstractmethod
    def _notes_of(self, fields: Sequence[Field]) -> tuple[str, ...]:
        """Ask what of these configs and metrics no run has."""

    def sql(self, query: str) -> ApiResponse[QueryTable]:
        """Ask a question of these runs in SQL, which DuckDB answers here.

        ============= =====================================================================================
        ``runs``      ``project``, ``run`` and all columns of ``table()``: ``"config.lr"``, ``"summary.loss"``
        ``config``    ``project, run, key, value, number``: text, and the number if it is one
        ``summaries`` ``project, run, key, value``: last values
        ``series``    ``project, run, key, context, points, first_step, last_step, last, min, min_step, max,
                      max_step, mean, std``
        ``points``    ``project, run, key, context, step, value, time, epoch``
        ============= =====================================================================================

        A table is read if the question names it, as it is needed, and is not kept. Of ``points`` and ``series`` only
        those metrics and runs are read that it compares with texts (``key = 'loss'``, ``run IN ('a', 'b')``, in
        ``where`` or ``on``); a question of ``points`` that names neither is refused when there are more than five
        million. It is one ``select``, which reaches no file, no network and no variable, and has 2 GB of memory.

        Args:
            query: The question.

        Returns:
            The table; ``failures`` tells what of points could not be read, ``notes`` which keys that it compares with
            no run has. A ``ValidationError`` has DuckDB's sentence
            with the place in the question.

        Raises:
            ImportError: DuckDB is not installed.
            TypeError: ``query`` is no text.

        Example:
            >>> from runatlas import Api, Run
            >>> with Run(repo="./experiments", experiment="asked", config={"lr": 0.1}) as made:
            ...     made.log({"loss": 0.5})
            >>> runs = Api("./experiments").projects(search="asked").first().runs()
            >>> runs.sql("select name, value from runs join points using (run) where key = 'loss'").data.column("value")
            [0.5]
        """
        return ask(lambda: (self,), query)


def ask(scopes: Callable[[], Sequence[Queryable]], query: str) -> ApiResponse[QueryTable]:
    """Ask a question of the runs of several places; see ``Queryable.sql``.

    Args:
        scopes: Tells the runs.
        query: The question.
    """
    asked = text(query, "query")

    def answer() -> QueryTable:
        question = Query(asked)
        tables = _Tables(question, scopes())
        found = question.run(tables.sources())
        found.failures, found.complete = tuple(tables.failures), not tables.failures
        found.notes = tables.notes()
        return found

    return ApiResponse.of(answer)


class _Tables:
    """The tables of a question, read only as far as it asks for them."""

    def __init__(self, query: Query, scopes: Sequence[Queryable]) -> None:
        self._scopes = scopes
        self._texts = {
            (table, column): query.texts_of(table, column) if query.names(table) else None
            for table in _KEYED
            for column in ("key", "run")
        }
        self.failures: list[ReadFailure] = []
        self._found: dict[str, set[str]] = {}
        """Of each table that was read to its end, the keys that there are."""

    def sources(self) -> dict[str, Source | Callable[[], Source]]:
        """Return them by name; ``runs`` is read to know its columns, so it is made only if it is asked for."""
        return {
            "runs": self._runs,
            "config": Source(_schema(_CONFIG), partial(self._rows, "config", _CONFIG, _config_rows)),
            "summaries": Source(_schema(_SUMMARIES), partial(self._rows, "summaries", _SUMMARIES, _summary_rows)),
            "series": Source(_schema(_SERIES), self._series),
            "points": Source(_schema(_POINTS), self._points),
        }

    def notes(self) -> tuple[str, ...]:
        """Say which keys the question compares with that no run has, and what is near; asks only if one was not met."""
        absent = [
            Field(_KEYED[table], key)
            for table, met in self._found.items()
            for key in self._texts[table, "key"] or ()
            if key not in met
        ][:_ASKED_MAX]
        scopes = [scope for scope in self._scopes if _has_runs(scope)] if absent else []
        told = [[scope._notes_of([field]) for scope in scopes] for field in dict.fromkeys(absent)]  # noqa: SLF001
        return tuple(max(chain(*said), key=len) for said in told if said and all(said))

    def _runs(self) -> Source:
        snapshot = Snapshot(record for scope in self._scopes for record in scope._whole_records())  # noqa: SLF001
        batches = lambda: map(_with_project, snapshot.batches())  # noqa: E731 - read later
        return Source(_with_project(snapshot.empty()).schema, batches)

    def _rows(
        self,
        table: Literal["config", "summaries"],
        kinds: dict[str, DataType],
        make: Callable[[RunRecord], Iterator[tuple[Any, ...]]],
    ) -> Iterator[RecordBatch]:
        part: RunPart = "config" if table == "config" else "summary"
        met: set[str] = set()
        for scope in self._scopes:
            records = scope._read_records((part,), ())  # noqa: SLF001 - its own class
            while page := list(islice(records, PAGE_LIMIT)):
                rows = [(_project(one), one.id, *row) for one in page for row in make(one)]
                met.update(row[2] for row in rows)
                yield _batch(kinds, rows)
        self._found[table] = met

    def _series(self) -> Iterator[RecordBatch]:
        met: set[str] = set()
        for scope in self._scopes:
            summaries = self._summaries(scope, "series")
            names = _names(scope)
            while page := list(islice(summaries, PAGE_LIMIT)):
                met.update(one.key for one in page)
                yield _batch(_SERIES, (_series_row(names[one.run], one) for one in page if one.run in names))
        self._found["series"] = met

    def _summaries(self, scope: Queryable, table: str) -> Iterator[SummaryRecord]:
        selection, keys = self._selection(scope, table), self._texts[table, "key"]
        read = scope._handle.backend.read_summaries  # noqa: SLF001 - its own class
        return each_item(lambda page: read(SummaryQuery(selection, keys, median=False, page=page)))

    def _points(self) -> Iterator[RecordBatch]:
        keys = self._texts["points", "key"]
        if keys is None and self._texts["points", "run"] is None:
            self._refuse_many()
        met: set[str] = set()
        for scope in self._scopes:
            workspace, project = scope._place()  # noqa: SLF001 - its own class
            names = _names(scope) if project is None else {}
            home = f"{workspace}/{project or ''}"
            query = PointQuery(self._selection(scope, "points"), keys, point_limit=_BLOCK)
            for block in each_block(scope._handle.backend.read_points, query):  # noqa: SLF001 - its own class
                self.failures += block.failures
                met.update(one.key for one in block.series)
                self.failures += [ReadFailure(run, "", "there is no such run") for run in block.missing]
                runs = ((cuid, run, names.get(cuid, (home, ""))[0]) for cuid, run, _ in block.runs)
                rows = make_batch(attrs.evolve(block, runs=tuple(runs)), _POINT_COLUMNS)
                yield RecordBatch.from_pydict(dict(zip(_POINTS, rows.columns, strict=True)))
        self._found["points"] = met

    def _refuse_many(self) -> None:
        """Refuse to read all points of all runs, if they are many: who wants them says so."""
        counts = (one.count or 0 for scope in self._scopes for one in self._summaries(scope, "points"))
        if (total := sum(counts)) > _UNASKED_MAX:
            raise TooMuchWorkError(
                f"sql: that would read {total:,} points; say which metrics or runs by comparing points.key or "
                "points.run with texts, as in: where key = 'loss'"
            )

    def _selection(self, scope: Queryable, table: str) -> RunSelection:
        selection, runs = scope.selection(), self._texts[table, "run"]
        if runs is None:
            return selection
        named = Comparison(Field("STABLE", "id"), "IN", runs)
        return attrs.evolve(selection, filter=named if selection.filter is None else And((selection.filter, named)))


_POINT_COLUMNS = ("name", "run", "key", "context", "step", "value", "timestamp", "epoch")
"""Those of points that make the table; the project stands where runs have their names."""


def _has_runs(scope: Queryable) -> bool:
    return next(scope._read_records((), ()), None) is not None  # noqa: SLF001 - its own class


def _names(scope: Queryable) -> dict[str, tuple[str, str]]:
    """Return the project and the id of each run, by its cuid."""
    return {one.cuid: (_project(one), one.id) for one in scope._read_records((), ())}  # noqa: SLF001 - its own class


def _project(record: RunRecord) -> str:
    return f"{record.workspace}/{record.project}"


def _config_rows(record: RunRecord) -> Iterator[tuple[Any, ...]]:
    for key, value in flatten(record.config or {}):
        yield key, value if isinstance(value, str) else codec.dumps(value), _number(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number beyond the range of doubles
        return None


def _summary_rows(record: RunRecord) -> Iterator[tuple[Any, ...]]:
    return iter((record.summary or {}).items())


def _series_row(name: tuple[str, str], one: SummaryRecord) -> tuple[Any, ...]:
    least, most = ((None, None) if found is None else (found.value, found.step) for found in (one.min, one.max))
    facts = (one.count, one.first_step, one.last_step, one.latest.value, *least, *most, one.avg, one.std)
    return (*name, one.key, codec.context_text(one.context), *facts)


def _batch(kinds: dict[str, DataType], rows: Iterable[tuple[Any, ...]]) -> RecordBatch:
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    held = zip(kinds.items(), columns, strict=True)
    return RecordBatch.from_pydict({name: Array(list(values), kind) for (name, kind), values in held})


def _schema(kinds: dict[str, DataType]) -> Schema:
    return Schema([ArrowField(name, kind) for name, kind in kinds.items()])


def _with_project(batch: RecordBatch) -> RecordBatch:
    paths = batch["path"].to_pylist()
    project = Array([path.rpartition("/")[0] for path in paths], _TEXT)
    return RecordBatch.from_pydict({"project": project, **{name: batch[name] for name in batch.column_names}})
