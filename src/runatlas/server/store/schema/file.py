"""The tables of files: blobs, artifacts, exports and registered models."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, text

from runatlas.server.store.schema.base import Id, make_id, make_ref, metadata

__all__ = ["artifacts", "blob_grants", "blob_refs", "blobs", "exports", "model_versions", "models", "uploads"]

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
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), primary_key=True),
    Index(None, "sha256"),
)
"""Which run needs which blob; a blob nobody needs is collected after a day."""

blob_grants = Table(
    "blob_grants",
    metadata,
    Column("project_id", Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256", ondelete="CASCADE"), primary_key=True),
    Index(None, "sha256"),
    sqlite_with_rowid=False,
)
"""Into which project which blob was stored. They keep no blob, but let the project's runs name it."""

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("name", String(1000), primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mime_type", String(255), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Index(None, "sha256"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("path", String(1000), primary_key=True),
    Column("sha256", String(64), ForeignKey("blobs.sha256", ondelete="CASCADE"), nullable=False),
    Column("mime_type", String(255), nullable=False),
    Index(None, "sha256"),
)
"""Which bytes a client sent by a link under a path of its run. They keep no blob: what refers to them by path does."""

exports = Table(
    "exports",
    metadata,
    Column("cuid", String(21), primary_key=True),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
)
"""Files made on demand; they lie in the directory's ``exports`` under their cuid."""

models = Table(
    "models",
    metadata,
    make_id(),
    make_ref("workspace_id", "workspaces.id"),
    Column("name", String(200), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

model_versions = Table(
    "model_versions",
    metadata,
    make_ref("model_id", "models.id"),
    Column("version", Integer, nullable=False),
    Column("stage", String(10), nullable=False),
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="SET NULL")),
    Column("run_path", Text, nullable=False),
    Column("artifact", String(1000), nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    UniqueConstraint("model_id", "version"),
    Index(None, "sha256"),
    Index(None, "run_pk"),
    Index(
        "uq_model_versions_production",
        "model_id",
        unique=True,
        sqlite_where=text("stage = 'production'"),
        postgresql_where=text("stage = 'production'"),
    ),
)
"""A version keeps its blob, also when its run is gone."""
