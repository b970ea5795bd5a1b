"""The ingestion socket: every frame is applied and acknowledged in turn; nothing else is ever sent."""

from __future__ import annotations

import json
from typing import Any

from litestar.connection import WebSocket
from litestar.datastructures import State
from litestar.handlers import WebsocketRouteHandler

from runatlas.errors import AuthenticationError
from runatlas.server.dialects.matyan.ingestion import Ingestion
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.worker import Workers, in_thread

__all__ = ["SOCKET_PATH", "make_socket"]

SOCKET_PATH = "/api/v1/ws/runs/{run:str}"


def make_socket() -> WebsocketRouteHandler:
    """Make the handler of ingestion sockets."""

    async def ingest(socket: WebSocket[Caller, Any, State]) -> None:
        caller = socket.scope.get("user")
        if caller is None:
            raise AuthenticationError("an API key is needed")
        services: Services = socket.app.state.services
        ingestion = Ingestion(services, caller, str(socket.path_params["run"]))
        secret = None if caller.is_owner else bearer_or_basic(socket.headers)
        workers: Workers = socket.app.state.workers
        async with workers.visit(socket):
            await socket.accept()
            while True:
                event = await socket.receive()
                if event["type"] != "websocket.receive":
                    return
                frame: str | bytes = event.get("text") or event.get("bytes") or b""
                told = await in_thread(_apply, services, secret, ingestion, frame)
                await socket.send_text(json.dumps(told))

    return WebsocketRouteHandler(SOCKET_PATH)(ingest)


def _apply(services: Services, secret: str | None, ingestion: Ingestion, frame: str | bytes) -> dict[str, Any]:
    """A socket may stay open for days: a key that was revoked meanwhile writes nothing more."""
    if secret is not None and services.accounts.authenticate(secret) is None:
        return {"status": "error", "error": "the API key is not valid; it may have been revoked"}
    return ingestion.apply(frame)
