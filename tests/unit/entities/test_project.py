"""Projects and listings of them."""

from __future__ import annotations

from typing import Any

import pytest
from support.place import Place

from runatlas import Project
from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, ServerError

PATH = "my-team/my-project"


def test_every_field(place: Place) -> None:
    project = place.api.project(PATH)
    with place.account.asking():
        assert (project.path, project.name, project.workspace) == (PATH, "my-project", "my-team")
        assert project.url.endswith("#@my-team/my-project")
    with place.account.asking("get_project"):
        assert project.description == "All about images"
        assert project.labels == ["cv", "v1"]
        assert project.visibility == "PUBLIC"
        assert project.role == "OWNER"
        assert project.count["experiments"] == 4
        assert project.count["running"] == 1
        assert project.created_at.endswith("Z")
        assert project.created.tzinfo is not None
        assert project.updated_at >= project.created_at
        assert len(project.project_id) == 21
        assert project.title == ""
        assert project.json()["count"] == project.count


def test_listed_without_detail_the_count_costs_one_request(place: Place) -> None:
    project = place.api.projects("my-team", detail=False)[0]
    with place.account.asking():
        assert project.description == "All about images"
    with place.account.asking("get_project"):
        assert project.count["experiments"] == 4
        assert project.count["contributors"] == 1
    with place.account.asking("list_projects"):
        assert place.api.projects("my-team", detail=False).json()["list"][0]["count"]["experiments"] == 4
    with place.account.asking("list_projects"):
        assert place.api.projects("my-team").json()["list"][0]["count"]["experiments"] == 4


def test_one_run_of_a_project(place: Place) -> None:
    assert place.api.project(PATH).run("abc123") == place.api.run(f"{PATH}/abc123")
    for wrong in ("a/b", "", 5):
        with pytest.raises((TypeError, ValueError), match="run"):
            place.api.project(PATH).run(wrong)  # type: ignore[arg-type]


def test_update_and_rename(own_place: Place) -> None:
    project = own_place.api.project(PATH)
    assert project.update(description="new", visibility="PRIVATE", labels=[], title="Images!").unwrap() is project
    with own_place.account.asking():
        assert (project.description, project.visibility, project.labels, project.title) == (
            "new",
            "PRIVATE",
            [],
            "Images!",
        )
    retitled = project.update(title="Cats")
    assert retitled.change.what == f"changed project {PATH}: title 'Cats' (was 'Images!')"
    retitled.change.undo().unwrap()
    assert (project.refresh().title, project.update(title="Images!").change) == ("Images!", None)
    renamed = project.update(name="other").unwrap()
    assert renamed.path == "my-team/other"
    assert renamed.description == "new"
    assert len(renamed.runs()) == 4
    assert project.refresh().code == 404
    assert own_place.api.create_project("my-team", "third").ok
    assert isinstance(renamed.update(name="third").error, ConflictError)


@pytest.mark.parametrize(
    ("changes", "error", "name"),
    [
        ({}, ValueError, "nothing to change"),
        ({"name": " "}, ValueError, "name"),
        ({"name": 5}, TypeError, "name"),
        ({"description": 5}, TypeError, "description"),
        ({"visibility": "public"}, ValueError, "visibility"),
        ({"visibility": 1}, TypeError, "visibility"),
        ({"labels": "cv"}, TypeError, "labels"),
    ],
)
def test_mistakes_in_updates(place: Place, changes: dict[str, Any], error: type[Exception], name: str) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        place.api.project(PATH).update(**changes)


def test_all_projects_can_be_updated_at_once(own_place: Place) -> None:
    for name in ("p1", "p2", "p3"):
        assert own_place.api.create_project("my-team", name, description="same").ok
    projects = own_place.api.projects("my-team", search="same")
    assert len(projects) == 3
    own_place.account.fail("update_project", PermissionDeniedError("not you"))
    update = projects.update(visibility="PUBLIC").unwrap()
    assert (update.total, len(update.ids), update.complete) == (2, 3, False)
    assert [failure.reason for failure in update.failures] == ["not you"]
    assert sorted(project.visibility for project in projects) == ["PRIVATE", "PUBLIC", "PUBLIC"]
    own_place.account.fail("list_projects", ServerError("down"))
    assert own_place.api.projects("my-team").update(description="x").errmsg == "down"
    with pytest.raises(ValueError, match="nothing to change"):
        projects.update()


