"""Damaged data: what is read is right, or it is told that it is not; nothing is missing without a word."""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
from support.forked import command
from support.server import ServerProcess, running_server

import runatlas
from runatlas.errors import ResponseFormatError, RunAtlasError, StoreError
from runatlas.server.store.engine import DATABASE_NAME
from runatlas.server.store.installation import owner_name

RUN = f"{owner_name()}/p/r0"
KEYS = ["loss", "acc"]
RANGES: dict[str, dict[str, Any]] = {
    "points": {},
    "range": {"range_query": {"type": "step", "start": 100, "end": 450}},
    "tail": {"range_query": {"tail": 350}},
}
SEEDS = 24


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two metrics, each in two chunks."""
    directory = tmp_path_factory.mktemp("damage") / "store"
    with runatlas.Run("r0", repo=directory, experiment="p", capture_terminal_logs=False) as run:
        for start in (0, 300):
            for step in range(start, start + 300):
                run.track(step * 1.5, name="loss", step=step, context={"subset": "train"})
                run.track(step * 0.5, name="acc", step=step, epoch=step // 10)
            run.flush()
        run.log_info("hello")
    return directory


@pytest.fixture
def copy(store: Path, tmp_path: Path) -> Path:
    """A store to damage."""
    return shutil.copytree(store, tmp_path / "copy")


def _points(directory: Path, **options: Any) -> Any:
    """Read points of a store."""
    with runatlas.Api(directory, cache=False) as api:
        return _read(api, **options)


def _read(api: runatlas.Api, **options: Any) -> Any:
    """Read points; a key that is said to be missing counts as told, and so does an answer that is not complete."""
    answer = api.run(RUN).metrics(KEYS, **options)
    if not answer.ok:
        assert isinstance(answer.error, RunAtlasError)
        return "told"
    table = answer.unwrap()
    if table.failures or table.missing:
        return "told"
    read = table.to_arrow()
    return sorted(zip(*(read[name].to_pylist() for name in ("key", "step", "value")), strict=True))


def _read_the_rest(api: runatlas.Api) -> None:
    """Read what has no checksums: it may be wrong, but what it raises is ours."""
    run = api.run(RUN)
    run.summary(KEYS)
    run.logs()
    if run.ok:
        dict(run.config)


def _check(directory: Path, truth: dict[str, Any], what: object) -> None:
    # Opened once: to open a store takes longer than all that is read here of it.
    with runatlas.Api(directory, cache=False) as api:
        for name, options in RANGES.items():
            with suppress(RunAtlasError):
                assert _read(api, **options) in ("told", truth[name]), (what, name)
        with suppress(RunAtlasError):
            _read_the_rest(api)


def test_no_random_damage_makes_points_fewer_without_a_word(store: Path, tmp_path: Path) -> None:
    truth = {name: _points(store, **options) for name, options in RANGES.items()}
    sound = (store / DATABASE_NAME).read_bytes()
    for seed in range(SEEDS):
        chance = random.Random(seed)
        content = bytearray(sound)
        place = chance.randrange(100, len(content))
        size = chance.choice([1, 1, 16, 4096])
        place -= place % size
        content[place : place + size] = chance.randbytes(len(content[place : place + size]))
        directory = tmp_path / str(seed)
        directory.mkdir()
        (directory / DATABASE_NAME).write_bytes(content)
        _check(directory, truth, (seed, place, size))


@pytest.mark.parametrize("table", ["series", "chunks", "runs", "logs", "settings"])
def test_a_value_of_any_column_that_is_no_value_is_told(table: str, store: Path, tmp_path: Path) -> None:
    truth = {name: _points(store, **options) for name, options in RANGES.items()}
    with closing(sqlite3.connect(store / DATABASE_NAME)) as database:
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    for column in columns:
        for value in ("CAST(x'7b22ff22' AS TEXT)", "1.5", "x'00ff'"):
            directory = tmp_path / f"{column}{value}"[:40].replace("/", "_")
            shutil.copytree(store, directory, dirs_exist_ok=True)
            with closing(sqlite3.connect(directory / DATABASE_NAME)) as database:
                try:
                    database.execute(f"UPDATE {table} SET {column} = {value}")
                except sqlite3.IntegrityError:
                    continue
                database.commit()
            _check(directory, truth, (column, value))


_UNREADABLE = ("CAST(x'7bff7d' AS TEXT)", "x'00ff'", "'{'", "''")


@pytest.mark.parametrize(("column", "value"), [*(("shown", value) for value in _UNREADABLE), ("name", "x'6f6464'")])
def test_what_the_texts_of_a_listing_cannot_say_is_read_of_the_columns(tmp_path: Path, column: str, value: str) -> None:
    """SQLite fails in words of its own on any run but the first of a page."""
    for name in ("a", "b", "c"):
        runatlas.Run(name, repo=tmp_path, experiment="p", capture_terminal_logs=False).finish()

    def listed() -> list[str]:
        with runatlas.Api(tmp_path, cache=False) as api:
            return [repr(run.record) for run in api.runs(f"{owner_name()}/p") if column == "shown" or run.id != "a"]

    truth = listed()
    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as database:
        database.execute("UPDATE runs SET shown = NULL WHERE run_id = 'a'")
        database.execute(f"UPDATE runs SET {column} = {value} WHERE run_id = 'a'")
        database.commit()
    assert listed() == truth


_MISFITS = (
    *(("created_at_ms", value, "a whole number of 64 bits") for value in ('"5"', "5.5", "true", "null")),
    *(("name", value, "text") for value in ("5", "null", '["a"]')),
    *(("state", value, "one of RUNNING, FINISHED, CRASHED, ABORTED, OFFLINE") for value in ("5", '"ODD"')),
    *(("labels", value, "a list") for value in ("null", '"ab"', '{"a":1}')),
)


def test_a_text_of_a_listing_with_a_value_of_another_type_is_not_believed(tmp_path: Path) -> None:
    """A server hands it on, and the client refuses it; in a directory the columns are read. ``fsck`` names the run."""
    project = f"{owner_name()}/p"
    for name in ("a", "b", "c"):
        runatlas.Run(name, repo=tmp_path, experiment="p", capture_terminal_logs=False).finish()

    def listed(place: Path | str) -> list[str]:
        with runatlas.Api(place, cache=False) as api:
            return [repr(run.record) for run in api.runs(project)]

    with closing(sqlite3.connect(tmp_path / DATABASE_NAME)) as database, running_server(tmp_path) as server:
        truth = listed(tmp_path)
        assert listed(server.origin) == truth
        (shown,) = database.execute("SELECT shown FROM runs WHERE run_id = 'b'").fetchone()
        for place, value, expected in _MISFITS:
            damaged = re.sub(rf'"{place}":("[^"]*"|\[\]|\d+)', f'"{place}":{value}', shown)
            database.execute("UPDATE runs SET shown = ? WHERE run_id = 'b'", (damaged,))
            database.commit()
            assert listed(tmp_path) == truth, damaged
            with pytest.raises(ResponseFormatError) as told:
                listed(server.origin)
            assert f"expected {expected} @ Page.items[1].{place}" in str(told.value), damaged
        checked = command("fsck", tmp_path)
        assert f"{project}/b: what is kept for listings is not what its row says" in checked.stdout


def _damage_a_chunk(directory: Path) -> None:
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as database:
        (number, data) = database.execute(
            "SELECT c.id, c.data FROM chunks c JOIN series s ON s.id = c.series_id WHERE s.key = 'loss'"
        ).fetchone()
        damaged = bytearray(data)
        damaged[len(damaged) // 2] ^= 1
        database.execute("UPDATE chunks SET data = ? WHERE id = ?", (bytes(damaged), number))
        database.commit()


def test_a_run_whose_only_metric_is_damaged_is_not_ok(copy: Path) -> None:
    _damage_a_chunk(copy)
    with runatlas.Api(copy, cache=False) as api:
        answer = api.run(RUN).metrics(["loss"])
        assert not answer.ok
        assert f"runatlas fsck {copy}" in answer.errmsg
        assert "restore it from a backup" in answer.errmsg
        both = api.run(RUN).metrics(KEYS).unwrap()
        assert (both.complete, len(both["acc"]), len(both.failures)) == (False, 600, 1)


def test_a_chunk_that_is_gone_is_told(copy: Path) -> None:
    with closing(sqlite3.connect(copy / DATABASE_NAME)) as database:
        database.execute("DELETE FROM chunks WHERE id = (SELECT min(id) FROM chunks)")
        database.commit()
    for options in RANGES.values():
        assert _points(copy, **options) == "told"


def test_every_door_tells_damage(copy: Path) -> None:
    _damage_a_chunk(copy)
    with running_server(copy) as server:
        native = server.call(
            "POST",
            "points/query",
            json={"selection": {"workspace": owner_name(), "project": "p", "ids": ["r0"]}, "keys": ["loss"]},
            headers={"Accept": "application/json"},
        )
        assert native.json()["failures"][0]["key"] == "loss"
        assert str(copy) not in native.text
        for method, path, body in (
            ("POST", "/api/v1/rest/runs/r0/metric/get-batch", [{"name": "loss", "context": {"subset": "train"}}]),
            ("GET", "/api/runs/r0", None),
        ):
            told = server.call(method, path, json=body)
            assert told.status_code == 500
            assert str(copy) not in told.text


SIZES = pytest.mark.parametrize("size", [1000, 3 << 20], ids=["small", "large"])


@attrs.frozen
class DamagedFile:
    """A file whose bytes on the disk are not those that were stored, and a server that has it.

    Attributes:
        source: The bytes that were stored, in a file.
    """

    directory: Path
    server: ServerProcess
    source: Path

    def store_again(self) -> None:
        with runatlas.Run("r0", repo=self.server.origin, experiment="p", capture_terminal_logs=False) as run:
            run.log_artifact(self.source)


@pytest.fixture(scope="module")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("files") / "store") as server:
        yield server


@pytest.fixture
def damaged(file_server: ServerProcess, size: int, tmp_path: Path) -> DamagedFile:
    source = tmp_path / "model.bin"
    source.write_bytes(b"x" * size)
    made = DamagedFile(file_server.directory, file_server, source)
    made.store_again()
    (blob,) = [path for path in (made.directory / "blobs").glob("*/*") if path.stat().st_size == size]
    blob.write_bytes(b"x" * (size - 1) + b"y")
    return made


def _own_link(server: ServerProcess) -> str:
    with runatlas.Api(server.origin, cache=False) as api:
        (stored,) = api.run(RUN).artifacts()
        return str(stored.url).removeprefix(server.origin)


def _matyan_link(_: ServerProcess) -> str:
    return "/api/v1/rest/runs/r0/artifacts/download?path=model.bin"


def _matyan_link_to_all(_: ServerProcess) -> str:
    return "/api/v1/rest/runs/r0/artifacts/download-all"


def _chachaml_link(server: ServerProcess) -> str:
    (item,) = server.call("GET", "/api/runs/r0").json()["artifacts"]
    return f"/api/artifacts/{item['id']}/download"


@SIZES
@pytest.mark.parametrize(
    "link",
    [_own_link, _matyan_link, _matyan_link_to_all, _chachaml_link],
    ids=["native", "matyan", "matyan, all", "chachaml"],
)
def test_no_door_hands_out_a_damaged_file_as_whole(damaged: DamagedFile, link: Callable[[ServerProcess], str]) -> None:
    server, path = damaged.server, link(damaged.server)
    assert not _arrives_whole(server, path)
    damaged.store_again()
    assert _arrives_whole(server, path)


@SIZES
@pytest.mark.parametrize("way", ["directory", "server"])
def test_no_damaged_file_is_read_as_whole(damaged: DamagedFile, way: str, tmp_path: Path) -> None:
    place = damaged.directory if way == "directory" else damaged.server.origin
    with runatlas.Api(place, cache=False) as api:
        (stored,) = api.run(RUN).artifacts()
        assert not stored.read().ok
        assert not stored.download(tmp_path / "out").ok
    assert not (tmp_path / "out").exists()


def _arrives_whole(server: ServerProcess, link: str) -> bool:
    try:
        return server.call("GET", link).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.parametrize("name", ["fsck", "verify"])
def test_what_is_damaged_is_named_with_the_runs_that_it_touches(copy: Path, tmp_path: Path, name: str) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"weights")
    with runatlas.Run("r1", repo=copy, experiment="p", capture_terminal_logs=False) as run:
        run.log_artifact(file)
    sound = command(name, copy)
    assert (sound.returncode, "can be read" in sound.stdout) == (0, True), sound.stderr
    _damage_a_chunk(copy)
    told = command(name, copy)
    assert told.returncode == 1
    assert f"{RUN}: 'loss': the chunk is damaged" in told.stdout
    assert told.stdout.endswith(f"runs that are touched:\n  {RUN}\n")
    (blob,) = (path for path in (copy / "blobs").rglob("*") if path.is_file())
    blob.write_bytes(b"other")
    both = command(name, copy, "--json")
    assert both.returncode == 1
    found = json.loads(both.stdout)
    assert found["runs"] == [RUN, f"{owner_name()}/p/r1"]
    assert [damage["what"] for damage in found["damages"]] == [f"{RUN}: 'loss'", f"file {blob.name}"]


def test_an_error_of_many_runs_names_the_way_out(copy: Path) -> None:
    _damage_a_chunk(copy)
    with runatlas.Api(copy, cache=False) as api:
        table = api.project(f"{owner_name()}/p").metrics(KEYS).unwrap()
        (failure,) = table.failures
        assert (failure.path, failure.key, table.complete) == (RUN, "loss", False)
        assert "runatlas fsck" in failure.reason
        with pytest.raises(StoreError, match="runatlas fsck"):
            api.run(RUN).metrics(["loss"]).unwrap()
