"""A server of SwanLab's protocol and nothing else, for our own client to reach."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from litestar.types import ASGIApp
from support.backend import Servers, servers, without_native_routes
from support.recording import line, points
from support.world import make_png

from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.local import LocalBackend
from runatlas.backends.swanlab import SwanlabBackend
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunSelection
from runatlas.server.services.services import Services

__all__ = ["DEMO", "RUN", "RUNS", "SwanlabServer", "servers", "swanlab_server"]

DEMO = ProjectPath("ann", "demo")
RUN = RunPath("ann", "demo", "one")
RUNS = RunSelection("ann", "demo")


@attrs.frozen
class SwanlabServer:
    """A server, what it was asked, and what lies behind it.

    Attributes:
        broken: Requests, by their place in ``asked``, that fail: before anything was done, or (true) after it.
        keyed: Requests that carried a bearer token.
    """

    origin: str
    key: str
    asked: list[str]
    store: LocalBackend
    broken: dict[int, bool]
    keyed: list[str]

    def backend(self, policy: RetryPolicy | None = None) -> SwanlabBackend:
        """Reach it without memory."""
        return SwanlabBackend(self.origin, self.key, cache=False, policy=policy)


class _Notes:
    """What the test that runs notes, and what it breaks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: dict[int, bool] = {}
        self.keyed: list[str] = []


_notes = _Notes()


def _noting(app: ASGIApp) -> ASGIApp:
    async def nowhere(message: Any) -> None:
        pass

    async def note(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        asked, broken = _notes.asked, _notes.broken
        place = len(asked)
        asked.append(f"{scope['method']} {scope['path']}")
        if dict(scope["headers"]).get(b"authorization", b"").startswith(b"Bearer "):
            _notes.keyed.append(asked[-1])
        if broken.get(place) is not False:
            await app(scope, receive, nowhere if place in broken else send)
        if place in broken:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return note


def _noting_swanlab(app: ASGIApp) -> ASGIApp:
    return _noting(without_native_routes(app))


@pytest.fixture(params=[True], ids=["swanlab"])
def swanlab_server(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> Iterator[SwanlabServer]:
    """A server of ``ann``, who administers it, with a project and a run; ours too when the parameter is false."""
    services = Services.open(tmp_path / "store")
    services.admin.create_user(services.owner(), "ann")
    key = services.accounts.create_key(services.owner(), "ann").secret
    store = LocalBackend(services, services.accounts.authenticate(key))
    store.create_project(ProjectDraft("demo"))
    store.create_run(RunDraft(DEMO, id="one", name="First", config={"lr": 0.1}, state="FINISHED"))
    blob = store.put_blob(DEMO, io.BytesIO(make_png((1, 2, 3))))
    picture = MediaItem("media/image/001-a.png", sha256=blob.sha256, size=blob.size, mime_type="image/png")
    store.append(
        Batch(
            RUN,
            (line("loss", 5), points("acc", [(3, 5, 0.5, None)])),
            media=(MediaDraft("pic", 1, (picture,), "IMAGE"),),
            logs=(LogDraft("hello", time_ms=7),),
            artifacts=(ArtifactDraft("w.bin", blob.sha256, blob.size),),
        )
    )
    _notes.asked, _notes.broken, _notes.keyed = [], {}, []
    wrap = _noting_swanlab if request.param else _noting
    with servers.serving(services, "native", "chachaml", "swanlab", "syvain", "matyan", wrap=wrap) as origin:
        yield SwanlabServer(origin, key, _notes.asked, store, _notes.broken, _notes.keyed)
    services.close()
