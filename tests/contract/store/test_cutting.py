"""Who cuts, rewinds or restores data while others move and delete gets one outcome, and waits for nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
from sqlalchemy import select
from support.meeting import meanwhile
from support.recording import Recorder, line

from runatlas.errors import NotFoundError
from runatlas.model.batch import Batch
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.server.store.schema import projects, trash
from runatlas.server.store.statement import rows
from runatlas.server.store.trash import lock_homes


@pytest.fixture
def target(recorder: Recorder) -> ProjectPath:
    """A project to go to."""
    recorder.run("other")
    return recorder.services.projects.create_project(recorder.caller, ProjectDraft("target")).path


def _recorded(recorder: Recorder) -> RunPath:
    run = recorder.run("a")
    recorder.append(run, line("loss", 20))
    return run


def _move(recorder: Recorder, run: RunPath, target: ProjectPath) -> object:
    chosen = recorder.selection(run)
    return recorder.services.runs.update_runs(recorder.caller, chosen, RunPatch(project=target.project))


def _delete(recorder: Recorder, run: RunPath, _: ProjectPath) -> object:
    return recorder.services.trash.delete_run(recorder.caller, run)


def _replace(recorder: Recorder, run: RunPath, target: ProjectPath) -> object:
    _delete(recorder, run, target)
    return recorder.services.runs.create_run(recorder.caller, RunDraft(run.project_path, id=run.run))


@pytest.mark.parametrize("change", [_move, _delete, _replace])
def test_a_run_that_went_meanwhile_gets_no_points_without_being_rewound(
    recorder: Recorder, target: ProjectPath, change: Callable[[Recorder, RunPath, ProjectPath], object]
) -> None:
    run, services, caller = _recorded(recorder), recorder.services, recorder.caller
    # With one writer at a time the second begins when the other run is there, and means that one.
    is_other = change is _replace and services.store.dialect == "sqlite"
    again = Batch(run, (line("loss", 5, start=10),), rewind=9)
    with nullcontext() if is_other else pytest.raises(NotFoundError):
        meanwhile(
            services,
            lambda: change(recorder, run, target),
            lambda: services.recording.append(caller, again),
        )
    entries = services.trash.list_trash(caller, None, PageRequest()).items
    assert [entry.kind for entry in entries] == ([] if change is _move else ["runs"])
    assert services.admin.get_usage(caller).points == (25 if is_other else 20)


def test_restoring_waits_for_projects_before_it_waits_for_runs(recorder: Recorder, target: ProjectPath) -> None:
    """Also for the one that a run was moved to while it waited: else it and who cuts there wait for each other."""
    run, services, caller = _recorded(recorder), recorder.services, recorder.caller
    cut = DataCut(("loss",))
    entry = services.trash.delete(caller, services.trash.plan_data_deletion(caller, cut, run)).trash_id

    def locked() -> set[str]:
        with services.store.write() as connection:
            (key,) = (key for (key,) in rows(connection, select(trash.c.id).where(trash.c.cuid == entry)))
            lock_homes(connection, key, None)
            if services.store.dialect == "sqlite":
                return {target.project}
            free = select(projects.c.name).with_for_update(skip_locked=True)
            with services.store.write() as other:
                return {recorder.project.project, target.project} - {name for (name,) in rows(other, free)}

    _, found = meanwhile(services, lambda: _move(recorder, run, target), locked)
    assert found == {target.project}
    services.trash.restore(caller, entry)
    moved = RunSelection(target.workspace, target.project, ("a",))
    assert services.admin.get_usage(caller).points == 20
    assert services.runs.count_runs(caller, moved) == 1
