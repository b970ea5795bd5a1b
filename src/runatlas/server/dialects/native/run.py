"""Routes of runs, and of deleting them."""

from __future__ import annotations

import attrs

from runatlas.errors import ValidationError
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.trash import DeletionPlanRecord, DeletionRecord, PurgeRecord, TrashRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["deletions", "routes"]

routes = RouteTable("runs")
deletions = RouteTable("deletions")


@attrs.frozen
class RunCount:
    """How many runs there are."""

    count: int


@attrs.frozen
class MadeRun:
    """A run, and whether it is new."""

    run: RunRecord
    created: bool


@attrs.frozen
class RunUpdate:
    """What to change, of which runs."""

    selection: RunSelection
    patch: RunPatch


@attrs.frozen
class UpdatedRuns:
    """How many runs were changed."""

    updated: int


@attrs.frozen
class DeletionDraft:
    """What is to be deleted: runs, or a project as ``workspace/project``; one of the two."""

    runs: RunSelection | None = None
    project: str | None = None


@attrs.frozen
class PurgeDraft:
    """What is to be removed for good."""

    trash_id: str | None = None
    expired_only: bool = True
    dry_run: bool = False


@routes.add("POST", "/runs/query", errors=(404,))
def list_runs(services: Services, caller: Caller, body: RunQuery) -> Page[RunRecord]:
    """List runs by keyset: no run twice, none left out, also while runs are added or deleted."""
    return services.runs.list_runs(caller, body)


@routes.add("POST", "/runs/count", errors=(404,))
def count_runs(services: Services, caller: Caller, body: RunSelection) -> RunCount:
    """Count runs without loading them."""
    return RunCount(services.runs.count_runs(caller, body))


def _made_status(made: MadeRun) -> int:
    return 201 if made.created else 200


@routes.add("POST", "/runs", statuses=(201, 200), status_of=_made_status, errors=(403, 404, 409), write=True)
def create_run(services: Services, caller: Caller, body: RunDraft) -> MadeRun:
    """Make a run (201), or find it by id (200) as ``if_exists`` says."""
    run, created = services.runs.create_run(caller, body)
    return MadeRun(run, created)


@routes.add("POST", "/runs/update", errors=(403, 404, 409), write=True)
def update_runs(services: Services, caller: Caller, body: RunUpdate) -> UpdatedRuns:
    """Change all selected runs in one transaction."""
    return UpdatedRuns(services.runs.update_runs(caller, body.selection, body.patch))


@routes.add("GET", "/runs/{workspace}/{project}/{run}", errors=(404,))
def get_run(services: Services, caller: Caller, path: RunPath) -> RunRecord:
    """Return a run with every part."""
    return services.runs.get_run(caller, path)


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


@deletions.add("POST", "/deletions", statuses=(201,), errors=(403, 404, 409), write=True)
def delete(services: Services, caller: Caller, body: DeletionPlanRecord) -> DeletionRecord:
    """Move exactly what was planned to the trash, in one transaction."""
    return services.trash.delete(caller, body)


@deletions.add("GET", "/trash", errors=(403, 404))
def list_trash(
    services: Services, caller: Caller, page: PageRequest, workspace: str | None = None
) -> Page[TrashRecord]:
    """List the trash, newest first; without a workspace every one the caller may write to."""
    return services.trash.list_trash(caller, workspace, page)


@deletions.add("POST", "/trash/purge", errors=(403, 404), write=True)
def purge(services: Services, caller: Caller, body: PurgeDraft) -> PurgeRecord:
    """Remove trash for good, and blobs that nothing refers to. Workspace owners may purge their own entries."""
    return services.trash.purge(caller, trash_id=body.trash_id, expired_only=body.expired_only, dry_run=body.dry_run)


@deletions.add("POST", "/trash/{trash_id}/restore", errors=(403, 404, 409), write=True)
def restore(services: Services, caller: Caller, trash_id: str) -> TrashRecord:
    """Bring back everything of one deletion."""
    return services.trash.restore(caller, trash_id)
