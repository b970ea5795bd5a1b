"""A server that is killed while SwanLab's trackers send, and comes back: nothing is lost or doubled."""

from __future__ import annotations

import signal
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import attrs
import pytest
from support.run_content import log_lines, points
from support.server import make_key, running_server
from support.swanlab_site import Site

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

VERSIONS = ("0.8.0", "0.10.3")
STEPS = 7_500
_PATIENCE_S = 120


@attrs.frozen
class Herald:
    """Where programs tell how far they are.

    Attributes:
        listener: Accepts a connection for each word.
        heard: Connections by word.
    """

    listener: socket.socket
    heard: dict[str, list[socket.socket]] = attrs.field(factory=dict)

    @property
    def port(self) -> int:
        """Where to tell it."""
        return int(self.listener.getsockname()[1])

    def hear(self, word: str, times: int) -> None:
        """Wait until a word was told so often."""
        while len(self.heard.get(word, ())) < times:
            connection, _ = self.listener.accept()
            connection.settimeout(_PATIENCE_S)
            self.heard.setdefault(connection.recv(100).decode(), []).append(connection)

    def answer(self, word: str) -> None:
        """Let those go on who told a word."""
        for connection in self.heard[word]:
            connection.sendall(b"!")

    def close(self) -> None:
        """End everything."""
        for connection in [self.listener, *(c for told in self.heard.values() for c in told)]:
            connection.close()


def track(site: Site, herald: Herald, pool: ThreadPoolExecutor) -> list[Future[None]]:
    def call(version: str) -> None:
        site.call(version, "outage.py", {"team": "ann", "id": version, "port": herald.port})

    return [pool.submit(call, version) for version in VERSIONS]


def test_nothing_is_lost_when_the_server_is_killed_and_comes_back(tmp_path: Path) -> None:
    store = tmp_path / "store"
    keys = {"ann": make_key(store, "ann")}
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(_PATIENCE_S)
    herald = Herald(listener)
    with ThreadPoolExecutor() as pool:
        with running_server(store) as server:
            port = urlsplit(server.origin).port
            tracked = track(Site(server, keys, tmp_path), herald, pool)
            herald.hear("begun", len(VERSIONS))
            server.stop(signal.SIGKILL)
        herald.hear("logged", len(VERSIONS))
        with running_server(store, "--port", str(port)) as server:
            herald.answer("logged")
            for future in tracked:
                future.result()
            herald.close()
            check(Site(server, keys, tmp_path))


def check(site: Site) -> None:
    for version in VERSIONS:
        run = site.api().run(f"ann/outage/{version}").unwrap()
        assert points(run, "loss") == [(step, step / 7) for step in range(STEPS)]
        assert points(run, "acc") == [(step, float(step)) for step in range(STEPS)]
        notes = run.medias(["note"], all=True).unwrap()["note"]
        thousands = range(0, STEPS, 1000)
        found = [(step.step, [item.read().unwrap().decode() for item in step]) for step in notes]
        assert found == [(step, [f"at {step}"]) for step in thousands]
        assert (run.state, run.config["at"]) == ("FINISHED", "the end")
        assert [(file.name, file.read().unwrap()) for file in run.artifacts()] == [("saved.txt", b"saved")]
        lines = [line for line in log_lines(run) if line.startswith("line ")]
        expected = [f"line {step}" for step in thousands]
        # The older client drops lines that it cannot send at once.
        assert lines == (expected if version == "0.10.3" else [line for line in expected if line in lines])
