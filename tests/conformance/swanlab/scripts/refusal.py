"""What a key may not do, and what is not there, with swanlab 0.8 and 0.10."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import swanlab

# After each page the older client waits for that part of a second.
random.random = lambda: 0.0


def raised(action: Callable[[], Any]) -> str | None:
    try:
        action()
    except Exception as error:
        return type(error).__name__
    return None


def answered(entity: Any) -> dict[str, Any]:
    """What a wrapper tells, in its properties and as JSON."""
    answer = entity.wrapper()
    told = answer.json()
    assert (answer.ok, bool(answer.errmsg)) == (told["ok"], bool(told["errmsg"]))
    return {"ok": answer.ok, "errmsg": answer.errmsg, "has data": answer.data is not None}


def change(api: Any, team: str) -> dict[str, Any]:
    project = api.project(path=f"{team}/my-project")
    made = api.create_project(username=team, name="made-by-vera")
    return {
        "make": None if made is None else made.path,
        "delete run": api.run(path=f"{team}/my-project/run_id_1").delete(commit=True),
        "delete runs": project.delete_runs(["run_id_2"], commit=True),
        "delete project": api.project(path=f"{team}/my-project").delete(commit=True),
        "left": sorted(run.name for run in api.project(path=f"{team}/my-project").runs()),
    }


def look(api: Any, team: str) -> dict[str, Any]:
    """Look at what one may not see, or what is not there."""
    path = f"{team}/my-project"
    return {
        "workspace": answered(api.workspace(username=team)),
        "project": answered(api.project(path=path)),
        "run": answered(api.run(path=f"{path}/abc123")),
        "projects": [project.name for project in api.projects(path=team)],
        "runs": [run.name for run in api.runs(path=path)],
        "paged runs": [run.name for run in api.runs_get(path=path)],
        "delete": api.project(path=path).delete(commit=True),
        "make": api.create_project(username=team, name="made-by-vera") is None,
    }


def administer(api: Any) -> dict[str, Any]:
    hosted = api.self_hosted()
    return {
        "root": hosted.root,
        "create": raised(lambda: hosted.create_user(username="another", password="pass123")),
        "users": raised(lambda: list(hosted.get_users())),
        "projects": raised(lambda: list(hosted.get_projects())),
        "groups": raised(lambda: list(hosted.get_groups())),
        "usage": raised(hosted.get_usage_summary),
    }


def main(given: dict[str, Any]) -> dict[str, Any]:
    nobody = raised(swanlab.Api)
    wrong = raised(lambda: swanlab.Api(api_key="0123456789abcdefghijK", host=given["host"]))
    api = swanlab.Api(api_key=given["key"], host=given["host"])
    return {
        "nobody": nobody,
        "wrong": wrong,
        "roles": {found.username: found.role for found in api.workspaces()},
        "viewer": change(api, given["viewed"]),
        "member": change(api, given["shared"]),
        "stranger": look(api, given["hidden"]),
        "nothing": look(api, "never-there"),
        "administration": administer(api),
    }
