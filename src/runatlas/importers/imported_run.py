"""One run as a file has it, on its way to a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from runatlas.importers.point import PointTable
from runatlas.model.compact import compact
from runatlas.model.ids import ProjectPath
from runatlas.model.run import Profile, RunDraft
from runatlas.model.run_import import ImportedSeries, RunImport

__all__ = ["MARK", "ImportedRun"]

MARK = "import"
"""Where in a run's metadata it says which import made it."""


@compact
@attrs.frozen
class ImportedRun:
    """A run of a file.

    Attributes:
        line: Its line, from 1.
        project: The project's name.
        project_title: Its title, if its name was made of one.
        id: Derived from its id fields.
        digest: Equal for runs with the same points.
        size: How many bytes its line has.
    """

    source: str
    line: int
    project: str
    id: str
    name: str
    labels: tuple[str, ...]
    config: dict[str, Any]
    points: PointTable
    digest: str
    project_title: str = ""
    size: int = 0

    def profile(self, *, complete: bool) -> Profile:
        """Return the profile that marks the run as imported; ``complete`` once all of it is stored."""
        mark = {
            "format": "jsonl",
            "project": self.project,
            "file": self.source,
            "line": self.line,
            "points_sha256": self.digest,
            "complete": complete,
        }
        return Profile(metadata={MARK: mark})

    def is_marked(self, mark: Mapping[str, object]) -> bool:
        """Tell whether a mark is of this run, wherever it is by now: two projects of a file may have the same ids."""
        if "project" in mark:
            return mark["project"] == self.project
        # Earlier imports did not note it.
        return (mark.get("file"), mark.get("line")) == (self.source, self.line)

    def whole(self, workspace: str, time_ms: int) -> RunImport:
        """Return the run with all its points, as it comes in one piece.

        Args:
            workspace: Where to.
            time_ms: The time given to every point.
        """
        points = self.points
        series = (
            ImportedSeries(key, tuple(points.steps[key]), tuple(values), points.type_of(key))
            for key, values in points.values.items()
        )
        return RunImport(self.draft(workspace, complete=True), tuple(series), time_ms)

    def draft(self, workspace: str, *, complete: bool = False) -> RunDraft:
        """Return the draft that makes the run, or finds it; ``complete`` if it comes with all its points."""
        return RunDraft(
            project=ProjectPath(workspace, self.project),
            id=self.id,
            name=self.name,
            labels=self.labels,
            config=self.config,
            state="FINISHED" if complete else "RUNNING",
            profile=self.profile(complete=complete),
            create_project=True,
            project_title=self.project_title,
            if_exists="keep",
        )
