"""swanlab 0.6.12: a run tracked and gone on with, and everything its ``OpenApi`` reads (document 002)."""

from __future__ import annotations

import os
import pathlib
import struct
import sys
import zlib
from typing import Any

import numpy as np
import swanlab
from PIL import Image
from swanlab.data.run import SwanLabRunState


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
    log_material()
    run.config.update({"added": [1, {"deep": None}], "lr": 0.2})
    print("printed line")
    print("to stderr", file=sys.stderr)
    swanlab.finish()
    return str(run.public.cloud.experiment_url).rpartition("/")[2]


def log_material() -> None:
    """Media of all kinds."""
    wave = np.sin(np.arange(800) / 5)[None, :]
    swanlab.log({"tone": swanlab.Audio(wave, sample_rate=8000, caption="a tone")}, step=0)
    frames = [Image.new("L", (2, 2), level) for level in (0, 255)]
    frames[0].save("film.gif", "GIF", save_all=True, append_images=frames[1:])
    swanlab.log({"film": swanlab.Video("film.gif", caption="a film")}, step=0)
    points = np.arange(12, dtype=float).reshape(4, 3)
    swanlab.log({"cloud": swanlab.Object3D(points, caption="points")}, step=0)
    pathlib.Path("one.pdb").write_text(
        "HETATM    1  C1  UNL     1       0.000   0.000   0.000  1.00  0.00           C\nEND\n"
    )
    swanlab.log({"molecule": swanlab.Molecule.from_pdb_file("one.pdb", caption="carbon")}, step=0)
    bar = swanlab.echarts.Bar()
    bar.add_xaxis(["a", "b"])
    bar.add_yaxis("counts", [3, 4])
    swanlab.log({"chart": bar}, step=0)
    pictures = [swanlab.Image(np.full((2, 2, 3), level, np.uint8), caption=f"level {level}") for level in (1, 2)]
    swanlab.log({"some": pictures}, step=3)
    swanlab.log({"notes": [swanlab.Text("a", caption="first"), swanlab.Text("b", caption="second")]}, step=1)


def end_badly(team: str) -> None:
    swanlab.init(project="old", workspace=team, experiment_name="crashing", public=True)
    swanlab.log({"loss": 1.0})
    swanlab.finish(SwanLabRunState.CRASHED, error="Traceback (most recent call last):\n  boom")


def attempt(team: str, **options: Any) -> str | None:
    """Begin a run in a process of its own, since what fails to begin keeps others from it; return what is raised."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            swanlab.init(project="old", workspace=team, **options)
        except (Exception, SystemExit) as error:
            os.write(writer, type(error).__name__.encode())
            os._exit(1)
        swanlab.finish()
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as file:
        return file.read() or None


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
    workspaces, projects = api.list_workspaces(), api.list_projects(username=team)
    return {
        "workspaces": told(workspaces),
        "a name": workspaces.data[0]["name"],
        "projects": told(projects),
        "a workspace": projects.data[0].group["name"],
        "bare projects": told(api.list_projects(username=team, detail=False)),
        "own projects": told(api.list_projects(detail=False)),
        "experiments": told(api.list_project_exps(**where)),
        "listed": told(api.list_experiments(**where)),
        "many": told(api.list_experiments(project="page-00", username=team)),
        "own experiments": told(api.list_project_exps(project="mine")),
        "experiment": told(api.get_experiment(exp_id=cuid, **where)),
        "a time": api.get_experiment(exp_id=cuid, **where).data.createdAt,
        "a creator": api.get_experiment(exp_id=cuid, **where).data.user["username"],
        "summary": told(api.get_summary(exp_id=cuid, **where)),
        "older summary": told(api.get_exp_summary(exp_id=cuid, **where)),
        "metrics": told(api.get_metrics(exp_id=cuid, keys=["loss", "acc"])),
        "one metric": told(api.get_metrics(exp_id=cuid, keys="acc")),
        "no metric": told(api.get_metrics(exp_id=cuid, keys="never")),
        "missing": told(api.get_experiment(project="my-project", exp_id="never", username=team)),
        "no project": told(api.list_projects(username="nobody-here")),
    }


def delete(api: Any, team: str, run_id: str) -> dict[str, Any]:
    deleted = told(api.delete_experiment(project="my-project", exp_id=run_id, username=team))
    left = [run["name"] for run in told(api.list_experiments(project="my-project", username=team))["data"]]
    project = told(api.delete_project(project="my-project", username=team))
    return {"deleted": deleted, "left": left, "project": project}


def track_all(team: str) -> dict[str, Any]:
    refused = {
        "must without a run": attempt(team, id="0123456789abcdefghijk", resume="must"),
        "must without an id": attempt(team, resume="must"),
        "never with an id": attempt(team, id="0123456789abcdefghijk", resume="never"),
        "a workspace that is not there": attempt("nobody-here"),
    }
    allowed = attempt(team, id="abcdefghijk0123456789", resume="allow")
    run_id = track(team)
    go_on(team, run_id)
    end_badly(team)
    return {"run": run_id, "refused": refused, "allowed": allowed}


def main(given: dict[str, Any]) -> dict[str, Any]:
    swanlab.login(api_key=given["key"], host=given["host"], save=True)
    tracked = track_all(given["team"])
    # What was logged in with before, and another's key.
    api, other = swanlab.OpenApi(), swanlab.OpenApi(api_key=given["other"])
    return {
        **tracked,
        "read": read(api, given["team"], given["cuid"]),
        "other": told(other.list_workspaces()),
        "other's": told(other.list_projects(username=given["team"])),
        "other deletes": told(
            other.delete_experiment(project="my-project", exp_id=given["doomed"], username=given["team"])
        ),
        "deleted": delete(api, given["team"], given["doomed"]),
    }
