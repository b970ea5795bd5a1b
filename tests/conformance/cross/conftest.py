"""One server, every client's runs on it, and what every client shows of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.client_environment import ClientEnvironment, client_environment
from support.crossing import FAILED, PROJECT, READERS, WHOLE, WRITERS, Form
from support.matyan_client import matyan_environment
from support.server import ServerProcess, make_key, running_server
from support.swanlab_site import environment as swanlab_environment

from runatlas import Api

SCRIPTS = Path(__file__).parent / "scripts"
_USERNAME = "ann"
_AT_ONCE = 3


def _own() -> ClientEnvironment:
    return ClientEnvironment("ours", Path(sys.prefix))


ENVIRONMENTS: dict[str, Callable[[], ClientEnvironment]] = {
    "swanlab": lambda: swanlab_environment("0.10.3"),
    "syvain": lambda: client_environment("syvain-0.0.349", "syvain-metrics-api-client==0.0.349"),
    "collector": lambda: client_environment("syvain-collector-0.0.352", "syvain-metrics-collector==0.0.352"),
    "matyan": matyan_environment,
    # Document 003 has no client but requests, which our own needs, too.
    "chachaml": _own,
    "ours": _own,
}


@attrs.frozen
class Crossing:
    """What was read.

    Attributes:
        paths: The runs by ``writer/whole`` and ``writer/failed``.
        told: What each reader showed of each of them.
        listed: The ids that each reader lists.
    """

    paths: dict[str, str]
    told: dict[str, dict[str, Form]]
    listed: dict[str, list[str]]


@attrs.frozen
class Place:
    """The server, and who is known there."""

    server: ServerProcess
    key: str
    directory: Path

    def call(self, verb: str, client: str, **argument: Any) -> Any:
        """Run a client's script."""
        given = {
            "host": self.server.origin,
            "key": self.key,
            "username": _USERNAME,
            "project": PROJECT,
            # A client that knows no keys takes one in a URL.
            "url": self.server.origin.replace("://", f"://{_USERNAME}:{self.key}@"),
            **argument,
        }
        home = self.directory / f"{verb}-{client}"
        return ENVIRONMENTS[client]().call(SCRIPTS / f"{verb}_{client}.py", given, home=home)

    def write(self, client: str) -> dict[str, str]:
        """Let a client write both runs, and return their ids."""
        ids = {"whole": f"{client}-whole", "failed": f"{client}-failed"}
        whole, failed = ({**content, "id": ids[name]} for name, content in (("whole", WHOLE), ("failed", FAILED)))
        # Where the server makes the ids, the client tells them.
        return self.call("write", client, whole=whole, failed=failed) or ids


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Every client writes, at once; then every client reads."""
    directory = tmp_path_factory.mktemp("cross")
    key = make_key(directory / "store", _USERNAME)
    with running_server(directory / "store") as server, ThreadPoolExecutor(_AT_ONCE) as threads:
        place = Place(server, key, directory)
        written = dict(zip(WRITERS, threads.map(place.write, WRITERS), strict=True))
        names = {run_id: f"{client}/{name}" for client, ids in written.items() for name, run_id in ids.items()}
        with Api(host=server.origin, api_key=key) as api:
            paths = {names[run.id]: run.path for project in api.projects() for run in project.runs()}
        found = dict(
            zip(READERS, threads.map(lambda client: place.call("read", client, runs=paths), READERS), strict=True)
        )
    return Crossing(
        paths,
        {client: shown["runs"] for client, shown in found.items()},
        {client: shown["listed"] for client, shown in found.items()},
    )
