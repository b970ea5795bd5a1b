"""What a real socket can do to a client."""

from __future__ import annotations

import gzip
import io
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest
from support.faulty_server import (
    Fault,
    broken_chunk,
    faulty_server,
    gibberish,
    half_body,
    hang_up,
    reply,
    reset,
    stall,
    trickle,
)

from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.backends.http.transport import when_sent
from runatlas.errors import ConnectionFailedError, RequestError, TimeoutError_

GET = Request("GET", "/atlas/v1/user")
WRITE = Request("POST", "/atlas/v1/runs", b"{}", "application/json", idempotency_key="k1")
ONCE = Request("POST", "/atlas/v1/runs", b"{}", "application/json", repeatable=False)


def hurried(total_s: float = 20.0) -> RetryPolicy:
    """Real time, but next to no delays."""
    return RetryPolicy(total_s=total_s, base_s=0.001, cap_s=0.01)


BROKEN: list[tuple[Callable[[], Fault], type[Exception], str]] = [
    (half_body, RequestError, "in the middle of the answer"),
    (broken_chunk, RequestError, "in the middle of the answer"),
    (reset, ConnectionFailedError, "the connection broke"),
    (hang_up, ConnectionFailedError, "the connection broke"),
    (gibberish, ConnectionFailedError, "the connection broke"),
    (lambda: reset(b"HTTP/1.1 200 OK\r\nContent-Le"), RequestError, "the connection broke"),
    (lambda: hang_up(b"HTTP/1.1 200 OK\r\nContent-Le"), RequestError, "in the middle of the answer"),
    (lambda: reply(b"no gzip", content_encoding="gzip"), RequestError, "compression is damaged"),
]
NAMES = [
    "half body",
    "broken chunk",
    "reset",
    "hang up",
    "gibberish",
    "reset in the head",
    "head cut off",
    "damaged gzip",
]


