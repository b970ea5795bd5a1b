"""A real ``runatlas serve`` process on a free port of this machine."""

from __future__ import annotations

import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
import requests

__all__ = ["ServerProcess", "make_key", "running_server", "server"]

_ANNOUNCED = re.compile(r" at (http://\S+)$")
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
    process: subprocess.Popen[str]
    log: list[str]

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(_PATIENCE_S)


@contextmanager
def running_server(directory: Path, *options: str) -> Iterator[ServerProcess]:
    """Serve a directory; the process is gone at the end.

    Args:
        directory: Made if it is not there.
        options: More arguments of ``runatlas serve``.
    """
    command = [sys.executable, "-m", "runatlas", "serve", "--dir", str(directory), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
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


def _read_log(process: subprocess.Popen[str], log: list[str], addresses: queue.Queue[str | None]) -> None:
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            log.append(line)
            if found := _ANNOUNCED.search(line.rstrip()):
                addresses.put(found[1])
    addresses.put(None)


def make_key(directory: Path, username: str) -> str:
    """Make an API key, and the user if there is none, as the command line does it."""
    command = [sys.executable, "-m", "runatlas", "keys", "create", username, "--dir", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a fresh directory without accounts."""
    with running_server(tmp_path_factory.mktemp("server") / "store") as found:
        yield found
