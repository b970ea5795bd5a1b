"""Installations to test backends on: one a test, empty, with a clock of its own.

A new way to reach the data is one more line in ``REACHES`` and one function that yields a ``Connect``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import uvicorn
from litestar.types import ASGIApp, Receive, Scope, Send
from support.compared import make_compared
from support.database import Clock, made_location
from support.patience import eventually

from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.backends.native import NativeBackend
from runatlas.backends.swanlab import SwanlabBackend
from runatlas.errors import ConflictError
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.server.app import make_app
from runatlas.server.process import listen
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings

__all__ = ["REACHES", "Servers", "Site", "servers", "serving", "site", "without_native_routes"]

Connect = Callable[[str], Backend]
"""Make the backend of whoever has that API key."""


@attrs.frozen
class Site:
    """An installation, seen by whom you like.

    Attributes:
        services: What lies behind every backend of it.
        clock: Its time.
        root: An administrator's backend, who owns the workspace ``root.get_user().username``.
        inside: The same in process, which takes less: to prepare, and to look at what is there, where that is no test.
        is_exact: Whether everything comes back as it is: empty names too, and in configs NaN and the infinities.
    """

    services: Services
    clock: Clock
    root: Backend
    inside: Backend
    connect: Connect
    is_exact: bool = True

    @property
    def home(self) -> str:
        """The administrator's own workspace."""
        return self.inside.get_user().username

    def user(self, username: str) -> Backend:
        """Return the backend of a user, who is made if there is none."""
        return self.connect(self._key(username))

    def within(self, username: str) -> Backend:
        """Return the backend of a user in process, as ``inside`` is the administrator's."""
        caller = self.services.accounts.authenticate(self._key(username))
        assert caller is not None
        return LocalBackend(self.services, caller)

    def _key(self, username: str) -> str:
        with suppress(ConflictError):
            self.inside.create_user(username)
        return self.inside.create_key(username).secret

    def project(self, name: str = "demo") -> ProjectPath:
        """Make a project of the administrator's."""
        return self.inside.create_project(ProjectDraft(name)).path


@contextmanager
def _in_process(services: Services, _: Servers | None = None) -> Iterator[Connect]:
    def connect(secret: str) -> Backend:
        caller = services.accounts.authenticate(secret)
        assert caller is not None
        return LocalBackend(services, caller)

    yield connect


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application on a free port, and tell its origin."""
    config = uvicorn.Config(app, lifespan="on", log_config=None, log_level="critical")
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class _Current:
    """The services of the test that runs: one application serves the tests of a process, one after the other."""

    def __init__(self) -> None:
        self.services: Services | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.services, name)


class Servers:
    """Applications that outlive a test, since to make one takes longer than most tests do.

    Args:
        closing: Ends them.
    """

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing
        self._started: dict[object, tuple[_Current, str]] = {}
        self._under_way: set[int] = set()

    @contextmanager
    def serving(
        self, services: Services, *protocols: str, wrap: Callable[[ASGIApp], ASGIApp] | None = None
    ) -> Iterator[str]:
        """Serve these services, in place of those of the test before, and tell where.

        At the end nothing works on them any more: also a request that the client left is one until it is ended.
        """
        yield self._origin(services, protocols, wrap)
        assert eventually(lambda: not self._under_way)

    def _origin(self, services: Services, protocols: tuple[str, ...], wrap: Callable[[ASGIApp], ASGIApp] | None) -> str:
        kind = protocols, wrap
        if kind not in self._started:
            current = _Current()
            current.services = services
            app = make_app(cast(Services, current), ServerSettings("unused", protocols=protocols, pages=False))
            origin = self._closing.enter_context(serving(self._noted(app if wrap is None else wrap(app))))
            self._started[kind] = current, origin
        current, origin = self._started[kind]
        current.services = services
        return origin

    def _noted(self, app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if is_request := scope.get("path") is not None:
                self._under_way.add(id(scope))
            try:
                await app(scope, receive, send)
            finally:
                if is_request:
                    self._under_way.remove(id(scope))

        return serve


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The applications of this process."""
    with ExitStack() as closing:
        yield Servers(closing)


@contextmanager
def _over_http(services: Services, servers: Servers) -> Iterator[Connect]:
    with servers.serving(services, "native") as origin, ExitStack() as closing:

        def connect(secret: str) -> Backend:
            backend = NativeBackend(origin, secret, cache=False)
            closing.callback(backend.close)
            return backend

        yield connect


def without_native_routes(app: ASGIApp) -> ASGIApp:
    """Serve an application as if it were a SwanLab server: our own routes are not there, but for links to files."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path.startswith("/atlas/") and not path.startswith(("/atlas/v1/blobs/", "/atlas/v1/exports/")):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": b"<title>SwanLab</title>", "more_body": False})
        else:
            await app(scope, receive, send)

    return serve


@contextmanager
def _over_swanlab(services: Services, servers: Servers) -> Iterator[Connect]:
    served = servers.serving(services, "native", "swanlab", wrap=without_native_routes)
    with served as origin, _in_process(services) as store, ExitStack() as closing:

        def connect(secret: str) -> Backend:
            backend = SwanlabBackend(origin, secret, cache=False)
            closing.callback(backend.close)
            if services.accounts.authenticate(secret) is None:
                return backend
            return make_compared(backend, store(secret), services)

        yield connect


REACHES: dict[str, tuple[str, Callable[[Services, Servers], AbstractContextManager[Connect]]]] = {
    "local": ("sqlite", _in_process),
    "native": ("postgresql", _over_http),
    "swanlab": ("sqlite", _over_swanlab),
}
"""Each way to reach the data: the engine behind it, and what makes its backends.

What a backend does never asks for the engine, nor an engine for who reaches it: every pair would test the same again.
"""


@pytest.fixture(params=REACHES)
def site(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> Iterator[Site]:
    """An empty installation with one administrator."""
    engine, reach = REACHES[request.param]
    with ExitStack() as closing:
        location = closing.enter_context(made_location(engine, tmp_path, request))
        services = location.services()
        closing.callback(services.close)
        connect = closing.enter_context(reach(services, servers))
        owner = services.owner()
        root = connect(services.accounts.create_key(owner).secret)
        yield Site(services, location.clock, root, LocalBackend(services, owner), connect, request.param != "swanlab")
