"""The trash: listed, brought back, and emptied."""

from __future__ import annotations

from support.place import Place

from runatlas.errors import NotFoundError

PROJECT = "my-team/my-project"


def test_what_is_deleted_lies_in_the_trash(own_place: Place) -> None:
    api = own_place.api
    first = api.run(f"{PROJECT}/run_id_1").delete(commit=True).unwrap()
    second = api.runs(PROJECT, "state == 'FINISHED'").delete(commit=True).unwrap()
    trash = api.trash()
    assert [entry.id for entry in trash] == [second.trash_id, first.trash_id]
    entry = trash[0]
    assert (entry.kind, entry.runs, entry.project_path) == ("runs", 2, PROJECT)
    assert entry.deleted_by == api.user().username
    assert entry.expires_at is not None
    assert entry.expires_at > entry.deleted_at
    assert entry.json()["project_path"] == PROJECT
    assert entry.refresh().runs == 2
    assert len(api.trash("my-team", limit=1)) == 1
    assert api.trash().total == 2
    assert entry.restore().ok
    assert isinstance(entry.refresh().error, NotFoundError)
    assert len(api.project(PROJECT).runs()) == 3
    assert api.restore(first.trash_id).ok
    assert api.restore(first.trash_id).code == 404
    assert len(api.trash().refresh()) == 0


def test_purging_is_planned_first(own_place: Place) -> None:
    api = own_place.api
    assert api.run(f"{PROJECT}/abc123").delete(commit=True).ok
    entry = api.trash()[0]
    plan = entry.purge().unwrap()
    assert (plan.runs, plan.points, plan.dry_run) == (1, 2103, True)
    assert len(api.trash()) == 1
    assert api.purge().unwrap().runs == 0, "nothing has expired"
    assert entry.purge(commit=True).unwrap().dry_run is False
    assert len(api.trash()) == 0
    assert api.restore(entry.id).code == 404
    assert api.run(f"{PROJECT}/run_id_1").delete(commit=True).ok
    assert api.purge(expired_only=False, commit=True).unwrap().runs == 1
    assert api.purge("nope", commit=True).code == 404


def test_a_run_is_brought_back_alone(own_place: Place) -> None:
    api = own_place.api
    deletion = api.runs(PROJECT, "state == 'FINISHED'").delete(commit=True).unwrap()
    entry = api.trash_entry(deletion.trash_id)
    runs = entry.list_runs()
    assert len(runs) == entry.runs == 2
    first, second = runs
    assert first.json()["path"] == first.path
    assert first.restore().unwrap().runs == 1
    assert api.run(first.path).state == "FINISHED"
    assert isinstance(first.refresh().error, NotFoundError)
    assert api.restore(deletion.trash_id, [second.path.rpartition("/")[2]]).ok
    assert len(api.trash()) == 0
