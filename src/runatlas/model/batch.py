"""What a run appends, in one transaction."""

from __future__ import annotations

import attrs

from runatlas.model.artifact import ArtifactDraft
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft
from runatlas.model.media import MediaDraft
from runatlas.model.series import ColumnDraft, SeriesPoints

__all__ = ["AppendRecord", "Batch"]


@attrs.frozen(eq=False)
class Batch:
    """Points, media, log lines, columns and artifacts of one run, applied together or not at all.

    Attributes:
        writer, sequence: A batch of the same writer with a sequence not above the last applied one is a repeat:
            acknowledged, not applied. Sequences of a writer only grow. Without a writer, nothing is checked.
        once_per_step: Whether a point whose step its series has already is left out: the first value counts.
        new_values_only: Whether a point is left out that says what its series says of its step already: the same
            value, as the last that arrived.
        rewind: All metrics and media of the run after this step are cut out first, into the trash; ``None`` for none.
        lines_apart: Whether a line whose number another one has goes beside it, into the next stream, and does not
            replace it: several programs may number their lines alike. One that is there already stays as it is.
    """

    run: RunPath
    points: tuple[SeriesPoints, ...] = ()
    media: tuple[MediaDraft, ...] = ()
    logs: tuple[LogDraft, ...] = ()
    columns: tuple[ColumnDraft, ...] = ()
    artifacts: tuple[ArtifactDraft, ...] = ()
    writer: str | None = None
    sequence: int | None = None
    once_per_step: bool = False
    new_values_only: bool = False
    lines_apart: bool = False
    rewind: int | None = None


@attrs.frozen
class AppendRecord:
    """What became of a batch; ``applied`` is false for a repeat. Answered only when durable."""

    applied: bool
    points: int = 0
    media: int = 0
    logs: int = 0
    artifacts: int = 0
