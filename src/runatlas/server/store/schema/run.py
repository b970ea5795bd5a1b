"""The tables of projects and runs, and what is said of a run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
    null,
)

from runatlas.model.run import OWN_FIELDS, OwnField
from runatlas.server.store.schema.base import Id, make_id, make_ref, metadata, trash_index, unique_live

__all__ = [
    "described_labels",
    "folders",
    "held_policies",
    "ingestion_keys",
    "notes",
    "policy_evaluations",
    "projects",
    "retired_ids",
    "run_configs",
    "run_labels",
    "run_profiles",
    "run_versions",
    "runs",
]

projects = Table(
    "projects",
    metadata,
    make_id(),
    Column("cuid", String(21), nullable=False, unique=True),
    make_ref("workspace_id", "workspaces.id"),
    Column("name", String(100), nullable=False),
    Column("title", Text, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
    Column("visibility", String(10), nullable=False, default="PRIVATE"),
    Column("labels", Text, nullable=False, default="[]"),
    Column("metrics", Text, nullable=False, default="[]"),
    Column("user_id", Id, ForeignKey("users.id", ondelete="SET NULL")),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("trash_id", Id, ForeignKey("trash.id", ondelete="CASCADE")),
    unique_live("uq_projects_live_name", "workspace_id", "name"),
    trash_index(),
)

folders = Table(
    "folders",
    metadata,
    Column("id", String(36), primary_key=True),
    make_ref("project_id", "projects.id"),
    Column("parent_id", String(36), ForeignKey("folders.id", ondelete="CASCADE")),
    Column("name", String(200), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "project_id"),
)
"""A tree a project; ``id`` is a lower-case UUID."""

held_policies = Table(
    "held_policies",
    metadata,
    make_id(),
    make_ref("project_id", "projects.id"),
    Column("name", String(100), nullable=False),
    Column("policy", Text, nullable=False),
    Column("every", String(100), nullable=False),
    Column("acts", Boolean, nullable=False),
    make_ref("user_id", "users.id"),
    Column("as_owner", Boolean, nullable=False),
    Column("held_at_ms", BigInteger, nullable=False),
    Column("evaluated_at_ms", BigInteger),
    Column("next_at_ms", BigInteger, nullable=False),
    UniqueConstraint("project_id", "name"),
    Index(None, "next_at_ms"),
)
"""``as_owner`` if the directory's owner set it, who may do everything there."""

policy_evaluations = Table(
    "policy_evaluations",
    metadata,
    make_id(),
    make_ref("project_id", "projects.id"),
    Column("name", String(100), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    Index(None, "project_id", "id"),
)
"""The log; it stays when the policy is released."""


def _own_column(field: OwnField) -> Column[Any]:
    """Make the column of one of a run's own fields: tuples are JSON text, what may be ``None`` is a number."""
    default = field.default
    if isinstance(default, bool):
        return Column(field.column, Boolean, nullable=False, default=default)
    if default is None or isinstance(default, int):
        return Column(field.column, BigInteger, nullable=default is None)
    if field.name == "state":
        return Column(field.column, String(10), nullable=False)
    return Column(field.column, Text, nullable=False, default="[]" if default == () else default)


runs = Table(
    "runs",
    metadata,
    make_id(),
    Column("cuid", String(21), nullable=False, unique=True),
    make_ref("project_id", "projects.id"),
    Column("run_id", String(512), nullable=False),
    Column("folder_id", String(36), ForeignKey("folders.id", ondelete="SET NULL")),
    Column("user_id", Id, ForeignKey("users.id", ondelete="SET NULL")),
    Column("config", Text, nullable=False, default="{}"),
    *(_own_column(field) for field in OWN_FIELDS.values() if field.column not in {"", "run_id", "cuid", "folder_id"}),
    Column("point_count", BigInteger, nullable=False, server_default="0"),
    Column("point_bytes", BigInteger, nullable=False, server_default="0"),
    Column("trash_id", Id, ForeignKey("trash.id", ondelete="CASCADE")),
    Column("cut_of", String(21)),
    Column("latest", Text),
    Column("shown", Text, onupdate=null()),
    Column("shown_as_of_ms", BigInteger),
    unique_live("uq_runs_live_run_id", "project_id", "run_id"),
    Index("ix_runs_newest", "project_id", "trash_id", "pin", "created_at_ms", "id"),
    trash_index(),
    Index(None, "folder_id"),
)
"""``point_count`` and ``point_bytes`` are the sums of its series: their points, and the bytes of their chunks.

``cut_of`` is the cuid of the run whose data a row holds that was cut out of it: a row for the trash and nothing else,
which lies in that run's project. The run itself may be gone by now.

``latest`` are the last values of an ended run, as ``store.latest`` makes them of its series.

``shown`` is what ``store.run_text`` says of a run, kept as text; an UPDATE that does not name it takes it away. It is
what the row said when its ``updated_at_ms`` was ``shown_as_of_ms``."""

_CUT = runs.c.cut_of.is_not(None)
Index("ix_runs_cut_of", runs.c.cut_of, sqlite_where=_CUT, postgresql_where=_CUT)

run_profiles = Table(
    "run_profiles",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("metadata", Text, nullable=False, default="{}"),
    Column("requirements", Text, nullable=False, default=""),
    Column("conda", Text, nullable=False, default=""),
)

run_labels = Table(
    "run_labels",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("label", String(500), primary_key=True),
    Index(None, "label"),
)
"""The searchable side of ``runs.labels``, which keeps their order."""

run_configs = Table(
    "run_configs",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("key", String(1000), primary_key=True),
    Column("kind", String(5), nullable=False),
    Column("number", Double),
    Column("text", Text),
    sqlite_with_rowid=False,
)
"""The searchable side of ``runs.config``: dotted keys of its leaves, as ``store.config`` makes them."""

notes = Table(
    "annotations",
    metadata,
    make_id(),
    Column("uuid", String(36), nullable=False, unique=True),
    make_ref("run_pk", "runs.id"),
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
    make_ref("run_pk", "runs.id"),
    make_ref("user_id", "users.id"),
    Column("name", String(200), nullable=False),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    Column("last_used_at_ms", BigInteger),
    Index(None, "run_pk"),
)

run_versions = Table(
    "run_versions",
    metadata,
    make_id(),
    make_ref("run_pk", "runs.id"),
    Column("until_ms", BigInteger, nullable=False),
    Column("description", Text, nullable=False),
    Column("config", Text, nullable=False),
    Index(None, "run_pk", "until_ms"),
)
"""What a run's description and config were until they were replaced as a whole."""

described_labels = Table(
    "described_labels",
    metadata,
    Column("workspace_id", Id, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("name", String(500), primary_key=True),
    Column("color", Text, nullable=False, default=""),
    Column("description", Text, nullable=False, default=""),
)
"""Labels that are kept whether runs have them or not, and what is said of them."""

retired_ids = Table(
    "retired_ids",
    metadata,
    Column("workspace_id", Id, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("run_id", String(512), primary_key=True),
    Column("retired_at_ms", BigInteger, nullable=False),
    Column("freed_at_ms", BigInteger, nullable=False),
)
"""Ids of deleted runs that those who still write to them must not bring back, until they are freed."""
