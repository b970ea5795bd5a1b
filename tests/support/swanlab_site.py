"""SwanLab's own clients, and a server with a team, for them to write to and to read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.client_environment import ClientEnvironment, client_environment
from support.server import ServerProcess, make_key, running_server
from support.world import World, make_world

from runatlas import Api
from runatlas.backends.native import NativeBackend

__all__ = ["TEAM", "Site", "environment", "site", "version"]

SCRIPTS = Path(__file__).resolve().parents[1] / "conformance" / "swanlab" / "scripts"
TEAM = "my-team"
_OBJECTS = ("pillow==12.0.0", "numpy==2.3.5", "soundfile==0.13.1", "rdkit==2025.9.6")
CLIENTS = {
    "0.6.12": ("swanlab==0.6.12", "pandas==2.3.3", *_OBJECTS),
    "0.8.0": ("swanlab==0.8.0", *_OBJECTS),
    "0.10.3": ("swanlab==0.10.3", *_OBJECTS),
}


@attrs.frozen
class Site:
    """A server that needs keys.

    Attributes:
        keys: Of ``ann``, who administers it and owns the team, and of ``vera``, who may read there.
    """

    server: ServerProcess
    keys: dict[str, str]
    directory: Path

    def api(self, username: str = "ann") -> Api:
        """Our own client."""
        return Api(host=self.server.origin, api_key=self.keys[username])

    def add_team(self, area: str, version: str) -> str:
        """Make a workspace for what a version of the client does there, in which vera may read."""
        team, key = f"{area}-{version.replace('.', '-')}", self.keys["ann"]
        made = self.server.call("POST", "workspaces", key=key, json={"username": team})
        assert made.ok, made.text
        assert self.server.call("PUT", f"workspaces/{team}/members/vera", key=key, json={"role": "VIEWER"}).ok
        return team

    @contextmanager
    def world(self, team: str) -> Iterator[World]:
        """Document 004's world in a workspace of its own, which ann may write to as long as this lasts."""
        backend = NativeBackend(self.server.origin, self.keys["ann"])
        try:
            yield make_world(backend, team)
        finally:
            backend.close()

    def call(
        self,
        version: str,
        script: str,
        argument: dict[str, Any] | None = None,
        username: str = "ann",
        home: Path | None = None,
        variables: dict[str, str] | None = None,
    ) -> Any:
        """Run a script with a version of SwanLab's client; it is told the address and a key."""
        given = {"host": self.server.origin, "key": self.keys[username], "team": TEAM, **(argument or {})}
        home = home or self.directory / f"{version}-{username}-{Path(script).stem}"
        return environment(version).call(SCRIPTS / script, given, home=home, variables=variables)


def environment(version: str) -> ClientEnvironment:
    """Return the environment of a version."""
    return client_environment(f"swanlab-{version}", *CLIENTS[version])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with two users and a team."""
    directory = tmp_path_factory.mktemp("swanlab")
    keys = {name: make_key(directory / "store", name) for name in ("ann", "vera")}
    with running_server(directory / "store") as server:
        made = Site(server, keys, directory)
        team = {"username": TEAM, "name": "My Team", "comment": "We train."}
        assert server.call("POST", "workspaces", key=keys["ann"], json=team).ok
        role = server.call("PUT", f"workspaces/{TEAM}/members/vera", key=keys["ann"], json={"role": "VIEWER"})
        assert role.ok, role.text
        yield made


@pytest.fixture(scope="module", params=["0.10.3", "0.8.0"])
def version(request: pytest.FixtureRequest) -> str:
    """A version that has ``Api``."""
    found: str = request.param
    return found
