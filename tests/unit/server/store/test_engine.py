"""A directory that cannot be a store says what to do about it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text
from support.recording import Recorder, line

from runatlas.errors import StoreError
from runatlas.server.services.services import Services
from runatlas.server.store.engine import DATABASE_NAME, Store
from runatlas.server.store.installation import owner_name
from runatlas.server.store.schema import settings


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    for path in (file, file / "below"):
        with pytest.raises(StoreError, match="is not a directory; name a directory for the store"):
            Store.open(path)
    with pytest.raises(StoreError, match="is not a directory"):
        Store.open(file, create=False)


def test_nothing_is_made_unless_asked(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(StoreError, match=r"there is no RunAtlas store in .*; check the path"):
            Store.open(path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_is_opened_by_text_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Store.open("here").close()
    store = Store.open(tmp_path / "here", create=False)
    assert (store.location, store.dialect) == (str(tmp_path / "here"), "sqlite")
    store.close()


@pytest.mark.parametrize("content", [b"no database at all " * 1000, b"SQLite format 3\x00" + b"\xff" * 10_000])
def test_a_damaged_database_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(content)
    with pytest.raises(StoreError, match=r"is damaged or is no RunAtlas database .*; restore it from a backup"):
        Store.open(tmp_path)
    assert (tmp_path / DATABASE_NAME).read_bytes() == content


def test_a_database_damaged_while_open_is_told(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with store.write() as connection:
        connection.execute(settings.insert(), [{"name": f"n{number}", "value": "x" * 500} for number in range(500)])
    store.close()
    database = tmp_path / DATABASE_NAME
    content = database.read_bytes()
    with closing(sqlite3.connect(database)) as file:
        pages = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'settings'").fetchone()
    place = (pages[0] - 1) * 4096
    database.write_bytes(content[:place] + b"\xff" * 4096 + content[place + 4096 :])
    store = Store.open(tmp_path)
    with pytest.raises(StoreError, match="is damaged"), store.read() as connection:
        connection.execute(select(settings)).fetchall()
    store.close()


def test_a_full_disk_is_told_and_nothing_is_half_done(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    rows = [{"name": f"n{number}", "value": "x" * 5000} for number in range(500)]

    def fill() -> None:
        with store.write() as connection:
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            connection.execute(text(f"PRAGMA max_page_count = {pages + 10}"))
            try:
                connection.execute(settings.insert(), rows)
            finally:
                connection.execute(text("PRAGMA max_page_count = 1000000"))

    with pytest.raises(StoreError, match=r"the disk is full .*; free some space"):
        fill()
    with store.write() as connection:
        connection.execute(settings.insert(), rows)
    store.close()


WITHOUT_RIGHTS = """
import os, sys
from runatlas.errors import StoreError
from runatlas.server.store.engine import Store
Store.open(sys.argv[1]).close()  # so that nothing is left to import
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
for path in sys.argv[2:]:
    try:
        Store.open(path)
    except StoreError as error:
        sys.stdout.write(error.message + "\\n")
"""


@pytest.fixture
def shelf() -> Iterator[Path]:
    """A directory that users without rights can reach, too."""
    with tempfile.TemporaryDirectory(prefix="runatlas-") as name:
        shelf = Path(name)
        yield shelf
        for path in (shelf, *shelf.glob("*/")):
            path.chmod(0o755)


def test_missing_rights_are_told(shelf: Path, tmp_path: Path) -> None:
    made, empty, new = shelf / "made", shelf / "empty", shelf / "new"
    Store.open(made).close()
    empty.mkdir()
    for path in (made / DATABASE_NAME, made, empty, shelf):
        path.chmod(0o555 if path.is_dir() else 0o444)
    command = [sys.executable, "-c", WITHOUT_RIGHTS, str(tmp_path), str(made), str(empty), str(new)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = answer.stdout.splitlines()
    assert len(lines) == 2, "what may be read is opened"
    for told, path in zip(lines, (empty, new), strict=True):
        assert str(path) in told
        assert "right" in told


FORKED = """
import os, sys
from runatlas.errors import StoreError
from runatlas.server.store.engine import Store
store, other = Store.open(sys.argv[1]), Store.open(sys.argv[2])
other.close()
with store.read() as connection:
    child = os.fork()
    if child == 0:
        for call in (lambda: store.write().__enter__(), lambda: Store.open(sys.argv[1] + "/../link"), store.close):
            try:
                print(call())
            except StoreError as error:
                print("forked from" in error.message)
        Store.open(sys.argv[2]).close()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
with store.write():
    pass
store.close()
"""


def test_a_forked_process_does_not_touch_what_its_parent_has_open(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("store")
    command = [sys.executable, "-c", FORKED, str(tmp_path / "store"), str(tmp_path / "other")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["True", "True", "None"], answer


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("ann", "ann"),
        ("Ann.Other@work", "AnnOtherwork"),
        ("äö", "owner"),
        ("x" * 40, "x" * 25),
    ],
)
def test_the_owner_is_named_after_the_user(monkeypatch: pytest.MonkeyPatch, user: str, name: str) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, user)
    assert owner_name() == name


def test_a_postgresql_store_needs_a_place_for_blobs() -> None:
    with pytest.raises(ValueError, match="blobs_dir"):
        Store.open("postgresql://localhost/x")


def test_a_postgresql_server_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be reached") as told:
        Store.open("postgresql://ann:secret@127.0.0.1:1/x", blobs_dir=tmp_path)
    assert "secret" not in str(told.value)


def test_a_batch_that_finds_the_disk_full_is_refused_whole(tmp_path: Path) -> None:
    services = Services.open(tmp_path)
    recorder = Recorder.of(services)
    run = recorder.run()
    with services.store.write() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages + 4}"))
    with pytest.raises(StoreError, match="the disk is full"):
        recorder.append(run, line("a", 50_000), writer="w", sequence=1)
    with services.store.write() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    assert recorder.append(run, line("a", 10), writer="w", sequence=1).points == 10
    services.close()
