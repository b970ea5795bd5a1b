"""Many runs of a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal, Unpack, overload

import attrs

from runatlas.display.markup import Html, heading, joined, note
from runatlas.entities import data_cut, run_plot, transfer
from runatlas.entities.argument import boolean, integer, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.change import Change, Changes, make_changes, noted
from runatlas.entities.collection import PAGE_SIZE, Collection, Window
from runatlas.entities.deletion import Deletion, DeletionPlan, delete
from runatlas.entities.metric_reading import make_metric_request, note_absent, read_metrics
from runatlas.entities.run import Run
from runatlas.entities.run_algebra import How, always, filter_fields, merged_query
from runatlas.entities.run_display import metric_units, show_runs
from runatlas.entities.run_groups import RunGroups
from runatlas.entities.run_patch import RunChanges, make_run_patch
from runatlas.entities.run_plot import RunPlots
from runatlas.entities.run_query import make_groups, query_texts, select_ids
from runatlas.entities.run_report import RunReports
from runatlas.entities.run_sql import Queryable
from runatlas.entities.update import Update, UpdatePlan
from runatlas.model.change import UpdateRecord
from runatlas.model.filters import Field, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PAGE_LIMIT, Page, PageRequest, following
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.run import RUN_PARTS, RunPart, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.run_check import SORTS_MAX, STATISTICS_MAX
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable, make_metric_table
from runatlas.tables.run import RunTable

__all__ = ["Experiments", "Runs"]


class Runs(Queryable, Collection[Run, RunRecord], RunPlots, RunReports):
    """Runs of a project: filtered, ordered, grouped; each listed with its config and last values.

    A slice of them, what is in one listing and not in another (``runs - other``), in both (``runs & other``) or in
    either (``runs | other``) are ``Runs`` again, so that all that follows can be done with what is in hand.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        query: Which runs, in which order, with what.

    Attributes:
        cursor: What ``page(after=…)`` takes to go on behind the runs of a page; ``None`` if none follow, and for runs
            that are not a page.
    """

    _repeats = False  # the backend lists runs by keyset: each once, also while runs come and go

    copy = transfer.copy
    delete_artifacts = data_cut.delete_artifacts
    delete_media = data_cut.delete_media
    delete_metrics = data_cut.delete_metrics
    move = transfer.move
    plot = run_plot.plot
    rename_metric = transfer.rename_metric
    rewind = data_cut.rewind
    thin = data_cut.thin

    def __init__(self, handle: BackendHandle, window: Window, query: RunQuery | _Combination) -> None:
        super().__init__(handle, window)
        self._given = query
        self.cursor: str | None = None

    @property
    def _query(self) -> RunQuery:
        """Which runs; those of two listings together are settled when they are first needed."""
        given = self._given
        if isinstance(given, RunQuery):
            return given
        if given.settled is None:
            given.settled, given.unknown = self._settle(given.how, given.left, given.right)
        return given.settled

    def _settle(self, how: How, left: Runs, right: Runs) -> tuple[RunQuery, tuple[str, ...]]:
        """Work out what two listings come to, by the ids that they have now.

        Ids that are no run's stay among them, and what either listing asks stays in the filter: a deletion or a change
        of these runs is told, and stopped by, what is mistyped in any of them.
        """
        first, second = (dict.fromkeys(ids or ()) for ids in (left._frozen().ids, right._frozen().ids))
        both = first | second if how == "|" else [cuid for cuid in first if (cuid in second) == (how == "&")]
        unknown = tuple(dict.fromkeys((*left._unknown(), *right._unknown())))
        asked = always(*left._asked(), *right._asked())
        selection = RunSelection(*self._place(), ids=(*both, *unknown), filter=asked)
        return attrs.evolve(left._query, selection=selection), unknown

    def _unknown(self) -> tuple[str, ...]:
        """Return the ids that were given and are no run's."""
        given = self._given
        named = self._query.selection.ids
        if isinstance(given, _Combination):
            return given.unknown
        if not named:
            return ()
        listed = RunQuery(attrs.evolve(given.selection, filter=None, search=None), parts=())
        there = {name for run in Runs(self._handle, Window(), listed) for name in (run.record.id, run.record.cuid)}
        return tuple(name for name in named if name not in there)

    def _asked(self) -> Iterator[Field]:
        """Yield the configs and metrics that decide which runs these are."""
        query = self._query
        if query.selection.filter is not None:
            yield from filter_fields(query.selection.filter)
        if not self._window.is_all:
            yield from (sort.field for sort in query.sorts)
            yield from query.groups

    def _place(self) -> tuple[str, str | None]:
        """The workspace, and the project if all of them are of one."""
        given = self._given
        return (given.selection.workspace, given.selection.project) if isinstance(given, RunQuery) else given.place

    def _scope(self) -> str:
        workspace, project = self._place()
        return workspace if project is None else f"{workspace}/{project}"

    def _read(self, page: PageRequest) -> Page[RunRecord]:
        return self._handle.backend.list_runs(attrs.evolve(self._query, page=page))

    def _make(self, record: RunRecord) -> Run:
        return Run(self._handle, record=record)

    def _make_all(self, records: Iterable[RunRecord]) -> tuple[Run, ...]:
        return tuple(map(partial(Run, self._handle, None), records))

    def _count(self) -> int:
        return self._handle.backend.count_runs(self._query.selection)

    def _subject(self) -> str:
        return repr(self._scope())

    def _show(self) -> Html:
        given = self._given
        told = query_texts(given) if isinstance(given, RunQuery) else ()
        further = note("its cursor goes on: page(after=…)") if self.cursor else None
        return joined(heading(repr(self), *told), self._first_shown(), further)

    def _cost(self) -> str:
        is_open = isinstance(self._given, _Combination) and self._given.settled is None
        return "worked out of two listings" if is_open else super()._cost()

    def _items_shown(self, items: Sequence[Run]) -> Html:
        return show_runs([run.record for run in items], [*self._asked(), *(sort.field for sort in self._query.sorts)])

    def _carrying(self, *parts: RunPart) -> Runs:
        """Return the same listing with these parts; itself if it carries them."""
        if set(parts) <= set(self._query.parts):
            return self
        return Runs(self._handle, self._window, attrs.evolve(self._query, parts=parts))

    def _whole_records(self) -> Iterator[RunRecord]:
        return (run.record for run in self._carrying("config", "summary"))

    def _read_records(
        self, parts: Sequence[RunPart], statistics: Sequence[Field], config_keys: Sequence[str] | None = None
    ) -> Iterator[RunRecord]:
        names = None if config_keys is None or len(config_keys) > STATISTICS_MAX else tuple(config_keys)
        query = attrs.evolve(self._query, parts=tuple(parts), statistics=tuple(statistics), config_keys=names)
        return (run.record for run in Runs(self._handle, self._window, query))

    def _table(self) -> RunTable:
        workspace, project = self._place()
        home = None if project is None else ProjectPath(workspace, project)
        return RunTable(self._whole_records(), ask_units=partial(metric_units, self._handle, home))

    def _notes_of(self, fields: Sequence[Field]) -> tuple[str, ...]:
        sorts = tuple(Sort(field, "ASC") for field in fields[:SORTS_MAX])
        query = attrs.evolve(self._query, sorts=sorts, groups=(), parts=())
        return Runs(self._handle, Window(bound=1), query).notes

    def _sorts(self) -> tuple[Sort, ...]:
        return self._query.sorts

    def _first_of(self, selection: RunSelection, sorts: Sequence[Sort], n: int | None) -> Runs:
        return Runs(self._handle, Window(bound=n), RunQuery(selection, sorts=tuple(sorts), parts=self._query.parts))

    def _whole_items(self) -> Sequence[Run]:
        known, is_all = self._memory
        if is_all and all(run.is_whole for run in known):
            return known
        return list(self._carrying(*RUN_PARTS))

    def selection(self) -> RunSelection:
        """Return these runs as a selection; a part of a listing is settled by the ids it has now.

        Raises:
            RunAtlasError: The ids were needed and could not be listed.
        """
        return self._query.selection if self._window.is_all else self._frozen()

    def _frozen(self) -> RunSelection:
        whole = self._query.selection
        known, is_all = self._memory
        runs = known if is_all else Runs(self._handle, self._window, attrs.evolve(self._query, parts=()))
        return RunSelection(whole.workspace, whole.project, ids=tuple(run.cuid for run in runs))

    def _forget(self) -> None:
        super()._forget()
        self._snapshot = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_snapshot"}

    def _selected(self) -> RunSelection:
        return self.selection()

    def _at_most(self, limit: int, most: int | None) -> tuple[Runs, str]:
        bound, ids = self._window.bound, self._query.selection.ids
        if any(known is not None and known <= limit for known in (bound, most, None if ids is None else len(ids))):
            return self, ""
        total = self._window.length(self.total)
        if total <= limit:
            return self, ""
        return self[:limit], f"the first {limit:,} of {total:,} runs are drawn; limit= takes more"

    def _cut_of(self) -> RunSelection:
        """Return these runs as a deletion names them: with what was asked, so that a mistyped key in it is told."""
        asked = self._query.selection.filter if self._window.is_all else always(*self._asked())
        return attrs.evolve(self.selection(), filter=asked)

    # -- some of them, and those of two listings -----------------------------------------------------------------

    @overload  # type: ignore[override]
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> Runs: ...
    def __getitem__(self, index: int | slice) -> Run | Runs:
        if not isinstance(index, slice):
            return super().__getitem__(index)
        start, stop = index.start or 0, index.stop
        if index.step not in {None, 1} or start < 0 or (stop is not None and stop < 0):
            return self._listed(self._slice(index))
        part = Runs(self._handle, self._window.part(start, stop), self._given)
        known, is_all = self._memory
        if is_all or (stop is not None and stop <= len(known)):
            part._hold(known[start:stop])
        return part

    def _listed(self, runs: Sequence[Run]) -> Runs:
        selection = RunSelection(*self._place(), ids=tuple(run.cuid for run in runs))
        found = Runs(self._handle, Window(), attrs.evolve(self._query, selection=selection))
        found._hold(runs)
        return found

    def page(self, size: int = PAGE_SIZE, after: str | None = None) -> Runs:
        """Return the runs that follow the ``cursor`` of another page, with one request.

        A cursor stays good: in another process, after runs were added or deleted, and for as long as the project has
        its name. From page to page no run comes twice and none is left out, unless it was changed meanwhile in what
        they are ordered by. Pages by number (``page=`` of the listing) cannot promise that.

        Args:
            size: How many runs at the most, 1 to 1000.
            after: The ``cursor`` of the page before, of the same filter and order; ``None`` for the first page.

        Returns:
            The runs, loaded, to which everything can be done that can be done to runs.

        Raises:
            RunAtlasError: They could not be listed; a ``ValidationError`` if ``after`` is of another listing.
            TypeError: An argument has another type.
            ValueError: ``size`` is out of bounds, or these are a part of a listing.

        Example:
            >>> from runatlas import Api, Run
            >>> for number in range(3):
            ...     with Run(repo="./experiments", experiment="pages") as made:
            ...         pass
            >>> runs = Api("./experiments").projects(search="pages").first().runs()
            >>> page = runs.page(2)
            >>> len(page), len(runs.page(2, after=page.cursor)), runs.page(3).cursor
            (2, 1, None)
        """
        if not self._window.is_all:
            raise ValueError("page: these runs are a part of a listing; ask the whole listing for its pages")
        asked = PageRequest(
            integer(size, "size", least=1, most=PAGE_LIMIT), None if after is None else text(after, "after")
        )
        page = self._read(asked)
        found = self._listed([self._make(record) for record in page.items])
        found.cursor = following(after, page.next_cursor)
        return found

    def __sub__(self, other: Runs | Sequence[str | Run]) -> Runs:
        return self._combined("-", other)

    def __and__(self, other: Runs | Sequence[str | Run]) -> Runs:
        return self._combined("&", other)

    def __or__(self, other: Runs | Sequence[str | Run]) -> Runs:
        return self._combined("|", other)

    def _combined(self, how: How, other: Runs | Sequence[str | Run]) -> Runs:
        workspace, project = self._place()
        if not isinstance(other, Runs):
            if isinstance(other, str) or not isinstance(other, Sequence) or project is None:
                return NotImplemented  # type: ignore[no-any-return]
            other = Runs(self._handle, Window(), RunQuery(select_ids(ProjectPath(workspace, project), other, "other")))
        if other._place()[0] != workspace:
            raise ValueError(f"other: {other._scope()} is not of the workspace {workspace}")
        place = (workspace, None if how == "|" and other._place()[1] != project else project)
        left, right = self._given, other._given
        merged: RunQuery | None = None
        is_whole = self._window.is_all and other._window.is_all and self._place() == other._place()
        if is_whole and isinstance(left, RunQuery) and isinstance(right, RunQuery):
            merged = merged_query(how, left, right)
        return Runs(self._handle, Window(), merged or _Combination(how, self, other, place))

    # -- groups and points --------------------------------------------------------------------------------------

    def groups(self, *fields: str) -> RunGroups[Runs]:
        """Group the runs by equal values, which the store counts: ``groups["resnet", 0.1]`` are ``Runs``.

        Args:
            *fields: Fields as filters name them, such as ``"config.lr"``; those of ``groups=`` if none are given.

        Returns:
            The groups, which are counted when they are first needed. Iterating yields the values of the fields,
            ``None`` where a run has none, and the runs that have them.

        Raises:
            TypeError: A field is no text.
            ValueError: No field is given, or one cannot be understood.
        """
        wanted = make_groups([text(field, "fields") for field in fields]) if fields else self._query.groups
        if not wanted:
            raise ValueError("fields: name at least one field to group by, such as 'config.lr'")
        return RunGroups(wanted, self._handle, self._ungrouped, partial(Runs, self._handle, Window()))

    def _ungrouped(self) -> RunQuery:
        return attrs.evolve(self._query, selection=self.selection(), groups=())

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
    ) -> ApiResponse[MetricTable[tuple[str, str]]]:
        """Read scalar metrics of all these runs, in as many requests as there are blocks of four million points.

        Args:
            keys: Metric keys; ``None`` for every scalar one.
            sample: Points a series at the most, up to 1500. Ignored with ``all`` or ``range_query``.
            all: Whether every point is wanted.
            range_query: A range of each series.
            ignore_timestamp: Whether times are to be left out.
            context: Only series of this context; ``{}`` for those without; ``None`` for every one.
            x_axis: What each point says beside, as its ``index``; see ``Run.metrics``.

        Returns:
            Series by run id and key: ``table["k3x9q2ab", "loss"]``.

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

        def read() -> MetricTable[tuple[str, str]]:
            reading = read_metrics(self._handle, self.selection(), request, project_id=self._project_id)
            return make_metric_table(note_absent(reading, self._notes_of))

        return ApiResponse.of(read)

    def _project_id(self) -> str:
        run = self.first()
        return "" if run is None else run.project_id

    # -- changes ------------------------------------------------------------------------------------------------

    @overload
    def update(self, *, commit: Literal[True] = True, **changes: Unpack[RunChanges]) -> ApiResponse[Update]: ...
    @overload
    def update(self, *, commit: Literal[False], **changes: Unpack[RunChanges]) -> ApiResponse[UpdatePlan]: ...
    @overload
    def update(
        self, *, commit: bool, **changes: Unpack[RunChanges]
    ) -> ApiResponse[Update] | ApiResponse[UpdatePlan]: ...
    def update(
        self, *, commit: bool = True, **changes: Unpack[RunChanges]
    ) -> ApiResponse[Update] | ApiResponse[UpdatePlan]:
        """Change all these runs: their ids are settled first, then all are changed, or none.

        A ``ConflictError`` changes nothing where ``labels`` would replace different labels of several runs;
        ``labels_added`` and ``labels_removed`` keep the others, and ``replace_labels=True`` says that it is meant.

        Args:
            commit: Whether to change them; else it is told what that would do.
            **changes: What ``Run.update`` takes.

        Returns:
            Which runs were changed, and ``undo()`` takes it back; or the plan, with ``apply()``.

        Raises:
            TypeError: There is no such field, or it has another type.
            ValueError: Nothing is to be changed, or a value is out of bounds.
        """
        patch = make_run_patch(changes)
        if not boolean(commit, "commit"):
            return ApiResponse.of(lambda: self._plan_update(patch))
        return noted(self._handle, lambda: self._update(patch))

    def _plan_update(self, patch: RunPatch) -> UpdatePlan:
        return UpdatePlan(self._handle, self._handle.backend.plan_update(self._cut_of(), patch), self._forget)

    def _update(self, patch: RunPatch) -> tuple[Update, str]:
        named = self._query.selection
        chosen = self._frozen()
        # Ids that were given and are none of a run's stop a change, as they stop a deletion.
        is_listed = named.filter is None or isinstance(self._given, _Combination)
        is_named = bool(named.ids) and is_listed and named.search is None and self._window.is_all
        wanted = named if is_named else chosen
        notes = self.notes if named.filter is not None else ()
        done = self._handle.backend.update_runs(wanted, patch) if wanted.ids else UpdateRecord(0)
        self._forget()
        change = Change(self._handle, done.change_id) if done.change_id else None
        return Update(chosen.ids or (), done.updated, change=change, notes=notes), done.change_id

    def audit(
        self,
        *,
        by: str | None = None,
        kind: str | None = None,
        since: datetime | str | None = None,
        limit: int | None = None,
    ) -> Changes:
        """List what was changed of these runs, newest first; see ``Run.audit``.

        Args:
            by: Only what that user did.
            kind: Only changes of that kind.
            since: Only what was done from then on: a time, ISO 8601 text, or how long ago, such as ``7d``.
            limit: How many at the most.

        Returns:
            The changes that reached one of these runs, as they are chosen when the first is asked for.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds or unknown.
        """
        return make_changes(
            self._handle, self._scope, by=by, kind=kind, since=since, limit=limit, runs=lambda: self._frozen().ids or ()
        )

    def protect(self, reason: str = "") -> ApiResponse[Update]:
        """Keep all these runs from being deleted, through any door, until they are unprotected.

        Args:
            reason: Why; a refused deletion says it.

        Returns:
            Which runs were protected.

        Raises:
            TypeError: ``reason`` is no text.
        """
        return self.update(protected=True, protected_reason=reason)

    def unprotect(self) -> ApiResponse[Update]:
        """Let all these runs be deleted again.

        Returns:
            Which runs were meant.
        """
        return self.update(protected=False)

    @overload
    def delete(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def delete(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete all these runs but guarded ones, or tell what that would take.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also runs that are pinned, a baseline, running and alive, or that a model version in
                staging or production came from; never those that are protected.

        Returns:
            The plan, with ``apply()``; or what was deleted, with ``restore()``; either tells what is ``kept``.

        Raises:
            TypeError: ``commit`` or ``force`` is no boolean.
        """
        answer = delete(self._handle, self._cut_of, commit=commit, force=force)
        if commit:
            self._forget()
        return answer


@attrs.define(eq=False)
class _Combination:
    """Two listings, and what is wanted of them; which runs these are is settled when it is first needed."""

    how: How
    left: Runs
    right: Runs
    place: tuple[str, str | None]
    settled: RunQuery | None = None
    unknown: tuple[str, ...] = ()


Experiments = Runs
"""The SwanLab API's other name for runs."""
