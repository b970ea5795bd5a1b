"""``runatlas gc``: leftovers are told and removed; what is in use, young or unsent stays."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import runatlas
from runatlas.cli.main import main
from runatlas.server.store.engine import DATABASE_NAME, Store
from runatlas.tracking.spool import find_spools


def gc(directory: Path, *arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["gc", str(directory), "--json", *arguments])
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "leftovers": {item["kind"]: (item["count"], item["bytes"]) for item in found["leftovers"]}}


def offline(directory: Path, name: str) -> runatlas.Run:
    run = runatlas.Run(name, repo=directory, experiment="p", mode="offline", capture_terminal_logs=False)
    run.track(1.0, name="loss", step=0)
    run.flush()
    return run


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A store with a lost file, an unfinished upload and one that goes on, a sent spool, an unsent and a living one."""
    directory = tmp_path / "store"
    with runatlas.Run("r", repo=directory, experiment="p", capture_terminal_logs=False) as run:
        run.track(1.0, name="loss", step=0)
    blobs = directory / "blobs"
    (blobs / "ab").mkdir(parents=True)
    for path in (blobs / "ab" / ("ab" + "0" * 62), blobs / ".old.part", blobs / ".new.part"):
        path.write_bytes(b"x" * 10)
        if "new" not in path.name:
            os.utime(path, (1, 1))
    offline(directory, "sent").close()
    (sent,) = find_spools(directory / "spool")
    sent.note_sent(10**6)
    offline(directory, "unsent").close()
    return directory


def test_leftovers_are_told_then_removed(directory: Path) -> None:
    living = offline(directory, "living")
    planned = gc(directory, "--dry-run")
    names = {path.name for path in directory.rglob("*")}
    (unsent,) = planned["unsent"]
    assert unsent["records"] > 0
    leftovers = planned["leftovers"]
    assert leftovers["files that nothing knows"] == leftovers["unfinished uploads"] == (1, 10)
    assert leftovers["spools that were sent"][0] == 1
    done = gc(directory)
    assert (done["leftovers"], done["unsent"]) == (planned["leftovers"], planned["unsent"])
    gone = names - {path.name for path in directory.rglob("*")}
    assert {"ab" + "0" * 62, ".old.part"} < gone
    assert not {".new.part", Path(unsent["spool"]).name} & gone
    assert len(find_spools(directory / "spool")) == 2
    assert not any(count for count, _ in gc(directory)["leftovers"].values())
    living.close()
    told = CliRunner().invoke(main, ["gc", str(directory)])
    assert "not sent, and kept" in told.stderr
    assert "the database had" in told.stdout
    assert CliRunner().invoke(main, ["sync", str(directory)]).exit_code == 0
    with runatlas.Api(directory) as api:
        assert len(api.runs(f"{api.workspace().username}/p")) == 3


def test_a_store_that_was_made_before_is_compacted_when_that_is_asked(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with runatlas.Run("r", repo=directory, experiment="p", capture_terminal_logs=False) as run:
        run.track(1.0, name="loss", step=0)
    path = directory / DATABASE_NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum=NONE")
        database.execute("VACUUM")
        database.execute("CREATE TABLE filling AS SELECT zeroblob(1000000) AS x")
        database.execute("DROP TABLE filling")
    assert gc(directory)["database_bytes_after"] > 1_000_000
    assert gc(directory, "--compact")["database_bytes_after"] < 1_000_000
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    with runatlas.Api(directory) as api:
        assert api.run(f"{api.workspace().username}/p/r").metrics(["loss"]).ok
    assert CliRunner().invoke(main, ["gc", str(directory), "--compact", "--dry-run"]).exit_code == 2
    assert CliRunner().invoke(main, ["gc", str(tmp_path)]).exit_code == 1


def test_new_stores_can_be_made_smaller(tmp_path: Path) -> None:
    with closing(Store.open(tmp_path / "store")) as store, store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA auto_vacuum").scalar() == 2
