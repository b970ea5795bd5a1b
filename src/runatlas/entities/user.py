"""People."""

from __future__ import annotations

from typing import Any, Self

import attrs

from runatlas.entities.argument import optional_text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.collection import Collection, Window
from runatlas.errors import NotFoundError
from runatlas.model.account import KeyRecord, NewKeyRecord, UserPatch, UserRecord
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.response import ApiResponse

__all__ = ["User", "Users"]


class User(Entity[UserRecord]):
    """A user's account; without a name, the caller's own.

    Args:
        handle: The way to the backend.
        username: Whose account; ``None`` for the caller's.
        record: What is known of it.
    """

    _SHOWN = ("username", "name", "email", "institution", "is_root", "created_at")

    __slots__ = ("_username",)

    def __init__(self, handle: BackendHandle, username: str | None = None, record: UserRecord | None = None) -> None:
        super().__init__(handle, record)
        self._username = username

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the user."""
        return (self._username,)

    def _fetch(self) -> UserRecord:
        backend = self._handle.backend
        if self._username is None:
            return backend.get_user()
        for record in each_item(lambda page: backend.list_users(page, search=self._username)):
            if record.username == self._username:
                return record
        raise NotFoundError(f"there is no user {self._username!r}")

    @property
    def username(self) -> str:
        """The unique name."""
        return self._username if self._username is not None else self._held().username

    @property
    def name(self) -> str:
        """The display name."""
        return self._held().name

    @property
    def bio(self) -> str:
        """What the user says of himself or herself."""
        return self._held().bio

    @property
    def institution(self) -> str:
        """The institution."""
        return self._held().institution

    @property
    def school(self) -> str:
        """The school."""
        return self._held().school

    @property
    def email(self) -> str:
        """The mail address."""
        return self._held().email

    @property
    def location(self) -> str:
        """Where the user is."""
        return self._held().location

    @property
    def url(self) -> str:
        """The personal website."""
        return self._held().url

    @property
    def is_root(self) -> bool:
        """Whether the user administers the installation."""
        return self._held().is_root

    @property
    def created_at(self) -> str:
        """When the account was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    def update(
        self,
        *,
        name: str | None = None,
        bio: str | None = None,
        institution: str | None = None,
        school: str | None = None,
        email: str | None = None,
        location: str | None = None,
        url: str | None = None,
    ) -> ApiResponse[Self]:
        """Change the caller's own account; ``None`` keeps.

        Args:
            name: The display name.
            bio: What the user says of himself or herself.
            institution: The institution.
            school: The school.
            email: The mail address.
            location: Where the user is.
            url: The personal website.

        Returns:
            The user, changed.

        Raises:
            TypeError: One of them is no string.
            ValueError: It is somebody else's account.
        """
        if self._username is not None:
            raise ValueError("update: only the caller's own account can be changed; use api.user()")
        fields = {"name": name, "bio": bio, "institution": institution, "school": school}
        fields.update(email=email, location=location, url=url)
        patch = UserPatch(**{field: optional_text(value, field) for field, value in fields.items()})
        return ApiResponse.of(lambda: self._update(patch))

    def _update(self, patch: UserPatch) -> Self:
        self._record = self._handle.backend.update_user(patch)
        return self

    def keys(self) -> ApiResponse[tuple[KeyRecord, ...]]:
        """List the API keys, oldest first, revoked ones included.

        Returns:
            The keys without their secrets.
        """
        return ApiResponse.of(lambda: self._handle.backend.list_keys(self._username))

    def create_key(self) -> ApiResponse[NewKeyRecord]:
        """Make an API key.

        Returns:
            The key and its secret, which is never shown again.
        """
        return ApiResponse.of(lambda: self._handle.backend.create_key(self._username))

    def revoke_key(self, key_id: str) -> ApiResponse[KeyRecord]:
        """Make a key useless at once.

        Args:
            key_id: ``id`` of the key.

        Returns:
            The key.
        """
        return ApiResponse.of(lambda: self._handle.backend.revoke_key(key_id))

    def json(self) -> dict[str, Any]:
        """Return the account as plain values."""
        record = self._whole()
        plain = attrs.asdict(record)
        del plain["created_at_ms"]
        return {**plain, "created_at": iso_text(record.created_at_ms)}

    def __repr__(self) -> str:
        return f"User({self._username!r})" if self._username is not None else "User()"


class Users(Collection[User, UserRecord]):
    """Every user of the installation (administrators).

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        search: Part of the name.
    """

    def __init__(self, handle: BackendHandle, window: Window, *, search: str | None = None) -> None:
        super().__init__(handle, window)
        self._search = search

    def _read(self, page: PageRequest) -> Page[UserRecord]:
        return self._handle.backend.list_users(page, search=self._search)

    def _make(self, record: UserRecord) -> User:
        return User(self._handle, record.username, record)

    def _subject(self) -> str:
        return "" if self._search is None else f"search={self._search!r}"
