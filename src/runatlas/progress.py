"""How far something long has come, shown where somebody looks: on a terminal and in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeAlias

from runatlas.terminal import counted

__all__ = ["Progress", "showing"]

Progress: TypeAlias = bool | Callable[[int, int], object] | None
"""``None`` shows it where somebody looks, ``True`` in any case, ``False`` never; a function is called with how much is
done, and of how much."""

_SHOWN_S = 0.2
"""How often a notebook is told, in seconds."""


@contextmanager
def showing(progress: Progress, doing: str, noun: str) -> Iterator[Callable[[int, int], object]]:
    """Show how far something comes.

    Args:
        progress: Whether and how.
        doing: What is done, such as ``exporting``.
        noun: What is counted, such as ``run``.

    Yields:
        To be called with how much is done, and of how much.
    """
    if callable(progress):
        yield progress
        return
    cell = _notebook() if progress is not False else None
    if cell is not None:
        yield _Cell(cell, doing, noun).update
        return
    if progress is False or not (progress or sys.stderr.isatty()):
        yield _say_nothing
        return
    with _bar() as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say_nothing(_done: int, _total: int) -> None:
    pass


def _bar() -> Any:
    from rich import progress  # noqa: PLC0415 - only who looks at a terminal needs it
    from rich.console import Console  # noqa: PLC0415

    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn())
    console = Console(stderr=True, force_terminal=True)
    return progress.Progress(*columns, progress.TimeRemainingColumn(), console=console, transient=True)


def _notebook() -> Any:
    """Return what shows something in a notebook's cell; ``None`` outside of notebooks."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return None
    return import_module("IPython.display").display


class _Cell:
    """A line in the output of a cell, which is rewritten."""

    def __init__(self, display: Any, doing: str, noun: str) -> None:
        self._display = display
        self._doing = doing
        self._noun = noun
        self._began = self._shown = time.monotonic()
        self._handle: Any = None

    def update(self, done: int, total: int) -> None:
        """Rewrite it, now and then."""
        now = time.monotonic()
        if now - self._shown < _SHOWN_S and done < total:
            return
        self._shown = now
        told = {"text/plain": self._sentence(done, total, now - self._began)}
        if self._handle is None:
            self._handle = self._display(told, raw=True, display_id=True)
        else:
            self._handle.update(told, raw=True)

    def _sentence(self, done: int, total: int, seconds: float) -> str:
        if done >= total:
            return f"{self._doing}: {counted(done, self._noun)} in {seconds:.0f} s"
        left = f", {seconds / done * (total - done):.0f} s left" if done else ""
        return f"{self._doing}: {done:,} of {counted(total, self._noun)}{left}"
