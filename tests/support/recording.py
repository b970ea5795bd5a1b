"""Runs to record into, batches to record, and what must come out of them, worked out the slow way."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import attrs
import numpy as np
from arro3.core import Array, DataType

from runatlas.model.arrow_array import make_array
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.run import RunDraft, RunSelection
from runatlas.model.series import Context, PointBlock, SeriesPoints
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

Row = tuple[int, int, float, "int | None"]
"""Step, time, value and epoch of a point."""


@attrs.frozen
class Recorder:
    """The owner of a store, at work in one project."""

    services: Services
    caller: Caller
    project: ProjectPath

    @classmethod
    def of(cls, services: Services, project: str = "demo") -> Recorder:
        """Begin a project."""
        caller = services.owner()
        return cls(services, caller, ProjectPath(caller.username, project))

    def run(self, run_id: str | None = None) -> RunPath:
        """Make a run."""
        record, _ = self.services.runs.create_run(self.caller, RunDraft(self.project, id=run_id, create_project=True))
        return record.path

    def append(self, run: RunPath, *points: SeriesPoints, **parts: Any) -> Any:
        """Append a batch."""
        return self.services.recording.append(self.caller, Batch(run, points, **parts))

    def selection(self, *runs: RunPath) -> RunSelection:
        """Select runs of the project."""
        ids = tuple(run.run for run in runs) or None
        return RunSelection(self.project.workspace, self.project.project, ids)


def points(
    key: str,
    rows: Iterable[Row],
    *,
    context: Context = (),
    event_ids: tuple[str, ...] | None = None,
    **parts: Any,
) -> SeriesPoints:
    """Make a series of rows."""
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    epochs = list(columns[3])
    return SeriesPoints(
        key,
        make_array(np.array(columns[0], np.int64)),
        make_array(np.array(columns[2], np.float64)),
        make_array(np.array(columns[1], np.int64)),
        context=context,
        epochs=Array(epochs, DataType.int64()) if any(epoch is not None for epoch in epochs) else None,
        event_ids=event_ids,
        **parts,
    )


def line(key: str, count: int, *, start: int = 0, value: Callable[[int], float] = float, **parts: Any) -> SeriesPoints:
    """Make a series with a point a step and a second."""
    return points(key, [(step, step * 1000, value(step), None) for step in range(start, start + count)], **parts)


def rows_of(block: PointBlock) -> dict[tuple[str, str, Context], list[Row]]:
    """Take a block apart: rows by run id, key and context."""
    steps, times, values = (column.to_pylist() for column in (block.steps, block.times_ms, block.values))
    epochs = cast(Any, [None] * len(steps) if block.epochs is None else block.epochs.to_pylist())
    rows = list(zip(steps, times, values, epochs, strict=True))
    return {
        (block.runs[part.run][1], part.key, part.context): rows[part.start : part.start + part.length]
        for part in block.series
    }


def same_rows(left: Sequence[Row], right: Sequence[Row]) -> bool:
    """Compare rows, NaN being equal to NaN."""
    return [_bits(row) for row in left] == [_bits(row) for row in right]


def _bits(row: Row) -> tuple[Any, ...]:
    return (*row[:2], np.float64(row[2]).tobytes() if not math.isnan(row[2]) else "nan", row[3])
