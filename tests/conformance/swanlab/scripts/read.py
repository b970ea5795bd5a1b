"""Everything that document 004 shows, with swanlab 0.8 and 0.10, on the runs of ``support.world``."""

from __future__ import annotations

import random
import urllib.request
from typing import Any

import swanlab
from swanlab.api.typings.common import RangeQuery

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def fetch(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode("latin-1"))


def read_places(api: Any, team: str) -> dict[str, Any]:
    workspace = api.workspace(username=team)
    project = api.project(path=f"{team}/my-project")
    return {
        "user": api.user().json(),
        "workspace": workspace.json(),
        "workspaces": sorted(found.username for found in api.workspaces(team)),
        "own workspaces": sorted(found.username for found in api.workspaces()),
        "projects": [found.name for found in workspace.projects(sort="name", search="MY-")],
        "no projects": [found.name for found in workspace.projects(search="nothing")],
        "all projects": [found.path for found in api.projects(path=team, sort="create", size=10, all=True)],
        "project": project.json(),
        "missing": [bool(api.project(path=f"{team}/never").name), bool(api.run(path=f"{team}/my-project/never").name)],
    }


def rule(key: str, kind: str, op: str, *values: Any) -> dict[str, Any]:
    return {"key": key, "type": kind, "op": op, "value": list(values)}


FILTERS = {
    "finished": [rule("state", "STABLE", "EQ", "FINISHED")],
    "v2": [rule("state", "STABLE", "EQ", "FINISHED"), rule("name", "STABLE", "CONTAIN", "v2")],
    "not finished": [rule("state", "STABLE", "NEQ", "FINISHED")],
    "in": [rule("state", "STABLE", "IN", "RUNNING", "CRASHED")],
    "not in": [rule("state", "STABLE", "NOT IN", "RUNNING", "CRASHED")],
    "labels": [rule("labels", "STABLE", "CONTAIN", "cv")],
    "config": [rule("lr", "CONFIG", "GTE", "0.01")],
    "config text": [rule("param_2", "CONFIG", "EQ", "7")],
    "scalar": [rule("loss", "SCALAR", "LTE", 0.6)],
    "since": [rule("createdAt", "STABLE", "GTE", "2025-01-01")],
}


def read_runs(api: Any, team: str) -> dict[str, Any]:
    path = f"{team}/my-project"
    listed = api.runs_get(path=path, page=1, size=100, all=True)
    return {
        "pages": [run.run_id for run in api.runs_get(path=path, page=2, size=10)],
        "listed": [(run.run_id, run.name, run.state) for run in listed],
        "filtered": {name: sorted(run.name for run in api.runs(path=path, filters=f)) for name, f in FILTERS.items()},
        "all": sorted(run.name for run in api.project(path=path).runs()),
    }


def read_run(api: Any, team: str) -> dict[str, Any]:
    run = api.run(path=f"{team}/my-project/abc123")
    by_cuid = api.run(path=f"{team}/my-project/{run.run_id}")
    return {"run": run.json(), "url": run.url, "profile": run.profile, "cuid": by_cuid.name}


def read_metrics(api: Any, team: str) -> dict[str, Any]:
    run = api.run(path=f"{team}/my-project/abc123")
    ranges: dict[str, Any] = {
        "steps": {"type": "step", "start": 100, "end": 103},
        "times": RangeQuery(type="timestamp", start=1715769605000, end=1715769608000),
        "last": {"last": 3_000},
        "head": RangeQuery(start=10, end=500, head=3),
        "tail": {"tail": 4},
    }
    made = {name: run.metrics(keys=["loss"], range_query=wanted) for name, wanted in ranges.items()}
    return {
        "sampled": run.metrics(keys=["loss", "acc"]),
        "some": run.metrics(keys=["loss"], sample=50),
        "bare": run.metrics(keys=["acc"], ignore_timestamp=True),
        "all": run.metrics(keys=["loss", "acc"], all=True),
        "missing": run.metrics(keys=["never"]),
        "ranges": made,
    }


def read_rest(api: Any, team: str) -> dict[str, Any]:
    path = f"{team}/my-project/abc123"
    run = api.run(path=path)
    logs, exported = run.logs(offset=0, level="INFO"), run.export_logs(start=1, rows=2)
    media = run.medias(keys=["generated_image"], step=10)
    every = run.medias(keys=["generated_image"], all=True)
    column = api.column(path=path, key="loss", column_type="FLOAT")
    csv = api.column(path=path, key="acc").export_csv()
    return {
        "summary": run.summary(keys=["loss", "acc"]),
        "all summary": run.summary(),
        "logs": logs,
        "debug": run.logs(level="DEBUG"),
        "exported": fetch(exported.data["url"]),
        "media": media,
        "media content": fetch(media["list"][0]["metrics"][0]["items"][0]["url"]),
        "all media": every,
        "columns": [found.json() for found in run.columns(all=True)],
        "system": [found.key for found in api.columns(path=path, column_class="SYSTEM")],
        "total": api.columns(path=path).total,
        "search": [found.name for found in run.columns(search="LOS")],
        "images": [found.key for found in run.columns(column_type="IMAGE")],
        "column": column.json(),
        "column metric": column.metric(sample=10),
        "csv": fetch(csv.data["url"]),
    }


def change(api: Any, team: str) -> dict[str, Any]:
    made = api.create_project(
        username=team, name="new-project", visibility="PRIVATE", description="Project description"
    )
    again = api.create_project(username=team, name="new-project")
    of_workspace = api.workspace(username=team).create_project(name="my_project", visibility="PUBLIC")
    made_there = [of_workspace.path, of_workspace.visibility, of_workspace.description]
    listed = api.workspace(username=team).projects(sort="create", search="PROJECT").json()
    project = api.project(path=f"{team}/my-project")
    project.delete(commit=False)
    kept = api.run(path=f"{team}/my-project/run_id_3").delete(commit=False)
    after_nothing = sorted(run.name for run in project.runs())
    # One that is running goes when it is named alone; among several it would stop them all.
    project.delete_runs(["run_id_2", "run_id_3"], commit=True)
    api.run(path=f"{team}/my-project/run_id_1").delete(commit=True)
    left = sorted(run.name for run in api.project(path=f"{team}/my-project").runs())
    for name in ("new-project", "my_project"):
        api.project(path=f"{team}/{name}").delete(commit=True)
    return {
        "made": made.json() if made else None,
        "again": bool(again),
        "made there": made_there,
        "listed": [found["name"] for found in listed["list"]],
        "kept": bool(kept),
        "after nothing": after_nothing,
        "left": left,
        "projects": [found.name for found in api.workspace(username=team).projects()],
    }


def administer(api: Any) -> dict[str, Any]:
    hosted = api.self_hosted()
    made = hosted.create_user(username="newuser", password="pass123")
    return {
        "info": hosted.json(),
        "made": bool(getattr(made, "ok", made)),
        "users": [user["username"] for user in hosted.get_users(page=1, size=100, all=True)],
        "projects": [found["path"] for found in hosted.get_projects(search="my-pro", creator="ann", sort="create")],
        "groups": [found["username"] for found in hosted.get_groups(all=True, type="TEAM", sort="name")],
        "usage": hosted.get_usage_summary().data,
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    api = swanlab.Api(api_key=given["key"], host=given["host"])
    team = given["team"]
    return {
        "places": read_places(api, team),
        "runs": read_runs(api, team),
        "run": read_run(api, team),
        "metrics": read_metrics(api, team),
        "rest": read_rest(api, team),
        "changed": change(api, team),
        "administered": administer(api),
    }
