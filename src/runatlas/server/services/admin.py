"""What administrators see: every workspace, every project, every user, and how much there is."""

from __future__ import annotations

from collections.abc import Sequence

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.account import UsageRecord, UserRecord, WorkspaceRecord, WorkspaceType
from runatlas.model.ids import validate_workspace_name
from runatlas.model.page import Page, PageRequest
from runatlas.model.project import ProjectQuery, ProjectRecord
from runatlas.model.text import check_text
from runatlas.server.services.access import require_root
from runatlas.server.services.accounts import user_record
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.password import PASSWORD_MAX, hash_password
from runatlas.server.services.projects import list_project_page
from runatlas.server.services.validation import check_choice, checked
from runatlas.server.services.workspaces import list_workspace_page
from runatlas.server.store.account import add_user, count_users, list_users, name_is_taken
from runatlas.server.store.engine import Store
from runatlas.server.store.statement import Connection, unique
from runatlas.server.store.usage import count_usage
from runatlas.server.store.workspace import WorkspaceListing

__all__ = ["Administration"]


class Administration:
    """What administrators may do."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_user(self, caller: Caller, username: str, password: str | None = None) -> UserRecord:
        """Make a user with a personal workspace of the same name; administrators may.

        Raises:
            ConflictError: A user or a workspace has that name.
            PermissionDeniedError: The caller is no administrator.
            ValidationError: The name or the password is none.
        """
        (made,) = self.create_users(caller, [(username, password)])
        return made

    def create_users(self, caller: Caller, wanted: Sequence[tuple[str, str | None]]) -> list[UserRecord]:
        """Make users of these names and passwords, all or none; else as ``create_user``.

        Raises:
            ConflictError: A user or a workspace has one of the names, or one comes twice.
            PermissionDeniedError: The caller is no administrator.
            ValidationError: A name or a password is none.
        """
        require_root(caller)
        for username, _ in wanted:
            checked(validate_workspace_name, username, "username")
        # Hashing takes long on purpose: nobody waits for the store meanwhile.
        kept = [None if password is None else _hash_password(password) for _, password in wanted]
        with self._store.write() as connection:
            return [self._add(connection, name, hashed) for (name, _), hashed in zip(wanted, kept, strict=True)]

    def _add(self, connection: Connection, username: str, hashed: str | None) -> UserRecord:
        if name_is_taken(connection, username):
            raise ConflictError(f"the name {username!r} is taken")
        with unique(f"the name {username!r} is taken"):
            return user_record(add_user(connection, username, hashed, self._store.clock()))

    def list_users(self, caller: Caller, page: PageRequest, *, search: str | None = None) -> Page[UserRecord]:
        """List users by name; administrators may.

        Raises:
            PermissionDeniedError: The caller is no administrator.
        """
        require_root(caller)
        check_page(page)
        check_text(search or "", "search")
        listing = f"users {search or ''}"
        after = None if page.cursor is None else read_cursor(page.cursor, listing, ["text"])[0]
        with self._store.read() as connection:
            found = list_users(connection, search, after, page.limit + 1, page.offset)
            total = count_users(connection, search) if page.with_total else None
        return make_page(
            found,
            page.limit,
            item=user_record,
            cursor=lambda user: write_cursor(listing, [user.username]),
            total=total,
        )

    def list_all_workspaces(
        self,
        caller: Caller,
        page: PageRequest,
        *,
        search: str | None = None,
        workspace_type: WorkspaceType | None = None,
        sort: str | None = None,
    ) -> Page[WorkspaceRecord]:
        """List every workspace.

        Args:
            caller: An administrator.
            page: Which page.
            search: Case-insensitive part of the name.
            workspace_type: Only those of that type.
            sort: ``create`` (newest first) or ``name``; ``None`` is ``name``.

        Raises:
            PermissionDeniedError: The caller is no administrator.
        """
        require_root(caller)
        check_page(page)
        check_choice(workspace_type, ("PERSON", "TEAM"), "workspace_type")
        check_choice(sort, ("create", "name"), "sort")
        listing = WorkspaceListing(
            caller.user_id,
            visible_only=False,
            search=check_text(search or "", "search"),
            workspace_type=workspace_type,
            newest_first=sort == "create",
        )
        with self._store.read() as connection:
            return list_workspace_page(connection, caller, listing, page)

    def list_all_projects(self, caller: Caller, query: ProjectQuery) -> Page[ProjectRecord]:
        """List every project.

        Raises:
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller is no administrator.
        """
        require_root(caller)
        with self._store.read() as connection:
            return list_project_page(connection, caller, query, visible_only=False)

    def get_usage(self, caller: Caller) -> UsageRecord:
        """Count everything.

        Raises:
            PermissionDeniedError: The caller is no administrator.
        """
        require_root(caller)
        size = self._store.database_bytes()
        with self._store.read() as connection:
            return count_usage(connection, size)


def _hash_password(password: str) -> str:
    if not 1 <= len(password) <= PASSWORD_MAX:
        raise ValidationError(f"password: use 1 to {PASSWORD_MAX} characters")
    return hash_password(password)
