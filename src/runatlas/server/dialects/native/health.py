"""``/healthz``: whether the server and its store work; whoever asks needs no key."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import attrs

from runatlas.errors import StoreError
from runatlas.model.codec import encode_json
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer

__all__ = ["Health", "HealthCheck", "routes"]

_PATIENCE_S = 2.0

routes = RouteTable("system", prefix="")


@attrs.frozen
class Health:
    """Whether the server and its store work."""

    status: str


@routes.add("GET", "/healthz", public=True, aside=True, answer=Health, statuses=(200, 503))
def get_health(services: Services) -> Answer:
    """Tell whether the store answers."""
    try:
        services.accounts.has_accounts()
    except StoreError:
        return _no_answer()
    return Answer(encode_json(Health("ok")))


class HealthCheck:
    """Asks the store on a thread of its own, once for all who ask meanwhile, and does not wait for it for long."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._asked: Future[Answer] | None = None

    async def answer(self, services: Services) -> Answer:
        """Tell whether the store answers."""
        if self._asked is None or self._asked.done():
            self._asked = self._thread.submit(get_health, services)
        asked = asyncio.wrap_future(self._asked)
        await asyncio.wait({asked}, timeout=_PATIENCE_S)
        return asked.result() if asked.done() else _no_answer()


def _no_answer() -> Answer:
    return Answer(encode_json(Health("the store does not answer")), 503)
