"""Requests that are allowed, with ids of somebody else's in their bodies and queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from integration.server.roles.world import LAB, PROJECT, RUN, Request, World

__all__ = ["OWN", "SIDEWAYS", "SLY", "settle"]

SLY, OWN = "sly", "ownplace"
"""Somebody with a key and a project, who knows every id there is."""

HERE = {"workspace": SLY, "project": OWN}
PREFIX = "/atlas/v1"


def settle(world: World) -> None:
    """Make the user, the project, a folder and a run with a file."""
    world.make("POST", "admin/users", "boss", json={"username": SLY})
    world.keys[SLY] = world.make("POST", "keys", "boss", json={"username": SLY})["secret"]
    world.make("POST", "projects", SLY, json={"workspace": SLY, "name": OWN})
    world.make("POST", "runs", SLY, json={"project": HERE, "id": "mine"})


def _trash(world: World) -> str:
    plan = world.make(
        "POST", "deletions/plan", json={"runs": {"workspace": LAB, "project": PROJECT, "ids": [world.new_run()["id"]]}}
    )
    return str(world.make("POST", "deletions", json=plan)["trash_id"])


def _here(path: str, make: Callable[[World], Any]) -> Callable[[World], Request]:
    return lambda world: Request(f"{PREFIX}/{path}", {"json": make(world)})


def _plan(path: str) -> Callable[[World], Any]:
    """A plan that nobody made: one's own right to delete, and another's run."""

    def make(world: World) -> Any:
        item = {"path": path, "cuid": world.lab.cuid, "name": "", "state": "RUNNING", "created_at_ms": 0}
        return {"kind": "runs", "items": [item], "missing": [], "project": f"{SLY}/{OWN}"}

    return make


def _selected(world: World) -> dict[str, Any]:
    return {"selection": {**HERE, "ids": [world.lab.cuid]}}


SIDEWAYS: dict[str, tuple[str, Callable[[World], Request]]] = {
    "list runs": ("POST", _here("runs/query", _selected)),
    "list runs of a workspace": (
        "POST",
        _here("runs/query", lambda world: {"selection": {"workspace": SLY, "ids": [world.lab.cuid, RUN]}}),
    ),
    "count runs": ("POST", _here("runs/count", lambda world: {**HERE, "ids": [world.lab.cuid]})),
    "points": ("POST", _here("points/query", _selected)),
    "summaries": ("POST", _here("summaries/query", _selected)),
    "change runs": ("POST", _here("runs/update", lambda world: {**_selected(world), "patch": {"name": "x"}})),
    "into a folder": (
        "POST",
        _here(
            "runs/update",
            lambda world: {"selection": {**HERE, "ids": ["mine"]}, "patch": {"folder_id": world.lab.folder}},
        ),
    ),
    "into a project": (
        "POST",
        _here("runs/update", lambda _: {"selection": {**HERE, "ids": ["mine"]}, "patch": {"project": PROJECT}}),
    ),
    "under a folder": (
        "POST",
        _here(f"projects/{SLY}/{OWN}/folders", lambda world: {"name": "f", "parent_id": world.lab.folder}),
    ),
    "another's folder": (
        "PATCH",
        lambda world: Request(f"{PREFIX}/projects/{SLY}/{OWN}/folders/{world.lab.folder}", {"json": {"name": "f"}}),
    ),
    "another's run by its cuid": ("GET", lambda world: Request(f"{PREFIX}/runs/{SLY}/{OWN}/{world.lab.cuid}")),
    "append by a cuid": (
        "POST",
        lambda world: Request(
            f"{PREFIX}/runs/{SLY}/{OWN}/{world.lab.cuid}/append", {"json": {"logs": [{"message": "x"}]}}
        ),
    ),
    "another's ingestion key": (
        "DELETE",
        lambda world: Request(f"{PREFIX}/runs/{SLY}/{OWN}/mine/ingestion-keys/{world.lab.ingestion_key}"),
    ),
    "plan a deletion": (
        "POST",
        _here("deletions/plan", lambda world: {"runs": {**HERE, "ids": [world.lab.cuid]}}),
    ),
    "delete what is called one's own": ("POST", _here("deletions", _plan(f"{SLY}/{OWN}/mine"))),
    "delete by a path": ("POST", _here("deletions", _plan(f"{SLY}/{OWN}/{RUN}"))),
    "purge an entry": ("POST", _here("trash/purge", lambda world: {"trash_id": _trash(world)})),
    "count an entry": ("POST", _here("trash/purge", lambda world: {"trash_id": _trash(world), "dry_run": True})),
    "register a model": (
        "POST",
        _here("models", lambda _: {"name": "m", "run": f"{LAB}/{PROJECT}/{RUN}", "artifact": "relic.pt"}),
    ),
    "register a model by a cuid": (
        "POST",
        _here("models", lambda world: {"name": "m", "run": f"{SLY}/{OWN}/{world.lab.cuid}", "artifact": "relic.pt"}),
    ),
}
"""Method and request, by what is tried."""
