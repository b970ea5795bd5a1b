"""Blocking work away from the event loop, in a bounded number of threads and for a bounded time."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any, ParamSpec, TypeVar

import attrs
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from runatlas.errors import ApiStatusError, BusyError, RateLimitedError, RunAtlasError, TooMuchWorkError
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.memory_budget import Held, HeldAnswers
from runatlas.server.work import Work

__all__ = ["Visit", "WorkerThreads", "Workers", "answering", "in_thread", "send_pieces"]

P = ParamSpec("P")
T = TypeVar("T")

_QUICK_S = 0.05
_LOOK_S = 0.1
_CLOSING_S = 6.0
_WRITES = 10
"""How many times as long a transaction that writes may take: it is at work for one request at a time."""

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in one of the application's worker threads.

    Args:
        call: Called once.
        args: Passed on.
        kwargs: Passed on.

    Returns:
        What it returned.
    """
    return await asyncio.get_running_loop().run_in_executor(None, lambda: call(*args, **kwargs))


async def send_pieces(pieces: Iterator[bytes], receive: Receive, send: Send) -> int | None:
    """Send a body piece by piece, each made in a worker thread; no more are made once the client left.

    Args:
        pieces: Empty ones are left out.
        receive: Tells when the client left.
        send: Takes the pieces; the end of the body is the caller's to send.

    Returns:
        How many bytes there were; ``None`` when the client left before the end.
    """
    size = 0
    gone = asyncio.ensure_future(_departure(receive))
    try:
        while (piece := await in_thread(next, pieces, None)) is not None:
            if gone.done():
                return None
            if piece:
                size += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        gone.cancel()
    return size


class WorkerThreads(ThreadPoolExecutor):
    """Threads whose calls are ended when they ask too much of the database."""

    def __init__(self, threads: int, name: str, work_s: float) -> None:
        """Make them.

        Args:
            threads: How many calls run at the same time.
            name: What the threads are called.
            work_s: How long a call may keep the database at work; one that writes ten times as long.
        """
        super().__init__(threads, thread_name_prefix=name)
        self._work_s = work_s
        self._running: dict[Work, float] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call as work of its own."""
        return self.start(Work(), fn, *args, **kwargs)

    def start(self, work: Work, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run a call as work that the caller may end."""
        return super().submit(self._run, work, lambda: fn(*args, **kwargs))

    def _run(self, work: Work, call: Callable[[], T]) -> T:
        self._running[work] = time.monotonic()
        try:
            with work.begun():
                return call()
        finally:
            del self._running[work]

    def end_overdue(self) -> None:
        """End what has run for too long."""
        now = time.monotonic()
        for work, since in list(self._running.items()):
            if now - since > self._work_s:
                told = TooMuchWorkError(
                    f"the request kept the store at work for more than {self._work_s:g} s and was ended; "
                    "narrow the filter, or ask for fewer runs, metrics or points at a time"
                )
                work.end(told, writes_too=now - since > _WRITES * self._work_s)

    def end_all(self, reason: RunAtlasError) -> int:
        """End everything; returns how much is left to end."""
        for work in list(self._running):
            work.end(reason, writes_too=True)
        return len(self._running)


@attrs.define(eq=False)
class _Presence:
    """What a caller has under way."""

    requests: int
    threads: asyncio.Semaphore
    uploads: asyncio.Semaphore


