"""swanlab 0.6.12: a run tracked and gone on with, and everything its ``OpenApi`` reads (document 002)."""

from __future__ import annotations

import pathlib
import struct
import sys
import zlib
from typing import Any

import swanlab


def make_png(color: tuple[int, int, int]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" + bytes(color))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def track(team: str) -> str:
    run = swanlab.init(
        project="old",
        workspace=team,
        experiment_name="old run",
        description="the first",
        config={"lr": 0.1, "net": {"depth": 18}},
        tags=["a"],
    )
    for step in range(20):
        swanlab.log({"train/loss": 1 / (step + 1), "acc": step / 20}, step=step)
    swanlab.log({"odd": float("nan"), "big": float("inf")}, step=0)
    pathlib.Path("red.png").write_bytes(make_png((255, 0, 0)))
    swanlab.log({"pic/a b": swanlab.Image("red.png", caption="red")}, step=5)
    swanlab.log({"note": swanlab.Text("hello ✓", caption="greeting")}, step=1)
    print("printed line")
    print("to stderr", file=sys.stderr)
    swanlab.finish()
    return str(run.public.cloud.experiment_url).rpartition("/")[2]


def go_on(team: str, run_id: str) -> None:
    swanlab.init(project="old", workspace=team, id=run_id, resume="must")
    for step in range(20, 25):
        swanlab.log({"train/loss": 1 / (step + 1)}, step=step)
    swanlab.finish()


def told(response: Any) -> dict[str, Any]:
    data = response.data
    if hasattr(data, "model_dump"):
        data = data.model_dump()
    elif isinstance(data, list):
        data = [item.model_dump() if hasattr(item, "model_dump") else item for item in data]
    elif hasattr(data, "to_dict"):
        data = {"columns": list(data.columns), "rows": data.reset_index().values.tolist()}
    return {"code": response.code, "errmsg": response.errmsg, "data": data}


def read(api: Any, team: str, cuid: str) -> dict[str, Any]:
    where = {"project": "my-project", "username": team}
    return {
        "workspaces": told(api.list_workspaces()),
        "projects": told(api.list_projects(username=team)),
        "own projects": told(api.list_projects(detail=False)),
        "experiments": told(api.list_project_exps(**where)),
        "listed": told(api.list_experiments(**where)),
        "experiment": told(api.get_experiment(exp_id=cuid, **where)),
        "summary": told(api.get_summary(exp_id=cuid, **where)),
        "metrics": told(api.get_metrics(exp_id=cuid, keys=["loss", "acc"])),
        "one metric": told(api.get_metrics(exp_id=cuid, keys="acc")),
        "no metric": told(api.get_metrics(exp_id=cuid, keys="never")),
        "missing": told(api.get_experiment(project="my-project", exp_id="never", username=team)),
    }


def delete(api: Any, team: str, run_id: str) -> dict[str, Any]:
    deleted = told(api.delete_experiment(project="my-project", exp_id=run_id, username=team))
    left = [run["name"] for run in told(api.list_experiments(project="my-project", username=team))["data"]]
    project = told(api.delete_project(project="my-project", username=team))
    return {"deleted": deleted, "left": left, "project": project}


def main(given: dict[str, Any]) -> dict[str, Any]:
    swanlab.login(api_key=given["key"], host=given["host"], save=True)
    run_id = track(given["team"])
    go_on(given["team"], run_id)
    api = swanlab.OpenApi(api_key=given["key"])
    return {
        "run": run_id,
        "read": read(api, given["team"], given["cuid"]),
        "deleted": delete(api, given["team"], given["doomed"]),
    }
