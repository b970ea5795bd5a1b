"""What an import did, and what of the file it could not keep."""

from __future__ import annotations

import attrs

from runatlas.importers.imported_run import ImportedRun
from runatlas.importers.recorder import Outcome

__all__ = ["ImportReport", "LineNote", "ProjectTally"]


@attrs.frozen
class LineNote:
    """Something to know of one line.

    Attributes:
        lost: Whether something of the line is not in the store now.
    """

    line: int
    message: str
    lost: bool = True


@attrs.define
class ProjectTally:
    """What went to one project.

    Attributes:
        values: Logged values that were written now.
    """

    added: int = 0
    completed: int = 0
    present: int = 0
    values: int = 0


@attrs.define
class ImportReport:
    """What an import did.

    Attributes:
        workspace: Where to.
        projects: By name, in the order of the file.
        notes: What was wrong with lines, in the order of the file.
        twins: Lines that share their id fields with an earlier line but differ: each is a run of its own.
        repeated: Lines that say the same as an earlier one.
    """

    workspace: str
    projects: dict[str, ProjectTally] = attrs.field(factory=dict)
    notes: list[LineNote] = attrs.field(factory=list)
    twins: list[int] = attrs.field(factory=list)
    repeated: list[int] = attrs.field(factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything of the file is in the store now."""
        return not any(note.lost for note in self.notes)

    def count(self, run: ImportedRun, outcome: Outcome) -> None:
        """Add a run."""
        tally = self.projects.setdefault(run.project, ProjectTally())
        if outcome == "present":
            tally.present += 1
            return
        if outcome == "added":
            tally.added += 1
        else:
            tally.completed += 1
        tally.values += run.points.count