class Workers:
    """Who may have how many requests under way, and how many of them in threads.

    Nobody gets all threads, nor do changes: they may have to wait for each other, and reads go on meanwhile.
    """

    def __init__(
        self, threads: int, uploads: int, requests: int, held: tuple[Held, HeldAnswers], work_s: float
    ) -> None:
        """Make them.

        Args:
            threads: How many calls work at the same time.
            uploads: How many uploads are taken at the same time, beside those.
            requests: How many requests a caller may have under way.
            held: The bytes that bodies may hold, and those that answers may.
            work_s: How long a call may keep the database at work, and wait for room for its answer.
        """
        self.held, self.answers = held
        self.work_s = work_s
        self.calls = WorkerThreads(threads, "request", work_s)
        self.uploads = WorkerThreads(uploads, "upload", float("inf"))
        self._requests = requests
        self._threads_each = max(threads * 3 // 4, 1)
        self._uploads_each = max(uploads // 4, 1)
        self.changes = asyncio.Semaphore(self._threads_each)
        self._present: dict[str, _Presence] = {}
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._look, name="runatlas-watch", daemon=True)
        self._watch.start()

    def _look(self) -> None:
        while not self._ending.wait(_LOOK_S):
            self.calls.end_overdue()
        # What begins a statement only now is ended as well, until the process is gone.
        told = BusyError("the server is shutting down; try again in a moment")
        while sum(pool.end_all(told) for pool in (self.calls, self.uploads)):
            time.sleep(_LOOK_S)

    async def close(self) -> bool:
        """End what is still running; false if something could not be ended in a few seconds."""
        for pool in (self.calls, self.uploads):
            pool.shutdown(wait=False, cancel_futures=True)
        self._ending.set()
        deadline = time.monotonic() + _CLOSING_S
        while self._watch.is_alive() and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_S)
        return not self._watch.is_alive()

    @asynccontextmanager
    async def visit(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AsyncIterator[Visit]:
        """Let a request be under way within the block.

        Raises:
            RateLimitedError: The caller has too many under way.
        """
        who = _who(connection.scope)
        present = self._present.get(who)
        if present is None:
            present = _Presence(0, asyncio.Semaphore(self._threads_each), asyncio.Semaphore(self._uploads_each))
            self._present[who] = present
        if present.requests >= self._requests:
            raise RateLimitedError(
                f"you have {present.requests} requests under way at this server, which is as many as it takes of "
                "one caller; wait for some of them"
            )
        present.requests += 1
        visiting = Visit(self, present, who, connection)
        try:
            yield visiting
        finally:
            visiting.end()
            present.requests -= 1
            if not present.requests:
                self._present.pop(who, None)


class Visit:
    """One request while it is under way."""

    def __init__(
        self, workers: Workers, present: _Presence, who: str, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> None:
        self._workers = workers
        self._present = present
        self._who = who
        self._turn = workers.changes if connection.scope.get("method") in _CHANGING else nullcontext()
        self._receive = connection.receive
        self._held = 0
        self._answering = 0
        self._foreseen = 0

    def hold(self, size: int) -> None:
        """Count bytes of its body that are in memory, until it ends.

        Raises:
            RateLimitedError: The caller's bodies hold too much.
            BusyError: All bodies together do.
        """
        self._workers.held.add(self._who, size)
        self._held += size

    def end(self) -> None:
        """Forget what was held."""
        if self._held:
            self._release()
        self._change(0)

    def _release(self) -> None:
        self._workers.held.remove(self._who, self._held)
        self._held = 0

    def _change(self, answering: int) -> None:
        self._workers.answers.change(self._who, self._answering, answering)
        self._answering = answering

    def _foresee(self, size: int) -> None:
        """Count bytes that a call is about to read; on its thread."""
        self._foreseen += size
        more = self._foreseen - self._answering
        if more > 0:
            self._workers.answers.foresee(self._who, more, self._answering)
            self._answering = self._foreseen

    async def answer(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call in a thread when it is the request's turn; it is ended when the client goes away.

        A call that foresees a larger answer than there is room for is begun again once there is.

        Raises:
            RateLimitedError: The caller's other answers left no room in time.
            BusyError: All others did not.
        """
        deadline = time.monotonic() + self._workers.work_s
        wanted = 0
        while True:
            await self._workers.answers.wait(self._who, wanted, deadline)
            self._answering, self._foreseen = wanted, 0
            try:
                async with self._present.threads, self._turn:
                    return await self._attended(call, *args, **kwargs)
            except (RateLimitedError, BusyError):
                if self._foreseen <= self._answering:
                    raise
            self._change(0)
            wanted = max(2 * wanted, self._foreseen)

    async def send(self, answer: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Send an answer, which counts until the client has taken it; the body that asked for it no longer does."""
        if self._held:
            self._release()
        if isinstance(answer, Answer):
            self._change(len(answer.body))
            await answer(scope, receive, send)
            return
        kept = self._answering

        async def send_counted(message: Message) -> None:
            piece = message["body"] if message["type"] == "http.response.body" else b""
            self._change(kept + len(piece))
            await send(message)
            self._change(kept)

        await answer(scope, receive, send_counted)

    async def upload(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call that reads the body while it arrives: in a thread that nobody else waits for."""
        async with self._present.uploads:
            return await asyncio.wrap_future(self._workers.uploads.submit(call, *args, **kwargs))

    async def _attended(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        work = Work(self._foresee)
        future = asyncio.wrap_future(self._workers.calls.start(work, call, *args, **kwargs))
        await asyncio.wait({future}, timeout=_QUICK_S)
        if not future.done():
            gone = asyncio.ensure_future(_departure(self._receive))
            either: set[asyncio.Future[Any]] = {future, gone}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                while not future.done():
                    work.end(BusyError("the client went away"))
                    await asyncio.wait({future}, timeout=_LOOK_S)
            finally:
                gone.cancel()
        return future.result()


async def _departure(receive: Receive) -> None:
    """Wait until the client is gone; what it sends beyond what was read is dropped."""
    with suppress(ApiStatusError):
        while (await receive())["type"] != "http.disconnect":
            pass


def _who(scope: Scope) -> str:
    caller = scope.get("user")
    if caller is not None and not caller.is_owner:
        return f"user {caller.user_id}"
    client = scope.get("client")
    return f"address {client[0]}" if client else "address"


def answering(
    answer: Callable[[Request[Any, Any, State], Visit], Awaitable[ASGIApp]],
) -> Callable[[Request[Any, Any, State]], Awaitable[ASGIApp]]:
    """Make what answers a request a handler of Litestar: the request is under way until its answer was taken."""

    async def handle(request: Request[Any, Any, State]) -> ASGIApp:
        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            workers: Workers = request.app.state.workers
            async with workers.visit(request) as visiting:
                await visiting.send(await answer(request, visiting), scope, receive, send)

        return respond

    return handle
