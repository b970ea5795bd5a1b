"""A server that has no room to write in: writers are told, readers are answered, and it goes on when there is room."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from arro3.core import Array, DataType
from support.power import unplugged_disk
from support.server import ServerProcess, make_key, running_server

import runatlas
from runatlas.backends.local import LocalBackend
from runatlas.errors import NoSpaceError
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.model.series import SeriesPoints

INT, FLOAT = DataType.int64(), DataType.float64()


@contextmanager
def no_room(server: ServerProcess) -> Iterator[None]:
    """Let no file of a server grow, as a full disk or a quota does."""
    process = server.process.pid
    _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, most))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, str, dict[str, tuple[str, Any]]]]:
    directory = tmp_path_factory.mktemp("full") / "store"
    key = make_key(directory, "ann")
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
        yield server, key, writes


def test_writers_are_told_in_their_protocols_own_words_and_readers_are_answered(
    served: tuple[ServerProcess, str, dict[str, tuple[str, Any]]],
) -> None:
    server, key, writes = served
    with no_room(server):
        told = {name: server.call("POST", path, key=key, json=body) for name, (path, body) in writes.items()}
        blob = server.call("POST", "projects/ann/p/blobs", key=key, data=b"x" * 100)
        part = server.call("PUT", f"bodies/{'0' * 64}?offset=0", key=key, data=b"x" * 100)
        read = server.call("GET", "user", key=key)
        healthy = server.call("GET", "/healthz")
    assert not [line for line in server.log if "incident" in line], "".join(server.log)
    statuses = {name: answer.status_code for name, answer in told.items()}
    assert statuses == {"native": 507, "swanlab": 503, "syvain": 503, "matyan": 503, "chachaml": 503}
    assert {answer.headers["retry-after"] for answer in told.values()} == {"30"}
    assert told["native"].json()["error"]["type"] == "NoSpaceError"
    assert told["swanlab"].json()["code"] == "Service_Unavailable"
    assert told["syvain"].json()["error"]["details"] == "code=service_unavailable"
    assert told["matyan"].json()["error"]["code"] == "service_unavailable"
    assert "no room to write in" in told["chachaml"].json()["error"]
    assert (blob.status_code, part.status_code) == (507, 507)
    assert (read.status_code, healthy.status_code) == (200, 200)
    assert not any(str(server.directory) in answer.text for answer in (*told.values(), blob, part))
    # Nothing was half done, and there is room again.
    again = {name: server.call("POST", path, key=key, json=body).status_code for name, (path, body) in writes.items()}
    assert set(again.values()) <= {200, 201}, again
    assert server.call("POST", "projects/ann/p/blobs", key=key, data=b"x" * 100).status_code in {200, 201}
    assert not list(server.directory.glob("blobs/**/*.tmp*"))


def test_our_client_tells_it_as_what_it_is(served: tuple[ServerProcess, str, dict[str, tuple[str, Any]]]) -> None:
    server, key, _ = served
    api = runatlas.Api(host=server.origin, api_key=key)
    with no_room(server):
        refused = api.create_project(name="q")
        assert [project.name for project in api.projects("ann")]
    assert isinstance(refused.error, NoSpaceError)
    assert refused.code == 507
    assert api.create_project(name="q").ok


def test_what_a_tracker_cannot_send_stays_with_it_and_goes_when_there_is_room(
    served: tuple[ServerProcess, str, dict[str, tuple[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, key, _ = served
    monkeypatch.setenv("RUNATLAS_DIR", str(tmp_path / "own"))
    run = runatlas.Run("full", repo=server.origin, api_key=key, experiment="p", capture_terminal_logs=False)
    run.track(0.0, name="loss", step=0)
    assert run.flush().where == "store"
    with no_room(server):
        for step in range(1, 50):
            run.track(float(step), name="loss", step=step)
        kept = run.flush(timeout=1)
        assert (kept.where, kept.durable) == ("spool", True)
    run.close()
    assert run.health.dropped == 0
    stored = runatlas.Api(host=server.origin, api_key=key).run("ann/p/full").metrics(["loss"])
    assert len(stored["loss"]) == 50


def test_a_disk_that_is_full_has_room_again_once_something_is_purged(tmp_path: Path) -> None:
    steps, values = list(range(2000)), [float(step) for step in range(2000)]
    with unplugged_disk(tmp_path, 12 << 20) as disk:
        api = runatlas.Api(disk.directory / "store")
        project = api.create_project(name="p").unwrap()
        backend, path = LocalBackend(disk.directory / "store"), ProjectPath.parse(project.path)
        column, held = Array(steps, INT), Array(values, FLOAT)
        points = tuple(SeriesPoints(f"k{key}", column, held, column) for key in range(8))
        run = backend.create_run(RunDraft(path, id="r"))[0].path
        is_small = shutil.disk_usage(disk.directory).total < 12 << 20
        try:
            for _ in range(200 if is_small else 1):
                backend.append(Batch(run, points))
            refused = None
        except NoSpaceError as error:
            refused = error
        assert (refused is not None) == is_small, "a disk of its own, where one may be mounted, was filled"
        deletion = project.runs().delete(commit=True, force=True).unwrap()
        freed = api.purge(deletion.trash_id, commit=True).unwrap()
        assert freed.bytes_before is not None
        assert freed.bytes_after is not None
        assert freed.bytes_after < freed.bytes_before / (8 if is_small else 1)
        run = backend.create_run(RunDraft(path, id="again"))[0].path
        assert backend.append(Batch(run, points)).applied
        backend.close()
        api.close()
