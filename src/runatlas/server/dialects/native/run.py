"""Routes of runs, and of deleting them."""

from __future__ import annotations

import attrs

from runatlas.errors import ValidationError
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunRecord, RunSelection
from runatlas.model.trash import DeletionPlanRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

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
    """What is to be deleted: runs, or a project as ``workspace/project``; one of the two."""

    runs: RunSelection | None = None
    project: str | None = None


def _made_status(made: MadeRun) -> int:
    return 201 if made.created else 200


@routes.add("POST", "/runs", statuses=(201, 200), status_of=_made_status, errors=(403, 404, 409), write=True)
def create_run(services: Services, caller: Caller, body: RunDraft) -> MadeRun:
    """Make a run (201), or find it by id (200) as ``if_exists`` says."""
    run, created = services.runs.create_run(caller, body)
    return MadeRun(run, created)


@deletions.add("POST", "/deletions/plan", errors=(403, 404))
def plan_deletion(services: Services, caller: Caller, body: DeletionDraft) -> DeletionPlanRecord:
    """Tell what deleting these runs, or a project with all its runs, would take, without taking it."""
    if (body.runs is None) == (body.project is None):
        raise ValidationError("a deletion needs either 'runs' or 'project'")
    if body.runs is not None:
        return services.trash.plan_run_deletion(caller, body.runs)
    try:
        path = ProjectPath.parse(body.project or "", argument="project")
    except ValueError as error:
        raise ValidationError(str(error)) from error
    return services.trash.plan_project_deletion(caller, path)
