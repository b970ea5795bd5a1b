"""Other users of the machine: what a store keeps is its owner's, whatever the umask, unless it is shared."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from support.program import run_program
from support.server import running_server

import runatlas
from runatlas.errors import StoreError
from runatlas.file_access import FileAccess
from runatlas.server.store.engine import Store

OTHERS, GROUP = 0o007, 0o070

_WRITE = """
import os, sys, time
os.umask(int(sys.argv[2], 8))
import runatlas
directory = sys.argv[1]
with runatlas.Run("r", repo=directory, experiment="p", capture_terminal_logs=False) as run:
    run.log({"loss": 1.0})
    with open(os.path.join(os.path.dirname(directory), "file.bin"), "wb") as file:
        file.write(b"content")
    run.log_artifact(os.path.join(os.path.dirname(directory), "file.bin"))
    run.flush()
    api = runatlas.Api(directory)
    (stored,) = api.run(run.path).artifacts()
    assert stored.read().unwrap() == b"content"
    assert api.run(run.path).column("loss").export_csv().ok
    offline = runatlas.Run("o", repo=directory, experiment="p", mode="offline", capture_terminal_logs=False)
    offline.log({"loss": 2.0})
    offline.flush()
    offline.close()
    print(oct(0))
"""


def _written(directory: Path, *, umask: str = "000", **variables: str) -> dict[str, int]:
    """Write a bit of everything, and return the mode of each file and directory."""
    done = run_program([sys.executable, "-c", _WRITE, directory, umask], env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    found = [directory, *directory.rglob("*")]
    return {str(path.relative_to(directory)): stat.S_IMODE(path.stat().st_mode) for path in found}


@pytest.mark.parametrize("umask", ["000", "022", "077"])
def test_a_new_store_is_private_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    modes = _written(tmp_path / "store", umask=umask)
    kinds = ("runatlas.db", "blobs", "exports", "spool")
    assert all(kind in modes for kind in kinds), modes
    loose = {name: oct(mode) for name, mode in modes.items() if mode & (OTHERS | GROUP)}
    assert not loose


def test_the_spool_that_comes_before_the_store_leaves_it_private(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    run = runatlas.Run(repo=directory, experiment="p", mode="offline", capture_terminal_logs=False)
    run.log({"loss": 1.0})
    run.close()
    assert not [path for path in directory.rglob("*") if path.stat().st_mode & (OTHERS | GROUP)]


def test_a_shared_store_is_its_groups_and_nobody_elses(tmp_path: Path) -> None:
    modes = _written(tmp_path / "store", umask="077", RUNATLAS_SHARED="1")
    for name, mode in modes.items():
        path = tmp_path / "store" / name
        wanted = 0o2770 if path.is_dir() else 0o660
        assert mode == wanted, (name, oct(mode))


def test_a_group_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITE, str(tmp_path / "store"), "022"]
    done = run_program(command, env={**os.environ, "RUNATLAS_SHARED": "no-such-group"})
    assert "RUNATLAS_SHARED: there is no group 'no-such-group'" in done.stderr
    assert not (tmp_path / "store" / "runatlas.db").exists()


def test_what_the_owner_grants_later_stays_and_holds_for_new_files(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    _written(directory)
    for path in [directory, *directory.rglob("*")]:
        path.chmod(path.stat().st_mode | (0o050 if path.is_dir() else 0o040))
    with runatlas.Run(repo=directory, experiment="p", capture_terminal_logs=False) as run:
        (tmp_path / "more.bin").write_bytes(b"more")
        run.log_artifact(str(tmp_path / "more.bin"))
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (directory / "blobs").rglob("*")}
    assert len(modes) == 4
    assert all(mode & GROUP == (0o050 if path.is_dir() else 0o040) for path, mode in modes.items()), modes


def test_who_reads_the_database_cannot_sign(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    with running_server(directory) as server:
        assert server.call("GET", "user").ok
        database = sqlite3.connect(f"file:{directory / 'runatlas.db'}?mode=ro", uri=True)
        facts = dict(database.execute("SELECT name, value FROM settings").fetchall())
        database.close()
    assert set(facts) == {"created_at_ms"}


def test_a_secret_that_is_lost_is_made_anew_and_a_broken_one_is_told(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    first = store.secret
    store.close()
    file = tmp_path / "store" / "runatlas.secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for is_lost in (False, True):
        if is_lost:
            file.unlink()
        store = Store.open(tmp_path / "store")
        assert (store.secret == first) == (not is_lost)
        store.close()
    file.write_bytes(b"short")
    store = Store.open(tmp_path / "store")
    with pytest.raises(StoreError, match="holds no signing secret; remove the file"):
        _ = store.secret
    store.close()


def test_modes_of_a_directory_follow_those_of_its_files() -> None:
    modes = {oct(mode): oct(FileAccess(mode).directory_mode) for mode in (0o600, 0o640, 0o644, 0o660)}
    assert modes == {"0o600": "0o700", "0o640": "0o750", "0o644": "0o755", "0o660": "0o2770"}
