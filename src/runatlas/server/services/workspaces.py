"""The rules of workspaces and of who belongs to them."""

from __future__ import annotations

from functools import partial

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.account import ROLES, Role, WorkspacePatch, WorkspaceRecord
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import validate_workspace_name
from runatlas.model.page import Page, PageRequest
from runatlas.model.text import check_text
from runatlas.server.services.access import require_workspace, role_of
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.validation import check_choice, check_fields, checked
from runatlas.server.store.account import find_user, name_is_taken
from runatlas.server.store.engine import Store
from runatlas.server.store.statement import Connection, unique
from runatlas.server.store.workspace import (
    WorkspaceDetail,
    WorkspaceListing,
    add_workspace,
    change_workspace,
    count_workspaces,
    list_workspaces,
    lock_owners,
    read_workspace,
    set_role,
)

__all__ = ["Workspaces", "list_workspace_page"]


class Workspaces:
    """What may be done with workspaces."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_workspace(self, caller: Caller, username: str | None = None) -> WorkspaceRecord:
        """Return a workspace, ``None`` for the caller's own.

        Raises:
            NotFoundError: There is none of that name that the caller may see.
        """
        with self._store.read() as connection:
            found = require_workspace(connection, caller, username or caller.username, None)
            return _record(caller, read_workspace(connection, caller.user_id, found.username))

    def list_workspaces(self, caller: Caller, username: str | None, page: PageRequest) -> Page[WorkspaceRecord]:
        """List the workspaces a user belongs to, by name.

        Args:
            caller: Who asks; only what the caller may see is listed.
            username: A user, or a workspace, which is then listed alone; ``None`` means all that the caller may see.
            page: Which page.

        Raises:
            NotFoundError: There is no such user or workspace.
        """
        check_page(page)
        check_text(username or "", "username")
        listing = WorkspaceListing(caller.user_id, username, visible_only=not caller.is_owner)
        with self._store.read() as connection:
            if username is not None and find_user(connection, username) is None:
                found = require_workspace(connection, caller, username, None)
                alone = _record(caller, read_workspace(connection, caller.user_id, found.username))
                shown = () if page.cursor is not None or page.offset else (alone,)
                return Page(shown, None, 1 if page.with_total else None)
            return list_workspace_page(connection, caller, listing, page)

    def create_workspace(self, caller: Caller, username: str, *, name: str = "", comment: str = "") -> WorkspaceRecord:
        """Make a TEAM workspace owned by the caller.

        Raises:
            ConflictError: The name is taken.
            ValidationError: The name is none.
        """
        checked(validate_workspace_name, username, "username")
        check_text(name, "name")
        check_text(comment, "comment")
        with self._store.write() as connection:
            if name_is_taken(connection, username):
                raise ConflictError(f"the name {username!r} is taken")
            with unique(f"the name {username!r} is taken"):
                add_workspace(
                    connection,
                    owner_id=caller.user_id,
                    username=username,
                    name=name or username,
                    comment=comment,
                    now_ms=self._store.clock(),
                )
            return _record(caller, read_workspace(connection, caller.user_id, username))

    def update_workspace(self, caller: Caller, username: str, patch: WorkspacePatch) -> WorkspaceRecord:
        """Change a workspace; its owners may.

        Raises:
            NotFoundError: There is none of that name that the caller may see.
            PermissionDeniedError: The caller does not own it.
            ValidationError: Something in the patch cannot be stored.
        """
        check_fields(patch, ("name", "comment"))
        values = {name: value for name in ("name", "comment") if (value := getattr(patch, name)) is not None}
        if patch.profile is not None:
            values["profile"] = check_text(_profile_text(patch), "profile")
        with self._store.write() as connection:
            found = require_workspace(connection, caller, username, "manage")
            if values:
                change_workspace(connection, found.id, values)
            return _record(caller, read_workspace(connection, caller.user_id, username))

    def set_member(self, caller: Caller, workspace: str, username: str, role: Role | None) -> None:
        """Give a user a role in a workspace, ``None`` takes it away; its owners may, and one owner always stays.

        Raises:
            ConflictError: It is the last owner's role.
            NotFoundError: There is no such workspace or user.
            PermissionDeniedError: The caller does not own the workspace.
        """
        check_choice(role, ROLES, "role")
        with self._store.write() as connection:
            found = require_workspace(connection, caller, workspace, "manage")
            user = find_user(connection, check_text(username, "username"))
            if user is None:
                raise NotFoundError(f"there is no user {username!r}")
            if role != "OWNER" and lock_owners(connection, found.id) == [user.id]:
                raise ConflictError(f"{username} is the last owner of workspace {workspace!r}; make another one first")
            set_role(connection, found.id, user.id, role)


def list_workspace_page(
    connection: Connection, caller: Caller, listing: WorkspaceListing, page: PageRequest
) -> Page[WorkspaceRecord]:
    """List workspaces page by page."""
    kinds = ["int", "int"] if listing.newest_first else ["text"]
    name = f"workspaces {listing!r}"
    after = None if page.cursor is None else read_cursor(page.cursor, name, kinds)
    found = list_workspaces(connection, listing, after, page.limit + 1, page.offset)

    def cursor(row: WorkspaceDetail) -> str:
        return write_cursor(name, [row.created_at_ms, row.id] if listing.newest_first else [row.username])

    total = count_workspaces(connection, listing) if page.with_total else None
    return make_page(found, page.limit, item=partial(_record, caller), cursor=cursor, total=total)


def _profile_text(patch: WorkspacePatch) -> str:
    try:
        return dumps(patch.profile)
    except (TypeError, RecursionError) as error:
        raise ValidationError(f"profile: {error}") from error


def _record(caller: Caller, row: WorkspaceDetail) -> WorkspaceRecord:
    return WorkspaceRecord(
        username=row.username,
        name=row.name,
        workspace_type=row.workspace_type,
        role=role_of(caller, row.role),
        comment=row.comment,
        profile=loads(row.profile),
        created_at_ms=row.created_at_ms,
    )
