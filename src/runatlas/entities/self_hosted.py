"""The installation, for those who run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from runatlas.entities.argument import text
from runatlas.entities.base import Entity
from runatlas.entities.collection import make_window
from runatlas.entities.projects import Projects, make_project_query
from runatlas.entities.user import User, Users
from runatlas.entities.workspace import AllWorkspaces, Workspaces
from runatlas.model.account import NewPasswordRecord, ServerRecord
from runatlas.model.ids import validate_workspace_name
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from typing import Literal

__all__ = ["SelfHosted"]


class SelfHosted(Entity[ServerRecord]):
    """The installation behind an ``Api``; what it offers is for administrators."""

    _SHOWN = ("product", "version", "plan", "seats", "root", "expired")

    __slots__ = ()

    @property
    def identity(self) -> tuple[Any, ...]:
        """There is one of it behind an ``Api``."""
        return ()

    def _fetch(self) -> ServerRecord:
        return self._handle.backend.get_server()

    @property
    def enabled(self) -> bool:
        """Whether it is self-hosted."""
        return self._held().enabled

    @property
    def expired(self) -> bool:
        """Whether its licence ran out."""
        return self._held().expired

    @property
    def root(self) -> bool:
        """Whether the caller administers it."""
        return self._held().root

    @property
    def plan(self) -> Literal["free", "commercial"]:
        """The kind of licence."""
        return self._held().plan

    @property
    def seats(self) -> int:
        """How many users it admits; 0 for no limit."""
        return self._held().seats

    @property
    def product(self) -> str:
        """What the server is: ``runatlas`` or ``swanlab``."""
        return self._held().product

    @property
    def version(self) -> str:
        """The server's version."""
        return self._held().version

    def json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return attrs.asdict(self._whole())

    def create_user(self, username: str, password: str | None = None) -> ApiResponse[User]:
        """Make a user with a workspace of the same name.

        Args:
            username: 1 to 25 of letters, digits, ``_`` and ``-``.
            password: A password; ``None`` for a user who only uses keys.

        Returns:
            The user; a ``ConflictError`` if the name is taken.

        Raises:
            TypeError: An argument is no string.
            ValueError: The name is malformed, or the password empty.
        """
        name = validate_workspace_name(username)
        secret = None if password is None else text(password, "password")

        def create() -> User:
            record = self._handle.backend.create_user(name, secret)
            return User(self._handle, record.username, record)

        return ApiResponse.of(create)

    def reset_password(self, username: str) -> ApiResponse[NewPasswordRecord]:
        """Make a one-time password for a user who forgot the one before, and sign the user out everywhere.

        Args:
            username: The user's name.

        Returns:
            The password, which is never shown again. Within a week the user signs in with it and chooses another one.

        Raises:
            TypeError: The name is no string.
            ValueError: The name is malformed.
        """
        name = validate_workspace_name(username)
        return ApiResponse.of(lambda: self._handle.backend.reset_password(name))

    def get_users(
        self,
        page: int | None = None,
        size: int | None = None,
        all: bool = False,
        *,
        search: str | None = None,
        limit: int | None = None,
    ) -> Users:
        """List every user.

        Args:
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Users a page: 100 unless given, 1000 at the most.
            all: Everything from ``page`` on.
            search: Part of the name.
            limit: How many users at the most.

        Returns:
            The users, by name.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        return Users(self._handle, window, search=None if search is None else text(search, "search"))

    def get_projects(  # noqa: PLR0917 - as documented
        self,
        page: int | None = None,
        size: int | None = None,
        search: str | None = None,
        sort: str | None = None,
        state: str | None = None,
        creator: str | None = None,
        group: str | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Projects:
        """List every project.

        Args:
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Projects a page: 100 unless given, 1000 at the most.
            search: Part of the name, title or description.
            sort: ``update``, ``create`` or ``name``.
            state: Only projects with a run in that state.
            creator: Only projects made by that user.
            group: Only projects of that workspace.
            all: Everything from ``page`` on.
            limit: How many projects at the most.

        Returns:
            The projects.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is unknown or out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        query = make_project_query(group, sort=sort, search=search, state=state, creator=creator, argument="group")
        return Projects(self._handle, window, query, is_administration=True)

    def get_groups(  # noqa: PLR0917 - as documented
        self,
        page: int | None = None,
        size: int | None = None,
        search: str | None = None,
        type: str | None = None,
        sort: str | None = None,
        all: bool = False,
        *,
        limit: int | None = None,
    ) -> Workspaces:
        """List every workspace.

        Args:
            page: A numbered page, from 1; everything if neither ``page`` nor ``size`` is given.
            size: Workspaces a page: 100 unless given, 1000 at the most.
            search: Part of the name.
            type: ``PERSON`` or ``TEAM``.
            sort: ``create`` or ``name``.
            all: Everything from ``page`` on.
            limit: How many workspaces at the most.

        Returns:
            The workspaces.

        Raises:
            TypeError: An argument has another type.
            ValueError: An argument is unknown or out of bounds.
        """
        window = make_window(page=page, size=size, all=all, limit=limit)
        return AllWorkspaces(self._handle, window, search=search, workspace_type=type, sort=sort)

    def get_usage_summary(self) -> ApiResponse[dict[str, int]]:
        """Count everything: users, workspaces, projects, runs, points, files and bytes.

        Returns:
            The counts by name.
        """
        return ApiResponse.of(lambda: attrs.asdict(self._handle.backend.get_usage()))

    def __repr__(self) -> str:
        return "SelfHosted()"
