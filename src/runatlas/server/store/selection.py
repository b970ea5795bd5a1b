"""Which runs a selection means, as SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import attrs
from sqlalchemy import ColumnElement, Select, and_, bindparam, literal_column, or_, select

from runatlas.model.filters import Filter
from runatlas.model.ids import is_cuid
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run_filter import compile_filter
from runatlas.server.store.schema import projects, runs
from runatlas.server.store.statement import Connection, contains, listed, listing, member_of

__all__ = ["Scope", "SelectedRuns", "resolve_ids", "selection_condition", "selection_select"]


class SelectedRuns(NamedTuple):
    """The query of the runs a selection means, and the selected ids that are no runs.

    Attributes:
        query: Yields ``id, cuid, run_id, name`` (of table ``runs``), in the selection's order.
    """

    query: Select[Any]
    missing: tuple[str, ...]


@attrs.frozen
class Scope:
    """The projects that a caller's selection can reach: one, or those of a workspace.

    Attributes:
        project_id: One project; ``None`` for the workspace's.
        public_only: Whether the caller sees only the workspace's PUBLIC projects.
    """

    workspace_id: int
    project_id: int | None
    public_only: bool = False

    @property
    def condition(self) -> ColumnElement[bool]:
        """Live runs of these projects."""
        if self.project_id is not None:
            return and_(runs.c.project_id == self.project_id, runs.c.trash_id.is_(None))
        return and_(
            runs.c.project_id.in_(self._reached.where(projects.c.trash_id.is_(None))), runs.c.trash_id.is_(None)
        )

    @property
    def condition_with_trash(self) -> ColumnElement[bool]:
        """Runs of these projects, also those in the trash."""
        return runs.c.project_id.in_(self._reached) if self.project_id is None else runs.c.project_id == self.project_id

    @property
    def _reached(self) -> Select[Any]:
        reached = select(projects.c.id).where(projects.c.workspace_id == self.workspace_id)
        return reached.where(projects.c.visibility == "PUBLIC") if self.public_only else reached


_COLUMNS = (runs.c.run_id, runs.c.cuid)
_RUNS = select(runs.c.id).where(runs.c.trash_id.is_(None))
_INSIDE = _RUNS.join(projects, projects.c.id == runs.c.project_id).where(
    projects.c.workspace_id == bindparam("place"), projects.c.trash_id.is_(None)
)
"""Joined: of the projects in a subquery SQLite looks at every run, and not in the index of ids."""
_PLACES: dict[str, Select[Any]] = {
    "project": _RUNS.where(runs.c.project_id == bindparam("place")),
    "workspace": _INSIDE,
    "public": _INSIDE.where(projects.c.visibility == literal_column("'PUBLIC'")),
}


def _finding(place: str, column: ColumnElement[Any], *, one: bool) -> Prepared:
    wanted = column == bindparam("name") if one else member_of(column, "name")
    return Prepared(_PLACES[place].add_columns(column).where(wanted), "place", "name")


_ONE, _SOME = ({place: [_finding(place, c, one=one) for c in _COLUMNS] for place in _PLACES} for one in (True, False))
_FEW = 1000
"""For how many ids SQLite is asked one by one: of a list it knows no length, and looks at every run."""


def _find(connection: Connection, scope: Scope, place: int, names: Sequence[str]) -> list[tuple[int, str]]:
    """Find runs by the id that their clients chose, or by cuid."""
    kind = "project" if scope.project_id is not None else "public" if scope.public_only else "workspace"
    home = scope.workspace_id if scope.project_id is None else scope.project_id
    if connection.dialect.name == "sqlite" and len(names) <= _FEW:
        return sorted(row for name in names for row in _ONE[kind][place].all(connection, home, name))
    return sorted(_SOME[kind][place].all(connection, home, listing(connection.dialect, names)))


def resolve_ids(connection: Connection, scope: Scope, ids: Sequence[str]) -> tuple[list[int], tuple[str, ...]]:
    """Find runs by the ids their clients chose, and what is none of these by cuid.

    Args:
        connection: An open transaction.
        scope: Where to look.
        ids: What to find; repeated ones count once.

    Returns:
        The rows' ids in the order asked, and the ids that are no runs.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[str, list[int]] = {}
    for place, column in enumerate(_COLUMNS):
        rest = [name for name in wanted if name not in found and (column is not runs.c.cuid or is_cuid(name))]
        for row_id, name in _find(connection, scope, place, rest) if rest else ():
            found.setdefault(name, []).append(row_id)
    keys = dict.fromkeys(row_id for name in wanted for row_id in found.get(name, ()))
    return list(keys), tuple(name for name in wanted if name not in found)


def selection_condition(
    connection: Connection, scope: Scope, keys: Sequence[int] | None, wanted: Filter | None, search: str | None
) -> ColumnElement[bool]:
    """Make the WHERE condition over ``runs`` of a selection.

    Args:
        connection: The transaction in which it is used, which sees one snapshot.
        scope: The projects.
        keys: Row ids that ``resolve_ids`` found there in them; ``None`` for all runs.
        wanted: The filter.
        search: Case-insensitive part of the name or the id.
    """
    # Of runs in a project SQLite would look at all of them, one after the other, for those with the keys.
    condition = scope.condition if keys is None else and_(member_of(runs.c.id, "keys", keys), runs.c.trash_id.is_(None))
    if search:
        condition = and_(condition, or_(contains(runs.c.name, search), contains(runs.c.run_id, search)))
    if wanted is not None:
        condition = and_(condition, compile_filter(connection, condition, wanted))
    return condition


def selection_select(
    connection: Connection, scope: Scope, keys: Sequence[int] | None, wanted: Filter | None, search: str | None
) -> Select[Any]:
    """Make the query of a selection's runs: ``id, cuid, run_id, name``, in the selection's order.

    The order is that of the ids, where these were given, else pinned first, then newest first, then the id.
    """
    columns = (runs.c.id, runs.c.cuid, runs.c.run_id, runs.c.name)
    chosen = select(*columns).where(selection_condition(connection, scope, None, wanted, search))
    if keys is None:
        return chosen.order_by(runs.c.pin.desc(), runs.c.created_at_ms.desc(), runs.c.id.desc())
    place = listed(connection, keys)
    return chosen.join(place.table, place.value == runs.c.id).order_by(place.position)
