"""Changes that meet others which take them back, change or delete the same: one outcome, and one clear conflict."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest
from sqlalchemy import text
from support.meeting import meanwhile
from support.patience import eventually
from support.recording import Recorder

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.change import ChangeQuery, ChangeRecord
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunPatch
from runatlas.model.transfer import TransferDraft


@pytest.fixture
def change(recorder: Recorder) -> str:
    """A change of two runs."""
    for name in ("a", "b"):
        recorder.run(name)
    return _update(recorder, "x")


def _update(recorder: Recorder, name: str) -> str:
    chosen = recorder.selection(*map(recorder.project.run, ("a", "b")))
    return recorder.services.runs.update_runs(recorder.caller, chosen, RunPatch(name=name)).change_id


def _names(recorder: Recorder) -> list[str]:
    found = (recorder.services.runs.get_run(recorder.caller, recorder.project.run(name)) for name in ("a", "b"))
    return [run.name for run in found]


def _lines(recorder: Recorder) -> list[ChangeRecord]:
    return list(recorder.services.changes.list_changes(recorder.caller, ChangeQuery(str(recorder.project))).items)


def _merged_and_apart(recorder: Recorder) -> tuple[str, str]:
    """Merge the project into another one and take that back; return both changes."""
    services, caller, project = recorder.services, recorder.caller, recorder.project
    services.projects.create_project(caller, ProjectDraft("other", project.workspace))
    draft = TransferDraft("merge", f"{project.workspace}/other", project=str(project))
    merged = services.transfers.transfer(caller, services.transfers.plan_transfer(caller, draft)).change_id
    return merged, services.changes.undo_change(caller, merged).id


def test_of_two_who_take_a_change_back_one_does(recorder: Recorder, change: str) -> None:
    undo = partial(recorder.services.changes.undo_change, recorder.caller, change)
    with pytest.raises(ConflictError, match="it was already, by change"):
        meanwhile(recorder.services, undo, undo)
    assert _names(recorder) == ["", ""]
    assert [line.kind for line in _lines(recorder)].count("undo") == 1


def test_what_is_changed_meanwhile_is_not_taken_back(recorder: Recorder, change: str) -> None:
    undo = partial(recorder.services.changes.undo_change, recorder.caller, change)
    with pytest.raises(ConflictError, match=r"changed since: .*/a \(name\), .*/b \(name\)$"):
        meanwhile(recorder.services, lambda: _update(recorder, "y"), undo)
    assert _names(recorder) == ["y", "y"]


def test_of_two_who_merge_a_project_again_one_does(recorder: Recorder, change: str) -> None:
    services, caller, project = recorder.services, recorder.caller, recorder.project
    merged, apart = _merged_and_apart(recorder)
    again = partial(services.changes.undo_change, caller, apart)
    with pytest.raises(ConflictError, match=r"it was already, by change|lies in the trash"):
        meanwhile(services, again, again)
    with pytest.raises(NotFoundError):
        services.projects.get_project(caller, project)
    services.changes.undo_change(caller, merged)
    assert _names(recorder) == ["x", "x"], change


@pytest.mark.parametrize("kind", ["merge", "project"])
def test_two_who_take_back_a_change_of_projects_do_not_wait_for_each_other(
    recorder: Recorder, change: str, kind: str
) -> None:
    """Both have looked at the projects when a third one lets go of them."""
    services, caller, project = recorder.services, recorder.caller, recorder.project
    third = recorder.run("third")
    if kind == "project":
        services.projects.update_project(caller, project, ProjectPatch(title="t"))
        change = _lines(recorder)[0].id
    else:
        _, change = _merged_and_apart(recorder)
        third = Recorder(services, caller, ProjectPath(project.workspace, "other")).run("third")
    refused = []

    def undo() -> None:
        try:
            services.changes.undo_change(caller, change)
        except ConflictError as error:
            refused.append(error)

    meanwhile(services, lambda: services.trash.delete_run(caller, third, force=True), undo, undo)
    assert len(refused) == 1
    assert services.changes.get_change(caller, change).undone_by


def test_a_run_that_is_made_while_its_project_is_merged_again_is_in_the_way_or_refused(
    recorder: Recorder, change: str
) -> None:
    services, caller, project = recorder.services, recorder.caller, recorder.project
    _, apart = _merged_and_apart(recorder)
    with pytest.raises(ConflictError, match=f"project {project} has by now 1 run: {project}/newer"):
        meanwhile(services, lambda: recorder.run("newer"), lambda: services.changes.undo_change(caller, apart))
    assert _names(recorder) == ["x", "x"], change


def test_a_plan_that_meets_a_change_of_its_runs_does_nothing(recorder: Recorder, change: str) -> None:
    services, caller = recorder.services, recorder.caller
    services.projects.create_project(caller, ProjectDraft("other", recorder.project.workspace))
    chosen = recorder.selection(*map(recorder.project.run, ("a", "b")))
    plan = services.updates.plan_update(caller, chosen, RunPatch(name="planned"))
    apply = partial(services.updates.apply_update, caller, plan)
    with pytest.raises(ConflictError, match=r"not as it was when it was planned: .*/[ab], .*/[ab]$"):
        meanwhile(services, apply, apply)
    assert _names(recorder) == ["planned", "planned"], change
    services.changes.undo_change(caller, _lines(recorder)[0].id)
    alone = recorder.selection(recorder.project.run("a"))
    move = partial(services.runs.update_runs, caller, alone, RunPatch(project="other"))
    with pytest.raises(ConflictError, match=f"no longer there: {recorder.project}/a$"):
        meanwhile(services, move, apply)


def test_what_was_is_read_once_the_runs_are_locked(recorder: Recorder, change: str) -> None:
    meanwhile(recorder.services, lambda: _update(recorder, "y"), lambda: _update(recorder, name="z"))
    newest = _lines(recorder)[0]
    recorder.services.changes.undo_change(recorder.caller, newest.id)
    assert _names(recorder) == ["y", "y"], change


def test_a_project_that_is_deleted_takes_its_changed_runs_along(recorder: Recorder, change: str) -> None:
    services, caller = recorder.services, recorder.caller

    def delete() -> None:
        services.trash.delete_project(caller, recorder.project, force=True)

    meanwhile(services, lambda: _update(recorder, "y"), delete)
    with pytest.raises(ConflictError, match="lies in the trash"):
        services.changes.undo_change(caller, change)


def test_runs_that_are_deleted_meanwhile_stay_as_they_are(recorder: Recorder, change: str) -> None:
    services, caller = recorder.services, recorder.caller
    chosen = recorder.selection(recorder.project.run("a"))
    with pytest.raises((ConflictError, NotFoundError), match=r"in the trash|deleted meanwhile"):
        meanwhile(
            services,
            lambda: services.trash.delete_runs(caller, chosen, force=True),
            lambda: services.changes.undo_change(caller, change),
        )
    kept = services.runs.get_run(caller, recorder.project.run("b"))
    assert kept.name == "x"


def test_projects_that_two_rename_are_called_as_before_when_both_are_taken_back(recorder: Recorder) -> None:
    services, caller = recorder.services, recorder.caller
    recorder.run("a")
    rename = partial(services.projects.update_project, caller, recorder.project)
    with suppress(NotFoundError):  # on SQLite the second one finds the project only when it has another name
        meanwhile(services, lambda: rename(ProjectPatch(name="one")), lambda: rename(ProjectPatch(name="two")))
    for line in services.changes.list_changes(caller, ChangeQuery(kind="project")).items:
        services.changes.undo_change(caller, line.id)
    assert services.projects.get_project(caller, recorder.project).name == recorder.project.project


def test_the_process_of_a_run_waits_for_the_project_before_others_wait_for_the_run(recorder: Recorder) -> None:
    services, run = recorder.services, recorder.run("a")
    chosen = recorder.selection(run)
    services.runs.update_runs(recorder.caller, chosen, RunPatch(state="FINISHED"))
    change = partial(services.runs.update_runs, recorder.caller, chosen, RunPatch(name="x", by_run=True))

    def waits() -> bool:
        with services.store.read() as connection:
            return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    with ThreadPoolExecutor(1) as pool:
        with services.store.together():
            services.projects.update_project(recorder.caller, recorder.project, ProjectPatch(title="t"))
            later = pool.submit(change)
            assert services.store.dialect == "sqlite" or eventually(waits)
            services.trash.delete_runs(recorder.caller, chosen)
        with pytest.raises(NotFoundError):
            later.result(60)
