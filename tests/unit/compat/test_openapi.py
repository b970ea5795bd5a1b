"""``OpenApi``: the calls of document 002, as its examples write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.world import World, make_world

from runatlas import Api, ApiResponse, OpenApi
from runatlas.backends.local import LocalBackend
from runatlas.compat.openapi import Experiment, Project


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    backend = LocalBackend(tmp_path_factory.mktemp("openapi") / "store")
    made = make_world(backend)
    yield made
    backend.close()


@pytest.fixture
def my_api(world: World) -> OpenApi:
    return OpenApi(api=Api(backend=world.backend))


def test_list_workspaces(my_api: OpenApi) -> None:
    answer = my_api.list_workspaces()
    assert isinstance(answer, ApiResponse)
    assert (answer.code, answer.errmsg) == (200, "")
    assert answer.data is not None
    assert {"name": "My Team", "username": "my-team", "role": "OWNER"} in answer.data
    assert my_api.list_workspaces().unwrap()[0]["name"]


def test_list_project_exps(my_api: OpenApi) -> None:
    found = my_api.list_project_exps(project="my-project", username="my-team").unwrap()
    assert all(isinstance(run, Experiment) for run in found)
    assert [run.name for run in found] == ["broken", "deep v1", "wide v2", "baseline v2"]
    assert found.items[0].name == "broken"
    (run,) = [run for run in found if run.name == "baseline v2"]
    assert run.profile == {"config": {"lr": 0.01, "param_2": 7, "net": {"depth": 18}}}
    assert (run.state, run.show, run.createdAt) == ("FINISHED", True, "2024-05-15T10:40:00.000Z")
    assert run.finishedAt == "2024-05-15T11:40:00.000Z"
    assert {run.name for run in found if run.finishedAt is None} == {"wide v2"}


def test_get_experiment(my_api: OpenApi, world: World) -> None:
    cuid = world.backend.get_run(world.run("abc123")).cuid
    answer = my_api.get_experiment(project="my-project", exp_cuid=cuid, user="my-team")
    run = answer.unwrap()
    assert (run.cuid, run.state, run.user["username"]) == (cuid, "FINISHED", world.backend.get_user().username)
    assert run.profile["requirements"] == "numpy==2.0"
    assert run.profile["conda"] == "name: base"
    assert run.profile["config"]["lr"] == 0.01
    assert answer.json()["data"]["cuid"] == cuid
    assert my_api.get_experiment("my-project", "abc123", "my-team").unwrap() == run


def test_list_projects(my_api: OpenApi) -> None:
    (project,) = my_api.list_projects(username="my-team").unwrap()
    assert isinstance(project, Project)
    assert (project.name, project.description, project.visibility) == ("my-project", "All about images", "PUBLIC")
    assert project.group == {"type": "TEAM", "username": "my-team", "name": "My Team"}
    assert project.count["experiments"] == 4
    assert project.count["runningExps"] == 1
    assert project.createdAt.endswith("Z")
    (bare,) = my_api.list_projects("my-team", detail=False).unwrap()
    assert bare.count == {}
    assert my_api.list_projects("my-team").json()["data"][0]["cuid"] == project.cuid


def test_the_caller_s_own_workspace_is_the_default(my_api: OpenApi) -> None:
    assert my_api.list_projects().unwrap() == []
    assert my_api.list_project_exps("my-project").code == 404


@pytest.mark.parametrize(
    "answer",
    [
        lambda api: api.list_project_exps("never", "my-team"),
        lambda api: api.get_experiment("my-project", "never", "my-team"),
        lambda api: api.list_projects("never"),
    ],
)
def test_what_is_not_there_is_an_answer_not_an_exception(my_api: OpenApi, answer: object) -> None:
    found = answer(my_api)  # type: ignore[operator]
    assert (found.ok, found.code, found.data) == (False, 404, None)
    assert found.errmsg


def test_wrong_arguments_are_told_before_any_request() -> None:
    unreachable = OpenApi("0123456789abcdefghijk", host="http://127.0.0.1:9")
    for wrong in (
        lambda: unreachable.list_project_exps(".."),
        lambda: unreachable.get_experiment("demo", "a/b"),
        lambda: unreachable.list_projects("a b"),
        lambda: OpenApi(host="http://127.0.0.1:9", api=Api("./store")),
    ):
        with pytest.raises(ValueError, match=":"):
            wrong()
    unreachable.close()


def test_a_directory_can_be_asked(tmp_path: Path) -> None:
    LocalBackend(tmp_path / "store", create=True).get_server()
    with OpenApi(location=tmp_path / "store") as api:
        assert api.list_projects().unwrap() == []