def test_deleting_a_project_takes_its_runs_and_brings_them_back(own_place: Place) -> None:
    project = own_place.api.project(PATH)
    plan = project.delete(commit=False, force=True).unwrap()
    assert (plan.project, plan.total, plan.complete) == (PATH, 4, True)
    assert repr(plan).startswith(f"DeletionPlan: project {PATH} with 4 runs")
    assert project.refresh().ok
    deletion = project.delete(commit=True, force=True).unwrap()
    assert deletion.json()["project"] == PATH
    assert isinstance(project.refresh().error, NotFoundError)
    assert len(own_place.api.projects("my-team")) == 0
    assert own_place.api.create_project("my-team", "my-project").ok, "the name is free at once"
    assert isinstance(deletion.restore().error, ConflictError)
    assert own_place.api.project(PATH).delete(commit=True).ok
    assert deletion.restore().ok
    assert len(own_place.api.project(PATH).runs()) == 4


def test_listing_sorts_searches_and_pages(own_place: Place) -> None:
    api = own_place.api
    for name in ("beta", "alpha", "gamma"):
        assert api.workspace("my-team").create_project(name).ok

    def names(projects: Any) -> list[str]:
        return [project.name for project in projects]

    assert names(api.projects("my-team", sort="name")) == ["alpha", "beta", "gamma", "my-project"]
    assert names(api.projects("my-team", sort="create")) == ["gamma", "alpha", "beta", "my-project"]
    assert names(api.projects("my-team", search="ALP")) == ["alpha"]
    assert names(api.projects("my-team", sort="name", page=2, size=3)) == ["my-project"]
    assert names(api.projects("my-team", sort="name", limit=2)) == ["alpha", "beta"]
    assert names(api.workspace("my-team").projects("name")) == names(api.projects("my-team", sort="name"))
    assert len(api.projects()) == 4
    assert api.projects("nobody").code == 404
    for wrong in ({"sort": "size"}, {"search": ""}, {"detail": 1}, {"path": "a/b"}, {"path": 5}, {"size": 0}):
        with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
            api.projects(**wrong)


def test_projects_of_the_callers_own_workspace(own_place: Place) -> None:
    own = own_place.api.workspace()
    assert own.create_project("mine").ok
    assert [project.path for project in own_place.api.workspace().projects()] == [f"{own.username}/mine"]
    assert own_place.api.workspace().project("mine").ok
    assert isinstance(own.create_project("mine").error, ConflictError)
    assert own_place.api.create_project(name="second", labels=["x"], title="T").unwrap().labels == ["x"]


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"name": ""}, ValueError, "name"),
        ({"name": ".."}, ValueError, "name"),
        ({"name": "x" * 1001}, ValueError, "name"),
        ({"name": 5}, TypeError, "name"),
        ({"name": "x", "visibility": "SECRET"}, ValueError, "visibility"),
        ({"name": "x", "description": 5}, TypeError, "description"),
        ({"name": "x", "labels": "cv"}, TypeError, "labels"),
        ({"username": "a/b", "name": "x"}, ValueError, "username"),
    ],
)
def test_mistakes_in_creating(place: Place, arguments: dict[str, Any], error: type[Exception], name: str) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        place.api.create_project(**arguments)


def test_creating_answers_with_the_project(own_place: Place) -> None:
    answer = own_place.api.create_project("my-team", "new", visibility="PUBLIC", description="d")
    project = answer.unwrap()
    assert isinstance(project, Project)
    with own_place.account.asking():
        assert (project.path, project.visibility, project.description) == ("my-team/new", "PUBLIC", "d")
        assert answer.name == "new"  # type: ignore[attr-defined]
    assert own_place.api.create_project("nobody", "x").code == 404
    assert answer.json()["data"]["path"] == "my-team/new"
