"""The tables of the journal: what was changed by whom, and what it was before."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from runatlas.server.store.schema.base import Id, make_id, make_ref, metadata

__all__ = ["change_projects", "change_runs", "changes"]

changes = Table(
    "changes",
    metadata,
    make_id(),
    Column("cuid", String(21), nullable=False, unique=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("author", String(25), nullable=False),
    Column("door", String(20), nullable=False),
    Column("kind", String(20), nullable=False),
    make_ref("workspace_id", "workspaces.id"),
    Column("project", String(100), nullable=False, default=""),
    Column("what", Text, nullable=False),
    Column("runs", Integer, nullable=False, default=0),
    Column("trash_cuid", String(21)),
    Column("expires_at_ms", BigInteger),
    Column("kept", Boolean, nullable=False, default=True),
    Column("undoes", String(21)),
    Column("undone_by", String(21)),
    Column("undone_at_ms", BigInteger),
    Index(None, "workspace_id", "id"),
    Index(None, "trash_cuid"),
    Index(None, "expires_at_ms"),
)
"""A line a change. ``kept`` until its texts of before and after are forgotten; the line itself stays."""

change_projects = Table(
    "change_projects",
    metadata,
    Column("change_id", Id, ForeignKey("changes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("project_id", Id, ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("before", Text),
    Column("after", Text),
    Index(None, "project_id", "change_id"),
)
"""The projects that a change reached, and what it changed of them themselves: objects of columns, as JSON."""

change_runs = Table(
    "change_runs",
    metadata,
    Column("change_id", Id, ForeignKey("changes.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("run_pk", Id, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("before", Text),
    Column("after", Text),
    Index(None, "run_pk", "change_id"),
    sqlite_with_rowid=False,
)
"""The runs that a change reached, and just those of their fields that it changed: objects of columns, as JSON."""
