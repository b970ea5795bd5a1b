"""Statements about runs that go to another project."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, exists, select, update

from runatlas.server.store.run_write import move_holders
from runatlas.server.store.schema import runs, trash
from runatlas.server.store.statement import Connection, member_of, rows, unique
from runatlas.server.store.trash import HIDDEN

__all__ = ["Place", "entries_of", "move_runs", "places_of", "trashed_in"]


class Place(NamedTuple):
    """Where a run lies."""

    project_id: int
    folder_id: str | None


_PLACES = select(runs.c.id, runs.c.project_id, runs.c.folder_id).where(member_of(runs.c.id, "runs"))


def places_of(connection: Connection, run_keys: Sequence[int]) -> dict[int, Place]:
    """Tell where runs lie, by row id."""
    return {key: Place(*place) for key, *place in rows(connection, _PLACES, {"runs": list(run_keys)})}


_ENTRIES = (
    select(trash.c.id)
    .where(
        exists().where(runs.c.trash_id == trash.c.id, runs.c.project_id == bindparam("project")),
        trash.c.kind.not_in(HIDDEN),
    )
    .order_by(trash.c.id)
)
_TRASHED = (
    select(runs.c.id)
    .where(runs.c.project_id == bindparam("project"), member_of(runs.c.trash_id, "entries"))
    .order_by(runs.c.id)
)


def entries_of(connection: Connection, project_id: int) -> list[int]:
    """Return the entries of the trash that hold runs of a project and can be restored."""
    return [key for (key,) in rows(connection, _ENTRIES, {"project": project_id})]


def trashed_in(connection: Connection, project_id: int, trash_ids: Collection[int]) -> list[int]:
    """Return the row ids of a project's runs in entries of the trash."""
    return [key for (key,) in rows(connection, _TRASHED, {"project": project_id, "entries": list(trash_ids)})]


def move_runs(connection: Connection, moved: Mapping[int, Place], now_ms: int) -> None:
    """Put runs into other projects, and there into folders.

    Raises:
        ConflictError: A project has a run of one's id.
    """
    groups: dict[Place, list[int]] = {}
    for key, place in moved.items():
        groups.setdefault(place, []).append(key)
    with unique("the project has a run of one of these ids already"):
        for place, keys in groups.items():
            values = {"project_id": place.project_id, "folder_id": place.folder_id, "updated_at_ms": now_ms}
            connection.execute(update(runs).where(member_of(runs.c.id, "runs", keys)).values(**values))
            move_holders(connection, keys, place.project_id)
