"""What makes the reports that pages show: a server is given it, and the pages know no more of it than this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from runatlas.model.ids import ProjectPath
from runatlas.reports.content import Content
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["MadeReport", "ReportMaker", "ReportMistakeError"]


class MadeReport(Protocol):
    """A report on runs of a project."""

    @property
    def content(self) -> Content:
        """What it says."""

    @property
    def lacks(self) -> str:
        """Why its charts are not there, in a sentence; ``""`` if they are."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """A sentence for each name that no run has, which begins with the key that it is about."""

    def file(self, form: str) -> bytes:
        """Write it: as ``html``, ``md``, ``latex``, ``csv``, ``parquet`` or ``xlsx``.

        Raises:
            ReportMistakeError: It cannot be written so, here or at all.
        """


class ReportMistakeError(ValueError):
    """What was asked for is no report that can be made.

    Attributes:
        mistakes: A sentence for each mistake, which begins with the key that it is about, if it is about one.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


ReportMaker: TypeAlias = Callable[[Services, Caller, ProjectPath, Mapping[str, Any], Sequence[str]], MadeReport]
"""Makes a report of a project's runs as the caller sees them, of the options that ``runs.report`` takes.

Where mistakes are known already nothing is made, and all that is wrong is told.
Raises ``ReportMistakeError``, and what the services raise.
"""
