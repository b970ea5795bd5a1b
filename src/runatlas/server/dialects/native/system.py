"""Routes about the server itself; these need no key."""

from __future__ import annotations

import attrs

from runatlas.errors import StoreError
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.payload import encode_payload

__all__ = ["Health", "routes"]

routes = RouteTable("system", prefix="")


@attrs.frozen
class Health:
    """Whether the server and its store work."""

    status: str


@routes.add("GET", "/healthz", public=True, answer=Health, statuses=(200, 503))
def get_health(services: Services) -> Answer:
    """Tell whether the store answers."""
    try:
        services.accounts.has_accounts()
    except StoreError:
        return Answer(encode_payload(Health("the store does not answer")), 503)
    return Answer(encode_payload(Health("ok")))
