"""The trash: what was deleted and can be brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runatlas.entities.argument import flag
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.base import Entity
from runatlas.entities.collection import Collection, Window
from runatlas.errors import NotFoundError
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest, each_item
from runatlas.model.trash import PurgeRecord, TrashRecord
from runatlas.response import ApiResponse

if TYPE_CHECKING:
    # A property that returns a Literal at run time makes Jedi, and so a notebook, complete nothing.
    from runatlas.model.trash import TrashKind

__all__ = ["Trash", "TrashEntry"]


class TrashEntry(Entity[TrashRecord]):
    """One deletion.

    Args:
        handle: The way to the backend.
        trash_id: Its id.
        record: What is known of it.
    """

    __slots__ = ("_id",)

    def __init__(self, handle: BackendHandle, trash_id: str, record: TrashRecord | None = None) -> None:
        super().__init__(handle, record)
        self._id = trash_id

    @property
    def identity(self) -> tuple[Any, ...]:
        """What names the entry."""
        return (self._id,)

    def _fetch(self) -> TrashRecord:
        backend = self._handle.backend
        for record in each_item(lambda page: backend.list_trash(None, page)):
            if record.id == self._id:
                return record
        raise NotFoundError(f"the trash has no entry {self._id!r}")

    @property
    def id(self) -> str:
        """The entry's id."""
        return self._id

    @property
    def kind(self) -> TrashKind:
        """``runs`` or ``project``."""
        return self._held().kind

    @property
    def project_path(self) -> str:
        """The project that was deleted, or whose runs were."""
        record = self._held()
        return f"{record.workspace}/{record.project}"

    @property
    def runs(self) -> int:
        """How many runs it holds."""
        return self._held().runs

    @property
    def deleted_at(self) -> str:
        """When it was deleted: ISO 8601."""
        return iso_text(self._held().deleted_at_ms)

    @property
    def deleted_by(self) -> str:
        """Who deleted it."""
        return self._held().deleted_by

    @property
    def expires_at(self) -> str | None:
        """Until when it can be brought back: ISO 8601; ``None`` for ever."""
        time_ms = self._held().expires_at_ms
        return None if time_ms is None else iso_text(time_ms)

    def restore(self) -> ApiResponse[TrashRecord]:
        """Bring back everything of this deletion.

        Returns:
            The entry as it was; a ``ConflictError`` if a name is taken by now.
        """
        return ApiResponse.of(lambda: self._handle.backend.restore(self._id))

    def purge(self, commit: bool = False) -> ApiResponse[PurgeRecord]:
        """Remove it for good, or tell what that would remove.

        Args:
            commit: Whether to remove; else nothing is changed.

        Returns:
            What was, or would be, removed.

        Raises:
            TypeError: ``commit`` is no boolean.
        """
        dry_run = not flag(commit, "commit")
        return ApiResponse.of(
            lambda: self._handle.backend.purge(trash_id=self._id, expired_only=False, dry_run=dry_run)
        )

    def json(self) -> dict[str, Any]:
        """Return the entry as plain values."""
        self._whole()
        return {name: getattr(self, name) for name in _JSON}


_JSON = ("id", "kind", "project_path", "runs", "deleted_at", "deleted_by", "expires_at")


class Trash(Collection[TrashEntry, TrashRecord]):
    """What was deleted, newest first.

    Args:
        handle: The way to the backend.
        window: Which part is wanted.
        workspace: Whose; ``None`` for every workspace the caller may write to.
    """

    def __init__(self, handle: BackendHandle, window: Window, workspace: str | None = None) -> None:
        super().__init__(handle, window)
        self._workspace = workspace

    def _read(self, page: PageRequest) -> Page[TrashRecord]:
        return self._handle.backend.list_trash(self._workspace, page)

    def _make(self, record: TrashRecord) -> TrashEntry:
        return TrashEntry(self._handle, record.id, record)

    def _subject(self) -> str:
        return "" if self._workspace is None else repr(self._workspace)
