"""Several records at once: a bad one costs itself alone or the batch, as its protocol says it, and never in silence.

What is sent again because its answer was lost adds nothing.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any

import pytest
import requests
from integration.server.batches.table import WAYS, socket
from integration.server.batches.way import NOW, Target, Way
from support.database import new_schema
from support.server import ServerProcess, running_server

from runatlas.server.store.engine import DATABASE_NAME

Make = Callable[[], Target]


@pytest.fixture(scope="module")
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes runs of a server of an engine, which notes no failure of its own meanwhile."""
    url = new_schema(request.getfixturevalue("postgresql")) if request.param == "postgresql" else None
    with running_server(tmp_path_factory.mktemp("batches") / "store", database=url) as server:
        yield _maker(server)
        assert not [line for line in server.log if "incident" in line or "Traceback" in line]


def _maker(server: ServerProcess) -> Make:
    owner = str(server.call("GET", "user").json()["username"])
    numbers, session = itertools.count(), requests.Session()
    session.trust_env = False

    def make() -> Target:
        draft = {"project": {"workspace": owner, "project": "demo"}, "id": f"r{next(numbers)}", "create_project": True}
        made = server.call("POST", "runs", json={**draft, "name": "made"}).json()["run"]
        return Target(server, session, owner, made["id"], made["cuid"])

    return make


def _on(engine: str, ways: Iterable[Way]) -> list[Any]:
    return [pytest.param(engine, way, id=f"{engine}-{way.name}") for way in ways]


def _bad(engine: str, way: Way) -> list[str]:
    """What SQLite takes and PostgreSQL does not is NUL; the rest is for the protocol to say, on whatever engine."""
    return [what for what in way.bad if engine == "sqlite" or "NUL" in what]


@pytest.mark.parametrize(
    ("make", "way"),
    _on("sqlite", WAYS) + _on("postgresql", [way for way in WAYS if _bad("postgresql", way)]),
    indirect=["make"],
    scope="module",
)
def test_a_bad_record_costs_itself_or_the_batch_and_is_told(
    make: Make, way: Way, request: pytest.FixtureRequest
) -> None:
    target, plain = make(), make()
    good: list[Any] = []
    for number, what in enumerate(_bad(request.node.callspec.params["make"], way)):
        start = 0 if way.replaces else 10 * number
        told = way.send(target, way.batch(what, start))
        assert told.refused, what
        assert told.status < 500, what
        # What is no JSON at all costs the batch in every protocol.
        taken = way.batch(start=start) if way.alone and told.status < 400 else []
        if way.replaces:
            assert not way.send(plain, taken).refused
            assert target.content() == plain.content(), what
            target, plain = make(), make()
        good += taken
    if not way.replaces:
        assert not good or not way.send(plain, good).refused
        assert target.content() == plain.content()


@pytest.mark.parametrize(
    ("make", "way"),
    _on("sqlite", WAYS) + _on("postgresql", [way for way in WAYS if way.name in {"Syvain events", "matyan records"}]),
    indirect=["make"],
    scope="module",
)
def test_a_batch_that_is_sent_again_adds_nothing(make: Make, way: Way) -> None:
    once, twice = make(), make()
    empty = once.content()
    bad = next(iter(way.bad)) if way.alone else None
    way.send(once, way.batch(bad))
    (way.lose or way.send)(twice, way.batch(bad))
    answers = [way.send(twice, way.batch(bad)) for _ in range(2)]
    assert twice.content() == once.content() != empty
    assert {answer.refused for answer in answers} == {bad is not None}


def _frame(n: int) -> str:
    return json.dumps({"type": "log_metric", "name": "loss", "value": n, "client_datetime": NOW})


@pytest.mark.parametrize("make", ["sqlite"], indirect=True, scope="module")
def test_only_the_last_frame_of_a_connection_is_remembered(make: Make) -> None:
    target = make()
    with socket(target) as connection:
        for text in (_frame(0), _frame(1), _frame(1), _frame(2)):
            connection.send(text)
            assert json.loads(connection.recv(timeout=60))["status"] == "ok"
    assert target.content()["points"] == [("loss", [], [(0, 0.0), (1, 1.0), (2, 2.0)])]
    with closing(sqlite3.connect(target.server.directory / DATABASE_NAME)) as database:
        count = "SELECT count(*) FROM idempotency WHERE key LIKE 'frame %' AND answer IS NOT NULL"
        before = database.execute(count).fetchone()[0]
        with socket(target) as connection:
            for n in (3, 4, 5):
                connection.send(_frame(n))
                connection.recv(timeout=60)
        assert database.execute(count).fetchone()[0] == before + 1


@pytest.mark.parametrize("make", ["sqlite"], indirect=True, scope="module")
def test_what_does_not_say_when_it_was_is_no_repeat(make: Make) -> None:
    target = make()
    with socket(target) as connection:
        for said in [{"type": "log_metric", "name": "loss", "value": 1}] * 2:
            connection.send(json.dumps(said))
            assert json.loads(connection.recv(timeout=60))["status"] == "ok"
        for name in ("a", "b", "a"):
            connection.send(json.dumps({"type": "set_run_property", "name": name}))
            assert json.loads(connection.recv(timeout=60))["status"] == "ok"
    found = target.content()
    assert found["points"] == [("loss", [], [(0, 1.0), (1, 1.0)])]
    assert found["run"]["name"] == "a"


@pytest.mark.parametrize("make", ["sqlite"], indirect=True, scope="module")
def test_a_metric_of_chachaml_is_told_from_itself_by_its_step(make: Make) -> None:
    target = make()
    for body in ({"loss": 1, "step": 3}, {"loss": 1, "step": 3}, {"loss": 2, "step": 3}, {"acc": 1}, {"acc": 1}):
        assert target.ask(f"/api/w/runs/{target.id}/metrics", body).ok
    assert target.content()["points"] == [("acc", [], [(0, 1.0), (0, 1.0)]), ("loss", [], [(3, 1.0), (3, 2.0)])]
