"""Runs of a SwanLab server: finding, listing and counting them, and taking them away."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from runatlas.backends.http.cache import RunStates
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.swanlab.client import SwanlabClient, at, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.projects import Projects
from runatlas.backends.swanlab.record import run_record, summary_record
from runatlas.backends.swanlab.snapshot import Snapshots
from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.filter_rule import to_rule
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Sort
from runatlas.model.guard import FORCED, NAMED, TakenKind, guards_of
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RunPart, RunQuery, RunRecord, RunSelection
from runatlas.model.run_check import check_config_keys, check_filter, check_groups, check_order, check_statistics
from runatlas.model.run_group import RunGroupRecord, count_groups, group_value
from runatlas.model.run_value import arrange, matches, value_of
from runatlas.model.series import SummaryRecord
from runatlas.model.text import has_part
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, guarded_error, planned_item

__all__ = ["Runs", "missing_of", "run_address"]

_GET_MAX = 4
"""So many runs are asked for one by one; for more, the whole list is one request."""

_SUMMED_MAX = 100
"""How many runs one request for summaries names."""


class Runs:
    """Finds, lists, counts and deletes runs."""

    def __init__(self, client: SwanlabClient, projects: Projects, policy: RetryPolicy) -> None:
        self._client = client
        self._projects = projects
        self._states = RunStates(clock=policy.clock, wall_clock=policy.now)
        self._snapshots: Snapshots[RunRecord] = Snapshots(clock=policy.clock)

    def get_run(self, path: RunPath) -> RunRecord:
        return self._with_summaries([self.find(path)], None)[0]

    def document(self, path: RunPath) -> Document:
        """Return what the server tells of a run."""
        return Document.read(self._client.get(run_address(path), scope=str(path.project_path)), "run")

    def find(self, path: RunPath) -> RunRecord:
        """Return a run without its summary."""
        run = self.read(path.project_path, self.document(path))
        self._note((run,))
        return run

    def _note(self, records: Iterable[RunRecord]) -> None:
        for project in self._states.note(records):
            self._client.forget(str(project))

    def read(self, path: ProjectPath, document: Document) -> RunRecord:
        """Read a run; older servers leave out its project's id, which every query needs."""
        run = run_record(document, path)
        return run if run.project_cuid else attrs.evolve(run, project_cuid=self._projects.get_project(path).cuid)

    def keep_s(self, path: RunPath) -> float:
        """Return for how long what a run recorded may be kept."""
        return self._states.keep_run(path)

    def forget(self) -> None:
        """Forget which runs are over."""
        self._states.forget()

    def list_runs(self, query: RunQuery) -> Page[RunRecord]:
        check_config_keys(query.config_keys)
        question = attrs.evolve(query, page=PageRequest(), statistics=(), config_keys=None)
        runs, cursor, total = self._snapshots.page(question, query.page, lambda: self._ordered(query))
        if "summary" in query.parts:
            runs = self._with_summaries(runs, None)
        if query.statistics:
            runs = self._with_statistics(runs, query.statistics)
        items = tuple(_carrying(run, query.parts) for run in runs)
        return Page(items, cursor, total if query.page.with_total else None)

    def count_runs(self, selection: RunSelection) -> int:
        if selection == RunSelection(selection.workspace, selection.project) and selection.project is not None:
            count = self._projects.get_project(ProjectPath(selection.workspace, selection.project)).count
            if count is not None:
                return count.experiments
        return len(self.select(selection))

    def group_runs(self, selection: RunSelection, fields: tuple[Field, ...]) -> tuple[RunGroupRecord, ...]:
        check_groups(fields)
        runs = self.select(selection)
        read = self._reader(runs, list(fields))
        return count_groups(
            RunGroupRecord(
                tuple(group_value(field, read[run.cuid](field)) for field in fields),
                1,
                {run.state: 1},
                run.created_at_ms,
                run.created_at_ms,
            )
            for run in runs
        )

    # -- which runs ---------------------------------------------------------------------------------------------

    def _ordered(self, query: RunQuery) -> list[RunRecord]:
        keys = (*(Sort(field, "ASC") for field in query.groups), *query.sorts)
        check_order(keys)
        runs = self.select(query.selection)
        read = self._reader(runs, [sort.field for sort in keys])
        return arrange(runs, keys, lambda run, field: read[run.cuid](field))

    def select(self, selection: RunSelection) -> list[RunRecord]:
        """Read all runs of a selection: those of ids in their order, else as the server lists them."""
        if selection.project is None:
            projects = self._projects.all_of(selection.workspace, ProjectQuery(selection.workspace, sort="name"))
            paths = [project.path for project in projects]
        else:
            paths = [ProjectPath(selection.workspace, selection.project)]
        found = [run for path in paths for run in self._select_of(path, selection)]
        if selection.project is None and selection.ids is None:  # each project is in order, all of them are not
            found.sort(key=lambda run: (run.pin, run.created_at_ms), reverse=True)
        return found

    def _select_of(self, path: ProjectPath, selection: RunSelection) -> list[RunRecord]:
        wanted, ids = selection.filter, selection.ids
        if wanted is not None:
            check_filter(wanted)
        is_named = ids is not None and len(ids) <= _GET_MAX
        if ids is not None and is_named:
            runs = list(self._named(path, ids))
        else:
            runs = self._shown(path, wanted)
            if ids is not None:
                runs = list(_among(runs, ids))
        if selection.search is not None:
            part = selection.search
            runs = [run for run in runs if has_part(run.name, part) or has_part(run.id, part)]
        # What the server was asked is settled; of runs that were read one by one, nothing is.
        rest = [part for part in _conjuncts(wanted) if is_named or not to_rule(part)]
        if not rest:
            return runs
        read = self._reader(runs, list(_fields(And(tuple(rest)))))
        return [run for run in runs if all(matches(part, read[run.cuid]) for part in rest)]

    def _named(self, path: ProjectPath, ids: Iterable[str]) -> Iterable[RunRecord]:
        found: dict[str, RunRecord] = {}
        for name in ids:
            try:
                run = self.find(path.run(name))
            except NotFoundError:
                self._projects.get_project(path)
                continue
            found.setdefault(run.cuid, run)
        return found.values()

    def _shown(self, path: ProjectPath, wanted: Filter | None) -> list[RunRecord]:
        """Read a project's runs, without those that the server can tell are not wanted."""
        rules = [rule for part in _conjuncts(wanted) if (rule := to_rule(part))]
        address = at("project", path.workspace, path.project, "runs", "shows")
        body = {"filters": rules, "groups": [], "sorts": []}
        given = self._client.query(address, body, scope=str(path))
        runs = [self.read(path, document) for document in Document.each(list(_leaves(given)), "runs")]
        self._note(runs)
        return runs

    def _reader(self, runs: list[RunRecord], fields: list[Field]) -> Mapping[str, Any]:
        """Return what tells of each run what it has in these fields; last values and the like are read at once."""
        keys = _scalar_keys(fields)
        summed = self.summaries(runs, keys) if keys else {}

        if any(field.type == "CONFIG" for field in fields):
            runs = [run if run.config is not None else self.find(run.path) for run in runs]

        def read(run: RunRecord, field: Field) -> Any:
            if field.type != "SCALAR":
                return value_of(run, field)
            found = summed.get(run.cuid, {}).get(field.key)
            return None if found is None else _statistic(found, field.stat)

        return {run.cuid: lambda field, run=run: read(run, field) for run in runs}

    # -- what their series amount to ----------------------------------------------------------------------------

    def summaries(self, runs: Iterable[RunRecord], keys: tuple[str, ...] | None) -> dict[str, dict[str, SummaryRecord]]:
        """Read summaries by cuid and key, so many runs a request."""
        chosen = list(runs)
        found: dict[str, dict[str, SummaryRecord]] = {}
        for start in range(0, len(chosen), _SUMMED_MAX):
            for cuid, document in self._read_summaries(chosen[start : start + _SUMMED_MAX], keys):
                found[cuid] = {key: summary_record(cuid, key, item) for key, item in document.items()}
        return found

    def _read_summaries(self, runs: list[RunRecord], keys: tuple[str, ...] | None) -> Iterator[tuple[str, Document]]:
        """Read summaries of some runs; those that were deleted since they were listed have none."""
        body: dict[str, Any] = {"experiments": [_reference(run) for run in runs]}
        if keys is not None:
            body["keys"] = list(keys)
        scope = runs[0].workspace if len({run.project for run in runs}) > 1 else str(runs[0].project_path)
        try:
            given = self._client.query(at("house", "metrics", "summaries"), body, scope=scope)
        except NotFoundError:
            half = len(runs) // 2
            for part in (runs[:half], runs[half:]) if half else ():
                yield from self._read_summaries(part, keys)
        else:
            yield from Document.read(given, "summaries").items()

    def _with_summaries(self, runs: list[RunRecord], keys: tuple[str, ...] | None) -> list[RunRecord]:
        found = self.summaries(runs, keys)
        return [
            attrs.evolve(run, summary={key: item.latest.value for key, item in found.get(run.cuid, {}).items()})
            for run in runs
        ]

    def _with_statistics(self, runs: list[RunRecord], fields: tuple[Field, ...]) -> list[RunRecord]:
        check_statistics(fields)
        summed = self.summaries(runs, _scalar_keys(fields))

        def read(run: RunRecord, field: Field) -> float | None:
            found = summed.get(run.cuid, {}).get(field.key)
            value = None if found is None else _statistic(found, field.stat)
            return math.nan if found is not None and value is None else value

        return [attrs.evolve(run, statistics=tuple(read(run, field) for field in fields)) for run in runs]

    # -- deletion -----------------------------------------------------------------------------------------------

    def plan_run_deletion(self, selection: RunSelection | RunPath, *, force: bool = False) -> DeletionPlanRecord:
        if isinstance(selection, RunPath):
            one = RunSelection(selection.workspace, selection.project, ids=(selection.run,))
            plan = self._plan_runs(one, FORCED if force else NAMED)
            return attrs.evolve(plan, whole=True)
        return self._plan_runs(selection, FORCED if force else ())

    def _plan_runs(self, selection: RunSelection, takes: tuple[TakenKind, ...]) -> DeletionPlanRecord:
        runs = self.select(selection)
        narrowed = selection.filter is not None or selection.search is not None
        return _plan("runs", runs, () if narrowed else tuple(missing_of(runs, selection)), takes)

    def plan_project_deletion(self, path: ProjectPath, *, force: bool = False) -> DeletionPlanRecord:
        project = self._projects.get_project(path)
        plan = _plan("project", self._shown(project.path, None), (), FORCED if force else ())
        return attrs.evolve(plan, project=str(project.path), whole=True)

    def delete_runs(self, selection: RunSelection, *, force: bool = False) -> DeletionRecord:
        return self.delete(self.plan_run_deletion(selection, force=force))

    def delete_run(self, run: RunPath, *, force: bool = False) -> DeletionRecord:
        return self.delete(self.plan_run_deletion(run, force=force))

    def delete_project(self, path: ProjectPath, *, force: bool = False) -> DeletionRecord:
        return self.delete(self.plan_project_deletion(path, force=force))

    def delete(self, plan: DeletionPlanRecord) -> DeletionRecord:
        if plan.kind == "data" or plan.cut is not None:
            raise unsupported("way to delete data of a run alone")
        if plan.missing:
            raise NotFoundError(f"there is no run {', '.join(map(repr, plan.missing))}; nothing was deleted")
        if plan.refusal is not None:
            raise plan.refusal
        if not plan.items and plan.kind == "runs":
            return DeletionRecord("", "runs", 0, None, kept=plan.kept)
        path = self._planned_project(plan)
        self._check_planned(plan, path)
        if plan.kind == "project":
            self._client.write("DELETE", at("project", path.workspace, path.project), scope=path.workspace)
        else:
            body = {"cuids": [item.cuid for item in plan.items]}
            address = at("project", path.workspace, path.project, "runs", "del")
            self._client.write("POST", address, body, scope=str(path), repeatable=False)
        self._states.forget()
        return DeletionRecord("", plan.kind, plan.total, None, plan.project, plan.kept)

    def _planned_project(self, plan: DeletionPlanRecord) -> ProjectPath:
        try:
            if plan.project is not None:
                return ProjectPath.parse(plan.project)
            paths = {RunPath.parse(item.path).project_path for item in plan.items}
        except ValueError as error:
            raise ValidationError(f"plan: {error}") from error
        if len(paths) > 1:
            raise unsupported("way to delete runs of several projects at once", "delete them project by project")
        return paths.pop()

    def _check_planned(self, plan: DeletionPlanRecord, path: ProjectPath) -> None:
        """Refuse a plan that is no longer true; the server itself deletes without looking."""
        there = {run.cuid: run for run in self._shown_now(path)}
        planned = [item.cuid for item in plan.items]
        if len(set(planned)) < len(planned) or not there.keys() >= set(planned):
            raise ConflictError("plan: some of its runs are no longer there; nothing was deleted, plan again")
        changed = [item.path for item in plan.items if there[item.cuid].state != item.state]
        if changed:
            raise ConflictError(f"plan: {changed[0]} is in another state; nothing was deleted, plan again")
        kept = _plan("runs", [there[cuid] for cuid in planned], (), plan.takes).kept
        if kept:
            raise guarded_error(kept)
        if plan.kind == "project" and len(there) > len(planned):
            raise ConflictError(f"plan: project {path} has got more runs; nothing was deleted, plan again")

    def _shown_now(self, path: ProjectPath) -> list[RunRecord]:
        self._client.forget(str(path))
        return self._shown(path, None)


