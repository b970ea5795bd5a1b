"""The server's edge: whatever a request raised becomes an answer, and never takes the server down."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import Any

from litestar.connection import Request
from litestar.response import Response

from runatlas.server.wire.answer import Answer
from runatlas.server.wire.dialect import Dialect, dialect_for
from runatlas.server.wire.failure import Failure, failure_of

__all__ = ["FailureHandler"]

_logger = logging.getLogger(__name__)


class FailureHandler:
    """Litestar's handler for all exceptions: each protocol's clients are told in its own words.

    Of an unknown error nothing is told but an id, under which the log has the traceback.

    Attributes:
        incidents: How many unknown errors there were.
    """

    def __init__(self, dialects: tuple[Dialect, ...], default: Dialect) -> None:
        self._dialects = dialects
        self._default = default
        self._lock = threading.Lock()
        self.incidents = 0

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Translate ``error`` for whoever made ``request``."""
        return self.answer(request.method, request.scope["path"], error).to_response()

    def answer(self, method: str, path: str, error: Exception) -> Answer:
        """Write ``error`` as the protocol of the path does."""
        dialect = dialect_for(path, self._dialects, self._default)
        return dialect.render(self.failure(method, path, error))

    def failure(self, method: str, path: str, error: Exception) -> Failure:
        """Tell what a client may know of ``error``."""
        return failure_of(error) or self._report(method, path, error)

    def _report(self, method: str, path: str, error: Exception) -> Failure:
        incident = secrets.token_hex(4)
        with self._lock:
            self.incidents += 1
        # The path alone: a query may carry a link's signature.
        _logger.error("incident %s at %s %s", incident, method, path, exc_info=error)
        return Failure(500, "ServerError", f"the server failed; its log has more under incident {incident}")
