"""Blocking work away from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["in_thread"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call in one of the application's worker threads.

    Args:
        call: Called once.
        args: Passed on.
        kwargs: Passed on.

    Returns:
        What it returned.
    """
    return await asyncio.get_running_loop().run_in_executor(None, lambda: call(*args, **kwargs))
