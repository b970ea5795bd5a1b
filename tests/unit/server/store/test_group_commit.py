"""Writes of many threads: each gets its own answer, and what was answered is there."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select, text
from support.recording import Recorder, line

from runatlas.errors import StoreError
from runatlas.server.services.services import Services
from runatlas.server.store.engine import DATABASE_NAME, Store
from runatlas.server.store.schema import settings

WRITERS, ROUNDS = 8, 12


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


class RefusedError(Exception):
    """A write that is not to be."""


def _write(store: Store, name: str, *, refused: bool = False, large: bool = False) -> str:
    """Write a row, and tell what was answered."""
    try:
        with store.write(shared=True) as connection:
            connection.execute(settings.insert().values(name=name, value="x"))
            if refused:
                raise RefusedError
            if large:
                pages = connection.execute(text("PRAGMA page_count")).scalar_one()
                connection.execute(text(f"PRAGMA max_page_count = {pages + 1}"))
                try:
                    connection.execute(settings.insert().values(name=f"{name} large", value="x" * 100_000))
                finally:
                    connection.execute(text("PRAGMA max_page_count = 1000000"))
    except RefusedError:
        return "refused"
    except StoreError as error:
        return error.message
    return "kept"


def _stored(store: Store) -> set[str]:
    with store.read() as connection:
        return set(connection.scalars(select(settings.c.name).where(settings.c.value == "x")))


def _write_at_once(store: Store, *, refused: int = -1, large: int = -1) -> dict[str, str]:
    """Let many threads write while another one holds the lock, so that they find each other waiting."""
    gate = threading.Barrier(WRITERS + 1)

    def work(number: int) -> dict[str, str]:
        answers = {}
        for turn in range(ROUNDS):
            gate.wait()
            name = f"{number}-{turn}"
            answers[name] = _write(store, name, refused=number == refused, large=number == large)
            gate.wait()
        return answers

    with ThreadPoolExecutor(WRITERS) as pool:
        futures = [pool.submit(work, number) for number in range(WRITERS)]
        for _ in range(ROUNDS):
            with store.write():
                gate.wait()
            gate.wait()
        return {name: answer for future in futures for name, answer in future.result().items()}


def test_threads_share_a_commit(store: Store) -> None:
    commits: list[None] = []
    event.listen(store._engine, "commit", lambda _: commits.append(None))
    answers = _write_at_once(store)
    assert set(answers.values()) == {"kept"}
    assert _stored(store) == set(answers)
    assert len(commits) < len(answers)


def test_a_write_that_is_refused_costs_itself_alone(store: Store) -> None:
    answers = _write_at_once(store, refused=3)
    assert {name for name, answer in answers.items() if answer == "refused"} == {f"3-{n}" for n in range(ROUNDS)}
    assert _stored(store) == {name for name, answer in answers.items() if answer == "kept"}
    assert len(_stored(store)) == (WRITERS - 1) * ROUNDS


def test_what_a_full_disk_takes_back_is_not_acknowledged(store: Store) -> None:
    answers = _write_at_once(store, large=5)
    assert all("the disk is full" in answers[f"5-{n}"] for n in range(ROUNDS))
    assert _stored(store) == {name for name, answer in answers.items() if answer == "kept"}
    assert _write(store, "after") == "kept"


def test_a_database_that_was_taken_away_takes_nothing(tmp_path: Path) -> None:
    services = Services.open(tmp_path / "store")
    recorder = Recorder.of(services)
    run = recorder.run()
    recorder.append(run, line("a", 10), writer="w", sequence=1)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    for gone in ((DATABASE_NAME,), (f"{DATABASE_NAME}-wal",), (DATABASE_NAME, f"{DATABASE_NAME}-wal")):
        for name in gone:
            (tmp_path / "store" / name).rename(tmp_path / name)
        with pytest.raises(StoreError, match="was removed or replaced while it was open"):
            recorder.append(run, line("a", 10), writer="w", sequence=2)
        for name in gone:
            (tmp_path / name).rename(tmp_path / "store" / name)
    (tmp_path / "store" / DATABASE_NAME).rename(tmp_path / "old")
    shutil.copy(tmp_path / "copy" / DATABASE_NAME, tmp_path / "store" / DATABASE_NAME)
    with pytest.raises(StoreError, match="was removed or replaced while it was open"):
        recorder.append(run, line("a", 10), writer="w", sequence=2)
    (tmp_path / "old").rename(tmp_path / "store" / DATABASE_NAME)
    assert recorder.append(run, line("a", 10), writer="w", sequence=2).applied
    services.close()


def test_what_goes_away_while_it_is_committed_is_not_acknowledged(store: Store) -> None:
    event.listen(store._engine, "commit", lambda _: (store.directory / DATABASE_NAME).unlink())
    assert "was removed or replaced while it was open" in _write(store, "gone")


@pytest.mark.parametrize("is_replaced", [False, True])
def test_no_new_connection_takes_something_else_for_the_database(store: Store, is_replaced: bool) -> None:
    database = store.directory / DATABASE_NAME
    with store.read():
        for path in store.directory.glob(f"{DATABASE_NAME}*"):
            path.unlink()
        if is_replaced:
            Store.open(store.directory).close()
        with ThreadPoolExecutor(1) as pool:
            told = pool.submit(_write, store, "elsewhere").result()
    assert "was removed or replaced while it was open" in told
    assert database.exists() == is_replaced


def test_every_connection_waits_for_the_disk(store: Store) -> None:
    with store.read() as reading, store.write() as writing:
        for connection in (reading, writing):
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
            assert connection.execute(text("PRAGMA fullfsync")).scalar_one() == 1
