"""The published client, a server to talk to, and one run with everything in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.client_environment import ClientEnvironment
from support.matyan_client import matyan_environment
from support.server import ServerProcess, running_server

SCRIPTS = Path(__file__).parent / "scripts"
TESTS = Path(__file__).parents[2]


@attrs.frozen
class Client:
    """The client in its environment.

    Attributes:
        url: Where it finds its backend and its frontier.
    """

    environment: ClientEnvironment
    url: str
    home: Path

    def call(self, script: str, **argument: Any) -> Any:
        """Run one of the scripts."""
        return self.environment.call(
            SCRIPTS / f"{script}.py", {"url": self.url, **argument}, home=self.home, variables=self.variables
        )

    @property
    def variables(self) -> dict[str, str]:
        """What its settings and its scripts' imports are read from."""
        return {"MATYAN_BACKEND_URL": self.url, "MATYAN_FRONTIER_URL": self.url, "PYTHONPATH": str(TESTS)}

    def command(self, *arguments: str | Path, check: bool = True) -> str:
        """Run its command line, and return what it printed."""
        command = ["matyan-client", *arguments]
        done = self.environment.run(command, home=self.home, variables=self.variables, check=check)
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def environment() -> ClientEnvironment:
    """The client's last version, with what its objects and its conversion need."""
    return matyan_environment()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a fresh directory without accounts."""
    with running_server(tmp_path_factory.mktemp("matyan") / "store") as found:
        yield found


@pytest.fixture(scope="session")
def make_client(environment: ClientEnvironment, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Client]:
    """Make a client of any address, with a home of its own."""
    return lambda url: Client(environment, url, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def client(make_client: Callable[[str], Client], server: ServerProcess) -> Client:
    """The client, told to use the server."""
    return make_client(server.origin)


@pytest.fixture(scope="module")
def written(client: Client) -> Any:
    """What the client read back of everything it wrote."""
    return client.call("write")
