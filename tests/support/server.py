"""A real ``runatlas serve`` process on a free port of this machine."""

from __future__ import annotations

import queue
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from click.testing import CliRunner
from support.database import fill_directory
from support.forked import ForkedProcess, run_command, run_server, start

from runatlas.cli.main import main

__all__ = ["ServerProcess", "make_key", "running_server", "server"]

_ANNOUNCED = re.compile(r"\bat (http://\S+)$")
_PATIENCE_S = 60


@attrs.frozen(eq=False)
class ServerProcess:
    """A server that answers.

    Attributes:
        origin: ``http://127.0.0.1:port``.
        directory: What it serves.
        log: The lines of its stderr so far.
    """

    origin: str
    directory: Path
    process: ForkedProcess
    log: list[str]

    def call(self, method: str, path: str, *, key: str | None = None, **options: Any) -> requests.Response:
        """Make one request.

        Args:
            method: The HTTP method.
            path: From the server's root, or below ``/atlas/v1`` when it begins with a name.
            key: Sent as a Bearer token.
            options: As ``requests.request`` takes them.
        """
        url = f"{self.origin}{path}" if path.startswith("/") else f"{self.origin}/atlas/v1/{path}"
        headers = {**(options.pop("headers", None) or {})}
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        return requests.request(method, url, headers=headers, timeout=_PATIENCE_S, auth=_no_netrc, **options)

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(_PATIENCE_S)


@contextmanager
def running_server(
    directory: Path,
    *options: str,
    database: str | None = None,
    settings: Mapping[str, Any] | None = None,
    makes_store: bool = False,
) -> Iterator[ServerProcess]:
    """Serve a directory; the process is gone at the end.

    Args:
        directory: Made if it is not there.
        options: More arguments of ``runatlas serve``.
        database: A URL to serve in its place; blobs lie in the directory.
        settings: Served by these in place of the command line, so that limits can be small.
        makes_store: Whether the server itself makes a store that is not there, which else is a copy of an empty one.
    """
    if database is None and not makes_store:
        _prepare(directory)
    place = ["--dir", str(directory)] if database is None else ["--database", database, "--blobs-dir", str(directory)]
    if settings is None:
        process = start(run_command, ["serve", *place, "--port", "0", *options])
    else:
        process = start(run_server, directory, settings)
    log: list[str] = []
    addresses: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read_log, args=(process, log, addresses))
    reader.start()
    try:
        origin = addresses.get(timeout=_PATIENCE_S)
        assert origin is not None, "".join(log)
        # The socket listens already, so this waits for the application and then gets its answer.
        requests.get(f"{origin}/healthz", timeout=_PATIENCE_S).raise_for_status()
        yield ServerProcess(origin, directory, process, log)
    finally:
        process.kill()
        process.wait(_PATIENCE_S)
        reader.join(_PATIENCE_S)


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read_log(process: ForkedProcess, log: list[str], addresses: queue.Queue[str | None]) -> None:
    with process.stream as lines:
        for line in lines:
            log.append(line)
            if found := _ANNOUNCED.search(line.rstrip()):
                addresses.put(found[1])
    addresses.put(None)


def make_key(directory: Path, username: str) -> str:
    """Make an API key, and the user if there is none, as the command line does it."""
    _prepare(directory)
    done = CliRunner().invoke(main, ["keys", "create", username, "--dir", str(directory)])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def _prepare(directory: Path) -> None:
    """Make an empty store where there is no directory: to copy one takes less than a server takes to make it."""
    if not directory.exists():
        fill_directory(directory)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a fresh directory without accounts."""
    with running_server(tmp_path_factory.mktemp("server") / "store") as found:
        yield found
