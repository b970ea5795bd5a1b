"""A route that takes several records, what is good for it, and what is not; and the runs that they are sent to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import requests
from support.server import ServerProcess

__all__ = [
    "KEYS", "LONG", "NOW", "NUMBERS", "PARAMS", "WHOLE", "Record", "Send", "Target", "Told", "Way", "fields", "http",
]  # fmt: skip

Record: TypeAlias = "dict[str, Any]"

NOW = "2026-01-02T03:04:05.678+00:00"
LONG = "x" * 3000
KEYS = {"NUL": "a\0", "surrogate": "a\ud800", "long": LONG, "empty": "", "number": 5, "line break": "a\nb"}
WHOLE = {"beyond 64 bits": 2**63, "text": "x", "fraction": 1.5}
NUMBERS = {"null": None, "text": "x", "list": [1], "too large": 10**400}
PARAMS = {"surrogate": {"b": "\ud800"}, "surrogate in a name": {"\ud800": 1}, "NaN": {"b": float("nan")}}
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_TOLD = ("name", "description", "config", "labels", "archived", "state")


@attrs.frozen
class Target:
    """A run of a server, as each protocol names it."""

    server: ServerProcess
    session: requests.Session
    owner: str
    id: str
    cuid: str

    @property
    def path(self) -> str:
        """Where our own protocol has it."""
        return f"runs/{self.owner}/demo/{self.id}"

    def ask(self, path: str, body: Any, method: str = "POST") -> requests.Response:
        """Send JSON, with whatever Python writes as such."""
        url = f"{self.server.origin}{path}" if path.startswith("/") else f"{self.server.origin}/atlas/v1/{path}"
        return self.session.request(method, url, data=json.dumps(body), headers=_JSON, timeout=60)

    def content(self) -> dict[str, Any]:
        """Return everything that the run has, but for when the server took it."""
        told = self.ask(self.path, None, "GET").json()
        selection = {"workspace": self.owner, "project": "demo", "ids": [self.id]}
        block = self.ask("points/query", {"selection": selection}).json()
        rows = list(zip(block["steps"], block["values"], strict=True))
        lines = self.ask(f"{self.path}/logs/query", {"level": "DEBUG"}).json()["logs"]
        media = self.ask(f"{self.path}/media/query", {"all": True}).json()["items"]
        columns = self.ask(f"{self.path}/columns/query", {}).json()["items"]
        notes = self.ask(f"{self.path}/annotations/query", {}).json()["items"]
        return {
            "run": {name: told[name] for name in _TOLD},
            "points": [
                (part["key"], part["context"], rows[part["start"] : part["start"] + part["length"]])
                for part in block["series"]
            ],
            "lines": [(line["line"], line["tag"], line["message"]) for line in lines],
            "media": [(item["key"], item["step"], [one["path"] for one in item["items"]]) for item in media],
            "columns": [(item["key"], item["column_type"]) for item in columns],
            "notes": [note["text"] for note in notes],
        }


@attrs.frozen
class Told:
    """What was answered: a status, whether it says that something was refused, and all of it."""

    status: int
    refused: bool
    text: str


Send: TypeAlias = "Callable[[Target, list[Any]], Told]"


@attrs.frozen
class Way:
    """A route that takes several records.

    Attributes:
        send: Sends records, and reads the answer.
        good: Makes the good record of a number.
        bad: What a bad one has in place of a good one's fields; what is no object is sent as it is.
        alone: Whether a bad record costs itself alone; else it costs the batch.
        replaces: Whether a good record takes the place of an earlier one.
        lose: Sends records, and hangs up before the answer; where that is not the same as a request of HTTP.
    """

    name: str
    send: Send
    good: Callable[[int], Record]
    bad: dict[str, Any]
    alone: bool = False
    replaces: bool = False
    lose: Send | None = None

    def batch(self, bad: str | None = None, start: int = 0) -> list[Any]:
        """Make a batch of two good records of numbers from one on, with a bad one between them."""
        first, last = self.good(start + 1), self.good(start + 3)
        if bad is None:
            return [first, last]
        changed = self.bad[bad]
        middle = {**self.good(start + 2), **changed} if isinstance(changed, dict) else changed
        return [first, middle, last]


def fields(name: str, values: dict[str, Any]) -> dict[str, Record]:
    """Put each of these values into a field."""
    return {f"{name}: {what}": {name: value} for what, value in values.items()}


def http(path: str, wrap: Callable[[Target, list[Any]], Any], method: str = "POST") -> Send:
    """Make what sends records as the body of one request."""

    def send(target: Target, records: list[Any]) -> Told:
        where = path.format(run=target.path, owner=target.owner, id=target.id, cuid=target.cuid)
        answer = target.ask(where, wrap(target, records), method)
        return Told(answer.status_code, not answer.ok, answer.text)

    return send
