"""What all adapters share."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError

__all__ = ["Adapter", "Client", "Server", "Tracker", "free_port"]


class Tracker(Protocol):
    """A run under way."""

    def log(self, row: dict[str, float], step: int) -> None:
        """What a training loop calls."""

    def close(self) -> None:
        """Return when everything is durable."""


class Adapter:
    """One system over one directory; a piece of work that it cannot do is a method it does not have.

    Attributes:
        directory: Where the store lies.
        url: Where the server is, for those that have one.
        frees_room: Whether what is purged makes the directory smaller.
    """

    frees_room = False

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url: str | None = None

    def create(self) -> None:
        """Make the empty store; not measured."""

    def start(self) -> None:
        """Start what must be running before the work; not measured."""

    def open(self) -> None:
        """Open the store; measured with the first call."""

    def attach(self, url: str | None) -> None:
        """Use a server that another process started."""
        self.url = url

    def settle(self) -> None:
        """Bring what was measured to where it can be checked; not measured."""

    def stop(self) -> None:
        """Close everything."""

    def size(self) -> int:
        """Return how many bytes the directory holds."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())


class Client(Adapter):
    """A client of a server that runs already; making it is part of each read.

    Attributes:
        key: The API key.
        path: ``workspace/project``.
    """

    def attach(self, url: str | None) -> None:
        """Use a server, with the key and the project that lie beside its store."""
        super().attach(url)
        self.key = (self.directory / "key.txt").read_text()
        self.path = (self.directory / "project.txt").read_text()

    def plain(self, method: str, answer: Any) -> Any:
        """Return what a read gave in the form that is checked; not measured."""
        return answer


class Server:
    """A server in a process of its own."""

    def __init__(self, command: Sequence[str], *, port: int, health: str, log: Path, **popen: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._health = self.url + health
        with log.open("w") as sink:
            self._process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT, **popen)

    def wait(self, timeout_s: float = 90.0) -> None:
        """Return when it answers."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and self._process.poll() is None:
            if self._answers():
                return
            time.sleep(0.05)
        self.stop()
        raise TimeoutError(f"{self._health} did not answer within {timeout_s} s")

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=1):
                return True
        except (URLError, ConnectionError, TimeoutError):
            return False

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
