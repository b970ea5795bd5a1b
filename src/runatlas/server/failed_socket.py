"""Sockets that are refused or fail: told as requests are, while there is an HTTP answer to tell it with."""

from __future__ import annotations

from typing import Any, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send, WebSocketScope

from runatlas.server.failure import FailureHandler
from runatlas.server.wire.answer import Answer

__all__ = ["note_error", "tell_sockets"]

_ERROR = "runatlas.error"
_POLICY, _INTERNAL, _LATER = 1008, 1011, 1013
_REASON_MAX = 123


async def note_error(error: Exception, scope: Scope) -> None:
    """Keep what a socket's handler raised: Litestar's hook is the last place that sees it."""
    if scope["type"] == ScopeType.WEBSOCKET:
        cast(dict[str, Any], scope)[_ERROR] = error


def tell_sockets(app: ASGIApp, failures: FailureHandler) -> ASGIApp:
    """Make Litestar's closing of a socket say why.

    Before the handshake is over the client gets the protocol's own answer, with its status; after it a close frame
    with the sentence. Without this all would be 403 and an empty body.

    Args:
        app: The application, with ``note_error`` as a hook.
        failures: Knows what may be told.

    Returns:
        The application for sockets.
    """

    async def telling(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, _telling_send(cast(WebSocketScope, scope), send, failures))

    return telling


def _telling_send(scope: WebSocketScope, send: Send, failures: FailureHandler) -> Send:
    accepted = gone = False

    async def tell(event: Message) -> None:
        nonlocal accepted, gone
        accepted = accepted or event["type"] == "websocket.accept"
        error = cast(dict[str, Any], scope).get(_ERROR)
        try:
            if error is None or gone or event["type"] != "websocket.close":
                await send(event)
            elif accepted:
                await send(_close(failures, scope, error))
            else:
                await _refuse(failures.answer("WEBSOCKET", scope["path"], error), send)
        except OSError:
            gone = True
            raise

    return tell


def _close(failures: FailureHandler, scope: WebSocketScope, error: Exception) -> Message:
    failure = failures.failure("WEBSOCKET", scope["path"], error)
    reason = failure.message.encode("utf-8", "replace")[:_REASON_MAX].decode("utf-8", "ignore")
    code = _LATER if failure.status in {503, 507} else _INTERNAL if failure.status >= 500 else _POLICY
    return {"type": "websocket.close", "code": code, "reason": reason}


async def _refuse(answer: Answer, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.all_headers()]
    for event in (
        {"type": "websocket.http.response.start", "status": answer.status, "headers": headers},
        {"type": "websocket.http.response.body", "body": answer.body, "more_body": False},
    ):
        await send(cast(Message, event))
