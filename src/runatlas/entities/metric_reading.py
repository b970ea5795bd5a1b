"""Reading the points of one run or of many, in a bounded number of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from runatlas.entities.argument import boolean, integer, one_or_more, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.errors import NotFoundError, StoreError
from runatlas.model.codec import make_context
from runatlas.model.filters import Field
from runatlas.model.page import each_item
from runatlas.model.ranges import RangeQuery, ValueRange, make_range
from runatlas.model.run import RunSelection
from runatlas.model.series import SAMPLE_MAX, Context, PointBlock, PointQuery, SummaryQuery, SummaryRecord, each_block
from runatlas.model.text import did_you_mean
from runatlas.tables.metric import Reading
from runatlas.tables.statistic import Statistics
from runatlas.tables.x_axis import TIME_AXES, along_metric, along_time

__all__ = [
    "MetricRequest",
    "make_metric_request",
    "note_absent",
    "note_near",
    "read_metrics",
    "read_summaries",
    "require_run",
]


@attrs.frozen
class MetricRequest:
    """Which points are wanted of each run.

    Attributes:
        sample: Points a series at the most; ``None`` for all in the range.
        requested_sample: What was asked for, if that was more than is possible.
        x_axis: What points are to say beside: ``"step"`` for nothing, a kind of time, or a metric of the same step.
    """

    keys: tuple[str, ...] | None
    sample: int | None
    requested_sample: int | None
    range: RangeQuery | ValueRange | None
    context: Context | None
    timed: bool
    x_axis: str = "step"

    @property
    def is_across(self) -> bool:
        """Whether a metric lies across."""
        return self.x_axis not in {"step", *TIME_AXES}


def make_metric_request(
    keys: Sequence[str] | None,
    *,
    sample: int,
    all: bool,
    range_query: RangeQuery | ValueRange | Mapping[str, Any] | None,
    context: Mapping[str, Any] | None,
    ignore_timestamp: bool,
    x_axis: str = "step",
) -> MetricRequest:
    """Check what a caller asked for.

    Args:
        keys: Metric keys; ``None`` for every scalar one.
        sample: Points a series at the most; more than 1500 is cut to 1500. Ignored with ``all`` or ``range_query``.
        all: Whether every point is wanted.
        range_query: The range of each series.
        context: Only series of this context; ``{}`` for those without; ``None`` for every one.
        ignore_timestamp: Whether times are to be left out.
        x_axis: ``"step"``, ``"time"``, ``"relative_time"`` or a metric.

    Raises:
        TypeError: One of them has another type.
        ValueError: One of them is out of bounds, or two of them do not go together.
    """
    __tracebackhide__ = True
    wanted = None if keys is None else one_or_more(keys, "keys")
    most = integer(sample, "sample", least=1)
    within = make_range(range_query)
    sampled = not boolean(all, "all") and within is None
    request = MetricRequest(
        keys=wanted,
        sample=min(most, SAMPLE_MAX) if sampled else None,
        requested_sample=most if sampled and most > SAMPLE_MAX else None,
        range=within,
        context=None if context is None else make_context(context),
        timed=not boolean(ignore_timestamp, "ignore_timestamp"),
        x_axis=_check_axis(x_axis),
    )
    if isinstance(within, ValueRange) and not request.is_across:
        raise ValueError(
            f"range_query: type 'custom' is a range of the metric that x_axis names, and x_axis is {x_axis!r}"
        )
    if within is not None and x_axis == "relative_time":
        raise ValueError("x_axis: 'relative_time' counts from the first point, which a range may leave out; use 'time'")
    return request


def _check_axis(x_axis: object) -> str:
    if text(x_axis, "x_axis") in {"auto", "timestamp"}:
        raise ValueError(f"x_axis: expected 'step', 'time', 'relative_time' or a metric, got {x_axis!r}")
    return str(x_axis)


def read_metrics(
    handle: BackendHandle,
    selection: RunSelection,
    request: MetricRequest,
    *,
    project_id: Callable[[], str],
) -> Reading:
    """Read points, block after block.

    Args:
        handle: The way to the backend.
        selection: Whose points.
        request: Which points.
        project_id: Tells the project's cuid, when somebody asks for it.

    Raises:
        RunAtlasError: A request failed; there are no half answers.
    """
    query = PointQuery(
        selection=selection,
        keys=request.keys,
        context=request.context,
        range=request.range if isinstance(request.range, RangeQuery) else None,
        sample=request.sample,
    )
    blocks = tuple(each_block(handle.backend.read_points, query))
    notes: tuple[str, ...] = ()
    if request.x_axis in TIME_AXES:
        blocks = along_time(blocks, request.x_axis)
    elif request.is_across:
        blocks, notes = _along(handle, request, query, blocks)
    runs = tuple(dict.fromkeys(run[0] for block in blocks for run in block.runs))
    chosen = RunSelection(selection.workspace, selection.project, ids=runs)
    return Reading(
        blocks=blocks,
        keys=request.keys,
        sample=request.sample,
        requested_sample=request.requested_sample,
        timed=request.timed,
        statistics=Statistics(partial(read_summaries, handle, chosen, request.keys)),
        project_id=project_id,
        x_axis=request.x_axis,
        notes=notes,
    )


def _along(
    handle: BackendHandle, request: MetricRequest, query: PointQuery, blocks: Sequence[PointBlock]
) -> tuple[tuple[PointBlock, ...], tuple[str, ...]]:
    """Read all points of the metric that lies across, and say where the others lie on it."""
    whole = attrs.evolve(query, keys=(request.x_axis,), context=None, range=None, sample=None)
    across = tuple(each_block(handle.backend.read_points, whole))
    within = request.range if isinstance(request.range, ValueRange) else None
    return along_metric(blocks, request.x_axis, across, within, is_sampled=request.sample is not None)


def read_summaries(
    handle: BackendHandle, selection: RunSelection, keys: tuple[str, ...] | None
) -> Iterator[SummaryRecord]:
    """Read the summaries of scalar series, page after page.

    Args:
        handle: The way to the backend.
        selection: Whose summaries; a run chosen by id that is not there is an error.
        keys: Metric keys; ``None`` for every one.

    Raises:
        RunAtlasError: A request failed.
    """
    return each_item(lambda page: handle.backend.read_summaries(SummaryQuery(selection, keys, page=page)))


def require_run(reading: Reading) -> Reading:
    """Return what was read of one run.

    Args:
        reading: What was asked for, and what came.

    Raises:
        NotFoundError: The run is not there.
        StoreError: Nothing of what it has could be read.
    """
    for block in reading.blocks:
        for name in block.missing:
            raise NotFoundError(f"there is no run {name!r}")
    if not any(block.series for block in reading.blocks):
        for failure in (failure for block in reading.blocks for failure in block.failures):
            raise StoreError(f"the points of {failure.key!r} of {failure.path} cannot be read: {failure.reason}")
    return reading


def note_near(reading: Reading, known: Callable[[], Iterable[str]]) -> Reading:
    """Return what was read of one run, with what is near a metric that it does not have.

    Args:
        reading: What was asked for, and what came.
        known: Asks which metrics the run has.
    """
    return _noted(reading, lambda keys: _near_in(keys, [*known()]))


def note_absent(reading: Reading, notes_of: Callable[[Sequence[Field]], tuple[str, ...]]) -> Reading:
    """Return what was read of many runs, with what is near a metric that no run of the project has.

    Args:
        reading: What was asked for, and what came.
        notes_of: Asks which of these metrics no run has.
    """
    return _noted(reading, lambda keys: notes_of([Field("SCALAR", key) for key in keys]))


def _noted(reading: Reading, notes_of: Callable[[Sequence[str]], tuple[str, ...]]) -> Reading:
    """Add a note on what was asked for and came of no run; asks only then."""
    came = {item.key for block in reading.blocks for item in block.series}
    came |= {failure.key for block in reading.blocks for failure in block.failures}
    absent = [key for key in reading.keys or () if key not in came]
    is_any = any(block.runs for block in reading.blocks)
    return attrs.evolve(reading, notes=(*reading.notes, *notes_of(absent))) if absent and is_any else reading


def _near_in(keys: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Say of which of these names the run has one that is near."""
    found = {key: did_you_mean(key, known) for key in keys if key not in known}
    return tuple(f"no metric {key!r} in this run{near}" for key, near in found.items() if near)
