"""Routes of runs, and of deleting them."""

from __future__ import annotations

import attrs

from runatlas.errors import ValidationError
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import Page
from runatlas.model.run import RunDraft, RunQuery, RunRecord, RunSelection
from runatlas.model.trash import DeletionPlanRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.services.validation import checked

__all__ = ["deletions", "routes"]

routes = RouteTable("runs")
deletions = RouteTable("deletions")


@attrs.frozen
class MadeRun:
    """A run, and whether it is new."""

    run: RunRecord
    created: bool


@attrs.frozen
class DeletionDraft:
    """What is to be deleted: runs, a run as ``workspace/project/run``, or a project as ``workspace/project``.

    One of the three; ``cut`` deletes only that data of the runs, which stay; ``force`` takes what is guarded, but for
    protected runs.
    """

    runs: RunSelection | None = None
    run: str | None = None
    project: str | None = None
    cut: DataCut | None = None
    force: bool = False


def _made_status(made: MadeRun) -> int:
    return 201 if made.created else 200


@routes.add("POST", "/runs", statuses=(201, 200), status_of=_made_status, errors=(403, 404, 409), write=True)
def create_run(services: Services, caller: Caller, body: RunDraft) -> MadeRun:
    """Make a run (201), or find it by id (200) as ``if_exists`` says."""
    run, created = services.runs.create_run(caller, body)
    return MadeRun(run, created)


@routes.add("POST", "/runs/query", errors=(404,))
def list_runs(services: Services, caller: Caller, body: RunQuery) -> Page[RunRecord]:
    """List runs by keyset: no run twice, none left out, also while runs are added or deleted."""
    return services.runs.list_runs(caller, body, as_text=True)


@deletions.add("POST", "/deletions/plan", errors=(403, 404))
def plan_deletion(services: Services, caller: Caller, body: DeletionDraft) -> DeletionPlanRecord:
    """Tell what deleting runs, a run, data of them, or a project with its runs, would take, without taking it."""
    if [body.runs, body.run, body.project].count(None) != 2:
        raise ValidationError("a deletion needs one of 'runs', 'run' and 'project'")
    if body.project is not None:
        if body.cut is not None:
            raise ValidationError("cut: data is cut out of runs, not out of a project; select its runs")
        path = checked(ProjectPath.parse, body.project, "project")
        return services.trash.plan_project_deletion(caller, path, force=body.force)
    what = body.runs or checked(RunPath.parse, body.run or "", "run")
    if body.cut is not None:
        return services.trash.plan_data_deletion(caller, body.cut, what, force=body.force)
    return services.trash.plan_run_deletion(caller, what, force=body.force)
