"""Protecting runs: one, many, and the one that is being written."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.place import Place

from runatlas import Api, Run
from runatlas.errors import ConflictError

PROJECT = "my-team/my-project"
PATH = f"{PROJECT}/abc123"


def test_a_protected_run_says_so_and_why(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    assert (run.protected, run.protected_reason) == (False, "")
    with own_place.account.asking("update_runs"):
        assert run.protect("the best of the sweep").unwrap() is run
    assert (run.protected, run.protected_reason) == (True, "the best of the sweep")
    assert {"protected", "protected_reason"} <= set(run.json())
    found = own_place.api.runs(PROJECT, "protected and 'sweep' in protected_reason")
    assert [item.id for item in found] == ["abc123"]
    table = own_place.api.runs(PROJECT, order="name").table().unwrap()
    assert table.column("protected") == [True, False, False, False]
    refused = run.delete(commit=True, force=True)
    assert isinstance(refused.error, ConflictError)
    assert refused.errmsg == (
        f"nothing was deleted: {PATH} is protected: the best of the sweep; unprotect what is protected"
    )
    assert run.unprotect().ok
    assert (run.protected, run.protected_reason) == (False, "")
    assert run.delete(commit=True).ok


def test_many_are_protected_in_one_request_and_kept(own_place: Place) -> None:
    runs = own_place.api.runs(PROJECT, "state == 'FINISHED'")
    assert runs.protect("paper").unwrap().total == 2
    everything = own_place.api.runs(PROJECT)
    plan = everything.delete(force=True).unwrap()
    assert [item.path for item in plan.kept] == [f"{PROJECT}/run_id_2", PATH]
    assert {item.reason for item in plan.kept} == {"protected: paper"}
    assert len(plan) == plan.total == 2
    text = repr(plan)
    assert text.startswith("DeletionPlan: 2 runs would be deleted")
    assert f"- kept: {PATH}: baseline v2 (FINISHED, protected: paper)" in text
    deletion = plan.apply().unwrap()
    assert deletion.kept == plan.kept
    assert "- kept: " in repr(deletion)
    assert [item["guards"] for item in deletion.json()["kept"]] == [["protected"]] * 2
    assert runs.unprotect().unwrap().total == 2
    assert own_place.api.project(PROJECT).delete(commit=True).ok


def test_a_plan_of_what_is_refused_shows_it_and_is_refused(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    plan = project.delete().unwrap()
    assert [item.path for item in plan.kept] == [f"{PROJECT}/run_id_1"]
    assert repr(plan).startswith(f"DeletionPlan: project {PROJECT} with 4 runs would stay, as 1 of them is guarded")
    assert plan.apply().errmsg == (
        f"nothing was deleted: {PROJECT}/run_id_1 is running; delete with force if that is meant"
    )
    assert project.delete(force=True).unwrap().apply().ok


def test_moving_and_changing_what_is_protected_is_no_deletion(own_place: Place) -> None:
    own_place.api.create_project("my-team", "other").unwrap()
    run = own_place.api.run(PATH)
    moved = run.protect().unwrap().update(project="other", name="moved").unwrap()
    assert (moved.path, moved.protected, moved.protected_reason) == ("my-team/other/abc123", True, "")


def test_the_run_that_is_written_protects_itself(tmp_path: Path) -> None:
    with Run(repo=tmp_path, experiment="demo", capture_terminal_logs=False) as run:
        run.protect("long training")
        assert (run.protected, run.protected_reason) == (True, "long training")
    with Api(tmp_path) as api:
        found = api.run(run.path)
        assert found.protected_reason == "long training"
        assert not found.delete(commit=True).ok


def test_what_is_no_reason_is_refused_before_any_request(own_place: Place) -> None:
    with own_place.account.asking():
        with pytest.raises(TypeError, match="protected_reason"):
            own_place.api.run(PATH).protect(5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="force"):
            own_place.api.run(PATH).delete(force="yes")  # type: ignore[call-overload]
