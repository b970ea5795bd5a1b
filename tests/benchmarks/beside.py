"""The same reads through two clients, ours and SwanLab's, on one server: each in a fresh process, by turns."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.adapters.base import Server, free_port
from benchmarks.counting import counting_proxy
from benchmarks.runner import Runner, say
from benchmarks.system import CLIENTS
from benchmarks.work import READS

__all__ = ["read_beside"]

_PROJECT = "bench"


def read_beside(runner: Runner, repeats: int) -> dict[str, dict[str, Any]]:
    """Measure every read by every client.

    Args:
        runner: Its environments must be those of the clients, and its stores' maker.
        repeats: How often each is timed; the median counts. Requests are counted once more, apart.

    Returns:
        By read, then by client: ``seconds``, ``cpu_seconds``, ``memory_mb`` and ``requests``, or ``error``.
    """
    with (
        tempfile.TemporaryDirectory(dir=runner.cache, prefix="beside-") as scratch,
        _served(runner, Path(scratch)) as (
            directory,
            url,
        ),
    ):
        results: dict[str, dict[str, Any]] = {}
        for name in READS:
            rounds = [
                {client: _read(runner, client, name, directory, url) for client in CLIENTS} for _ in range(repeats)
            ]
            results[name] = {client: _median([found[client] for found in rounds]) for client in CLIENTS}
            for client, found in results[name].items():
                with counting_proxy(url) as proxy:
                    _read(runner, client, name, directory, proxy.url)
                found["requests"] = proxy.count
                say(f"{name} {client}: {found}")
        return results


@contextmanager
def _served(runner: Runner, scratch: Path) -> Iterator[tuple[Path, str]]:
    """Serve a copy of the store, which asks everyone for a key."""
    directory = scratch / "store"
    shutil.copytree(runner.kept("runatlas", "served", scratch), directory)
    workspace = (directory / "workspace.txt").read_text()
    program = str(runner.environment("runatlas").python.with_name("runatlas"))
    command = [program, "keys", "create", workspace, "--dir", str(directory)]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    (directory / "key.txt").write_text(key)
    (directory / "project.txt").write_text(f"{workspace}/{_PROJECT}")
    port = free_port()
    command = [program, "serve", "--dir", str(directory), "--port", str(port)]
    server = Server(command, port=port, health="/healthz", log=directory / "server.log")
    server.wait()
    try:
        yield directory, server.url
    finally:
        server.stop()


def _read(runner: Runner, client: str, name: str, directory: Path, url: str) -> dict[str, Any]:
    found = runner.child(client, "read", name, directory, directory / "out.json", ["--url", url])
    (directory / "out.json").unlink(missing_ok=True)
    return found


def _median(found: list[dict[str, Any]]) -> dict[str, Any]:
    failed = next((each for each in found if "error" in each), None)
    return failed or {field: statistics.median(each[field] for each in found) for field in found[0]}
