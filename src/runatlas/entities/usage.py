"""How much room a workspace, a project or a run takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runatlas.display.markup import Html, heading, joined
from runatlas.entities.argument import choice, integer
from runatlas.entities.backend_handle import BackendHandle
from runatlas.model.codec import encode
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.usage import USAGE_GROUPS, SpaceItem, SpaceRecord, StoreSpace, UsageGroup
from runatlas.response import ApiResponse
from runatlas.tables.frame import Tabled
from runatlas.tables.usage import UsageTable
from runatlas.terminal import counted, printable

__all__ = ["Usage", "measure"]

_SHOWN = 20


class Usage(Tabled):
    """What is taken in all, and by what.

    Attributes:
        record: The figures as the backend gave them.
    """

    def __init__(self, record: SpaceRecord) -> None:
        self.record = record

    @property
    def by(self) -> str:
        """What is told apart: ``workspace``, ``project``, ``run`` or ``metric``."""
        return self.record.by

    @property
    def total(self) -> SpaceItem:
        """All that was asked for; a file that several items need counts once here."""
        return self.record.total

    @property
    def items(self) -> tuple[SpaceItem, ...]:
        """The largest, largest first."""
        return self.record.items

    @property
    def groups(self) -> int:
        """How many items there are."""
        return self.record.groups

    @property
    def store(self) -> StoreSpace | None:
        """How large the store is; ``None`` where less was asked for, or you do not administer it."""
        return self.record.store

    def table(self) -> UsageTable:
        """Return one row an item, largest first."""
        return UsageTable(self.record)

    def json(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        plain: dict[str, Any] = encode(self.record)
        return plain

    def _show(self) -> Html:
        return joined(heading(_item_text(self.total)), super()._show())

    def __repr__(self) -> str:
        lines = [f"Usage: {_item_text(self.total)}"]
        lines += [f"- {printable(item.name)}: {_item_text(item)}" for item in self.items[:_SHOWN]]
        if self.groups > _SHOWN:
            lines.append(f"- … and {self.groups - _SHOWN} more")
        return "\n".join(lines)


def _item_text(item: SpaceItem) -> str:
    parts = [f"{counted(item.bytes, 'byte')} in {counted(item.runs, 'run')}"]
    parts.append(f"{counted(item.points, 'point')} in {counted(item.point_bytes, 'byte')}")
    if item.files:
        parts.append(f"{counted(item.files, 'file')} in {counted(item.file_bytes, 'byte')}")
    if item.trashed_runs:
        parts.append(f"{counted(item.trashed_bytes, 'byte')} in the trash")
    return ", ".join(parts)


def measure(handle: BackendHandle, path: Callable[[], str | None], by: UsageGroup, limit: int) -> ApiResponse[Usage]:
    """Measure what lies below a path.

    Args:
        handle: The way to the backend.
        path: Returns it; ``None`` is all that the caller may see.
        by: What is told apart.
        limit: How many of the largest are told.

    Raises:
        TypeError: An argument has another type.
        ValueError: An argument is out of bounds.
    """
    group, most = choice(by, USAGE_GROUPS, "by"), integer(limit, "limit", least=1, most=PAGE_LIMIT)
    return ApiResponse.of(lambda: Usage(handle.backend.read_space(path(), group, most)))
