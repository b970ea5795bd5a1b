"""The tables of the installation: who works here, and what was thrown away."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from runatlas.server.store.schema.base import make_id, make_ref, metadata

__all__ = [
    "api_keys",
    "idempotency",
    "memberships",
    "schema_version",
    "sessions",
    "settings",
    "trash",
    "users",
    "workspaces",
]

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

settings = Table(
    "settings",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts of the installation: when it was made."""

users = Table(
    "users",
    metadata,
    make_id(),
    Column("username", String(25), nullable=False, unique=True),
    Column("name", Text, nullable=False, default=""),
    Column("profile", Text, nullable=False, default="{}"),
    Column("password_hash", Text),
    Column("password_until_ms", BigInteger),
    Column("is_root", Boolean, nullable=False, default=False),
    Column("created_at_ms", BigInteger, nullable=False),
)
"""``password_until_ms`` is set for a one-time password, which is there to be exchanged for another one by then."""

workspaces = Table(
    "workspaces",
    metadata,
    make_id(),
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
    make_ref("workspace_id", "workspaces.id"),
    make_ref("user_id", "users.id"),
    Column("role", String(10), nullable=False),
    UniqueConstraint("workspace_id", "user_id"),
    Index(None, "user_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(21), primary_key=True),
    make_ref("user_id", "users.id"),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("prefix", String(8), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("last_used_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
    Index(None, "user_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(21), primary_key=True),
    make_ref("user_id", "users.id"),
    Column("key_id", String(21), ForeignKey("api_keys.id", ondelete="CASCADE")),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("browser", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger, nullable=False),
    Index(None, "user_id"),
)
"""Who is signed in to the pages, and where; ``key_id`` NULL for who came with a password."""

trash = Table(
    "trash",
    metadata,
    make_id(),
    Column("cuid", String(21), nullable=False, unique=True),
    Column("kind", String(10), nullable=False),
    make_ref("workspace_id", "workspaces.id"),
    Column("project", String(100), nullable=False),
    Column("runs", Integer, nullable=False),
    Column("deleted_by", String(25), nullable=False, default=""),
    Column("deleted_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Index(None, "workspace_id"),
)

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
