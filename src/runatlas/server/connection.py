"""Connections that cannot be held for nothing: how long each state may last, and who gives way when all are taken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, cast

import attrs
import h11
import uvicorn
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from runatlas.errors import ApiStatusError, BusyError, RateLimitedError
from runatlas.server.wire.memory_budget import Held

__all__ = ["ConnectionLimits", "GuardedHttp", "GuardedSocket", "guarded_config", "keep_pace", "watch_connections"]

_CONNECTION = "runatlas.connection"
_TRY_LATER = 1013


@attrs.frozen
class ConnectionLimits:
    """What a connection may cost.

    Attributes:
        connections: How many there may be; one more takes the place of an idle one.
        head_s: How long a request's head may take to arrive.
        stall_s: How long a client may take for the next ``stall_bytes`` of what it sends or reads.
        stall_bytes: What it has to move in that time.
    """

    connections: int = 2000
    head_s: float = 15.0
    stall_s: float = 30.0
    stall_bytes: int = 30 * 1024


@attrs.define
class _Pace:
    """Whether enough comes within each window of time that a client is waited for."""

    since: float
    start: int = 0

    def is_slow(self, now: float, moved: int, limits: ConnectionLimits) -> bool:
        """Tell whether a window is over that brought too little."""
        if now - self.since < limits.stall_s:
            return False
        slow = moved - self.start < limits.stall_bytes
        self.since, self.start = now, moved
        return slow


class _Guarded:
    """What both kinds of connections have: bytes that came, and how fast those that go are taken."""

    transport: asyncio.Transport
    client: tuple[str, int] | None
    limits: ConnectionLimits

    def begin(self, now: float) -> None:
        """Start to count."""
        self.received = 0
        self.opened_at = now
        self._arriving: _Pace | None = None
        self._leaving: _Pace | None = None

    @property
    def address(self) -> str:
        """Whose it is."""
        return self.client[0] if self.client else ""

    def is_arriving_slowly(self, now: float, *, waiting: bool) -> bool:
        """Tell whether the client sends too little of what it is waited for."""
        if not waiting:
            self._arriving = None
            return False
        if self._arriving is None:
            self._arriving = _Pace(now, self.received)
        return self._arriving.is_slow(now, self.received, self.limits)

    def is_leaving_slowly(self, now: float) -> bool:
        """Tell whether the client takes too little of what was written."""
        taken = -self.transport.get_write_buffer_size()
        if not taken:
            self._leaving = None
            return False
        if self._leaving is None:
            self._leaving = _Pace(now, taken)
        return self._leaving.is_slow(now, taken, self.limits)


class GuardedHttp(_Guarded, H11Protocol):
    """An HTTP connection that is waited for only so long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; where there are too many, an idle one gives way."""
        super().connection_made(transport)
        self.limits = cast(_GuardedConfig, self.config).limits
        self.begin(self.loop.time())
        self.stalled = False
        self._head_since: float | None = self.opened_at
        self._drained_since: float | None = None
        self.app_state = {**self.app_state, _CONNECTION: self}
        if len(self.connections) > self.limits.connections:
            _make_room(cast("Iterable[Any]", self.connections), newest=self)

    def data_received(self, data: bytes) -> None:
        """Take bytes."""
        self.received += len(data)
        super().data_received(data)
        if not self.is_idle or self.conn.their_state is not h11.IDLE:
            self._head_since = None
        elif self._head_since is None and self.conn.trailing_data[0]:
            self._head_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what refers to it."""
        super().connection_lost(exc)
        self.app_state = {}

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or self.cycle.response_complete

    def look(self, now: float) -> None:
        """End what takes too long; called again and again."""
        if self.is_leaving_slowly(now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self.is_idle:
            self._look_idle(now)
        else:
            self._look_busy(now)

    def _look_busy(self, now: float) -> None:
        cycle = self.cycle
        waiting = cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue
        if self.is_arriving_slowly(now, waiting=waiting):
            # Whoever reads the body is told, and answers in the words of its protocol.
            self.stalled = True
            cycle.message_event.set()

    def _look_idle(self, now: float) -> None:
        draining = self.cycle is not None and self.conn.their_state is h11.SEND_BODY
        self._drained_since = (self._drained_since or now) if draining else None
        since, most = (self._drained_since, self.limits.stall_s) if draining else (self._head_since, self.limits.head_s)
        if since is not None and now - since > most:
            self.transport.abort()


class GuardedSocket(_Guarded, WebSocketsSansIOProtocol):
    """A WebSocket whose frames arrive within bounds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection."""
        super().connection_made(transport)
        config = cast(_GuardedConfig, self.config)
        self.limits, self._held = config.limits, config.held
        self.begin(self.loop.time())
        self._counted = 0

    def data_received(self, data: bytes) -> None:
        """Take bytes, if there is room for them."""
        self.received += len(data)
        try:
            self._count(self._counted + len(data))
        except (BusyError, RateLimitedError):
            self.conn.fail(_TRY_LATER, "too many bytes of messages under way")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()
            return
        super().data_received(data)

    async def receive(self) -> Any:
        """Hand over a message: only what has arrived of the next one is held from now on."""
        message = await super().receive()
        if self.queue.empty() and not self.disconnected:
            self._count(self._unfinished)
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was held."""
        super().connection_lost(exc)
        self._count(0)

    @property
    def is_idle(self) -> bool:
        """A socket is open for as long as its client likes."""
        return False

    @property
    def _unfinished(self) -> int:
        return len(self.conn.reader.buffer) + sum(map(len, self.frames))

    def _count(self, size: int) -> None:
        who = f"address {self.address}"
        if size > self._counted:
            self._held.add(who, size - self._counted)
        else:
            self._held.remove(who, self._counted - size)
        self._counted = size

    def look(self, now: float) -> None:
        """End what takes too long; called again and again."""
        waiting = not self.read_paused and self.queue.empty() and self._unfinished > 0
        if self.is_leaving_slowly(now) or self.is_arriving_slowly(now, waiting=waiting):
            self.transport.abort()


def _make_room(connections: Iterable[Any], newest: Any) -> None:
    """Close the connection that has been idle for longest, of the address that has most of them."""
    idle = [one for one in connections if one is not newest and one.is_idle and not one.transport.is_closing()]
    if not idle:
        newest.transport.abort()
        return
    counts = Counter(one.address for one in idle)
    most = max(counts.values())
    greedy = (one for one in idle if counts[one.address] == most)
    # Those that never asked for anything go first.
    min(greedy, key=lambda one: (one.cycle is not None, one.opened_at)).transport.abort()


class _GuardedConfig(uvicorn.Config):
    """A configuration that the protocols find their limits in."""

    limits: ConnectionLimits
    held: Held


def guarded_config(app: ASGIApp, limits: ConnectionLimits, held: Held, **options: Any) -> uvicorn.Config:
    """Make a configuration of uvicorn whose connections keep to limits."""
    config = _GuardedConfig(cast(Any, app), http=GuardedHttp, ws=GuardedSocket, **options)
    config.limits, config.held = limits, held
    return config


async def watch_connections(state: ServerState, limits: ConnectionLimits) -> None:
    """Look at all connections again and again, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, limits.head_s / 4, limits.stall_s / 4))
        now = loop.time()
        for connection in list(state.connections):
            cast(Any, connection).look(now)


def keep_pace(app: ASGIApp, sockets: ASGIApp) -> ASGIApp:
    """Make reading a body fail with 408 once its connection has stalled, and sending wait until the client reads.

    Args:
        app: The application.
        sockets: The same for sockets, which keep pace by themselves.

    Returns:
        The wrapped application.
    """

    async def paced(scope: Scope, receive: Receive, send: Send) -> None:
        connection = (scope.get("state") or {}).get(_CONNECTION)
        if connection is None or scope["type"] != ScopeType.HTTP:
            await (sockets if scope["type"] == ScopeType.WEBSOCKET else app)(scope, receive, send)
            return

        async def next_message() -> Any:
            message = await receive()
            if connection.stalled:
                raise ApiStatusError(
                    f"the body came too slowly: at least {connection.limits.stall_bytes} bytes are expected every "
                    f"{connection.limits.stall_s:g} s",
                    code=408,
                )
            return message

        async def send_and_drain(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                await connection.flow.drain()

        await app(scope, cast(Receive, next_message), send_and_drain)

    return paced
