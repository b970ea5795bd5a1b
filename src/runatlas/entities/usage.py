"""How much room a workspace, a project or a run takes."""

from __future__ import annotations

from collections.abc import Callable

from runatlas.entities.argument import choice, whole
from runatlas.entities.backend_handle import BackendHandle
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.usage import USAGE_GROUPS, SpaceRecord, UsageGroup
from runatlas.response import ApiResponse

__all__ = ["measure"]


def measure(
    handle: BackendHandle, path: Callable[[], str | None], by: UsageGroup, limit: int
) -> ApiResponse[SpaceRecord]:
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
    group, most = choice(by, USAGE_GROUPS, "by"), whole(limit, "limit", least=1, most=PAGE_LIMIT)
    return ApiResponse.of(lambda: handle.backend.read_space(path(), group, most))
