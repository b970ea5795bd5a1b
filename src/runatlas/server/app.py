"""The application: every protocol over one store, on one port."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp

from runatlas.server import dialects as protocols
from runatlas.server.auth import Gatekeeper
from runatlas.server.connection import keep_pace
from runatlas.server.dialects.native.health import HealthCheck
from runatlas.server.dialects.native.warm_up import rehearse
from runatlas.server.failed_socket import note_error, tell_sockets
from runatlas.server.failure import FailureHandler
from runatlas.server.routing import Application
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.memory_budget import Held, HeldAnswers
from runatlas.server.wire.worker import Workers, in_thread

__all__ = ["make_app", "make_dialects"]

_logger = logging.getLogger(__name__)


def make_dialects(settings: ServerSettings) -> tuple[Dialect, ...]:
    """Make the protocols that the server speaks, and the pages; others are not loaded, which takes long."""
    names = [f"{protocols.__name__}.{name}" for name in settings.protocols]
    made = [importlib.import_module(name).make_dialect(settings.limits) for name in names]
    if settings.pages:
        made.append(importlib.import_module("runatlas.server.pages").make_dialect(settings.reports))
    return tuple(made)


def make_app(services: Services, settings: ServerSettings, held: Held | None = None) -> ASGIApp:
    """Make the application.

    Args:
        services: An open store's services; the application closes them when it ends.
        settings: How it is run.
        held: Counts the bytes of bodies that are in memory; of its own if left out.

    Returns:
        An ASGI application with its lifespan.
    """
    dialects = make_dialects(settings)
    default = dialects[0]
    failures = FailureHandler(dialects, default)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        workers = Workers(
            settings.threads,
            settings.upload_threads,
            max(settings.connections // 3, 1),
            (held or Held(settings.limits.held), HeldAnswers(settings.limits.held)),
            settings.work_s,
        )
        app.state.workers = workers
        asyncio.get_running_loop().set_default_executor(workers.calls)
        await in_thread(rehearse, services)
        yield
        if await workers.close():
            services.close()
        if failures.incidents:
            _logger.warning("%d requests failed with an internal error", failures.incidents)

    app = Application(
        _handlers(dialects),
        after_exception=[note_error],
        exception_handlers={Exception: failures},
        guards=[Gatekeeper(services, settings, dialects, default)],
        lifespan=[lifespan],
        logging_config=None,
        openapi_config=None,
        state=State({"health": HealthCheck(), "services": services}),
    )
    return keep_pace(app, tell_sockets(app, failures))


def _handlers(dialects: Iterable[Dialect]) -> Iterator[BaseRouteHandler]:
    """Yield the routes of all protocols, each with what lets callers in."""
    for dialect in dialects:
        for handler in dialect.handlers():
            handler.opt["dialect"] = dialect
            yield handler
