"""What a test of PostgreSQL leaves, the next one does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.database import Lend, Location
from support.lent import Lender
from support.patience import eventually
from support.recording import Recorder, line


def everything(url: str) -> tuple[dict[str, list[str]], list[tuple[Any, ...]]]:
    """All rows, and where sequences go on."""
    with psycopg.connect(url) as connection:
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200"
        names = [name for (name,) in connection.execute(tables)]
        rows = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}
        places = connection.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1").fetchall()
        own = connection.info.backend_pid
    with psycopg.connect(url, dbname="postgres", autocommit=True) as other:
        asked = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
        assert eventually(lambda: other.execute(asked, (own,)).fetchone() is None), "else it is still connected"
    return rows, places


def used(url: str, files: Path) -> None:
    """Record something, and sign somebody in."""
    services = Location("postgresql", url, files).services()
    recorder = Recorder.of(services)
    recorder.append(recorder.run(), line("loss", 10))
    services.accounts.create_key(services.owner())
    services.close()


@pytest.fixture
def lend(postgresql: str, lend_database: Lend) -> Iterator[Lend]:
    """Lend databases that no other test had, and that are not about to be replaced."""
    lender = Lender(postgresql, "made")
    yield lender.lend
    lender.close()


def test_a_database_that_is_lent_again_is_as_it_was_at_first(lend: Lend, tmp_path: Path) -> None:
    with lend() as first:
        new = everything(first)
        used(first, tmp_path)
        assert everything(first) != new
    with lend() as second:
        assert second == first
        assert everything(second) == new
        used(second, tmp_path)


@pytest.mark.parametrize(
    "left",
    [
        lambda connection: connection.execute("CREATE TABLE left_over (id integer)"),
        lambda connection: connection.execute("ALTER TABLE runs ALTER COLUMN name SET DEFAULT 'x'"),
        lambda connection: connection.execute("CREATE INDEX left_over ON runs (name)"),
        lambda connection: connection.execute("BEGIN; INSERT INTO settings (name, value) VALUES ('a', 'b')"),
        lambda connection: connection.execute("ANALYZE settings"),
    ],
    ids=("table", "column", "index", "transaction", "statistics"),
)
def test_one_that_more_was_done_to_is_not_lent_again(
    lend: Lend, tmp_path: Path, left: Callable[[psycopg.Connection[Any]], object]
) -> None:
    with lend() as first:
        used(first, tmp_path)
        connection = psycopg.connect(first, autocommit=True)
        left(connection)
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            connection.close()
    with lend() as second:
        assert second != first
    connection.close()
