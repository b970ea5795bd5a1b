"""Keys that may only write to one run, and only for a while."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import ListedEntity
from runatlas.entities.collection import UnpagedCollection
from runatlas.model.ids import RunPath
from runatlas.model.ingestion_key import IngestionKeyRecord
from runatlas.model.instant import iso_text, iso_text_if
from runatlas.response import ApiResponse

__all__ = ["IngestionKey", "IngestionKeys"]


class IngestionKey(ListedEntity[RunPath, IngestionKeyRecord]):
    """A key that may write to one run, for a while.

    Args:
        handle: The way to the backend.
        run: The run.
        record: The key.
        secret: What clients send; known only when the key was just made, and not in ``json()``.
    """

    _SHOWN = ("name", "created_at", "expires_at", "revoked_at", "last_used_at", "id")
    _JSON = ("id", "name", "created_at", "expires_at", "revoked_at", "last_used_at")

    _MISSING = "run {} has no ingestion key {!r}"

    __slots__ = ("secret",)

    def __init__(
        self, handle: BackendHandle, run: RunPath, record: IngestionKeyRecord, secret: str | None = None
    ) -> None:
        super().__init__(handle, run, record.id, record)
        self.secret = secret

    def _listed(self) -> Iterable[IngestionKeyRecord]:
        return self._handle.backend.list_ingestion_keys(self._place)

    @property
    def id(self) -> str:
        """The key's id."""
        return self._key

    @property
    def name(self) -> str:
        """What it was called."""
        return self._held().name

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)

    @property
    def expires_at(self) -> str:
        """Until when it works: ISO 8601."""
        return iso_text(self._held().expires_at_ms)

    @property
    def revoked_at(self) -> str | None:
        """When it was revoked: ISO 8601; ``None`` if it was not."""
        return iso_text_if(self._held().revoked_at_ms)

    @property
    def last_used_at(self) -> str | None:
        """When it was used last, to the minute: ISO 8601; ``None`` if it never was."""
        return iso_text_if(self._held().last_used_at_ms)

    def revoke(self) -> ApiResponse[IngestionKey]:
        """Make it useless at once; a second call changes nothing."""

        def revoke() -> IngestionKey:
            self._record = self._handle.backend.revoke_ingestion_key(self._place, self._key)
            return self

        return ApiResponse.of(revoke)


class IngestionKeys(UnpagedCollection[IngestionKey, IngestionKeyRecord]):
    """A run's keys, oldest first, revoked and expired ones included."""

    _listed_in: RunPath

    def _list(self) -> Sequence[IngestionKeyRecord]:
        return self._handle.backend.list_ingestion_keys(self._listed_in)

    def _make(self, record: IngestionKeyRecord) -> IngestionKey:
        return IngestionKey(self._handle, self._listed_in, record)
