"""Two transactions that meet: the second does its work while the first is not yet committed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import text
from support.patience import eventually

from runatlas.server.services.services import Services

First = TypeVar("First")
Second = TypeVar("Second")


def meanwhile(services: Services, first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """Do the second, which has to wait for the first, before that is committed; raise what it raises."""

    def waits() -> bool:
        with services.store.read() as connection:
            return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    with ThreadPoolExecutor(1) as pool:
        with services.store.together():
            done = first()
            later = pool.submit(second)
            # SQLite lets one write at a time: there the second one has not begun.
            assert services.store.dialect == "sqlite" or eventually(waits)
        return done, later.result(60)
