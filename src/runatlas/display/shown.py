"""What shows itself in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from runatlas.display.markup import Html, block, failure, heading, joined
from runatlas.errors import RunAtlasError
from runatlas.terminal import counted, printable_lines

__all__ = ["Shown", "shown"]

_LINES = 40


class Shown(ABC):
    """Shows itself as HTML in Jupyter, marimo and what else asks for it; what cannot be read is told in a box."""

    __slots__ = ()

    @abstractmethod
    def _show(self) -> Html:
        """Return what it shows; a ``RunAtlasError`` that is raised meanwhile is shown in its place."""

    def _shown(self) -> Html:
        try:
            return block(self._show())
        except RunAtlasError as error:
            return block(joined(heading(repr(self)), failure(error.message, type(error).__name__)))

    def _repr_html_(self) -> str:
        return self._shown().text

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, object]:
        made: dict[str, object] = {"text/plain": _bounded(printable_lines(repr(self)))}
        if "text/html" not in (exclude or ()) and (not include or "text/html" in include):
            made["text/html"] = self._repr_html_()
        return made

    def _display_(self) -> Html:
        return self._shown()


def _bounded(told: str) -> str:
    """Return what a notebook saves beside its HTML: ``print`` tells all of it."""
    lines = told.split("\n")
    left = len(lines) - _LINES
    return told if left <= 0 else "\n".join([*lines[:_LINES], f"… and {counted(left, 'more line')}"])


def shown(item: Shown) -> Html:
    """Show something inside of something else."""
    return item._shown()  # noqa: SLF001 - its own class
