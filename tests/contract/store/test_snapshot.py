"""What one block reads is one state of the store, whatever others write meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, bindparam, select
from support.database import Location

from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import settings

_VALUE = select(settings.c.value).where(settings.c.name == bindparam("name"))
_PREPARED = Prepared(_VALUE, "name")


def _on_the_driver(connection: Connection) -> str | None:
    row = _PREPARED.first(connection, "color")
    return None if row is None else str(row[0])


def _compiled(connection: Connection) -> str | None:
    return connection.execute(_VALUE, {"name": "color"}).scalar()


@pytest.mark.parametrize("first", [_on_the_driver, _compiled])
@pytest.mark.parametrize("second", [_on_the_driver, _compiled])
def test_what_is_read_twice_in_one_block_is_the_same(
    location: Location, first: Callable[[Connection], str | None], second: Callable[[Connection], str | None]
) -> None:
    store = location.open()
    try:
        with store.write() as connection:
            connection.execute(settings.insert(), {"name": "color", "value": "red"})
        with store.read() as connection:
            before = first(connection)
            with store.write() as writing:
                writing.execute(settings.update().where(settings.c.name == "color"), {"value": "blue"})
            assert (before, second(connection)) == ("red", "red")
        with store.read() as connection:
            assert (first(connection), second(connection)) == ("blue", "blue")
    finally:
        store.close()
