"""Who moves runs while others move, delete or rename gets one outcome, and a clear word on why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from support.meeting import meanwhile
from support.recording import Recorder

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunPatch
from runatlas.model.transfer import TransferDraft, TransferPlanRecord
from runatlas.server.store.schema import projects, runs


@pytest.fixture
def target(recorder: Recorder) -> ProjectPath:
    """A project to go to."""
    recorder.run("a")
    recorder.run("b")
    return recorder.services.projects.create_project(recorder.caller, ProjectDraft("target")).path


def _plan(recorder: Recorder, target: ProjectPath | str) -> TransferPlanRecord:
    return recorder.services.transfers.plan_transfer(
        recorder.caller, TransferDraft("move", str(target), recorder.selection(), create=True)
    )


def _lost(recorder: Recorder) -> int:
    """How many runs are alive in a project that lies in the trash."""
    lost = select(func.count()).select_from(runs.join(projects))
    with recorder.services.store.read() as connection:
        return connection.scalar(lost.where(runs.c.trash_id.is_(None), projects.c.trash_id.is_not(None))) or 0


@pytest.mark.parametrize("second", ["target", "third"])
def test_of_two_who_move_the_same_runs_one_does(recorder: Recorder, target: ProjectPath, second: str) -> None:
    services, caller = recorder.services, recorder.caller
    first = _plan(recorder, target)
    other = _plan(recorder, f"{target.workspace}/{second}")
    with pytest.raises(ConflictError, match=rf"{recorder.project}/a \(now {target}/a\)"):
        meanwhile(services, lambda: services.transfers.transfer(caller, first), lambda: _do(recorder, other))
    assert _lost(recorder) == 0
    moved = Recorder(services, caller, target).selection()
    assert services.runs.count_runs(caller, moved) == 2


def _do(recorder: Recorder, plan: TransferPlanRecord) -> object:
    return recorder.services.transfers.transfer(recorder.caller, plan)


CHANGES: dict[str, Callable[[Recorder, ProjectPath], object]] = {
    "deleted": lambda recorder, path: recorder.services.trash.delete_project(recorder.caller, path, force=True),
    "renamed": lambda recorder, path: recorder.services.projects.update_project(
        recorder.caller, path, ProjectPatch(name="renamed")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("which", ["source", "target"])
def test_runs_do_not_go_to_or_from_what_is_changed(
    recorder: Recorder, target: ProjectPath, change: str, which: str
) -> None:
    plan = _plan(recorder, target)
    changed = recorder.project if which == "source" else target
    with pytest.raises((ConflictError, NotFoundError)):
        meanwhile(recorder.services, lambda: CHANGES[change](recorder, changed), lambda: _do(recorder, plan))
    assert _lost(recorder) == 0


def test_a_run_is_not_moved_into_a_project_that_is_deleted(recorder: Recorder, target: ProjectPath) -> None:
    """That would be a run that is alive, and nowhere to be seen."""
    services, caller = recorder.services, recorder.caller
    patch = RunPatch(project=target.project)
    with pytest.raises(NotFoundError):
        meanwhile(
            services,
            lambda: CHANGES["deleted"](recorder, target),
            lambda: services.runs.update_runs(caller, recorder.selection(), patch),
        )
    assert _lost(recorder) == 0
    assert services.runs.count_runs(caller, recorder.selection()) == 2


def test_what_is_deleted_while_its_project_is_merged_comes_back_alive(recorder: Recorder, target: ProjectPath) -> None:
    services, caller = recorder.services, recorder.caller
    draft = TransferDraft("merge", str(target), project=str(recorder.project))
    plan = services.transfers.plan_transfer(caller, draft)
    chosen = recorder.selection(recorder.project.run("a"))
    with pytest.raises(ConflictError):
        meanwhile(
            services,
            lambda: services.trash.delete_runs(caller, chosen, force=True),
            lambda: _do(recorder, plan),
        )
    (entry,) = services.trash.list_trash(caller, None, PageRequest()).items
    with pytest.raises((ConflictError, NotFoundError)):
        meanwhile(
            services,
            lambda: _do(recorder, services.transfers.plan_transfer(caller, draft)),
            lambda: services.trash.delete_runs(caller, recorder.selection(), force=True),
        )
    services.trash.restore(caller, entry.id)
    assert services.runs.count_runs(caller, Recorder(services, caller, target).selection()) == 2
    assert _lost(recorder) == 0


def test_an_id_that_comes_up_meanwhile_is_named(recorder: Recorder, target: ProjectPath) -> None:
    services = recorder.services
    plan = _plan(recorder, target)
    there = Recorder(services, recorder.caller, target)
    with pytest.raises(ConflictError, match=f"{target} has a run 'a' already"):
        meanwhile(services, lambda: there.run("a"), lambda: _do(recorder, plan))
