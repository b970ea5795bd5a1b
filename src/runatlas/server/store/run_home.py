"""Where runs lie and who made them, named for many of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import attrs
from sqlalchemy import select

from runatlas.model.account import UserRef
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import projects, users, workspaces
from runatlas.server.store.statement import Connection, listing, member_of

__all__ = ["Home", "find_homes", "find_people"]


@attrs.frozen
class Home:
    """The project that a run lies in, as the run's record names it."""

    workspace: str
    project: str
    cuid: str


_USERS = Prepared(select(users.c.id, users.c.username, users.c.name).where(member_of(users.c.id, "users")), "users")
_HOMES = Prepared(
    select(projects.c.id, workspaces.c.username, projects.c.name, projects.c.cuid)
    .select_from(projects.join(workspaces))
    .where(member_of(projects.c.id, "projects")),
    "projects",
)


def find_homes(connection: Connection, project_ids: Iterable[int]) -> dict[int, Home]:
    """Name projects."""
    found = _HOMES.all(connection, listing(connection.dialect, project_ids))
    return {key: Home(*names) for key, *names in found}


def find_people(connection: Connection, user_ids: Collection[int]) -> Mapping[int, UserRef]:
    """Name users."""
    if not user_ids:
        return {}
    found = _USERS.all(connection, listing(connection.dialect, user_ids))
    return {key: UserRef(username, name) for key, username, name in found}
