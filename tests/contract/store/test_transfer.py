"""Who moves runs or renames their metrics while others change them gets one outcome, and a clear word on why not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import func, select
from support.meeting import meanwhile
from support.recording import Recorder, line

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunPatch, RunQuery, RunSelection
from runatlas.model.series import ColumnQuery
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


def _plan_name(recorder: Recorder, new: str, old: str = "los") -> TransferPlanRecord:
    draft = TransferDraft("rename_metric", new, recorder.selection(), metric=old)
    return recorder.services.transfers.plan_transfer(recorder.caller, draft)


def _keys(recorder: Recorder) -> dict[str, list[str]]:
    services, caller = recorder.services, recorder.caller
    names = ("a", "b")
    listed = (services.columns.list_columns(caller, recorder.project.run(name), ColumnQuery()) for name in names)
    return {name: [column.key for column in page.items] for name, page in zip(names, listed, strict=True)}


def _record(recorder: Recorder, key: str) -> object:
    return recorder.append(recorder.project.run("a"), line(key, 3))


def _cut(recorder: Recorder, key: str) -> object:
    services, caller = recorder.services, recorder.caller
    plan = services.trash.plan_data_deletion(caller, DataCut((key,), first_step=2), recorder.selection(), force=True)
    return services.trash.delete(caller, plan)


@pytest.mark.parametrize("changed", ["update", "undo"])
def test_who_changes_runs_that_are_moved_meanwhile_stands_in_nobodys_way(recorder: Recorder, changed: str) -> None:
    """Who gives data back to them has the lock of the project that they are in by now, and waits for theirs."""
    services, caller = recorder.services, recorder.caller
    target = services.projects.create_project(caller, ProjectDraft("target")).path
    for path in (Recorder(services, caller, target).run("x"), *map(recorder.run, "abz")):
        recorder.append(path, line("loss", 3))
    chosen = recorder.selection(recorder.project.run("a"), recorder.project.run("b"))
    change_id = services.runs.update_runs(caller, chosen, RunPatch(name="old")).change_id
    cut = DataCut(("loss",), first_step=2)
    everywhere = services.trash.plan_data_deletion(caller, cut, RunSelection(target.workspace), force=True)
    entry = services.trash.delete(caller, everywhere).trash_id
    plan = services.transfers.plan_transfer(caller, TransferDraft("move", str(target), chosen))

    def change() -> None:
        with suppress(NotFoundError):
            if changed == "undo":
                services.changes.undo_change(caller, change_id)
            else:
                services.runs.update_runs(caller, chosen, RunPatch(name="new"))

    meanwhile(services, lambda: _do(recorder, plan), lambda: services.trash.restore(caller, entry), change)
    assert services.trash.list_trash(caller, None, PageRequest()).items == ()
    moved = services.runs.list_runs(caller, RunQuery(Recorder(services, caller, target).selection())).items
    # With one writer at a time they are moved before anybody looks for them where they were.
    updated = "old" if services.store.dialect == "sqlite" else "new"
    name = "" if changed == "undo" else updated
    assert {run.id: run.name for run in moved} == {"a": name, "b": name, "x": ""}


def test_a_copy_and_a_merge_of_the_project_that_it_goes_to_do_not_wait_for_each_other(
    recorder: Recorder, target: ProjectPath
) -> None:
    """Both wait for a third one."""
    services, caller = recorder.services, recorder.caller
    services.projects.create_project(caller, ProjectDraft("last"))
    recorder.append(Recorder(services, caller, target).run("third"), line("loss", 3))
    there = RunSelection(target.workspace, target.project)
    renaming = services.transfers.plan_transfer(caller, TransferDraft("rename_metric", "los", there, metric="loss"))
    services.runs.update_run(caller, recorder.run("over"), RunPatch(state="FINISHED"))
    draft = TransferDraft("copy", str(target), recorder.selection(recorder.project.run("over")))
    plan = services.transfers.plan_transfer(caller, draft)
    draft = TransferDraft("merge", f"{target.workspace}/last", project=str(target))
    merge = services.transfers.plan_transfer(caller, draft)

    def copy() -> None:
        with suppress(ConflictError, NotFoundError):
            services.transfers.copy_runs(caller, plan)

    def do_merge() -> None:
        with suppress(ConflictError):
            _do(recorder, merge)

    meanwhile(services, lambda: _do(recorder, renaming), do_merge, copy)
    assert _lost(recorder) == 0


MEANWHILE: dict[str, tuple[Callable[[Recorder], object], dict[str, list[str]]]] = {
    "renamed": (lambda recorder: _do(recorder, _plan_name(recorder, "other")), {"a": ["other"], "b": ["other"]}),
    "new key recorded": (lambda recorder: _record(recorder, "loss"), {"a": ["los", "loss"], "b": ["los"]}),
    "protected": (
        lambda recorder: recorder.services.runs.update_runs(
            recorder.caller, recorder.selection(), RunPatch(protected=True)
        ),
        {"a": ["los"], "b": ["los"]},
    ),
}


@pytest.mark.parametrize("change", MEANWHILE)
def test_a_metric_is_not_renamed_where_something_came_in_the_way(recorder: Recorder, change: str) -> None:
    for name in ("a", "b"):
        recorder.append(recorder.run(name), line("los", 3))
    plan = _plan_name(recorder, "loss")
    act, left = MEANWHILE[change]
    with pytest.raises(ConflictError, match=f"nothing was renamed: {recorder.project}/"):
        meanwhile(recorder.services, lambda: act(recorder), lambda: _do(recorder, plan))
    assert _keys(recorder) == left


def test_what_is_cut_or_recorded_while_a_metric_is_renamed_has_its_key(recorder: Recorder) -> None:
    services, caller = recorder.services, recorder.caller
    for name in ("a", "b"):
        recorder.append(recorder.run(name), line("los", 3))
    plan = _plan_name(recorder, "loss")
    meanwhile(services, lambda: _cut(recorder, "los"), lambda: _do(recorder, plan))
    assert _keys(recorder) == {"a": ["loss"], "b": ["loss"]}
    (entry,) = services.trash.list_trash(caller, None, PageRequest()).items
    plan = _plan_name(recorder, "los", "loss")
    meanwhile(services, lambda: services.trash.restore(caller, entry.id), lambda: _do(recorder, plan))
    assert _keys(recorder) == {"a": ["los"], "b": ["los"]}
    plan = _plan_name(recorder, "loss")
    meanwhile(services, lambda: _do(recorder, plan), lambda: _record(recorder, "los"))
    assert _keys(recorder) == {"a": ["los", "loss"], "b": ["loss"]}
