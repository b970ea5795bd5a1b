"""The native protocol, ready to be mounted."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from runatlas.model.codec import encode_json
from runatlas.server.dialects.native import account, file, health, run, series
from runatlas.server.dialects.native.document import ErrorDetail, ErrorDocument, make_document
from runatlas.server.dialects.native.handler import make_handlers
from runatlas.server.dialects.native.route import Route, RouteTable, declared_routes
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.body_limit import Limits
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.dialect import Dialect
from runatlas.server.wire.failure import Failure

__all__ = ["make_dialect", "native_document", "native_routes"]

_ABOUT = RouteTable("system", prefix="")


@_ABOUT.add("GET", "/atlas/v1/openapi.json", public=True, answer=dict[str, Any])
def get_document() -> Answer:
    """Return this document."""
    return Answer(_document_text())


def native_routes() -> list[Route]:
    """Return the whole table."""
    subjects = (health.routes, _ABOUT, account.routes, run.routes, series.routes, file.routes, run.deletions)
    return [*(route for subject in subjects for route in subject.routes), *declared_routes()]


def native_document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return make_document(native_routes())


@lru_cache(maxsize=1)
def _document_text() -> bytes:
    return encode_json(native_document())


def make_dialect(limits: Limits) -> Dialect:
    """Make the protocol.

    Args:
        limits: How large bodies may be.

    Returns:
        What the application mounts.
    """
    return Dialect(
        name="native",
        prefixes=("/atlas", "/healthz"),
        handlers=lambda: make_handlers(native_routes(), limits),
        render=render,
        secret=bearer_or_basic,
    )


def render(failure: Failure) -> Answer:
    """Write a failure as this protocol does."""
    detail = ErrorDetail(failure.status, failure.type, failure.message, failure.code)
    return Answer(encode_json(ErrorDocument(detail)), failure.status, headers=failure.headers)
