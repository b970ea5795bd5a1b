"""A server with something of everything in it, and whoever asks it for what they may not."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import attrs
from integration.server.bad_input.request import GONE, Answer, Bad, Door, filled
from integration.server.state import Keeping, State
from support.patience import eventually
from support.server import ServerProcess, make_key, running_server

__all__ = ["World", "made_world"]

_PATIENCE_S = 60
_WHERE = {"workspace": "olga", "project": "demo"}


@attrs.frozen
class World:
    """A server with two runs in it.

    Attributes:
        secrets: By whose they are: the owner's, a wrong one, revoked and expired ones, one of another run.
        names: What placeholders in requests stand for.
    """

    server: ServerProcess
    keeping: Keeping
    secrets: dict[str, str]
    names: dict[str, str]

    def ask(self, door: Door, bad: Bad) -> Answer:
        """Make a request just as it is, odd paths and lengths included."""
        connection = http.client.HTTPConnection(self.server.origin.removeprefix("http://"), timeout=_PATIENCE_S)
        with closing(connection):
            body = bad.body(self.names)
            connection.putrequest(bad.method, filled(bad.path, self.names))
            for name, value in {**self._credential(door, bad), **bad.headers}.items():
                connection.putheader(name, filled(value, self.names))
            length = len(body) if bad.declared is None else bad.declared
            if body or bad.declared is not None:
                connection.putheader("Content-Length", str(length))
            connection.endheaders(body)
            if bad.status == GONE:
                connection.sock.shutdown(socket.SHUT_WR)
            return _answer(connection)

    def _credential(self, door: Door, bad: Bad) -> dict[str, str]:
        return (
            {}
            if bad.who is None
            else door.credential(self.secrets.get(f"{bad.who} {door.name}", self.secrets[bad.who]))
        )

    def content(self) -> State:
        """Return everything that is stored; not what is still arriving."""
        return self.keeping.read()

    def has_parts(self) -> bool:
        """Tell whether something of an upload is there that did not arrive whole."""
        return any((self.server.directory / "blobs").glob("*.part"))

    def require_discretion(self, text: str) -> None:
        """Check that a text reveals no path, no code, no SQL and no secret."""
        assert not [word for word in (*self.secrets.values(), str(self.server.directory)) if word in text], text
        told = (
            "Traceback",
            ".py",
            "/lib/",
            "sqlite",
            "SELECT ",
            "INSERT ",
            "typing.",
            "runatlas.",
            "object at 0x",
            "<class",
        )
        assert not [word for word in told if word.lower() in text.lower()], text


def _answer(connection: http.client.HTTPConnection) -> Answer:
    try:
        found = connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return Answer(GONE, {}, b"")
    return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())


@contextmanager
def made_world(directory: Path) -> Iterator[World]:
    """Serve a directory with two runs, and keys that are valid no more."""
    owner = make_key(directory, "olga")
    with running_server(directory) as server:

        def make(method: str, path: str, body: Any = None, **options: Any) -> Any:
            answer = server.call(method, path, key=owner, json=body, **options)
            assert answer.ok, answer.text
            return answer.json() if answer.content else None

        make("POST", "projects", {"name": "demo"})
        run, other = (make("POST", "runs", {"project": _WHERE, "id": name})["run"]["cuid"] for name in ("r", "s"))
        blob = make("POST", "projects/olga/demo/blobs", data=b"weights")
        points = [{"key": "loss", "steps": [1, 2], "values": [0.5, 0.25], "times_ms": [1, 2]}]
        make("POST", "runs/olga/demo/r/append", {"points": points, "artifacts": [{"name": "f", **blob}]})
        make("POST", "models", {"name": "classifier", "run": "olga/demo/r", "artifact": "f"})
        revoked = make("POST", "keys", {})
        keys = "runs/olga/demo/r/ingestion-keys"
        gone = make("POST", keys, {"name": "gone"})
        secrets = {
            "owner": owner,
            "owner swanlab": _session(server, owner),
            "wrong": "0" * 21,
            "revoked": revoked["secret"],
            "revoked swanlab": _session(server, revoked["secret"]),
            "revoked token": gone["secret"],
            "token": make("POST", keys, {"name": "k"})["secret"],
            "expired token": make("POST", keys, {"name": "short", "ttl_ms": 1})["secret"],
        }
        make("DELETE", f"keys/{revoked['key']['id']}")
        make("DELETE", f"{keys}/{gone['key']['id']}")
        status = "/api/v1/auth/status"
        assert eventually(lambda: server.call("GET", status, key=secrets["expired token"]).status_code == 401)
        with closing(Keeping(directory)) as keeping:
            yield World(server, keeping, secrets, {"run": run, "other": other})


def _session(server: ServerProcess, key: str) -> str:
    answer = server.call("POST", "/api/login/api_key", headers={"authorization": key})
    assert answer.ok, answer.text
    return str(answer.json()["sid"])
