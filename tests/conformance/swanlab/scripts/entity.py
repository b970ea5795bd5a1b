"""Every entity, property and parameter that document 004 lists, with swanlab 0.8 and 0.10; nothing is changed."""

from __future__ import annotations

import os
import random
from typing import Any

import swanlab

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def seen(entity: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(entity, name) for name in names}


PROJECT = ("name", "path", "description", "labels", "created_at", "updated_at", "url", "visibility", "count")
RUN = ("name", "description", "state", "labels", "group", "job_type", "created_at", "finished_at", "url", "show")
COLUMN = ("name", "key", "column_class", "column_type", "created_at")


def read_places(api: Any, team: str) -> dict[str, Any]:
    workspace, own = api.workspace(username=team), api.workspace()
    properties = ("name", "username", "workspace_type", "role", "profile", "comment")
    user = api.user()
    found = api.projects(path=team, sort="name", search="PAGE", detail=True, page=1, size=10)
    pages = {
        "default": [project.name for project in api.projects(path=team)],
        "name": [project.name for project in api.projects(path=team, sort="name", all=True, size=10)],
        "create": [project.name for project in api.projects(path=team, sort="create")],
        "bare": [project.name for project in api.projects(path=team, detail=False)],
        "second": [project.name for project in api.projects(path=team, sort="name", page=2, size=10)],
        "of workspace": [project.name for project in workspace.projects(sort="create", search="page-1")],
    }
    return {
        "workspace": seen(workspace, *properties),
        "own": seen(own, *properties),
        "listed": [seen(found, "name", "username", "role", "workspace_type") for found in api.workspaces()],
        "count": len(api.workspaces()),
        "user": seen(user, "username", "name", "bio", "institution", "school", "email", "location", "url"),
        "project": seen(api.project(path=f"{team}/my-project"), *PROJECT),
        "page": found.json(),
        "pages": pages,
    }


def read_runs(api: Any, team: str, filters: dict[str, Any]) -> dict[str, Any]:
    path = f"{team}/my-project"
    project = api.project(path=path)
    ordered = project.runs(sorts=[{"key": "name", "type": "STABLE", "order": "DESC"}])
    by_loss = project.runs(
        filters=[{"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}],
        sorts=[{"key": "loss", "type": "SCALAR", "order": "ASC"}],
    )
    grouped = project.runs(groups=[{"key": "state", "type": "STABLE"}])
    finished = project.runs(filters=[{"key": "state", "type": "STABLE", "op": "EQ", "value": ["FINISHED"]}])
    return {
        "filtered": {name: sorted(run.name for run in api.runs(path=path, filters=f)) for name, f in filters.items()},
        "unfiltered": sorted(run.name for run in api.runs(path=path)),
        "ordered": [run.name for run in ordered],
        "by loss": [run.name for run in by_loss],
        "grouped": sorted(run.name for run in grouped),
        "json": finished.json(),
        "first page": [run.name for run in api.runs_get(path=path, page=1, size=10)],
        "second page": [run.name for run in api.runs_get(path=path, page=2, size=10)],
        "all": [run.name for run in api.runs_get(path=path, size=10, all=True)],
        "default": [run.name for run in api.runs_get(path=path)],
        "of project": project.runs_get(page=1, size=100).json(),
    }


def read_run(api: Any, team: str) -> dict[str, Any]:
    path = f"{team}/my-project"
    listed = {run.name: run for run in api.runs(path=path)}
    paged = {run.name: run for run in api.runs_get(path=path, all=True)}
    alone = api.run(path=f"{path}/abc123")
    return {
        "run": seen(alone, *RUN, "profile", "user", "type", "project_id"),
        "listed": seen(listed["baseline v2"], *RUN, "profile", "user", "type", "project_id"),
        "paged": seen(paged["baseline v2"], *RUN, "profile", "user", "type", "project_id"),
        "states": {run.name: [run.state, run.finished_at is None] for run in listed.values()},
        "hidden": listed["deep v1"].show,
        "kept": [alone.delete(commit=False), api.project(path=path).delete(commit=False)],
        "many kept": api.project(path=path).delete_runs(["abc123", "run_id_1"], commit=False),
        "after": len(list(api.runs(path=path))),
    }


def read_columns(api: Any, team: str) -> dict[str, Any]:
    path = f"{team}/my-project/abc123"
    run, wide = api.run(path=path), f"{team}/my-project/wide"
    image = run.column(key="generated_image", column_type="IMAGE")
    loss = api.column(path=path, key="loss", column_class="CUSTOM", column_type="FLOAT")
    return {
        "column": seen(loss, *COLUMN),
        "fuzzy": seen(api.column(path=path, key="LOS"), "name", "column_type"),
        "exact": api.column(path=wide, key="k1").name,
        "nothing": seen(api.column(path=path, key="never"), "name", "column_type"),
        "system": seen(api.column(path=path, key="cpu", column_class="SYSTEM"), *COLUMN),
        "of run": run.column(key="acc").column_type,
        "metric": loss.metric(),
        "sampled": loss.metric(sample=20, metric_type="SCALAR", ignore_timestamp=True),
        "image": image.metric(media_step=5),
        "latest image": image.metric(),
        "no csv": [image.export_csv().ok, image.export_csv().errmsg, image.export_csv().data],
        "page": api.columns(path=wide, page=2, size=10).json(),
        "all": [column.name for column in api.columns(path=wide, size=10, all=True)],
        "total": [api.columns(path=wide).total, api.columns(path=path, search="zzz").total],
        "search": sorted(column.name for column in api.columns(path=wide, search="K1", all=True)),
        "floats": [column.name for column in api.columns(path=path, all=True, column_type="FLOAT")],
        "texts": [column.name for column in run.columns(column_type="STRING")],
        "every": [column.name for column in run.columns(page=1, size=100, column_class=None)],
    }


def read_administration(api: Any, team: str) -> dict[str, Any]:
    hosted = api.self_hosted()

    def projects(**wanted: Any) -> list[str]:
        return [found["path"] for found in hosted.get_projects(**wanted)]

    def groups(**wanted: Any) -> list[str]:
        return [found["username"] for found in hosted.get_groups(**wanted)]

    return {
        "info": seen(hosted, "enabled", "expired", "root", "plan", "seats"),
        "json": hosted.json(),
        "users": [user["username"] for user in hosted.get_users(page=1, size=100, all=True)],
        "of team": projects(group=team, sort="name", size=10, all=True),
        "newest": projects(group=team, sort="create", page=1, size=100),
        "found": projects(page=1, size=100, all=True, search="my-proj", state="FINISHED", creator="ann", group=team),
        "running": projects(state="RUNNING", group=team),
        "nobody's": projects(group=team, creator="vera"),
        "teams": groups(all=True, type="TEAM", sort="name"),
        "persons": groups(all=True, type="PERSON", sort="create"),
        "searched": groups(search=team[:-1], page=1, size=10),
        "usage": hosted.get_usage_summary().json(),
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    # What is given in words comes before what the surroundings say.
    os.environ["SWANLAB_API_KEY"] = "wrong"
    os.environ["SWANLAB_API_HOST"] = "http://127.0.0.1:9"
    api = swanlab.Api(api_key=given["key"], host=given["host"])
    team = given["team"]
    return {
        "username": api.username,
        "places": read_places(api, team),
        "runs": read_runs(api, team, given["filters"]),
        "run": read_run(api, team),
        "columns": read_columns(api, team),
        "administration": read_administration(api, team),
    }
