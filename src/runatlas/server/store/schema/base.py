"""Where tables begin: their metadata, and the columns that many of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, text

__all__ = ["LIVE", "Id", "make_id", "make_ref", "metadata", "trash_index", "unique_live"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a column that is exactly INTEGER.
Id = BigInteger().with_variant(Integer, "sqlite")
LIVE = text("trash_id IS NULL")
_TRASHED = text("trash_id IS NOT NULL")


def make_id() -> Column[int]:
    """Make a table's own number."""
    return Column("id", Id, primary_key=True, autoincrement=True)


def make_ref(name: str, target: str) -> Column[int]:
    """Make a reference to another table's number; the row goes when what it refers to goes."""
    return Column(name, Id, ForeignKey(target, ondelete="CASCADE"), nullable=False)


def unique_live(name: str, *columns: str) -> Index:
    """Make an index that is unique among what is not in the trash."""
    return Index(name, *columns, unique=True, sqlite_where=LIVE, postgresql_where=LIVE)


def trash_index() -> Index:
    """Make the index of what is in the trash.

    With all other rows in it SQLite would look through these, in place of the index of their ids: it takes any value of
    a column for as rare.
    """
    return Index(None, "trash_id", sqlite_where=_TRASHED, postgresql_where=_TRASHED)
