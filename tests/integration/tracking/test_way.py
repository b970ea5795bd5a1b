"""What lies between a run and its store: its answers are no verdicts, and what it bars goes in parts."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.faulty_server import Exchange, FaultyServer, faulty_server, relayed, reply, reset
from support.run_content import points
from support.server import ServerProcess
from support.training import find_run

from runatlas import Experiment, Run
from runatlas.model.run import RunPatch
from runatlas.objects import Text
from runatlas.settings import resolve
from runatlas.tracking.sync import sync

POINTS = 100
BODY_MAX = 1 << 20

ANSWERS = {
    "400": reply(b"<html>Bad handle policy</html>", 400, "text/html"),
    "401": reply(b'{"error": "who are you"}', 401),
    "403": reply(b"<html>Forbidden</html>", 403, "text/html"),
    "404": reply(b"{}", 404),
    "413": reply(b"<html>413 Request Entity Too Large</html>", 413, "text/html"),
    "422": reply(json.dumps({"error": {"code": 422, "message": "no"}}).encode(), 422),
    "501": reply(b"", 501),
    "a login page": reply(b"<html>login please</html>", 200, "text/html"),
    "another service": reply(b'{"ok": true}'),
    "moved": reply(b"", 301, Location="http://127.0.0.1:1/elsewhere"),
}


class Way:
    """A proxy that lets everything through, or answers itself."""

    def __init__(self, origin: str) -> None:
        self._pass = relayed(origin)
        self.answer: Callable[[Exchange], None] | None = None
        self.body_max: int | None = None
        self.breaks_from: int | None = None
        self.largest = 0

    def fault(self) -> Callable[[Exchange], None]:
        def keep(exchange: Exchange) -> None:
            size = len(exchange.request.body)
            if self.breaks_from is not None and size > self.breaks_from:
                # The server has it all the same, now and then.
                if size % 2:
                    self._pass(exchange)
                reset()(exchange)
                exchange.connection.shutdown(socket.SHUT_RDWR)
                return
            if self.body_max is not None and size > self.body_max:
                ANSWERS["413"](exchange)
            elif self.answer is not None and exchange.request.method == "POST":
                self.answer(exchange)
            else:
                self.largest = max(self.largest, size)
                self._pass(exchange)

        return keep


@pytest.fixture
def way(server: ServerProcess) -> Way:
    return Way(server.origin)


@pytest.fixture
def proxy(way: Way) -> Iterator[FaultyServer]:
    with faulty_server(way.fault()) as made:
        yield made


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_something_else_is_no_verdict(
    server: ServerProcess, way: Way, proxy: FaultyServer, name: str
) -> None:
    run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
    run.flush()
    way.answer = ANSWERS[name]
    for step in range(POINTS):
        run.log({"a": step}, step=step)
    away = run.flush(0.2)
    held = run.health
    way.answer = None
    run.close(30)

    assert (away.where, away.durable, away.dropped, bool(away.problem)) == ("spool", True, 0, True)
    assert (held.spooled, held.dropped) == (POINTS, 0)
    assert (run.health.spooled, run.health.dropped) == (0, 0)
    seen = find_run(server.origin, run.hash)
    assert points(seen, "a") == [(step, float(step)) for step in range(POINTS)]
    assert seen.state == "FINISHED"


@pytest.mark.parametrize("name", ["400", "404", "413", "501", "a login page"])
def test_nothing_is_given_up_when_spools_are_sent(
    server: ServerProcess, way: Way, proxy: FaultyServer, tmp_path: Path, name: str
) -> None:
    run = Run(repo=tmp_path, mode="offline", experiment="program", capture_terminal_logs=False)
    for step in range(POINTS):
        run.log({"a": step}, step=step)
    run.close()
    way.answer = ANSWERS[name]
    (kept,) = sync(tmp_path, resolve(host=proxy.url, timeout_s=5))
    way.answer = None
    (sent,) = sync(tmp_path, resolve(host=proxy.url, timeout_s=5))

    assert (kept.is_done, kept.sent, kept.refused, bool(kept.problem)) == (False, 0, 0, True)
    assert (sent.is_done, sent.sent, sent.refused) == (True, POINTS, 0)


def test_an_answer_that_comes_after_the_end_is_counted_once(
    server: ServerProcess, way: Way, proxy: FaultyServer, tmp_path: Path
) -> None:
    run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
    run.track(Text("a text"), name="refused", step=0)
    run.flush()

    def late(exchange: Exchange) -> None:
        exchange.released.wait(30)
        way.fault()(exchange)

    way.answer = late
    for step in range(POINTS):
        run.log({"a": step, "refused": step}, step=step)
    run.close(0.2)
    at_end = run.health
    way.answer = None
    proxy.release()
    for thread in threading.enumerate():
        if thread.name == "runatlas-sender":
            thread.join(30)
    (report,) = sync(tmp_path / "own", resolve(host=server.origin))

    assert (at_end.sent, at_end.spooled, at_end.dropped) == (1, 2 * POINTS, 0)
    assert (run.health.sent, run.health.spooled, run.health.dropped) == (1, 2 * POINTS, 0)
    assert (report.sent, report.refused, report.is_done) == (POINTS, POINTS, True)
    assert points(find_run(server.origin, run.hash), "a") == [(step, float(step)) for step in range(POINTS)]


def test_what_the_way_takes_only_in_parts_arrives(
    server: ServerProcess, way: Way, proxy: FaultyServer, tmp_path: Path
) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(bytes(range(256)) * (5 << 12))
    way.body_max = BODY_MAX
    run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
    run.log_artifact(source)
    run.track(Text("x" * (2 << 20)), name="long", step=0)
    for step in range(150_000):
        run.log({"a": step}, step=step)
    flushed = run.flush(120)
    run["notes"] = "y" * (2 << 20)
    run.close(60)

    assert (flushed.where, run.health.dropped, run.health.spooled) == ("store", 0, 0)
    seen = find_run(server.origin, run.hash)
    assert seen.summary(["a"])["a"]["count"] == 150_000
    assert seen.artifact("weights.bin").read().unwrap() == source.read_bytes()
    content = seen.medias(["long"]).unwrap()["long"][0][0].content
    assert content is not None
    assert len(content["text"]) == 2 << 20
    assert len(seen.config["notes"]) == 2 << 20
    # What passes is remembered: no more than a few were sent in vain.
    refused = [request for request in proxy.seen if len(request.body) > BODY_MAX]
    assert len(refused) < 12
    assert way.largest > BODY_MAX // 4


def test_a_way_that_breaks_large_bodies_off_lets_smaller_ones_through(
    server: ServerProcess, way: Way, proxy: FaultyServer, tmp_path: Path
) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(bytes(range(256)) * (3 << 12))
    run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
    run.flush()
    way.breaks_from = 200_000
    run.log_artifact(source)
    for step in range(40_000):
        run.log({"a": step / 7}, step=step)
    flushed = run.flush(120)
    run.close(60)

    assert (flushed.where, run.health.dropped, run.health.spooled) == ("store", 0, 0)
    seen = find_run(server.origin, run.hash)
    assert points(seen, "a") == [(step, step / 7) for step in range(40_000)]
    assert seen.artifact("weights.bin").read().unwrap() == source.read_bytes()
    broken = [request for request in proxy.seen if len(request.body) > way.breaks_from]
    assert 0 < len(broken) < 16


def test_a_way_that_breaks_small_bodies_off_lets_their_parts_through(
    server: ServerProcess, way: Way, proxy: FaultyServer
) -> None:
    run = Run(repo=proxy.url, experiment="program", capture_terminal_logs=False)
    run.flush()
    way.breaks_from = 30_000
    run.track(Text("x" * 40_000), name="long", step=0)
    flushed = run.flush(20)
    run.close(20)

    assert (flushed.where, run.health.dropped, run.health.spooled) == ("store", 0, 0)
    content = find_run(server.origin, run.hash).medias(["long"]).unwrap()["long"][0][0].content
    assert content is not None
    assert len(content["text"]) == 40_000


def test_flush_says_what_the_store_refused(make_run: Callable[..., Run], stored: Callable[[Run], Experiment]) -> None:
    run = make_run(experiment="program")
    run.track(Text("a text"), name="a", step=0)
    assert run.flush().where == "store"
    for step in range(POINTS):
        run.log({"a": step, "b": step}, step=step)
    told, after = run.flush(30), run.flush(30)
    run.close(30)

    assert (told.where, told.durable, told.dropped) == ("lost", False, POINTS)
    assert "'a'" in told.problem
    assert (after.where, after.dropped) == ("store", 0)
    assert (run.health.dropped, run.health.sent) == (POINTS, POINTS + 1)
    assert len(points(stored(run), "b")) == POINTS


def test_a_change_that_is_refused_takes_no_other_along(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment]
) -> None:
    run = make_run(experiment="program")
    run.flush()
    run["kept"] = 1
    run._change(RunPatch(config={".".join("a" * 70): 2}))
    run.name = "kept"
    told = run.flush(30)
    run.close(30)

    assert (told.where, told.dropped) == ("lost", 1)
    assert "levels deep" in told.problem
    seen = stored(run)
    assert (seen.name, seen.state, seen.config) == ("kept", "FINISHED", {"kept": 1})