def run_address(path: RunPath, *parts: str) -> str:
    """Return where a run is, by its id or cuid, or a part of it."""
    return at("project", path.workspace, path.project, "runs", path.run, *parts)


def missing_of(runs: Iterable[RunRecord], selection: RunSelection) -> list[str]:
    """Return the ids of a selection that are no runs."""
    known = {name for run in runs for name in (run.id, run.cuid)}
    return [name for name in dict.fromkeys(selection.ids or ()) if name not in known]


def _reference(run: RunRecord) -> dict[str, Any]:
    """Name a run to a query; the newest servers want its time, in seconds, as a lower bound."""
    return {"projectId": run.project_cuid, "experimentId": run.cuid, "createdAt": run.created_at_ms // 1000}


def _leaves(given: Any) -> Iterable[Any]:
    """Yield the runs of a list, or of groups within groups."""
    if isinstance(given, dict):
        given = list(given.values())
        for item in given:
            yield from _leaves(item)
    else:
        yield from given if isinstance(given, list) else (given,)


def _among(runs: list[RunRecord], ids: Iterable[str]) -> Iterable[RunRecord]:
    """Yield the runs of these ids, each once; an id goes before a cuid."""
    known = {run.cuid: run for run in runs} | {run.id: run for run in runs}
    return {run.cuid: run for name in ids if (run := known.get(name)) is not None}.values()


def _conjuncts(wanted: Filter | None) -> Iterable[Filter]:
    if isinstance(wanted, And):
        return wanted.items
    return () if wanted is None else (wanted,)


def _fields(wanted: Filter) -> Iterable[Field]:
    if isinstance(wanted, Comparison):
        yield wanted.field
    else:
        for item in (wanted.item,) if isinstance(wanted, Not) else wanted.items:
            yield from _fields(item)


def _scalar_keys(fields: Iterable[Field]) -> tuple[str, ...]:
    """Return the metrics among fields; these servers know no contexts."""
    scalars = [field for field in fields if field.type == "SCALAR"]
    for field in scalars:
        if field.context or field.stat in {"count", "first_step"}:
            raise unsupported(f"{'context' if field.context else field.stat} of a metric to choose or order by")
    return tuple(dict.fromkeys(field.key for field in scalars))


def _statistic(summary: SummaryRecord, stat: str) -> float | None:
    if stat in {"last", "min", "max"}:
        point = {"last": summary.latest, "min": summary.min, "max": summary.max}[stat]
        return None if point is None else point.value
    return {"avg": summary.avg, "std": summary.std, "median": summary.median}.get(stat, summary.last_step)


def _carrying(run: RunRecord, parts: tuple[RunPart, ...]) -> RunRecord:
    return attrs.evolve(
        run,
        config=run.config if "config" in parts else None,
        summary=run.summary if "summary" in parts else None,
        profile=run.profile if "profile" in parts else None,
    )


def _plan(
    kind: Any, runs: list[RunRecord], missing: tuple[str, ...], takes: tuple[TakenKind, ...]
) -> DeletionPlanRecord:
    """Plan a deletion; these servers know no protection and no models, the other guards hold as they do everywhere."""
    listed = [planned_item(run, str(run.path), guards_of(run)) for run in runs]
    return DeletionPlanRecord(
        kind,
        tuple(item for item in listed if item.is_taken(takes)),
        missing,
        points=None,
        media=None,
        artifacts=None,
        bytes=None,
        kept=tuple(item for item in listed if not item.is_taken(takes)),
        takes=takes,
    )
