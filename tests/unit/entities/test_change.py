"""What ``audit()`` lists, and how changes are taken back by who made them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.place import Place

from runatlas import Run
from runatlas.errors import ConflictError, NotFoundError

PROJECT = "my-team/my-project"
PATH = f"{PROJECT}/abc123"


def test_an_update_of_a_run_is_taken_back_by_its_answer(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    before = {**run.json(), "updated_at": ""}
    answer = run.update(name="new", labels_added=["x"], config={"net.depth": 5})
    assert answer.unwrap() is run
    assert answer.change.what == "changed 1 run: name 'new', added tag 'x', config 'net.depth'"
    assert answer.change.undo().ok
    assert {**run.refresh().json(), "updated_at": ""} == before
    assert run.update(name="baseline v2").change is None, "nothing differs"


def test_what_was_changed_is_told_as_people_say_it(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    told: dict[str, dict[str, Any]] = {
        "state 'CRASHED'": {"state": "CRASHED"},
        "tags 'a', 'b'": {"labels": ["a", "b"]},
        "took away tag 'a'": {"labels_removed": ["a"]},
        "description none": {"description": ""},
        "group 'g', job type 'eval'": {"group": "g", "job_type": "eval"},
        "pinned, the baseline": {"pin": True, "baseline": True},
        "not pinned any more, archived": {"pin": False, "archived": True},
    }
    for said, fields in told.items():
        change = run.update(**fields).change
        assert change is not None
        assert change.what == f"changed 1 run: {said}"


def test_an_update_of_many_is_taken_back_as_one(own_place: Place) -> None:
    runs = own_place.api.project(PROJECT).runs()
    before = [{**run.json(), "updated_at": ""} for run in runs]
    changes = runs.update(group="g", pin=True).data
    assert changes is not None
    assert changes.change is not None
    assert changes.json()["change"] == changes.change.id
    assert [run.group for run in runs.refresh()] == ["g"] * 4
    undone = changes.undo().unwrap()
    assert (undone.kind, undone.runs, undone.undoes) == ("undo", 4, changes.change.id)
    assert [{**run.json(), "updated_at": ""} for run in runs.refresh()] == before
    assert changes.change.refresh().undone_by == undone.id
    answer = changes.undo()
    assert isinstance(answer.error, ConflictError)
    assert "it was already" in answer.errmsg


def test_what_changed_nothing_has_nothing_to_take_back(own_place: Place) -> None:
    changes = own_place.api.project(PROJECT).runs("state == 'FINISHED'").update(archived=False).unwrap()
    assert (changes.total, changes.change) == (2, None)
    assert "nothing was changed" in changes.undo().errmsg


def test_a_change_tells_who_what_when_and_of_which_runs(own_place: Place) -> None:
    api = own_place.api
    run = api.run(PATH)
    change = run.update(config={"lr": 1}, config_removed=["net"]).change
    home = api.workspace().username
    assert (change.by, change.door, change.kind, change.project, change.runs) == (
        home,
        "python",
        "update",
        "my-project",
        1,
    )
    assert change.at < (change.expires_at or "")
    assert change.can_undo
    (told,) = change.list_runs()
    assert (told.path, told.name, told.cuid) == (PATH, "baseline v2", run.cuid)
    assert told.before == {"config.lr": 0.01, "config.net": {"depth": 18}}
    assert told.after == {"config.lr": 1}
    assert api.change(change.id).json() == change.json()
    assert api.change(change.id).undo(commit=False).unwrap().what.startswith("took back: changed 1 run")
    assert run.refresh().config["lr"] == 1
    assert isinstance(api.change("none").error, NotFoundError)
    with pytest.raises(ValueError, match="change_id"):
        api.change("")


def test_audits_of_an_api_a_workspace_a_project_runs_and_a_run(own_place: Place) -> None:
    api = own_place.api
    project = api.project(PROJECT)
    first = api.run(PATH).update(name="x").change
    second = api.run(f"{PROJECT}/run_id_1").protect("good").change
    deletion = api.run(f"{PROJECT}/run_id_3").delete(commit=True).unwrap()
    assert [change.kind for change in project.audit()] == ["delete", "protect", "update", "create"]
    assert [change.id for change in api.run(PATH).audit()] == [first.id]
    assert [change.id for change in project.runs(ids=["run_id_1"]).audit()] == [second.id]
    assert [change.id for change in api.audit(runs=[PATH, api.run(f"{PROJECT}/run_id_1")])] == [second.id, first.id]
    assert [change.id for change in api.audit(PROJECT, kind="protect")] == [second.id]
    assert [change.kind for change in api.workspace("my-team").audit(limit=2)] == ["delete", "protect"]
    assert len(api.audit()) == 4
    assert len(api.audit(by="nobody")) == 0
    (gone,) = project.audit(kind="delete")
    assert gone.trash_id == deletion.trash_id
    assert gone.undo().ok
    assert api.run(f"{PROJECT}/run_id_3").ok
    listed = project.audit()
    assert pickle.loads(pickle.dumps(listed)).total == listed.total
    assert isinstance(api.audit("my-team/nowhere").error, NotFoundError)


def test_since_when(own_place: Place) -> None:
    api = own_place.api
    api.run(PATH).update(name="x")
    now = datetime.now(UTC)
    for since in ("1d", "99y", now - timedelta(days=1), (now - timedelta(days=1)).isoformat(), "2020-01-31"):
        assert len(api.audit(since=since)) == 2
    assert len(api.audit(since=now + timedelta(days=1))) == 0
    for wrong in ("yesterday", "7 tomorrows", ""):
        with pytest.raises(ValueError, match="since"):
            api.audit(since=wrong)
    with pytest.raises(ValueError, match="kind"):
        api.audit(kind="fun")
    with pytest.raises(TypeError, match="runs"):
        api.audit(runs=PATH)


def test_what_a_run_records_is_no_change(own_place: Place, tmp_path: object) -> None:
    with Run(repo=str(tmp_path), experiment="training", name="a") as run:
        run.log({"loss": 1.0})
        run.description = "while it goes on"
        run["lr"] = 0.1
        assert run.update(labels_added=["mine"]).change is None
    stored = own_place.api.run(run.path)
    assert stored.labels == ["mine"]
    assert len(stored.audit()) == 0
