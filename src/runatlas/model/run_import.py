"""Runs that come whole, with all their points, many at once."""

from __future__ import annotations

from typing import Literal

import attrs

from runatlas.model.compact import compact
from runatlas.model.run import RunDraft
from runatlas.model.series import ColumnType

__all__ = ["IMPORT_RUNS_MAX", "IMPORT_VALUES_MAX", "ImportOutcome", "ImportedSeries", "RunImport", "RunImportRecord"]

IMPORT_RUNS_MAX = 1000
"""How many runs may come at once."""

IMPORT_VALUES_MAX = 1_000_000
"""How many values they may have together."""

ImportOutcome = Literal["added", "present", "refused"]


@compact
@attrs.frozen
class ImportedSeries:
    """The points of one metric, in the order logged.

    Attributes:
        steps, values: Of one length.
    """

    key: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    column_type: ColumnType = "FLOAT"


@attrs.frozen
class RunImport:
    """A run and all that it recorded.

    Attributes:
        draft: The run in its final state; ``if_exists`` does not count: a run that is there is left as it is.
        time_ms: The time given to every point.
    """

    draft: RunDraft
    series: tuple[ImportedSeries, ...] = ()
    time_ms: int = 0


@attrs.frozen
class RunImportRecord:
    """What became of a run.

    Attributes:
        outcome: ``added``; ``present`` if the project has a run of its id; ``refused`` for what cannot be stored.
        reason: Why it was refused.
    """

    outcome: ImportOutcome
    reason: str = ""
