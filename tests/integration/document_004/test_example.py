"""Every example of document 004, in its order, with ``import runatlas`` in place of its import."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest
from support.scene import Ground, Scene

import runatlas
from runatlas import RangeQuery

pytestmark = pytest.mark.xdist_group("document_004")


def fetch(url: str) -> bytes:
    """Open a link without any credentials."""
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


# -- quick start ------------------------------------------------------------------------------------------------------


def test_credentials_are_found(scene: Scene) -> None:
    api = runatlas.Api()
    assert api.user().ok


def test_explicit_credentials(scene: Scene, ground: Ground) -> None:
    if ground.kind != "embedded":
        host, key = ground.environment["RUNATLAS_API_HOST"], ground.environment["RUNATLAS_API_KEY"]
        api = runatlas.Api(api_key=key, host=host)
        wrong = runatlas.Api(api_key="0" * 21, host=host)
        assert wrong.user().code == 401
        assert not wrong.runs(path=scene.path).ok
    else:
        api = runatlas.Api(ground.environment["RUNATLAS_DIR"])
    assert api.workspace(scene.team).ok


def test_the_three_kinds_of_data(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    scalars = run.metrics(keys=["loss", "acc"], sample=500)
    media = run.medias(keys=["generated_image"], step=10)
    logs = run.logs(offset=0, level="INFO")
    assert len(scalars["loss"]) <= 500
    assert len(scalars["acc"]) == 100
    assert media["generated_image"][0].step == 10
    assert logs[0].message == "epoch 1"


# -- workspace --------------------------------------------------------------------------------------------------------


def test_workspace(scene: Scene) -> None:
    api = runatlas.Api()
    ws = api.workspace(username=scene.team)
    data = ws.json()
    assert (data["name"], data["username"], data["workspace_type"]) == ("My Team", scene.team, "TEAM")
    own = api.workspace()
    assert own.username == api.user().username
    assert own.workspace_type == "PERSON"


def test_workspaces(scene: Scene) -> None:
    api = runatlas.Api()
    names = [ws.username for ws in api.workspaces(api.user().username)]
    assert scene.team in names
    assert set(names) <= {ws.username for ws in api.workspaces()}


def test_projects_of_a_workspace(own_scene: Scene) -> None:
    api = runatlas.Api()
    ws = api.workspace(username=own_scene.team)
    assert ws.create_project(name="my-project-v1", visibility="PUBLIC").ok
    projects = ws.projects(sort="create", search="v1")
    assert [item["name"] for item in projects.json()["list"]] == ["my-project-v1"]
    assert [project.name for project in ws.projects(sort="create")] == ["my-project-v1", "my-project"]
    assert [project.name for project in ws.projects(sort="name")] == ["my-project", "my-project-v1"]


def test_create_project_in_a_workspace(own_scene: Scene) -> None:
    api = runatlas.Api()
    ws = api.workspace(username=own_scene.team)
    project = ws.create_project(name="my_project", visibility="PUBLIC")
    assert project.ok
    assert project.data is not None
    assert project.data.visibility == "PUBLIC"
    assert not ws.create_project(name="my_project").ok


# -- project ----------------------------------------------------------------------------------------------------------


def test_project(scene: Scene) -> None:
    api = runatlas.Api()
    project = api.project(path=scene.path)
    assert project.json()["path"] == scene.path


def test_projects(own_scene: Scene) -> None:
    api = runatlas.Api()
    for name in ("image-b", "image-a", "text"):
        assert api.create_project(own_scene.team, name).ok
    found = [(p.name, p.path) for p in api.projects(path=own_scene.team, sort="name", search="image")]
    assert found[:2] == [("image-a", f"{own_scene.team}/image-a"), ("image-b", f"{own_scene.team}/image-b")]
    assert found[2][0] == "my-project", "its description has the word"
    assert len(list(api.projects(own_scene.team, page=1, size=2))) == 2
    assert len(list(api.projects(own_scene.team, page=1, size=2, all=True))) == 4


def test_runs_of_a_project(scene: Scene) -> None:
    api = runatlas.Api()
    project = api.project(path=scene.path)
    runs = project.runs(filters=[{"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}])
    plain = runs.json()
    assert [item["id"] for item in plain["list"]] == ["run_id_2", "abc123"]
    assert plain["total"] == 2


def test_runs_get_of_a_project(scene: Scene) -> None:
    api = runatlas.Api()
    project = api.project(path=scene.path)
    runs = project.runs_get(page=1, size=100)
    assert {item["id"] for item in runs.json()["list"]} == {"abc123", "run_id_1", "run_id_2", "run_id_3"}


def test_create_project(own_scene: Scene) -> None:
    api = runatlas.Api()
    project = api.create_project(
        username=own_scene.team,
        name="new-project",
        visibility="PRIVATE",
        description="Project description",
    )
    assert project.ok
    loaded = api.project(f"{own_scene.team}/new-project")
    assert (loaded.visibility, loaded.description) == ("PRIVATE", "Project description")


def test_delete_project(own_scene: Scene) -> None:
    api = runatlas.Api()
    project = api.project(path=own_scene.path)
    pending = project.delete(commit=False)
    assert pending.ok
    assert "4 runs" in repr(pending.data)
    assert project.refresh().ok
    assert "run_id_1 is running" in (project.delete(commit=True).errmsg or "")
    assert api.run(f"{own_scene.path}/run_id_1").update(state="FINISHED").ok
    assert project.delete(commit=True).ok
    assert not project.refresh().ok


def test_delete_runs(own_scene: Scene) -> None:
    api = runatlas.Api()
    project = api.project(path=own_scene.path)
    assert api.run(f"{own_scene.path}/run_id_1").update(state="FINISHED").ok  # One that is running would be kept.
    assert project.delete_runs(["run_id_1", "run_id_2"], commit=True).ok
    assert {run.id for run in project.runs()} == {"abc123", "run_id_3"}


# -- experiment -------------------------------------------------------------------------------------------------------


def test_run(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    data = run.json()
    assert data["name"] == "baseline v2"


def test_filtered_runs(scene: Scene) -> None:
    api = runatlas.Api()
    names = []
    for run in api.runs(
        path=scene.path,
        filters=[
            {"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]},
            {"key": "name", "type": "STABLE", "op": "CONTAIN", "value": ["v2"]},
        ],
    ):
        names.append(run.name)  # noqa: PERF401 - as documented
    assert names == ["baseline v2"]


def test_paged_runs(scene: Scene) -> None:
    api = runatlas.Api()
    found = []
    for run in api.runs_get(path=scene.path, page=1, size=100, all=True):
        found.append((run.name, run.state))  # noqa: PERF401 - as documented
    assert ("baseline v2", "FINISHED") in found
    assert len(found) == 4
    assert len(list(api.runs_get(path=scene.path, page=1, size=3, all=True))) == 4
    assert len(list(api.runs_get(path=scene.path, page=1, size=3))) == 3
    assert len(list(api.runs_get(path=scene.path, page=2, size=3))) == 1


def test_range_queries(scene: Scene) -> None:
    run = runatlas.Api().run(path=scene.run)

    def steps(range_query: Any) -> list[int]:
        return [point["step"] for point in run.metrics(keys=["loss"], range_query=range_query)["loss"]]

    assert steps(RangeQuery(type="step", start=100, end=500)) == list(range(100, 501))
    assert steps(RangeQuery(tail=50)) == list(range(1950, 2000))
    assert steps(RangeQuery(type="timestamp", start=1715769600000, end=1715773200000)) == list(range(2000))
    assert steps(RangeQuery(last=300_000)) == list(range(1699, 2000))
    result = run.metrics(keys=["loss"], range_query={"type": "step", "start": 100, "end": 500})
    assert len(result["loss"]) == 401


def test_metrics(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    result = run.metrics(keys=["loss", "acc"])
    assert sorted(result) == ["acc", "loss"]
    assert len(run.metrics(keys=["loss"], sample=500)["loss"]) <= 500
    assert len(run.metrics(keys=["loss"], all=True)["loss"]) == 2000
    result = run.metrics(keys=["loss"], range_query={"type": "step", "start": 100, "end": 500})
    assert len(result["loss"]) == 401
    result = run.metrics(keys=["loss"], range_query={"type": "timestamp", "start": 1715769600000, "end": 1715773200000})
    assert len(result["loss"]) == 2000
    assert len(run.metrics(keys=["loss"], range_query={"last": 300_000})["loss"]) == 301
    assert len(run.metrics(keys=["loss"], range_query={"start": 0, "end": 500, "head": 50})["loss"]) == 50
    assert len(run.metrics(keys=["loss"], range_query={"tail": 30})["loss"]) == 30


def test_summary(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    summary = run.summary(keys=["loss", "acc"])
    assert sorted(summary) == ["acc", "loss"]
    assert summary["acc"]["value"] == 0.495
    assert {"min", "max", "avg", "median", "latest"} <= set(summary["loss"])
    assert summary["acc"]["max"]["step"] == 99


def test_medias(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    result = run.medias(keys=["generated_image"], step=10)
    image = result["generated_image"][0][0]
    assert image.caption == "green"
    assert fetch(image["url"]) == image.read().unwrap()
    result = run.medias(keys=["generated_image"], all=True)
    assert result["generated_image"].steps == [5, 10]
    assert run.medias(keys=["generated_image"])["generated_image"].steps == [10], "the latest, when step is omitted"


def test_links_are_signed_and_expire(scene: Scene) -> None:
    image = runatlas.Api().run(scene.run).medias(keys=["generated_image"])["generated_image"][0][0]
    if scene.kind == "embedded":
        assert image.url.startswith("file://")
        assert image.expires_at is None
        return
    assert image.url.startswith("http://127.0.0.1:")
    # SwanLab's servers do not tell when.
    assert image.expires_at is None if scene.kind == "swanlab" else image.expires_at.endswith("Z")
    with pytest.raises(urllib.request.HTTPError) as refused:
        fetch(image.url[:-4] + "AAAA")
    assert refused.value.code in {401, 403, 404}
    refused.value.close()


def test_logs(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    logs = run.logs(offset=0, level="INFO")
    assert [line.message for line in logs] == ["epoch 1", "slow", "bad", "epoch 2"]
    assert [line.message for line in run.logs(offset=3, level="DEBUG")] == ["bad", "epoch 2"]
    assert "timestamp" not in run.logs(ignore_timestamp=True).json()["data"]["logs"][0]


def test_export_logs(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    result = run.export_logs(start=0, rows=500)
    assert result.ok
    assert result.data is not None
    assert fetch(result.data["url"]).decode().splitlines() == ["epoch 1", "details", "slow", "bad", "epoch 2"]
    assert result.data["name"].endswith(".log")


def test_columns_of_a_run(scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=scene.run)
    assert [col.name for col in run.columns(all=True)] == ["acc", "cpu", "generated_image", "loss"]
    assert [col.name for col in run.columns(search="loss")] == ["loss"]
    col = run.column(key="loss", column_type="FLOAT")
    assert col.name == "loss"
    assert run.column(key="LOS").name == "loss"
    assert run.column(key="LOS").match == "fuzzy"


def test_delete_run(own_scene: Scene) -> None:
    api = runatlas.Api()
    run = api.run(path=own_scene.run)
    assert run.delete(commit=False).ok
    assert run.refresh().ok
    assert run.delete(commit=True).ok
    assert not run.refresh().ok


# -- column -----------------------------------------------------------------------------------------------------------


def test_column(scene: Scene) -> None:
    api = runatlas.Api()
    col = api.column(path=scene.run, key="loss", column_type="FLOAT")
    assert (col.key, col.match) == ("loss", "exact")


def test_columns(scene: Scene) -> None:
    api = runatlas.Api()
    names = []
    for col in api.columns(path=scene.run, page=1, size=100, all=True, column_type="FLOAT"):
        names.append(col.name)  # noqa: PERF401 - as documented
    assert names == ["acc", "cpu", "loss"]
    assert [col.name for col in api.columns(path=scene.run, search="LOSS")] == ["loss"]
    assert [col.name for col in api.columns(path=scene.run, all=True, column_type="FLOAT")] == names


def test_columns_total(scene: Scene) -> None:
    api = runatlas.Api()
    cols = api.columns(path=scene.run)
    assert cols.total == 4


def test_column_metric(scene: Scene) -> None:
    api = runatlas.Api()
    col = api.column(path=scene.run, key="loss")
    data = col.metric(sample=500)
    assert 0 < len(data) <= 500
    assert data[0].keys() == {"step", "value", "timestamp"}


def test_column_export_csv(scene: Scene) -> None:
    api = runatlas.Api()
    col = api.column(path=scene.run, key="loss")
    result = col.export_csv()
    assert result.ok
    assert result.data is not None
    lines = fetch(result.data["url"]).decode().splitlines()
    names = [name.rpartition("_")[2] for name in lines[0].split(",")]
    # SwanLab's servers put the series before the name, and call the value a step.
    assert names == ["step", "step", "timestamp"] if scene.kind == "swanlab" else ["step", "value", "timestamp"]
    assert len(lines) == 2001


# -- user and self-hosted ---------------------------------------------------------------------------------------------


def test_user(scene: Scene) -> None:
    api = runatlas.Api()
    user = api.user()
    data = user.json()
    assert data["username"] == user.username


def test_self_hosted(scene: Scene) -> None:
    api = runatlas.Api()
    sh = api.self_hosted()
    data = sh.json()
    assert (data["enabled"], data["plan"], data["seats"]) == (True, "free", 0)


def test_users_of_the_installation(own_scene: Scene) -> None:
    api = runatlas.Api()
    sh = api.self_hosted()
    name = f"new-{own_scene.team}"[:25]
    assert sh.create_user(username=name, password="pass123").ok
    assert name in [user.username for user in sh.get_users(page=1, size=100, all=True)]
    assert name in [group.username for group in sh.get_groups(all=True, type="PERSON")]


def test_projects_of_the_installation(scene: Scene) -> None:
    api = runatlas.Api()
    sh = api.self_hosted()
    creator = api.user().username
    found = sh.get_projects(page=1, size=100, all=True, search="image", state="FINISHED", creator=creator)
    assert scene.path in [proj.path for proj in found]
    assert [proj.path for proj in sh.get_projects(group=scene.team, sort="create")] == [scene.path]


def test_groups_of_the_installation(scene: Scene) -> None:
    api = runatlas.Api()
    sh = api.self_hosted()
    groups = [group.username for group in sh.get_groups(all=True, type="TEAM", sort="name")]
    assert scene.team in groups
    assert groups == sorted(groups)


def test_usage_of_the_installation(scene: Scene) -> None:
    api = runatlas.Api()
    sh = api.self_hosted()
    result = sh.get_usage_summary()
    assert result.ok
    assert result.data is not None
    assert result.data["runs"] >= 4
