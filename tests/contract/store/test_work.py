"""Statements of a database end from outside, whatever the engine, and nothing waits for it without end."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from runatlas.errors import TooMuchWorkError
from runatlas.server.services.services import Services
from runatlas.server.work import Work

_ENDLESS = {
    "postgresql": "SELECT pg_sleep(3600)",
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
}


@pytest.mark.parametrize("writes", [False, True])
def test_a_statement_that_does_not_end_is_ended(services: Services, *, writes: bool) -> None:
    store = services.store
    work, over = Work(), threading.Event()

    def end() -> None:
        # Again and again, as the server does: it may not have begun yet.
        while not over.wait(0.05):
            work.end(TooMuchWorkError("enough"), writes_too=writes)

    ending = threading.Thread(target=end)

    def ask() -> None:
        with work.begun(), store.write() if writes else store.read() as connection:
            ending.start()
            connection.execute(text(_ENDLESS[store.dialect]))

    with pytest.raises(TooMuchWorkError, match="enough"):
        ask()
    over.set()
    ending.join()
    with store.write() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_postgresql_bounds_what_waits_and_what_idles(services: Services) -> None:
    if services.store.dialect == "postgresql":
        with services.store.read() as connection:
            found = [
                connection.execute(text(f"SHOW {name}")).scalar_one()
                for name in ("lock_timeout", "idle_in_transaction_session_timeout")
            ]
        assert found == ["10s", "10min"]
