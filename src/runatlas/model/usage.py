"""How much room runs take, in the database and as files."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

__all__ = ["USAGE_GROUPS", "SpaceItem", "SpaceRecord", "StoreSpace", "UsageGroup"]

UsageGroup = Literal["workspace", "project", "run", "metric"]
USAGE_GROUPS: tuple[UsageGroup, ...] = get_args(UsageGroup)


@attrs.frozen
class SpaceItem:
    """What one workspace, project, run or metric takes.

    Attributes:
        name: Its path, or the metric's key.
        runs: How many runs are there, those in the trash not among them; so with points and files.
        point_bytes: Those of the points, as they are stored.
        files, file_bytes: A file that several runs need counts once; metrics have none.
        trashed_runs, trashed_bytes: What lies in the trash: points, and files that nothing outside of it needs.
    """

    name: str
    runs: int = 0
    points: int = 0
    point_bytes: int = 0
    files: int = 0
    file_bytes: int = 0
    trashed_runs: int = 0
    trashed_bytes: int = 0

    @property
    def bytes(self) -> int:
        """All of it: points, files and trash."""
        return self.point_bytes + self.file_bytes + self.trashed_bytes


@attrs.frozen
class StoreSpace:
    """How large a store is.

    Attributes:
        database_bytes: How large the database is.
        point_bytes: What of that are points as they are stored, those in the trash too.
        file_bytes: Those of all files, which lie beside it.
    """

    database_bytes: int
    point_bytes: int
    file_bytes: int

    @property
    def rest_bytes(self) -> int:
        """What of the database are no points: runs, configs, logs, what finds them quickly, and room that is free."""
        return max(self.database_bytes - self.point_bytes, 0)

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.database_bytes + self.file_bytes


@attrs.frozen
class SpaceRecord:
    """What is taken in all, and by what.

    Attributes:
        total: All that was asked for; a file that several items need counts once here.
        items: The largest, largest first.
        groups: How many items there are.
        store: How large the store is; ``None`` where less was asked for, or the caller does not administer it.
    """

    by: UsageGroup
    total: SpaceItem
    items: tuple[SpaceItem, ...] = ()
    groups: int = 0
    store: StoreSpace | None = None
