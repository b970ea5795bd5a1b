"""``Repo``: a whole store at once, as matyan's client has it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, overload

from runatlas.backends.contract import Backend
from runatlas.compat.deletion import delete_experiment, delete_runs
from runatlas.compat.matyanql.query import MatyanQuery, parse_matyan
from runatlas.compat.sequence import (
    describe_run,
    list_candidates,
    list_runs,
    read_metric_sequences,
    read_object_sequences,
)
from runatlas.entities.backend_handle import BackendHandle
from runatlas.errors import NotFoundError, RunAtlasError
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import validate_run_id, validate_workspace_name
from runatlas.model.run import RunRecord, RunSelection
from runatlas.settings import resolve
from runatlas.tracking.opening import find_run
from runatlas.tracking.overview import (
    SEQUENCE_TYPES,
    check_sequence_types,
    list_columns,
    metric_traces,
    object_traces,
    read_summaries,
)
from runatlas.tracking.run import Run
from runatlas.tracking.target import documented_location, opener_of

__all__ = ["Repo"]

_log = logging.getLogger("runatlas")

_PAGE = 50
_ACTIVE = Comparison(Field("STABLE", "state"), "EQ", "RUNNING")
_PAGE_OF_SUMMARIES = 200


class Repo:
    """All runs of a workspace, over a server or a directory.

    Queries are MatyanQL, one Python expression: ``run.hparams.lr < 0.01 and metric.name.startswith('loss')``. What is
    not part of the language is an error that points at the place; nothing is ever executed, and what a query costs is
    bounded. Archived runs are left out unless a query compares ``run.archived``.

    Args:
        url: A server's URL or a directory; ``MATYAN_BACKEND_URL`` or what ``Api()`` would take if left out.
        workspace: Whose runs; the caller's own if left out.
        api_key: A key for the server.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is not usable.

    Example:
        >>> from runatlas import Run
        >>> with Run(repo="./experiments", experiment="baseline") as run:
        ...     run.track(0.5, name="loss")
        >>> Repo("./experiments").total_runs_count()
        1
    """

    def __init__(self, url: Any = None, *, workspace: str | None = None, api_key: str | None = None) -> None:
        settings = resolve(url if url is not None else documented_location(), key=api_key)
        self._handle = BackendHandle(opener_of(settings, purpose="read"))
        self._is_remote = settings.host is not None
        self._workspace = None if workspace is None else validate_workspace_name(workspace, argument="workspace")

    # -- what it is ---------------------------------------------------------------------------------------------

    @classmethod
    def default_repo(cls) -> Self:
        """Return the repo that is used where no place is named."""
        return cls()

    @classmethod
    def from_path(cls, path: Any) -> Self:
        """Return the repo of a URL or a directory.

        Args:
            path: A server's URL or a directory.
        """
        return cls(path)

    @staticmethod
    def is_remote_path(path: str) -> bool:
        """Whether a place is a server.

        Args:
            path: A URL or a directory.

        Example:
            >>> Repo.is_remote_path("http://127.0.0.1:5170"), Repo.is_remote_path("./experiments")
            (True, False)
        """
        return str(path).startswith(("http://", "https://"))

    @staticmethod
    def available_sequence_types() -> list[str]:
        """Return the kinds of sequences that can be asked for."""
        return list(SEQUENCE_TYPES)

    @property
    def is_remote_repo(self) -> bool:
        """Whether the runs are on a server."""
        return self._is_remote

    @property
    def location(self) -> str:
        """Where the runs are: a URL or an absolute directory; no request."""
        return self._handle.location

    def close(self) -> None:
        """Release connections and files; a second call does nothing."""
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Repo(url={self.location!r})"

    # -- runs ---------------------------------------------------------------------------------------------------

    def get_run(self, run_hash: str) -> Run | None:
        """Return a run, read-only.

        Args:
            run_hash: Its id.

        Returns:
            The run; ``None`` if there is no such run.

        Raises:
            ValueError: It cannot be an id.
            RunAtlasError: The store cannot be asked.
        """
        record = find_run(self._backend, self._workspace, validate_run_id(run_hash, argument="run_hash"))
        return None if record is None else Run.reading(self._handle, record)

    def run_exists(self, run_hash: str) -> bool:
        """Whether there is a run.

        Args:
            run_hash: Its id.
        """
        return self.get_run(run_hash) is not None

    def iter_runs(self) -> Iterator[dict[str, Any]]:
        """Iterate over all runs.

        Returns:
            ``{"hash", "params", "props"}`` of each.
        """
        for record in list_runs(self._backend, self._selection()):
            yield describe_run(record)

    def list_all_runs(self) -> list[str]:
        """Return the ids of all runs."""
        return [record.id for record in list_runs(self._backend, self._selection(), ())]

    def list_active_runs(self) -> list[str]:
        """Return the ids of the runs that are active."""
        return [record.id for record in list_runs(self._backend, self._selection(_ACTIVE), ())]

    def total_runs_count(self) -> int:
        """Return how many runs there are."""
        return self._backend.count_runs(self._selection())

    # -- queries ------------------------------------------------------------------------------------------------

    @overload
    def query_runs(
        self, query: str = "", paginated: Literal[False] = False, offset: str | None = None, limit: int = _PAGE
    ) -> list[dict[str, Any]]: ...
    @overload
    def query_runs(
        self, query: str, paginated: Literal[True], offset: str | None = None, limit: int = _PAGE
    ) -> Iterator[list[dict[str, Any]]]: ...
    @overload
    def query_runs(
        self, query: str = "", *, paginated: Literal[True], offset: str | None = None, limit: int = _PAGE
    ) -> Iterator[list[dict[str, Any]]]: ...
    def query_runs(
        self, query: str = "", paginated: bool = False, offset: str | None = None, limit: int = _PAGE
    ) -> list[dict[str, Any]] | Iterator[list[dict[str, Any]]]:
        """Return the runs that match a query, the newest first.

        Args:
            query: Empty for all runs that are not archived.
            paginated: Whether they are wanted page by page.
            offset: The id of a run among them to start after.
            limit: How many runs a page has.

        Returns:
            ``{"hash", "params", "props", "traces": {"metric": [...]}}`` of each; an iterator of lists if paginated.

        Raises:
            ValueError: The query cannot be read, or ``limit`` is below 1.
            NotFoundError: No run among them has the id ``offset``.
        """
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise ValueError(f"limit: expected a whole number from 1 up, got {limit!r}")
        pages = self._pages(parse_matyan(query), offset, limit if paginated else _PAGE_OF_SUMMARIES)
        return pages if paginated else [item for page in pages for item in page]

    def query_metrics(self, query: str = "", *, sample: int | None = None) -> list[dict[str, Any]]:
        """Return the metrics that match a query, with their values.

        Args:
            query: Empty for all metrics of all runs.
            sample: Points a metric at the most, the first, last, smallest and largest always kept; ``None`` for all.

        Returns:
            For each run that has some: ``{"hash", "params", "props", "traces"}``, a trace being ``{"name", "context",
            "values", "iters", "epochs", "timestamps", ...}``.

        Raises:
            ValueError: The query cannot be read.
        """
        if sample is not None and (isinstance(sample, bool) or not isinstance(sample, int) or sample < 1):
            raise ValueError(f"sample: expected a whole number from 1 up, got {sample!r}")
        parsed = parse_matyan(query, sequence="metric")
        return list(read_metric_sequences(self._backend, self._selection(parsed.runs), parsed, sample))

    def query_images(self, query: str = "") -> list[dict[str, Any]]:
        """Return the image sequences that match a query; ``blob_uri`` of a value is a link to it.

        Args:
            query: Empty for all; ``images.name``, ``images.context`` and ``run`` can be asked for.
        """
        return self._query_objects("images", query)

    def query_audios(self, query: str = "") -> list[dict[str, Any]]:
        """Return the audio sequences that match a query; ``blob_uri`` of a value is a link to it.

        Args:
            query: Empty for all; ``audios.name``, ``audios.context`` and ``run`` can be asked for.
        """
        return self._query_objects("audios", query)

    def query_figure_objects(self, query: str = "") -> list[dict[str, Any]]:
        """Return the figure sequences that match a query.

        Args:
            query: Empty for all; ``figures.name``, ``figures.context`` and ``run`` can be asked for.
        """
        return self._query_objects("figures", query)

    def query_distributions(self, query: str = "") -> list[dict[str, Any]]:
        """Return the distribution sequences that match a query.

        Args:
            query: Empty for all; ``distributions.name``, ``distributions.context`` and ``run`` can be asked for.
        """
        return self._query_objects("distributions", query)

    def query_texts(self, query: str = "") -> list[dict[str, Any]]:
        """Return the text sequences that match a query.

        Args:
            query: Empty for all; ``texts.name``, ``texts.context`` and ``run`` can be asked for.
        """
        return self._query_objects("texts", query)

    # -- overviews ----------------------------------------------------------------------------------------------

    def collect_params_info(self) -> dict[str, dict[str, Any]]:
        """Return the params of every run, by id."""
        return {record.id: dict(record.config or {}) for record in list_runs(self._backend, self._selection())}

    def collect_sequence_info(
        self, sequence_types: str | tuple[str, ...] = ("metric",)
    ) -> dict[str, dict[str, list[dict[str, Any]]]]:
        """Return overviews of what every run tracked, by id and kind.

        Args:
            sequence_types: Of ``available_sequence_types()``.

        Raises:
            ValueError: There is no such kind.
        """
        kinds = check_sequence_types(sequence_types)
        backend = self._backend
        records = {record.cuid: record for record in list_runs(backend, self._selection(), ())}
        found: dict[str, dict[str, list[dict[str, Any]]]] = {
            record.id: {kind: [] for kind in kinds} for record in records.values()
        }
        if "metric" in kinds:
            for item in read_summaries(backend, self._selection()):
                if item.run in records:
                    found[records[item.run].id]["metric"] += metric_traces([item])
        for kind in kinds:
            if kind != "metric":
                for record in records.values():
                    found[record.id][kind] = object_traces(list_columns(backend, record.path), kind)
        return found

    # -- deletion -----------------------------------------------------------------------------------------------

    def delete_run(self, run_hash: str) -> bool:
        """Move a run to the trash.

        Args:
            run_hash: Its id.

        Returns:
            Whether it is there now; what went wrong is logged.
        """
        return self.delete_runs([run_hash])[0]

    def delete_runs(self, run_hashes: Iterable[str]) -> tuple[bool, list[str]]:
        """Move runs to the trash, all that are there in one step.

        Args:
            run_hashes: Their ids.

        Returns:
            Whether all of them are there now, and the ids of those that are not.
        """
        if isinstance(run_hashes, str):
            raise TypeError("run_hashes: expected a list of ids, got a string")
        asked = list(dict.fromkeys(validate_run_id(item, argument="run_hashes") for item in run_hashes))
        try:
            missing = delete_runs(self._backend, self._selection().workspace, asked)
        except RunAtlasError as error:
            _log.warning("runatlas: runs could not be deleted: %s", error.message)
            missing = asked
        return not missing, missing

    def delete_experiment(self, exp_id: str) -> bool:
        """Move an experiment, which is a project, with all its runs to the trash.

        Args:
            exp_id: Its name or the store's id of it.

        Returns:
            Whether it is there now; what went wrong is logged.
        """
        if not isinstance(exp_id, str):
            raise TypeError(f"exp_id: expected the name or id of an experiment, got {type(exp_id).__name__}")
        try:
            delete_experiment(self._backend, self._selection().workspace, exp_id)
        except RunAtlasError as error:
            _log.warning("runatlas: experiment %s could not be deleted: %s", exp_id, error.message)
            return False
        return True

    @property
    def _backend(self) -> Backend:
        return self._handle.backend

    def _selection(self, condition: Any = None) -> RunSelection:
        if self._workspace is None:
            self._workspace = self._backend.get_workspace().username
        return RunSelection(self._workspace, filter=condition)

    def _pages(self, query: MatyanQuery, offset: str | None, size: int) -> Iterator[list[dict[str, Any]]]:
        candidates = list_candidates(self._backend, self._selection(query.runs), query)
        found = (run.record for part in candidates for run in part.values() if query.matches(run))
        if offset is not None and not any(record.id == offset for record in found):
            raise NotFoundError(f"offset: no run that the query holds for has the id {offset!r}")
        while page := list(islice(found, size)):
            yield self._describe(page)

    def _describe(self, records: list[RunRecord]) -> list[dict[str, Any]]:
        traces: dict[str, list[dict[str, Any]]] = {record.cuid: [] for record in records}
        selection = RunSelection(self._selection().workspace, ids=tuple(traces))
        for item in read_summaries(self._backend, selection):
            traces[item.run] += metric_traces([item])
        return [describe_run(record) | {"traces": {"metric": traces[record.cuid]}} for record in records]

    def _query_objects(self, kind: str, query: str) -> list[dict[str, Any]]:
        parsed = parse_matyan(query, sequence=kind)
        return list(read_object_sequences(self._backend, self._selection(parsed.runs), parsed, kind))
