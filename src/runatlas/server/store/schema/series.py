"""The tables of what runs record."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from runatlas.server.store.schema.base import Id, make_id, make_ref, metadata

__all__ = ["chunks", "event_ids", "logs", "long_contexts", "media", "series", "stepless_events", "writers"]

series = Table(
    "series",
    metadata,
    make_id(),
    make_ref("run_pk", "runs.id"),
    Column("key", String(1000), nullable=False),
    Column("context", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("column_class", String(10), nullable=False),
    Column("column_type", String(15), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False, default=0),
    Column("finite_count", BigInteger, nullable=False, default=0),
    Column("chunk_count", Integer, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, server_default="0"),
    Column("first_step", BigInteger),
    Column("last_step", BigInteger),
    Column("last_value", Double),
    Column("last_kind", String(4), nullable=False, default="num"),
    Column("last_time_ms", BigInteger),
    Column("max_time_ms", BigInteger),
    Column("min_value", Double),
    Column("min_step", BigInteger),
    Column("min_time_ms", BigInteger),
    Column("max_value", Double),
    Column("max_step", BigInteger),
    Column("max_value_time_ms", BigInteger),
    Column("value_sum", Double, nullable=False, default=0.0),
    Column("value_sum_squares", Double, nullable=False, default=0.0),
    UniqueConstraint("run_pk", "key", "context"),
)
"""One (run, key, context), with its running summary.

NaN does not count in min, max and the sums; infinities count in min and max, which therefore tell of them, but not in
``finite_count`` and the sums. ``value_sum_squares`` sums the squared deviations from the mean, not plain squares.
SQLite turns a bound NaN into NULL, so ``last_value`` NULL with ``last_kind`` ``nan`` is NaN. ``context`` is canonical
JSON, ``""`` for the empty one. Media series have a row too, with counts and steps only and ``last_kind`` ``none``.
``bytes`` are those of its chunks' data."""

chunks = Table(
    "chunks",
    metadata,
    make_id(),
    make_ref("series_id", "series.id"),
    Column("count", Integer, nullable=False),
    Column("min_step", BigInteger, nullable=False),
    Column("max_step", BigInteger, nullable=False),
    Column("min_time_ms", BigInteger, nullable=False),
    Column("max_time_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_chunks_series", "series_id", "id"),
)
"""Points, column-encoded. Ascending ``id`` is the order of arrival; merging keeps it."""

event_ids = Table(
    "event_ids",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("event_id", String(200), primary_key=True),
    Column("received_at_ms", BigInteger),
    sqlite_with_rowid=False,
)
"""What was applied to a run once."""

stepless_events = Table(
    "stepless_events",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("event_id", String(200), primary_key=True),
    sqlite_with_rowid=False,
)
"""Those events that came without a step; their points were given one."""

long_contexts = Table(
    "long_contexts",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), primary_key=True),
    Column("metadata", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""What contexts stand for that name no more than a digest, because all of it would be too long for a name."""

writers = Table(
    "writers",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("writer", String(100), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The last batch applied of each writer."""

media = Table(
    "media",
    metadata,
    make_id(),
    make_ref("series_id", "series.id"),
    Column("step", BigInteger, nullable=False),
    Column("epoch", BigInteger),
    Column("time_ms", BigInteger, nullable=False),
    Column("items", Text, nullable=False),
    UniqueConstraint("series_id", "step"),
)

logs = Table(
    "logs",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tag", String(20), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("fields", Text),
    Column("open_key", String(100)),
    sqlite_with_rowid=False,
)
"""``severity`` is the place of the level in ``LOG_LEVELS``; ``open_key`` names a line that may still be replaced."""

_OPEN = logs.c.open_key.is_not(None)
Index("ix_logs_open_key", logs.c.run_pk, logs.c.open_key, sqlite_where=_OPEN, postgresql_where=_OPEN)
