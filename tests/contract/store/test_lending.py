"""What a test of PostgreSQL leaves, the next one does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.database import Lend, Location
from support.recording import Recorder, line


def everything(url: str) -> tuple[dict[str, list[str]], list[tuple[Any, ...]]]:
    """All rows, and where sequences go on."""
    with psycopg.connect(url) as connection:
        tables = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200"
        names = [name for (name,) in connection.execute(tables)]
        rows = {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}
        return rows, connection.execute("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1").fetchall()


def used(url: str, files: Path) -> None:
    """Record something, and sign somebody in."""
    services = Location("postgresql", url, files).services()
    recorder = Recorder.of(services)
    recorder.append(recorder.run(), line("loss", 10))
    services.accounts.create_key(services.owner())
    services.close()


def test_a_database_that_is_lent_again_is_as_it_was_at_first(lend_database: Lend, tmp_path: Path) -> None:
    with lend_database() as first:
        new = everything(first)
        used(first, tmp_path)
        assert everything(first) != new
    with lend_database() as second:
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
    lend_database: Lend, tmp_path: Path, left: Callable[[psycopg.Connection[Any]], object]
) -> None:
    with lend_database() as first:
        used(first, tmp_path)
        connection = psycopg.connect(first, autocommit=True)
        left(connection)
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            connection.close()
    with lend_database() as second:
        assert second != first
    connection.close()
