"""A server, and requests as any program makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from support.database import ENGINES, new_schema
from support.server import ServerProcess, running_server


class Client:
    """Makes requests, with a key as the password of a URL would bring it."""

    def __init__(self, origin: str, key: str | None = None) -> None:
        self.origin = origin
        self._auth = ("", key) if key else None

    def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        answer = self.ask(method, path, **options)
        return answer.status_code, answer.json()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request; redirections are not followed, as curl does not."""
        return requests.request(
            method, self.origin + path, auth=self._auth, timeout=30, allow_redirects=False, **options
        )

    def start(self, **fields: Any) -> str:
        """Start a run, and return its id."""
        status, run = self("POST", "/api/w/runs", json={"experiment": "iris", **fields})
        assert status == 200
        return str(run["id"])

    def store(self, run: str, name: str, data: bytes) -> Any:
        """Store an artifact."""
        headers = {"content-type": "application/octet-stream"}
        path = f"/api/w/runs/{run}/artifacts"
        status, stored = self("POST", path, params={"name": name}, data=data, headers=headers)
        assert status == 200, stored
        return stored


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a fresh directory without accounts."""
    with running_server(tmp_path_factory.mktemp("chachaml") / "store") as found:
        yield found


@pytest.fixture(params=ENGINES)
def either(
    client: Client, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of a server of either engine."""
    if request.param == "sqlite":
        yield client
        return
    database = new_schema(request.getfixturevalue("postgresql"))
    with running_server(tmp_path_factory.mktemp("chachaml"), database=database) as found:
        yield Client(found.origin)


@pytest.fixture(scope="module")
def make_client() -> Callable[..., Client]:
    """Make a client of any server."""
    return Client


@pytest.fixture(scope="module")
def client(server: ServerProcess) -> Client:
    """A client of the server."""
    return Client(server.origin)
