"""Two transactions that meet: the second does its work while the first is not yet committed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import text
from support.patience import eventually

from runatlas.server.services.services import Services

First = TypeVar("First")
Second = TypeVar("Second")


def meanwhile(
    services: Services, first: Callable[[], First], second: Callable[[], Second], *others: Callable[[], object]
) -> tuple[First, Second]:
    """Do the second, which has to wait for the first, before that is committed; raise what it raises.

    Others follow, each once the one before waits.
    """

    def wait(number: int) -> bool:
        def waits() -> bool:
            with services.store.read() as connection:
                return (connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")) or 0) >= number

        # SQLite lets one write at a time: there the others have not begun.
        return services.store.dialect == "sqlite" or eventually(waits)

    with ThreadPoolExecutor(1 + len(others)) as pool:
        with services.store.together():
            done = first()
            later = pool.submit(second)
            assert wait(1)
            rest: list[Future[object]] = []
            for other in others:
                rest.append(pool.submit(other))
                assert wait(1 + len(rest))
        found = later.result(60)
        for one in rest:
            one.result(60)
        return done, found
