"""A store whose write lock another process holds: who reads is answered, who writes is told when to come again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

import attrs
import pytest
import requests
from support.server import ServerProcess, make_key, running_server

import runatlas
from runatlas.errors import BusyError
from runatlas.response import ApiResponse
from runatlas.server.store.engine import DATABASE_NAME


@attrs.frozen
class Locked:
    """What came of requests that were made while another process held the write lock, and its end.

    Attributes:
        unused: A key that was first used then.
        reader: What its holder was answered.
        is_reader_first: Whether that came while the writers waited.
        writes: The requests of writers, by protocol.
        told: What they were answered.
        local: What a directory opened without a server told.
        patient: What our client told, whose first try was refused.
        is_patient: Whether it went on trying when all the others had been told.
    """

    server: ServerProcess
    key: str
    unused: str
    reader: requests.Response
    is_reader_first: bool
    writes: dict[str, tuple[str, Any]]
    told: dict[str, requests.Response]
    local: Future[ApiResponse[Any]]
    patient: Future[ApiResponse[Any]]
    is_patient: bool

    def write(self, protocol: str) -> requests.Response:
        """Make a writer's request once more."""
        path, body = self.writes[protocol]
        return self.server.call("POST", path, key=self.key, json=body)


def _answered(server: ServerProcess, method: str, path: str, **options: Any) -> requests.Response:
    """Make a request; what is not answered in time has an answer without a status."""
    try:
        return server.call(method, path, **options)
    except requests.Timeout:
        return requests.Response()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    directory = tmp_path_factory.mktemp("busy") / "store"
    key, unused = make_key(directory, "ann"), make_key(directory, "bob")
    with running_server(directory) as server:
        run = {"project": {"workspace": "ann", "project": "p"}, "id": "r", "create_project": True}
        cuid = server.call("POST", "runs", key=key, json=run).json()["run"]["cuid"]
        writes: dict[str, tuple[str, Any]] = {
            "native": ("/atlas/v1/projects", {"name": "native"}),
            "swanlab": ("/api/project", {"name": "swanlab", "username": "ann", "visibility": "PRIVATE"}),
            "syvain": (f"/api/v1/experiments/{cuid}/ingestion-keys", {"name": "k"}),
            "matyan": ("/api/v1/rest/experiments", {"name": "matyan"}),
            "chachaml": ("/api/w/runs", {"name": "r", "experiment": "chachaml"}),
        }

        def write(path: str, body: Any) -> requests.Response:
            return _answered(server, "POST", path, key=key, json=body)

        local = runatlas.Api(directory)
        assert len(list(local.projects())) >= 0
        patient = runatlas.Api(host=server.origin, api_key=key)
        with closing(sqlite3.connect(directory / DATABASE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor() as threads:
                told = {name: threads.submit(write, *request) for name, request in writes.items()}
                mine = threads.submit(local.create_project, name="mine")
                theirs = threads.submit(patient.create_project, name="patient")
                # A key's first use is noted, which needs the lock; its holder is not kept waiting for that.
                reader = _answered(server, "GET", "user", key=unused)
                is_first = not any(answer.done() for answer in told.values())
                answers = {name: answer.result() for name, answer in told.items()}
                wait([mine])
                is_patient = not theirs.done()
                other.execute("ROLLBACK")
        yield Locked(server, key, unused, reader, is_first, writes, answers, mine, theirs, is_patient)


def test_readers_pass(locked: Locked) -> None:
    assert (locked.reader.status_code, locked.is_reader_first) == (200, True)
    assert locked.reader.json()["username"] == "bob"
    locked.server.call("GET", "user", key=locked.unused)
    assert locked.server.call("GET", "keys", key=locked.unused).json()[0]["last_used_at_ms"] is not None


def test_writers_are_told_in_their_protocols_own_words_when_to_come_again(locked: Locked) -> None:
    told = locked.told
    assert {name: answer.status_code for name, answer in told.items()} == dict.fromkeys(locked.writes, 503)
    assert {answer.headers["retry-after"] for answer in told.values()} == {"1"}
    assert told["native"].json()["error"]["type"] == "BusyError"
    assert told["swanlab"].json()["code"] == "Service_Unavailable"
    assert told["syvain"].json()["error"]["details"] == "code=service_unavailable"
    assert told["matyan"].json()["error"]["code"] == "service_unavailable"
    assert "try again" in told["chachaml"].json()["error"]
    assert not any(str(locked.server.directory) in answer.text for answer in told.values())


def test_what_was_refused_was_not_done(locked: Locked) -> None:
    again = {name: locked.write(name).status_code for name in locked.writes}
    assert set(again.values()) <= {200, 201}, again


def test_a_directory_of_ones_own_tells_the_same(locked: Locked) -> None:
    told = locked.local.result()
    assert isinstance(told.error, BusyError)
    assert told.code == 503
    assert told.error.retry_after_s > 0
    assert str(locked.server.directory) in told.errmsg


def test_our_client_comes_again_and_nothing_is_written_twice(locked: Locked) -> None:
    assert locked.is_patient
    told = locked.patient.result()
    assert told.ok, told.errmsg
    names = [project.name for project in runatlas.Api(host=locked.server.origin, api_key=locked.key).projects("ann")]
    assert names.count("patient") == 1
