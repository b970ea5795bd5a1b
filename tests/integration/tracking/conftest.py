from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import ServerProcess, running_server

from runatlas import Api, Experiment, Run


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of a fresh directory without accounts, whose runs have names of their own."""
    with running_server(tmp_path_factory.mktemp("server") / "store") as found:
        yield found


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's own settings counts, and nothing is written outside of the test's directory."""
    for name in list(os.environ):
        if name.startswith(("RUNATLAS_", "SWANLAB_", "MATYAN_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("RUNATLAS_DIR", str(tmp_path / "own"))


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where runs are written: a directory, and a real server over a socket."""
    if request.param == "directory":
        return str(tmp_path / "store")
    found: ServerProcess = request.getfixturevalue("server")
    return found.origin


@pytest.fixture
def make_run(place: str) -> Callable[..., Run]:
    """Makes runs at the place, quietly."""

    def make(*arguments: Any, **options: Any) -> Run:
        given: dict[str, Any] = {"repo": place, "capture_terminal_logs": False}
        return Run(*arguments, **(given | options))

    return make


@pytest.fixture
def stored(place: str) -> Callable[[Run], Experiment]:
    """Reads a run back, as anybody else sees it."""
    return lambda run: Api(place, cache=False).run(run.path).unwrap()
