"""The schema's history: ordered steps, each applied once, under a lock, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.exc import DBAPIError

from runatlas.errors import StoreError
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import metadata, schema_version

__all__ = ["MIGRATIONS", "Migration", "is_current", "migrate", "read_version"]


@attrs.frozen
class Migration:
    """A step from the version before to ``version``; it may add and change, never lose."""

    version: int
    apply: Callable[[Connection], None]


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)


MIGRATIONS: tuple[Migration, ...] = (Migration(1, _create),)
"""From nothing to ``SCHEMA_VERSION``, in order."""


_VERSION = Prepared(select(func.max(schema_version.c.version)))


def is_current(connection: Connection) -> bool:
    """Tell quickly whether the schema is the newest; where that cannot be told, it is not."""
    try:
        found = _VERSION.first(connection)
    except DBAPIError:
        return False
    return found is not None and found[0] == MIGRATIONS[-1].version


def read_version(connection: Connection) -> int:
    """Return the schema's version; 0 for an empty database.

    Raises:
        StoreError: The database has tables, but not ours.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return 0
    if schema_version.name not in tables:
        raise StoreError("the database holds the tables of another program; use another directory or database")
    return connection.scalar(select(func.max(schema_version.c.version))) or 0


def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS, *, create: bool = True) -> int:
    """Bring the schema to the newest version; the connection must be in a transaction that keeps others out.

    Args:
        connection: Inside a transaction, which takes back every step when one fails.
        migrations: The steps, in order.
        create: Whether an empty database may be filled.

    Returns:
        The version it had before.

    Raises:
        StoreError: A newer RunAtlas made the database, or it is empty and must not be filled.
    """
    found = read_version(connection)
    if found == 0 and not create:
        raise StoreError("the database is empty; check the path")
    newest = migrations[-1].version
    if found > newest:
        raise StoreError(
            f"the database was written by a newer RunAtlas (schema {found}, this one knows {newest}); "
            "upgrade with: pip install --upgrade runatlas"
        )
    for migration in migrations:
        if migration.version > found:
            migration.apply(connection)
            connection.execute(schema_version.insert().values(version=migration.version))
    return found
