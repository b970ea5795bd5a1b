"""Statements about labels: which a workspace uses, and what is said of them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, func, select

from runatlas.server.store.engine import Store
from runatlas.server.store.schema import described_labels, projects, run_labels, runs
from runatlas.server.store.statement import Connection, rows

__all__ = ["LabelRow", "add_label", "delete_label", "list_labels"]


class LabelRow(NamedTuple):
    """A label, how many live runs have it, and what is said of it."""

    name: str
    runs: int
    color: str
    description: str


def add_label(store: Store, connection: Connection, workspace_id: int, row: LabelRow) -> None:
    """Keep a label that no run needs to have; ``False`` if it is kept already."""
    statement = store.insert(described_labels).values(
        workspace_id=workspace_id, name=row.name, color=row.color, description=row.description
    )
    connection.execute(statement.on_conflict_do_nothing())


def delete_label(connection: Connection, workspace_id: int, name: str) -> None:
    """Keep a label no longer."""
    held = described_labels.c
    connection.execute(delete(described_labels).where(held.workspace_id == workspace_id, held.name == name))


def list_labels(connection: Connection, workspace_id: int) -> list[LabelRow]:
    """List a workspace's labels by name: those that runs have, and those that are kept."""
    used = (
        select(run_labels.c.label, func.count())
        .select_from(run_labels.join(runs, run_labels.c.run_pk == runs.c.id))
        .join(projects, runs.c.project_id == projects.c.id)
        .where(projects.c.workspace_id == workspace_id, runs.c.trash_id.is_(None))
        .group_by(run_labels.c.label)
    )
    counts = dict(rows(connection, used))
    kept = select(described_labels.c.name, described_labels.c.color, described_labels.c.description)
    said = {
        name: (color, text)
        for name, color, text in rows(connection, kept.where(described_labels.c.workspace_id == workspace_id))
    }
    return [LabelRow(name, counts.get(name, 0), *said.get(name, ("", ""))) for name in sorted({*counts, *said})]
