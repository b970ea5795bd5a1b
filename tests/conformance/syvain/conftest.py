"""A server with accounts, and a run on it that our own interface wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from support.server import make_key, running_server

from runatlas import Api

SCRIPTS = Path(__file__).parent / "scripts"


@attrs.frozen
class Lab:
    """A server, the keys of two of its users, and the cuid of a run of the first one's project ``ours``."""

    origin: str
    key: str
    stranger: str
    run: str
    directory: Path

    def another(self, username: str) -> str:
        """Make another user, and return its key."""
        return make_key(self.directory, username)

    @property
    def api(self) -> Api:
        """The first user's view."""
        return Api(host=self.origin, api_key=self.key)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A server for the tests of one file."""
    directory = tmp_path_factory.mktemp("syvain") / "store"
    key, stranger = make_key(directory, "ann"), make_key(directory, "stan")
    with running_server(directory) as server:
        headers = {"Authorization": f"Bearer {key}"}
        project = {"workspace": "ann", "project": "ours"}
        draft = {"project": project, "id": "by-us", "config": {"lr": 0.5}, "create_project": True}
        made = server.call("POST", "runs", json=draft, headers=headers).json()["run"]
        points = [
            {"key": "loss", "steps": [2, 1, 3], "values": [0.5, 1.0, 0.25], "times_ms": [20, 10, 30]},
            {"key": "loss", "context": [["subset", "val"]], "steps": [1], "values": [2.0], "times_ms": [11]},
        ]
        server.call("POST", "runs/ann/ours/by-us/append", json={"points": points}, headers=headers).raise_for_status()
        yield Lab(server.origin, key, stranger, made["cuid"], directory)