@pytest.mark.parametrize("request_", [GET, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("fault", [fault for fault, _, _ in BROKEN], ids=NAMES)
def test_one_broken_answer_is_not_seen(fault: Callable[[], Fault], request_: Request) -> None:
    with faulty_server(fault(), reply(b'{"ok": 1}')) as server:
        assert Session(server.url, policy=hurried()).send(request_).json() == {"ok": 1}

        assert len(server.seen) == 2
        assert server.seen[0] == server.seen[1]


@pytest.mark.parametrize(("fault", "kind", "said"), BROKEN, ids=NAMES)
def test_answers_that_stay_broken_are_told(fault: Callable[[], Fault], kind: type[Exception], said: str) -> None:
    with faulty_server(fault()) as server, pytest.raises(kind, match=rf"{said}.*\(tried 4 times\)"):
        Session(server.url, policy=hurried()).send(GET)

    assert len(server.seen) == 4


@pytest.mark.parametrize("fault", [fault for fault, _, _ in BROKEN], ids=NAMES)
def test_what_may_not_be_repeated_is_asked_once(fault: Callable[[], Fault]) -> None:
    with faulty_server(fault()) as server, pytest.raises(RequestError):
        Session(server.url, policy=hurried()).send(ONCE)

    assert len(server.seen) == 1


def test_a_refused_connection_is_told_within_moments() -> None:
    with faulty_server(reply()) as server:
        url = server.url

    with pytest.raises(ConnectionError, match=rf"GET {url}/atlas/v1/user: the server cannot be reached \(.*refused"):
        Session(url, policy=hurried()).send(GET)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12"], ids=["nothing", "a part"])
def test_a_server_that_falls_silent_is_left_when_time_is_up(sent: bytes) -> None:
    with faulty_server(stall(sent)) as server:
        begun = time.monotonic()
        with pytest.raises(TimeoutError_, match=r"no answer within 0\.\d+ s"):
            Session(server.url, policy=hurried(0.3)).send(GET)

        assert time.monotonic() - begun < 20


def test_an_answer_that_trickles_for_ever_is_left_when_time_is_up() -> None:
    with faulty_server(trickle()) as server, pytest.raises(TimeoutError_, match="had not come whole when time was up"):
        Session(server.url, policy=hurried(0.3)).send(GET)


def test_a_connection_is_kept_for_the_next_request() -> None:
    with faulty_server(reply()) as server:
        session = Session(server.url, policy=hurried())
        for _ in range(5):
            session.send(GET)

        assert (len(server.seen), server.connections) == (5, 1)
        session.close()


def test_it_is_told_when_a_request_is_sent_and_waits_for_its_answer() -> None:
    with faulty_server(stall()) as server, ThreadPoolExecutor(1) as pool:
        sent = threading.Event()

        def ask() -> None:
            with when_sent(sent.set):
                Session(server.url, policy=hurried(60)).send(ONCE)

        asking = pool.submit(ask)
        assert sent.wait(60)
        assert server.wait_for(1)
        server.release()
        with pytest.raises(RequestError):
            asking.result(60)


def test_threads_share_a_session() -> None:
    with faulty_server(reply()) as server, ThreadPoolExecutor(20) as pool:
        session = Session(server.url, policy=hurried())
        answers = list(pool.map(lambda _: session.send(GET).json(), range(100)))

        assert answers == [{"ok": True}] * 100
        assert server.connections <= 8


Results: TypeAlias = "multiprocessing.Queue[tuple[int, Any]]"


def _ask_in_child(session: Session, results: Results) -> None:
    results.put((os.getpid(), session.send(GET).json()))


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_forked_child_gets_connections_of_its_own() -> None:
    fork = multiprocessing.get_context("fork")
    with faulty_server(reply()) as server:
        session = Session(server.url, policy=hurried())
        session.send(GET)
        results: Results = fork.Queue()
        child = fork.Process(target=_ask_in_child, args=(session, results))
        child.start()
        process, answer = results.get(timeout=30)
        child.join(30)

        assert process != os.getpid()
        assert answer == {"ok": True}
        assert session.send(GET).json() == {"ok": True}
        assert server.connections == 2


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_child_forked_while_all_places_are_taken_gets_on() -> None:
    fork = multiprocessing.get_context("fork")
    with faulty_server(*[stall()] * 8, reply()) as server, ThreadPoolExecutor(8) as pool:
        session = Session(server.url, policy=hurried())
        stuck = [pool.submit(session.send, GET) for _ in range(8)]
        assert server.wait_for(8)
        results: Results = fork.Queue()
        child = fork.Process(target=_ask_in_child, args=(session, results))
        child.start()

        assert results.get(timeout=30)[1] == {"ok": True}
        child.join(30)
        server.release()
        assert [future.result(30).json() for future in stuck] == [{"ok": True}] * 8


def test_a_file_is_sent_whole_at_every_try() -> None:
    content = os.urandom(300_000)
    file = io.BytesIO(b"before" + content)
    file.seek(6)
    with faulty_server(hang_up(), reply(status=503), reply()) as server:
        Session(server.url, policy=hurried()).send(Request("POST", "/blobs", file, "application/octet-stream"))

        assert [seen.body == content for seen in server.seen] == [True, True, True]


def test_compressed_answers_are_read() -> None:
    body = gzip.compress(b'{"ok": "' + b"x" * 100_000 + b'"}')
    with faulty_server(reply(body, Content_Encoding="gzip")) as server:
        answer = Session(server.url, policy=hurried(), compress=True).send(GET)

        assert answer.json() == {"ok": "x" * 100_000}
        assert server.seen[0].headers["accept-encoding"] == "gzip"


def test_a_download_takes_up_where_the_connection_broke() -> None:
    content = os.urandom(50_000)
    rest = reply(content[20_000:], status=206, media_type="application/octet-stream")
    with faulty_server(half_body(content[:20_000], len(content)), hang_up(), rest) as server:
        pieces = Session(server.url, policy=hurried()).download(f"{server.url}/blob")

        assert b"".join(pieces) == content
        assert [seen.headers.get("range") for seen in server.seen] == [None, "bytes=20000-", "bytes=20000-"]


def test_a_download_that_gets_on_may_break_as_often_as_it_likes() -> None:
    content = os.urandom(10_000)
    pieces = [
        half_body(content[at : at + 1_000], 10_000 - at, status=206 if at else 200) for at in range(0, 9_000, 1_000)
    ]
    rest = reply(content[9_000:], status=206, media_type="application/octet-stream")
    with faulty_server(*pieces, rest) as server:
        assert b"".join(Session(server.url, policy=hurried()).download(f"{server.url}/blob")) == content

        assert len(server.seen) == 10


def test_a_download_that_brings_nothing_ends() -> None:
    with faulty_server(hang_up()) as server, pytest.raises(ConnectionFailedError):
        list(Session(server.url, policy=hurried()).download(f"{server.url}/blob"))

    assert len(server.seen) == 4


def test_an_abandoned_download_frees_its_connection() -> None:
    with faulty_server(reply(b"x" * 5_000_000)) as server:
        session = Session(server.url, policy=hurried())
        for _ in range(20):
            pieces = session.download(f"{server.url}/blob")
            next(pieces)
            pieces.close()  # type: ignore[attr-defined]

        assert session.send(GET).status == 200


def test_closing_from_another_thread_ends_the_waiting() -> None:
    with faulty_server(reply(status=503, Retry_After="15")) as server:
        session = Session(server.url, policy=RetryPolicy(total_s=30))
        threading.Timer(0.1, session.close).start()

        with pytest.raises(RequestError, match="closed"):
            session.send(GET)
