"""What the server needs to know of a protocol to mount it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs
from litestar.handlers import BaseRouteHandler

from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.failure import Failure

__all__ = ["Dialect", "api_key_caller", "dialect_for"]


def api_key_caller(services: Services, secret: str) -> Caller | None:
    """Return whose API key it is."""
    return services.accounts.authenticate(secret)


@attrs.frozen
class Dialect:
    """A protocol: its routes, how it writes a failure, and where it looks for the key.

    Attributes:
        name: For logs.
        prefixes: Which paths are its own, also those it has no route for: a failure there is written its way. Of
            several dialects the longest prefix counts.
        handlers: Its routes, made anew for each application.
        render: Writes a failure.
        secret: Finds the secret among a request's headers (lower-case names); ``None`` when there is none.
        identify: Tells whose secret it is; ``None`` for one that is not valid.
    """

    name: str
    prefixes: tuple[str, ...]
    handlers: Callable[[], Sequence[BaseRouteHandler]]
    render: Callable[[Failure], Answer]
    secret: Callable[[Mapping[str, str]], str | None]
    identify: Callable[[Services, str], Caller | None] = api_key_caller


def dialect_for(path: str, dialects: Iterable[Dialect], default: Dialect) -> Dialect:
    """Return the dialect that a path belongs to."""
    found, longest = default, -1
    for dialect in dialects:
        for prefix in dialect.prefixes:
            if len(prefix) > longest and (path == prefix or path.startswith(prefix.rstrip("/") + "/")):
                found, longest = dialect, len(prefix)
    return found
