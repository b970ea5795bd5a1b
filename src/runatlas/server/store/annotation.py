"""Statements about annotations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, delete, insert, or_, select, update

from runatlas.model.annotation import AnnotationQuery, AnnotationRecord
from runatlas.model.codec import dumps, loads
from runatlas.server.store.schema import notes
from runatlas.server.store.statement import Connection, rows

__all__ = ["add_annotation", "annotation_page", "change_annotation", "delete_annotation", "find_annotation"]

_COLUMNS = (
    notes.c.uuid,
    notes.c.text,
    notes.c.metadata,
    notes.c.author,
    notes.c.created_at_ms,
)


def _record(row: tuple[str, str, str, str, int]) -> AnnotationRecord:
    return AnnotationRecord(row[0], row[1], loads(row[2]), row[3], row[4])


def add_annotation(connection: Connection, run_pk: int, record: AnnotationRecord) -> None:
    """Insert a note."""
    connection.execute(
        insert(notes).values(
            uuid=record.id,
            run_pk=run_pk,
            text=record.text,
            metadata=dumps(record.metadata),
            author=record.author,
            created_at_ms=record.created_at_ms,
        )
    )


def change_annotation(connection: Connection, run_pk: int, record: AnnotationRecord) -> None:
    """Write the text and the metadata of a note anew."""
    statement = update(notes).where(notes.c.run_pk == run_pk, notes.c.uuid == record.id)
    connection.execute(statement.values(text=record.text, metadata=dumps(record.metadata)))


def delete_annotation(connection: Connection, run_pk: int, uuid: str) -> None:
    """Delete a note."""
    connection.execute(delete(notes).where(notes.c.run_pk == run_pk, notes.c.uuid == uuid))


def find_annotation(connection: Connection, run_pk: int, uuid: str) -> AnnotationRecord | None:
    """Find a note of a run."""
    statement = select(*_COLUMNS).where(notes.c.run_pk == run_pk, notes.c.uuid == uuid)
    found = rows(connection, statement)
    return _record(found[0]) if found else None


def annotation_page(
    connection: Connection, run_pk: int, query: AnnotationQuery, after: Sequence[int] | None
) -> list[tuple[tuple[int, int], AnnotationRecord]]:
    """Read notes oldest first, one more than the page holds, each with its place in the order.

    Args:
        connection: An open transaction.
        run_pk: The run's row.
        query: The bounds and the page.
        after: The place of the last note of the page before.
    """
    statement = select(notes.c.id, *_COLUMNS).where(notes.c.run_pk == run_pk)
    if query.from_ms is not None:
        statement = statement.where(notes.c.created_at_ms >= query.from_ms)
    if query.to_ms is not None:
        statement = statement.where(notes.c.created_at_ms <= query.to_ms)
    if after is not None:
        time, key = after
        same = and_(notes.c.created_at_ms == time, notes.c.id > key)
        statement = statement.where(or_(notes.c.created_at_ms > time, same))
    statement = statement.order_by(notes.c.created_at_ms, notes.c.id)
    statement = statement.offset(query.page.offset).limit(query.page.limit + 1)
    return [((row[5], row[0]), _record(row[1:])) for row in rows(connection, statement)]
