"""Projects: a collection of runs each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

import attrs

from runatlas.display.markup import Html, facts, failure, heading, joined, when
from runatlas.display.shown import shown
from runatlas.entities import change
from runatlas.entities.argument import choice, optional_text, text, texts
from runatlas.entities.change import noted
from runatlas.entities.cleaning import Cleanable, PolicyFields, Scope
from runatlas.entities.collection import make_window
from runatlas.entities.deletion import Deletion, DeletionPlan, delete
from runatlas.entities.folder import Folders
from runatlas.entities.held_policy import Evaluations, HeldPolicies, HeldPolicy, hold_policy
from runatlas.entities.project_fields import ProjectFields
from runatlas.entities.run import Run
from runatlas.entities.run_choice import RunChoice, choose_runs
from runatlas.entities.run_plot import PlotOptions
from runatlas.entities.run_query import Filters, Groups, Order, Sorts, make_run_query, select_ids
from runatlas.entities.runs import Runs
from runatlas.entities.transfer import Transfer, TransferPlan, project_target, transfer
from runatlas.entities.usage import Usage, measure
from runatlas.errors import ApiStatusError, RunAtlasError
from runatlas.model.held_policy import EVERY, validate_policy_name
from runatlas.model.ids import ProjectPath, project_names
from runatlas.model.instant import iso_text
from runatlas.model.metric import MetricDefinition
from runatlas.model.policy import Goal, make_policy
from runatlas.model.project import ProjectPatch, Visibility
from runatlas.model.ranges import RangeQuery, ValueRange
from runatlas.model.run import RunQuery, RunSelection
from runatlas.model.run_group import RunGroupRecord
from runatlas.model.transfer import TransferDraft
from runatlas.model.usage import UsageGroup
from runatlas.response import ApiResponse
from runatlas.tables.metric import MetricTable
from runatlas.tables.query import QueryTable

if TYPE_CHECKING:
    from runatlas.charts.chart import Chart

__all__ = ["VISIBILITIES", "Project", "make_project_patch"]

VISIBILITIES: tuple[Visibility, ...] = ("PUBLIC", "PRIVATE")


def make_project_patch(
    *,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
    visibility: str | None = None,
    labels: Sequence[str] | None = None,
) -> ProjectPatch:
    """Check what a caller wants to change; ``None`` keeps.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is out of bounds, or all are ``None``.
    """
    unique, shown = (None, "") if name is None else project_names(name, argument="name")
    patch = ProjectPatch(
        name=unique,
        title=optional_text(title, "title") if title is not None else shown or None,
        description=optional_text(description, "description"),
        visibility=None if visibility is None else choice(visibility, VISIBILITIES, "visibility"),
        labels=None if labels is None else texts(labels, "labels", empty=True),
    )
    if patch == ProjectPatch():
        raise ValueError("update: nothing to change; it takes name, title, description, visibility and labels")
    return patch


class Project(ProjectFields, Cleanable):
    """A project, lazily.

    Args:
        handle: The way to the backend.
        path: ``workspace/project`` in parts.
        record: What is known of it.

    Example:
        >>> from runatlas import Api
        >>> Api("./experiments").project("ann/demo").name
        'demo'
    """

    __slots__ = ()

    # -- runs ---------------------------------------------------------------------------------------------------

    def run(self, run_id: str) -> Run:
        """Return one run, lazily.

        Args:
            run_id: Its id.

        Raises:
            TypeError: It is no string.
            ValueError: It cannot be an id.
        """
        return Run(self._handle, self._path.run(run_id))

    def runs(
        self,
        filters: Filters | None = None,
        groups: Groups | None = None,
        sorts: Sorts | None = None,
        *,
        ids: Sequence[str | Run] | None = None,
        search: str | None = None,
        order: Order | None = None,
        limit: int | None = None,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
    ) -> Runs:
        """List runs.

        Args:
            filters: Text such as ``"config.lr < 0.01 and state == 'FINISHED'"``, or a list of rules with exactly
                ``key``, ``type`` (``STABLE``, ``CONFIG``, ``SCALAR``), ``op`` and ``value``, all of which must hold.
            groups: Fields, or rules of ``key`` and ``type``: the runs come group by group, see ``Runs.groups()``.
            sorts: Rules of ``key``, ``type`` and ``order``.
            ids: Only these: ids, paths or runs of this project; what is none of its runs is left out of the listing,
                and stops a deletion or a change.
            search: Part of the name or the id; case does not matter.
            order: Fields as text, such as ``"-summary.loss"``, in place of ``sorts``.
            limit: How many runs at the most.
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Runs a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.

        Returns:
            The runs, lazily; pinned and newest first unless ordered otherwise.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood or is out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        query = make_run_query(self._path, filters, groups=groups, sorts=sorts, search=search, order=order)
        if ids is not None:
            chosen = select_ids(self._path, ids, "ids")
            query = attrs.evolve(query, selection=attrs.evolve(query.selection, ids=chosen.ids))
        return Runs(self._handle, window, query)

    def runs_get(
        self, page: int | None = None, size: int | None = None, all: bool = False, *, limit: int | None = None
    ) -> Runs:
        """List runs without config and last values, which each cost one request when they are asked for.

        Args:
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Runs a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.
            limit: How many runs at the most.

        Returns:
            The runs, lazily.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        selection = RunSelection(self._path.workspace, self._path.project)
        return Runs(self._handle, window, RunQuery(selection, parts=()))

    def sql(self, query: str) -> ApiResponse[QueryTable]:
        """Ask a question of the project's runs in SQL; see ``Runs.sql``.

        Args:
            query: The question, such as ``"select run, min(value) from points where key = 'loss' group by run"``.

        Returns:
            The table.

        Raises:
            ImportError: DuckDB is not installed.
            TypeError: ``query`` is no text.
        """
        return self.runs().sql(query)

    def folders(self) -> Folders:
        """Return the project's folders by path; ``create()`` makes one at the top."""
        return Folders(self._handle, make_window(), self._path)

    def metrics(  # noqa: PLR0917 - as documented
        self,
        keys: Sequence[str] | None,
        runs: RunChoice | None = None,
        sample: int = 1500,
        all: bool = False,
        range_query: RangeQuery | ValueRange | Mapping[str, Any] | None = None,
        ignore_timestamp: bool = False,
        *,
        context: Mapping[str, Any] | None = None,
        x_axis: str = "step",
    ) -> ApiResponse[MetricTable[tuple[str, str]]]:
        """Read scalar metrics of many runs, in as many requests as there are blocks of four million points.

        Args:
            keys: Metric keys; ``None`` for every scalar one.
            runs: Which runs: ``None`` for all, a filter, what ``runs()`` returned, or a list of runs, ids or paths.
            sample: Points a series at the most, up to 1500. Ignored with ``all`` or ``range_query``.
            all: Whether every point is wanted.
            range_query: A range of each series.
            ignore_timestamp: Whether times are to be left out.
            context: Only series of this context; ``{}`` for those without; ``None`` for every one.
            x_axis: What each point says beside, as its ``index``; see ``Run.metrics``.

        Returns:
            Series by run id and key: ``table["k3x9q2ab", "loss"]``; runs that are not there are in ``missing_runs``.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood or is out of bounds.
        """
        chosen = choose_runs(self._handle, self._path, runs)
        return chosen.metrics(keys, sample, all, range_query, ignore_timestamp, context=context, x_axis=x_axis)

    def plot(
        self,
        keys: str | Sequence[str] | None = None,
        runs: RunChoice | None = None,
        **options: Unpack[PlotOptions],
    ) -> Chart:
        """Draw metrics of many runs, one line a run; see ``Runs.plot``.

        Args:
            keys: One metric or several; ``None`` for every one, a panel each.
            runs: Which runs: ``None`` for all, a filter, what ``runs()`` returned, or a list of runs, ids or paths.
            **options: What ``Runs.plot`` takes.

        Returns:
            The chart, which a notebook shows.

        Raises:
            ImportError: matplotlib is not installed.
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood.
        """
        return choose_runs(self._handle, self._path, runs).plot(keys, **options)

    # -- changes ------------------------------------------------------------------------------------------------

    def update(
        self,
        *,
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        visibility: Visibility | None = None,
        labels: Sequence[str] | None = None,
    ) -> ApiResponse[Self]:
        """Change the project; ``None`` keeps.

        Args:
            name: A new name, which changes the path.
            title: The free title.
            description: The description.
            visibility: ``PUBLIC`` or ``PRIVATE``.
            labels: All labels.

        Returns:
            The project, changed; under its new path if it was renamed. The answer's ``change`` takes it back:
            ``answer.change.undo()``.

        Raises:
            TypeError: One of them has another type.
            ValueError: One of them is out of bounds, or all are ``None``.
        """
        patch = make_project_patch(
            name=name, title=title, description=description, visibility=visibility, labels=labels
        )
        return noted(self._handle, lambda: self._update(patch))

    def define_metric(self, key: str, *, goal: Goal | None = None, unit: str = "") -> ApiResponse[Self]:
        """Say of a metric which way is better and in which unit it is: once, for all who look at the project.

        ``runs.best("val_loss")`` and ``runs.compare(...)`` go by it.

        Args:
            key: The metric's key, or a pattern such as ``val/*``; a key of its own counts more than patterns, which
                are tried in the order in which they were defined.
            goal: ``"min"`` if lower values are better, ``"max"`` if higher ones are.
            unit: The unit of its values, such as ``"s"`` or ``"percent"``. Neither goal nor unit takes the definition
                away.

        Returns:
            The project; ``answer.change.undo()`` takes it back.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.

        Example:
            >>> from runatlas import Api
            >>> project = Api("./experiments").create_project(name="seeds").data
            >>> project.define_metric("val_loss", goal="min").data.metric_definitions["val_loss"].goal
            'min'
        """
        made = MetricDefinition(
            text(key, "key"),
            None if goal is None else choice(goal, ("min", "max"), "goal"),
            unit=optional_text(unit, "unit") or "",
        )
        return noted(self._handle, lambda: self._update(ProjectPatch(metrics=(made,))))

    @overload
    def rename(self, name: str, *, commit: Literal[False] = False) -> ApiResponse[TransferPlan]: ...
    @overload
    def rename(self, name: str, *, commit: Literal[True]) -> ApiResponse[Transfer]: ...
    @overload
    def rename(self, name: str, *, commit: bool) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]: ...
    def rename(self, name: str, *, commit: bool = False) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
        """Give the project another name, or tell what that would do; its runs keep all but their paths.

        Nothing is found by the old path any more, but a run that is being recorded goes on under the new one.

        Args:
            name: The new name. Of a text that can be none a name is made, and the text is the title.
            commit: Whether to rename it; else nothing is changed.

        Returns:
            The plan, with ``apply()``; or what was done, with the new path as ``target``.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``name`` cannot be a project's.
        """
        unique, shown = project_names(name, argument="name")
        target = ProjectPath(self._path.workspace, unique)
        draft = TransferDraft("rename", str(target), project=str(self._path), title=shown)
        return transfer(self._handle, lambda: draft, commit=commit, done=self._forget)

    @overload
    def merge_into(
        self, project: ProjectFields | str, *, commit: Literal[False] = False
    ) -> ApiResponse[TransferPlan]: ...
    @overload
    def merge_into(self, project: ProjectFields | str, *, commit: Literal[True]) -> ApiResponse[Transfer]: ...
    @overload
    def merge_into(
        self, project: ProjectFields | str, *, commit: bool
    ) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]: ...
    def merge_into(
        self, project: ProjectFields | str, *, commit: bool = False
    ) -> ApiResponse[TransferPlan] | ApiResponse[Transfer]:
        """Move all runs of this project to another one, and this one to the trash, or tell what that would do.

        Runs in the trash go along, and come back into the other project. A ``ConflictError`` keeps all as it is if the
        other one has a run of one's id.

        Args:
            project: The project that the runs go to, its name or its path.
            commit: Whether to do it; else nothing is changed.

        Returns:
            The plan, with ``apply()``; or what was done.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``project`` cannot be a name or a path.
        """
        target, _ = project_target(project, self._path.workspace)
        draft = TransferDraft("merge", target, project=str(self._path))
        return transfer(self._handle, lambda: draft, commit=commit, done=self._forget)

    def _update(self, patch: ProjectPatch) -> tuple[Self, str]:
        record = self._handle.backend.update_project(self._path, patch)
        self._forget()
        if record.path != self._path:
            return type(self)(self._handle, record.path, record), record.change_id
        self._record = record
        return self, record.change_id

    @overload
    def delete(self, commit: Literal[False] = False, *, force: bool = False) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete(self, commit: Literal[True], *, force: bool = False) -> ApiResponse[Deletion]: ...
    @overload
    def delete(self, commit: bool, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete(self, commit: bool = False, *, force: bool = False) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete the project with all its runs, or tell what that would take.

        A ``ConflictError`` keeps all of it if one of its runs is guarded.

        Args:
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also what is guarded; never a project with a protected run.

        Returns:
            The plan, with ``apply()``; or what was deleted, with ``restore()``.

        Raises:
            TypeError: ``commit`` or ``force`` is no boolean.
        """
        return delete(self._handle, lambda: self._path, commit=commit, force=force)

    def _show(self) -> Html:
        known, runs = self._known(), self.runs()
        states, failed = {}, None
        try:
            states = _states_told(runs.groups("state").records)
        except RunAtlasError as error:
            failed = failure(error.message, type(error).__name__)
            if not isinstance(error, ApiStatusError):
                return joined(super()._show(), failed)
        told = facts({**states, **known, **states})  # what the runs are comes first, and is newer than what is known
        return joined(heading(self.path), told, failed, shown(runs))

    audit = change.audit

    def _audited(self) -> str:
        return str(self._path)

    def _scope_to_clean(self) -> Scope:
        return self._path.workspace, self._path.project

    def hold_policy(
        self, name: str, *, every: str = EVERY, acts: bool = False, **policy: Unpack[PolicyFields]
    ) -> ApiResponse[HeldPolicy]:
        """Let the project hold a policy, in place of the one of that name; servers evaluate it, the first time at once.

        Args:
            name: What it is called by.
            every: How often it is evaluated: ``12h``, ``1d``, ``1w``.
            acts: Whether it deletes, with your rights at that time; else it reports only.
            **policy: What may go: ``where``, ``older_than``; what of that stays: ``keep_last``, ``keep_within``,
                ``keep_best``, ``keep_labels``, in each group of ``group_by``; how much at once: ``max``, ``allow_all``;
                and ``thin``, if points of these runs are to go and the runs to stay.

        Returns:
            The policy that is held.

        Raises:
            TypeError: There is no such argument, or it has another type.
            ValueError: An argument cannot be understood, or nothing says which runs may go.

        Example:
            >>> from runatlas import Api
            >>> project = Api("./experiments").create_project(name="sweeps").data
            >>> held = project.hold_policy("old", every="1w", older_than="30d", keep_last=5).data
            >>> held.name, held.every, held.acts
            ('old', '1w', False)
        """
        return hold_policy(self._handle, self._path, name, make_policy(**policy), every=every, acts=acts)

    def held_policies(self) -> HeldPolicies:
        """List the policies that the project holds, by name; of each ``log()`` tells what its evaluations did."""
        return HeldPolicies(self._handle, make_window(), self._path)

    def held_policy(self, name: str) -> HeldPolicy:
        """Return a policy that the project holds, lazily.

        Args:
            name: What it is called by.

        Raises:
            TypeError: It is no string.
            ValueError: It cannot name a policy.
        """
        return HeldPolicy(self._handle, self._path, validate_policy_name(name))

    def evaluations(self, *, limit: int | None = None) -> Evaluations:
        """List what evaluations of the project's policies did, newest first, also of those that were released.

        Args:
            limit: How many at the most.

        Raises:
            TypeError: It is no whole number.
            ValueError: It is out of bounds.
        """
        return Evaluations(self._handle, make_window(limit=limit), self._path)

    def usage(self, *, by: UsageGroup = "run", limit: int = 1000) -> ApiResponse[Usage]:
        """Tell how much room the project takes; see ``Api.usage``.

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

    @overload
    def delete_runs(
        self, run_ids: Sequence[str | Run], commit: Literal[False] = False, *, force: bool = False
    ) -> ApiResponse[DeletionPlan]: ...
    @overload
    def delete_runs(
        self, run_ids: Sequence[str | Run], commit: Literal[True], *, force: bool = False
    ) -> ApiResponse[Deletion]: ...
    @overload
    def delete_runs(
        self, run_ids: Sequence[str | Run], commit: bool, *, force: bool = False
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]: ...
    def delete_runs(
        self, run_ids: Sequence[str | Run], commit: bool = False, *, force: bool = False
    ) -> ApiResponse[DeletionPlan] | ApiResponse[Deletion]:
        """Delete several runs but guarded ones, or tell what that would take.

        Args:
            run_ids: Ids, paths or runs of this project.
            commit: Whether to delete; else nothing is changed.
            force: Whether to take also what is guarded, but for protected runs.

        Returns:
            The plan, with ``apply()`` and ``missing``; or what was deleted, with ``restore()``; either tells what is
            ``kept``.

        Raises:
            TypeError: An argument has another type.
            ValueError: ``run_ids`` is empty, or one is not of this project.
        """
        selection = select_ids(self._path, run_ids, "run_ids")
        if not selection.ids:
            raise ValueError("run_ids: must not be empty")
        return delete(self._handle, lambda: selection, commit=commit, force=force)


def _states_told(states: Sequence[RunGroupRecord]) -> dict[str, object]:
    """Tell how many runs are in which state, and when the last was made."""
    if not states:
        return {"runs": "none yet"}
    told = ", ".join(f"{group.count:,} {str(group.values[0]).lower()}" for group in states)
    total = f"{sum(group.count for group in states):,}: " if len(states) > 1 else ""
    last = max(group.last_created_at_ms for group in states)
    return {"runs": f"{total}{told}", "last run": when(iso_text(last))}
