"""Write the runs by requests, as document 003 has them."""

from __future__ import annotations

import math
from typing import Any

import requests


class _Session(requests.Session):
    """Posts JSON and files."""

    def __init__(self, given: dict[str, Any]) -> None:
        super().__init__()
        self.auth = ("", given["key"])
        self._base = f"{given['host']}/api"

    def say(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.post(f"{self._base}/{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def store(self, run: str, name: str, data: bytes) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        path = f"{self._base}/w/runs/{run}/artifacts"
        self.post(path, params={"name": name}, data=data, headers=headers, timeout=30).raise_for_status()


def _write(session: _Session, project: str, content: dict[str, Any], **end: Any) -> str:
    tags = {name: value for name, _, value in (tag.partition("=") for tag in content["tags"])}
    run = str(session.say("w/runs", {"experiment": project, "name": content["name"], "tags": tags})["id"])
    session.say(f"w/runs/{run}/params", content["config"])
    for key, context, rows in content["series"]:
        for step, value in rows:
            # It has no contexts, and JSON has no words for NaN and the infinities.
            if math.isfinite(value) and not context:
                session.say(f"w/runs/{run}/metrics", {"metrics": {key: value}, "step": step})
    for name, data in content["artifacts"].items():
        session.store(run, name, data.encode())
    session.say(f"note/{run}", {"note": content["description"]})
    session.say(f"w/runs/{run}/end", end)
    return run


def main(given: dict[str, Any]) -> dict[str, str]:
    session = _Session(given)
    return {
        "whole": _write(session, given["project"], given["whole"], status="completed"),
        "failed": _write(session, given["project"], given["failed"], status="failed", error=given["failed"]["error"]),
    }
