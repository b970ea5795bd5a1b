"""Document 004's world, in a directory and behind a server, where ``runatlas.Api()`` finds it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from support.backend import serving, without_native_routes
from support.server import make_key, running_server
from support.world import World, make_world

from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.backends.native import NativeBackend
from runatlas.server.app import make_app
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings

_numbers = itertools.count()


@attrs.frozen
class Ground:
    """A store that can be reached.

    Attributes:
        environment: The variables with which ``runatlas.Api()`` finds it.
        connect: Makes a backend to it.
    """

    kind: str
    environment: dict[str, str]
    connect: Callable[[], Backend]


@attrs.frozen
class Scene:
    """A team with runs of its own.

    Attributes:
        team: What the document calls ``my-team``.
        path: What it calls ``my-team/my-project``.
        run: What it calls ``my-team/my-project/abc123``.
    """

    kind: str
    world: World

    @property
    def team(self) -> str:
        """The workspace."""
        return self.world.team

    @property
    def path(self) -> str:
        """The project."""
        return str(self.world.project)

    @property
    def run(self) -> str:
        """The run."""
        return f"{self.path}/abc123"


@pytest.fixture(scope="session", params=["embedded", "http", "swanlab"])
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A directory, a server with accounts, or one that speaks SwanLab's protocol only."""
    directory = tmp_path_factory.mktemp("ground") / "store"
    if request.param == "embedded":
        yield Ground("embedded", {"RUNATLAS_DIR": str(directory)}, lambda: LocalBackend(directory))
        return
    key = make_key(directory, "admin")
    if request.param == "swanlab":
        services = Services.open(directory)
        caller = services.accounts.authenticate(key)
        with serving(without_native_routes(make_app(services, ServerSettings(directory)))) as origin:
            environment = {"RUNATLAS_API_HOST": origin, "RUNATLAS_API_KEY": key}
            yield Ground("swanlab", environment, lambda: LocalBackend(services, caller))
        return
    with running_server(directory) as server:
        environment = {"RUNATLAS_API_HOST": server.origin, "RUNATLAS_API_KEY": key}
        yield Ground("http", environment, lambda: NativeBackend(server.origin, key, cache=False))


def _make_scene(ground: Ground) -> Iterator[Scene]:
    backend = ground.connect()
    yield Scene(ground.kind, make_world(backend, f"my-team-{next(_numbers)}"))
    backend.close()


@pytest.fixture(scope="session")
def shared_scene(ground: Ground) -> Iterator[Scene]:
    """A team that no test changes."""
    yield from _make_scene(ground)


@pytest.fixture(autouse=True)
def surroundings(ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing says where the data is, but the environment."""
    for name in ("SWANLAB_API_KEY", "SWANLAB_API_HOST", "XDG_CONFIG_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, value in ground.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def scene(shared_scene: Scene) -> Scene:
    """A team to look at."""
    return shared_scene


@pytest.fixture
def own_scene(ground: Ground) -> Iterator[Scene]:
    """A team of one's own, to change."""
    yield from _make_scene(ground)
