"""Writes that are sent twice are done once."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest
import requests
from support.server import ServerProcess

from runatlas.server.store.engine import DATABASE_NAME


@pytest.fixture(scope="module")
def owner(server: ServerProcess) -> str:
    return str(server.call("GET", "user").json()["username"])


def _make(server: ServerProcess, name: str, key: str | None, **more: Any) -> requests.Response:
    headers = {"Idempotency-Key": key} if key is not None else {}
    return server.call("POST", "projects", json={"name": name, **more}, headers=headers)


def test_the_second_one_gets_the_first_ones_answer(server: ServerProcess) -> None:
    first, second = _make(server, "one", "k1"), _make(server, "one", "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"


def test_without_a_key_it_is_another_request(server: ServerProcess) -> None:
    assert _make(server, "two", None).status_code == 201
    assert _make(server, "two", None).status_code == 409


def test_a_key_belongs_to_one_request(server: ServerProcess, owner: str) -> None:
    assert _make(server, "three", "k3").status_code == 201
    other_body = _make(server, "three", "k3", title="Another")
    assert other_body.status_code == 409
    assert other_body.json()["error"]["code"] == "idempotency_key_reused"
    other_path = server.call("POST", "workspaces", json={"username": "three"}, headers={"Idempotency-Key": "k3"})
    assert other_path.status_code == 409


def test_what_failed_may_be_tried_again(server: ServerProcess, owner: str) -> None:
    run = {"project": {"workspace": owner, "project": "four"}, "id": "r"}
    headers = {"Idempotency-Key": "k4"}
    assert server.call("POST", "runs", json=run, headers=headers).status_code == 404
    assert _make(server, "four", None).status_code == 201
    assert server.call("POST", "runs", json=run, headers=headers).status_code == 201
    replayed = server.call("POST", "runs", json=run, headers=headers)
    assert (replayed.status_code, replayed.json()["created"]) == (201, True)


def test_what_was_done_and_what_was_answered_are_kept_together(server: ServerProcess, owner: str) -> None:
    with closing(sqlite3.connect(server.directory / DATABASE_NAME)) as database:
        refuse = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        database.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON idempotency {refuse}")
        try:
            assert _make(server, "seven", "k7").status_code == 500
            assert server.call("GET", f"projects/{owner}/seven").status_code == 404
        finally:
            database.execute("DROP TRIGGER refuse")
    assert _make(server, "seven", "k7").status_code == 201
    assert _make(server, "seven", "k7").headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_form(server: ServerProcess, key: str) -> None:
    assert _make(server, "five", key).status_code == 422


def test_of_many_at_once_one_is_done(server: ServerProcess, owner: str) -> None:
    answers: list[requests.Response] = []
    barrier = threading.Barrier(8)

    def make() -> None:
        barrier.wait()
        answers.append(_make(server, "six", "k6"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert len({answer.content for answer in made}) == 1
    for answer in answers:
        if answer.status_code != 201:
            assert answer.status_code == 409
            assert answer.json()["error"]["code"] == "idempotency_key_in_progress"
    assert _make(server, "six", "k6").status_code == 201
