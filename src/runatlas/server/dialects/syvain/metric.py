"""Metrics on their way in: events become points of series."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any

import attrs
from arro3.core import Array, DataType

from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.series import Context, SeriesPoints
from runatlas.server.dialects.syvain.metadata import DIGEST_NAME, context_of, is_long
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["Metric", "store_metrics"]


@attrs.frozen
class Metric:
    """One measurement."""

    event_id: str
    name: str
    value: float
    step: int | None
    metadata: dict[str, Any]
    time_ms: int


def store_metrics(call: EndpointCall, run: RunPath, metrics: Iterable[Metric]) -> None:
    """Append metrics to a run; one whose event id the run has is passed over.

    Raises:
        NotFoundError: There is no such run.
        ValidationError: One is out of the store's bounds; none is stored then.
    """
    series: dict[tuple[str, Context], list[Metric]] = {}
    for metric in metrics:
        context = _context(call, run, metric)
        series.setdefault((metric.name, context), []).append(metric)
    points = tuple(_points(name, context, members) for (name, context), members in series.items())
    if points:
        call.services.recording.append(call.user, Batch(run, points=points))


def _context(call: EndpointCall, run: RunPath, metric: Metric) -> Context:
    context = context_of(metric.metadata)
    if not is_long(metric.name, context):
        return context
    return ((DIGEST_NAME, call.services.events.keep_metadata(call.user, run, metric.metadata)),)


def _points(name: str, context: Context, members: list[Metric]) -> SeriesPoints:
    steps = [metric.step for metric in members]
    if None in steps:
        step_column = Array(steps, DataType.int64())
    else:
        step_column = Array.from_buffer(array("q", [step for step in steps if step is not None]))
    return SeriesPoints(
        name,
        step_column,
        Array.from_buffer(array("d", [metric.value for metric in members])),
        Array.from_buffer(array("q", [metric.time_ms for metric in members])),
        context=context,
        event_ids=tuple(metric.event_id for metric in members),
    )
