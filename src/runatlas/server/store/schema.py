"""The tables, once, for SQLite and PostgreSQL.

JSON is kept as text (``runatlas.model.codec.dumps``). Times are Unix milliseconds. Names and ids are unique among what
is not in the trash: a row with a ``trash_id`` is invisible everywhere but in the trash, and its names are free.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = ["SCHEMA_VERSION", "metadata"]

SCHEMA_VERSION = 1

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a column that is exactly INTEGER.
_Id = BigInteger().with_variant(Integer, "sqlite")
_LIVE = text("trash_id IS NULL")


def _id() -> Column[int]:
    return Column("id", _Id, primary_key=True, autoincrement=True)


def _ref(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, _Id, ForeignKey(target, ondelete="CASCADE"), nullable=nullable)


def _unique_live(name: str, *columns: str) -> Index:
    return Index(name, *columns, unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE)


schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

settings = Table(
    "settings",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts of the installation: the signing secret, when it was made."""

users = Table(
    "users",
    metadata,
    _id(),
    Column("username", String(25), nullable=False, unique=True),
    Column("name", Text, nullable=False, default=""),
    Column("profile", Text, nullable=False, default="{}"),
    Column("password_hash", Text),
    Column("is_root", Boolean, nullable=False, default=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

workspaces = Table(
    "workspaces",
    metadata,
    _id(),
    Column("username", String(25), nullable=False, unique=True),
    Column("name", Text, nullable=False, default=""),
    Column("workspace_type", String(10), nullable=False, default="PERSON"),
    Column("comment", Text, nullable=False, default=""),
    Column("profile", Text, nullable=False, default="{}"),
    Column("created_at_ms", BigInteger, nullable=False),
)

memberships = Table(
    "memberships",
    metadata,
    _ref("workspace_id", "workspaces.id"),
    _ref("user_id", "users.id"),
    Column("role", String(10), nullable=False),
    UniqueConstraint("workspace_id", "user_id"),
    Index(None, "user_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(21), primary_key=True),
    _ref("user_id", "users.id"),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("prefix", String(8), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("last_used_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    Index(None, "user_id"),
)

trash = Table(
    "trash",
    metadata,
    _id(),
    Column("cuid", String(21), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    _ref("workspace_id", "workspaces.id"),
    Column("project", String(100), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("deleted_by", String(25), nullable=False, default=""),
    Column("deleted_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Index(None, "workspace_id"),
)

projects = Table(
    "projects",
    metadata,
    _id(),
    Column("cuid", String(21), nullable=False, unique=True),
    _ref("workspace_id", "workspaces.id"),
    Column("name", String(100), nullable=False),
    Column("title", Text, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    Column("visibility", String(10), nullable=False, default="PRIVATE"),
    Column("labels", Text, nullable=False, default="[]"),
    Column("user_id", _Id, ForeignKey("users.id", ondelete="SET NULL")),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("trash_id", _Id, ForeignKey("trash.id", ondelete="CASCADE")),
    _unique_live("uq_projects_live_name", "workspace_id", "name"),
    Index(None, "trash_id"),
)

folders = Table(
    "folders",
    metadata,
    Column("id", String(36), primary_key=True),
    _ref("project_id", "projects.id"),
    Column("parent_id", String(36), ForeignKey("folders.id", ondelete="CASCADE")),
    Column("name", String(200), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "project_id"),
)
"""A tree a project; ``id`` is a lower-case UUID."""

runs = Table(
    "runs",
    metadata,
    _id(),
    Column("cuid", String(21), nullable=False, unique=True),
    _ref("project_id", "projects.id"),
    Column("run_id", String(512), nullable=False),
    Column("folder_id", String(36), ForeignKey("folders.id", ondelete="SET NULL")),
    Column("name", Text, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    Column("state", String(10), nullable=False),
    Column("run_group", Text, nullable=False, default=""),
    Column("job_type", Text, nullable=False, default=""),
    Column("show", Boolean, nullable=False, default=True),
    Column("pin", Boolean, nullable=False, default=False),
    Column("baseline", Boolean, nullable=False, default=False),
    Column("archived", Boolean, nullable=False, default=False),
    Column("colors", Text, nullable=False, default="[]"),
    Column("labels", Text, nullable=False, default="[]"),
    Column("user_id", _Id, ForeignKey("users.id", ondelete="SET NULL")),
    Column("config", Text, nullable=False, default="{}"),
    Column("error", Text, nullable=False, default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("finished_at_ms", BigInteger),
    Column("pinned_at_ms", BigInteger),
    Column("heartbeat_at_ms", BigInteger),
    Column("trash_id", _Id, ForeignKey("trash.id", ondelete="CASCADE")),
    _unique_live("uq_runs_live_run_id", "project_id", "run_id"),
    Index("ix_runs_newest", "project_id", "trash_id", "pin", "created_at_ms", "id"),
    Index(None, "trash_id"),
)

run_profiles = Table(
    "run_profiles",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("requirements", Text, nullable=False, default=""),
    Column("conda", Text, nullable=False, default=""),
)

run_labels = Table(
    "run_labels",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("label", String(500), primary_key=True),
    Index(None, "label"),
)
"""The searchable side of ``runs.labels``, which keeps their order."""

run_configs = Table(
    "run_configs",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", String(1000), primary_key=True),
    Column("kind", String(5), nullable=False),
    Column("number", Double),
    Column("text", Text),
    Index("ix_run_configs_number", "key", "number"),
    sqlite_with_rowid=False,
)
"""The searchable side of ``runs.config``: dotted keys of its leaves.

``kind`` is ``num``, ``str``, ``bool`` (``number`` 0 or 1), ``null`` or ``json`` (a list or an empty object, as
``text``); NaN is ``kind`` ``nan`` without a number, ±Inf are numbers."""

series = Table(
    "series",
    metadata,
    _id(),
    _ref("run_pk", "runs.id"),
    Column("key", String(1000), nullable=False),
    Column("context", Text, nullable=False, default=""),
    Column("name", Text, nullable=False, default=""),
    Column("column_class", String(10), nullable=False),
    Column("column_type", String(15), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False, default=0),
    Column("finite_count", BigInteger, nullable=False, default=0),
    Column("chunk_count", Integer, nullable=False, default=0),
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
"""One (run, key, context), with its running summary. NaN does not count in min, max and the sums.

SQLite turns a bound NaN into NULL, so ``last_value`` NULL with ``last_kind`` ``nan`` is NaN. ``context`` is canonical
JSON, ``""`` for the empty one. Media series have a row too, with counts and steps only."""

chunks = Table(
    "chunks",
    metadata,
    _id(),
    _ref("series_id", "series.id"),
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
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("event_id", String(200), primary_key=True),
    sqlite_with_rowid=False,
)

writers = Table(
    "writers",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("writer", String(100), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The last batch applied of each writer."""

media = Table(
    "media",
    metadata,
    _id(),
    _ref("series_id", "series.id"),
    Column("step", BigInteger, nullable=False),
    Column("epoch", BigInteger),
    Column("time_ms", BigInteger, nullable=False),
    Column("items", Text, nullable=False),
    UniqueConstraint("series_id", "step"),
)

logs = Table(
    "logs",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tag", String(20), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("fields", Text),
    sqlite_with_rowid=False,
)
"""``severity`` is the place of the level in ``LOG_LEVELS``."""

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
)

blob_refs = Table(
    "blob_refs",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), primary_key=True),
    Index(None, "sha256"),
)
"""Which run needs which blob; a blob nobody needs is collected after a day."""

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("name", String(1000), primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mime_type", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "sha256"),
)

exports = Table(
    "exports",
    metadata,
    Column("cuid", String(21), primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)
"""Files made on demand; they lie in the directory's ``exports`` under their cuid."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("caller", String(60), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),
    Column("answer", LargeBinary),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "created_at_ms"),
)
"""``status`` NULL while the first request is running."""

notes = Table(
    "annotations",
    metadata,
    _id(),
    Column("uuid", String(36), nullable=False, unique=True),
    _ref("run_pk", "runs.id"),
    Column("text", Text, nullable=False),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("author", String(25), nullable=False, default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "run_pk", "created_at_ms", "id"),
)

ingestion_keys = Table(
    "ingestion_keys",
    metadata,
    Column("id", String(36), primary_key=True),
    _ref("run_pk", "runs.id"),
    _ref("user_id", "users.id"),
    Column("name", String(200), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Index(None, "run_pk"),
)

models = Table(
    "models",
    metadata,
    _id(),
    _ref("workspace_id", "workspaces.id"),
    Column("name", String(200), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

model_versions = Table(
    "model_versions",
    metadata,
    _ref("model_id", "models.id"),
    Column("version", Integer, nullable=False),
    Column("stage", String(10), nullable=False),
    Column("run_pk", _Id, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("run_path", Text, nullable=False),
    Column("artifact", String(1000), nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    UniqueConstraint("model_id", "version"),
    Index(None, "sha256"),
    Index(
        "uq_model_versions_production",
        "model_id",
        unique=True,
        sqlite_where=text("stage = 'production'"),
        postgresql_where=text("stage = 'production'"),
    ),
)
"""A version keeps its blob, also when its run is gone."""
