"""Where runs lie: one repository, an experiment being a project; the project ``default`` is none."""

from __future__ import annotations

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.ids import RunPath, validate_run_id
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunDraft, RunPart, RunPatch, RunRecord, RunSelection
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["DEFAULT", "change_run", "ensure_run", "find_run", "move_run", "resume_run"]

DEFAULT = "default"
"""The project of runs without an experiment."""


def find_run(services: Services, caller: Caller, run_id: str, *, parts: tuple[RunPart, ...] = ()) -> RunRecord:
    """Find a run by its id.

    Raises:
        NotFoundError: There is none.
    """
    return services.repository.find_run(caller, run_id, parts=parts)


def ensure_run(services: Services, caller: Caller, run_id: str) -> RunPath | None:
    """Find a run, or make it; ``None`` for one that was deleted.

    Raises:
        ValidationError: The id cannot be one.
    """
    try:
        return find_run(services, caller, run_id).path
    except NotFoundError:
        if services.retirement.is_retired(caller, run_id):
            return None
    try:
        validate_run_id(run_id)
    except ValueError as error:
        raise ValidationError(str(error)) from error
    project = services.repository.project_for(caller, DEFAULT)
    draft = RunDraft(project.path, id=run_id, name=f"Run: {run_id}", if_exists="keep")
    return services.runs.create_run(caller, draft)[0].path


def resume_run(services: Services, caller: Caller, path: RunPath) -> None:
    """Let a run go on; one that does, does."""
    if services.runs.get_run(caller, path).state != "RUNNING":
        change_run(services, caller, path, RunPatch(state="RUNNING", by_run=True))


def change_run(services: Services, caller: Caller, path: RunPath, patch: RunPatch) -> None:
    """Change a run.

    Raises:
        NotFoundError: There is none.
        ValidationError: Something in the patch is out of bounds.
    """
    services.runs.update_runs(caller, RunSelection(path.workspace, path.project, ids=(path.run,)), patch)


def move_run(services: Services, caller: Caller, path: RunPath, experiment: str) -> RunPath:
    """Move a run to an experiment, which is made if there is none; return its new path.

    Raises:
        ConflictError: The experiment has another run of that id.
        ValidationError: The name cannot be one.
    """
    project: ProjectRecord = services.repository.project_for(caller, experiment)
    if project.name != path.project:
        try:
            change_run(services, caller, path, RunPatch(project=project.name))
        except ConflictError as error:
            raise ConflictError(f"experiment {experiment!r} has another run {path.run!r}") from error
    return RunPath(path.workspace, project.name, path.run)
