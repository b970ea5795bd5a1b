"""The rules of purging: what lies in the trash goes for good, and the room that it took is free."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from runatlas.model.account import Role
from runatlas.model.trash import PurgeRecord
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import Line, counted, note_change
from runatlas.server.services.trash import no_entry, require_entry
from runatlas.server.store.engine import Store
from runatlas.server.store.garbage import DAY_MS, collect_garbage
from runatlas.server.store.purge import homes_of, mark_purged, weigh_runs
from runatlas.server.store.statement import Connection
from runatlas.server.store.trash import (
    TrashRow,
    TrashScope,
    entries_beside,
    find_unneeded_blobs,
    list_trash,
    lock_trash,
    trashed_runs,
)
from runatlas.server.store.usage import store_space

__all__ = ["Purging"]


class Purging:
    """How the trash is emptied."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def purge(
        self, caller: Caller, *, trash_id: str | None = None, expired_only: bool = True, dry_run: bool = False
    ) -> PurgeRecord:
        """Remove trash for good, and blobs that nothing refers to and that are older than a day, and free their room.

        Administrators purge everything, others what lies in the workspaces that they own. From its first transaction
        on nothing of it is to be seen; the rows go in steps, and what is left of a purge that was killed goes with the
        next one.

        Args:
            caller: Who asks.
            trash_id: One entry, whether it expired or not.
            expired_only: Without ``trash_id``: only entries whose time is over.
            dry_run: Only count.

        Raises:
            NotFoundError: There is no such entry.
            PermissionDeniedError: The caller does not own its workspace.
        """
        before = self._stored_bytes(caller)
        if dry_run:
            with self._store.read() as connection:
                entries = self._purged(connection, caller, trash_id, expired_only)
                return attrs.evolve(self._count(connection, entries), dry_run=True, bytes_before=before)
        with self._store.write() as connection:
            found = self._purged(connection, caller, trash_id, expired_only)
            # What somebody brings back just now is not purged, and not counted.
            asked = [row.id for row in found]
            locked = lock_trash(connection, [*asked, *entries_beside(connection, asked)])
            entries = [row for row in found if row.id in locked]
            if trash_id is not None and not entries:
                raise no_entry(trash_id)
            record = self._count(connection, entries)
            homes = homes_of(connection, [row.id for row in entries])
            for row in entries:
                what = "what was cut out of " if row.kind == "data" else ""
                what = f"purged {what}{counted(row.runs, ())} of deletion {row.cuid}"
                line = Line("purge", what, row.runs, row.workspace_id, row.project, trash_id=row.cuid)
                note_change(self._store, connection, caller, line, projects=homes.get(row.id, ()))
            mark_purged(connection, [row.id for row in entries])
        collected = collect_garbage(self._store)
        self._store.shrink()
        return attrs.evolve(
            record,
            blobs=collected.blobs,
            bytes=collected.blob_bytes,
            bytes_before=before,
            bytes_after=self._stored_bytes(caller),
        )

    def _stored_bytes(self, caller: Caller) -> int | None:
        """Return how large the store is, which is of no concern to who administers none of it."""
        return store_space(self._store).bytes if caller.administers else None

    def _purged(
        self, connection: Connection, caller: Caller, trash_id: str | None, expired_only: bool
    ) -> list[TrashRow]:
        if trash_id is not None:
            return [require_entry(connection, caller, trash_id, purging=True)]
        roles: tuple[Role, ...] | None = None if caller.administers else ("OWNER",)
        expired_at = self._store.clock() if expired_only else None
        return list_trash(connection, TrashScope(caller.user_id, roles, expired_at_ms=expired_at))

    def _count(self, connection: Connection, entries: Sequence[TrashRow]) -> PurgeRecord:
        doomed = trashed_runs(connection, [row.id for row in entries])
        count, points, point_bytes = weigh_runs(connection, doomed)
        unneeded = find_unneeded_blobs(connection, doomed, self._store.clock() - DAY_MS)
        return PurgeRecord(
            entries=len(entries),
            runs=count,
            points=points,
            blobs=len(unneeded),
            bytes=sum(size for _, size in unneeded),
            point_bytes=point_bytes,
        )
