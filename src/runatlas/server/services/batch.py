"""What a batch must be to be stored, and the form in which the store takes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from arro3.core import Array, DataType

from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.batch_check import EVENT_ID_MAX, Identity, check_length, clean_batch, identity_of
from runatlas.model.series import MEDIA_TYPES, SeriesPoints
from runatlas.server.store.point_chunk import NO_EPOCH, Points, Whole, join

__all__ = ["NO_STEP", "Identity", "Incoming", "clean_batch", "identity_of", "series_of"]

NO_STEP = -(2**63)
"""Stands for an event without a step, until it is given one."""

_INT64, _FLOAT64 = np.dtype(np.int64), np.dtype(np.float64)


class Incoming(NamedTuple):
    """A scalar series of a batch: what is said of it, and its points, if it has any."""

    column_class: str
    column_type: str
    name: str
    points: Points | None


def series_of(batch: Batch) -> dict[Identity, Incoming]:
    """Return the scalar series of a clean batch and its announced columns, by key and context text.

    Raises:
        ValidationError: A column has another type or length than it should, or a name is out of bounds.
    """
    found: dict[Identity, Incoming] = {}
    for column in batch.columns:
        found[identity_of(column)] = Incoming(column.column_class, column.column_type, column.name, None)
    for series in batch.points:
        if series.column_type in MEDIA_TYPES:
            raise ValidationError(f"points: {series.key!r} of type {series.column_type} cannot have points")
        identity = identity_of(series)
        known = found.get(identity)
        points = _points_of(series)
        if known is not None and known.points is not None:
            points = known.points if points is None else join([known.points, points])
        found[identity] = Incoming(series.column_class, series.column_type, known.name if known else "", points)
    return found


def _points_of(series: SeriesPoints) -> Points | None:
    key, ids = series.key, series.event_ids
    # An event may come without a step, and is given it where the series is known.
    is_open = ids is not None and series.steps.null_count and series.steps.type == DataType.int64()
    steps = _with_open_steps(series.steps) if is_open else _column(series.steps, _INT64, "steps", key)
    times = _column(series.times_ms, _INT64, "times_ms", key)
    values = _column(series.values, _FLOAT64, "values", key)
    count = steps.size
    if times.size != count or values.size != count or (ids is not None and len(ids) != count):
        raise ValidationError(f"points: the columns of {key!r} differ in length")
    epochs = None if series.epochs is None else _epochs_of(series.epochs, count, key)
    for event_id in ids or ():
        check_length(event_id, f"event_ids of {key!r}", EVENT_ID_MAX)
    return Points(steps, times, values, epochs, ids) if count else None


def _with_open_steps(steps: Array) -> Whole:
    return np.array([NO_STEP if step is None else step for step in steps.to_pylist()], np.int64)


def _column(array: Array, kind: np.dtype[Any], name: str, key: str) -> npt.NDArray[Any]:
    if array.null_count:
        raise ValidationError(f"points: {name} of {key!r} must not have nulls")
    found: npt.NDArray[Any] = array.to_numpy()
    if found.dtype != kind:
        raise ValidationError(f"points: {name} of {key!r} must be a column of {kind}, got {array.type!s}")
    return found


def _epochs_of(epochs: Array, count: int, key: str) -> Whole | None:
    if len(epochs) != count:
        raise ValidationError(f"points: the columns of {key!r} differ in length")
    if epochs.null_count == count:
        return None
    if epochs.type != DataType.int64():
        raise ValidationError(f"points: epochs of {key!r} must be a column of int64, got {epochs.type!s}")
    given = epochs.to_numpy() if epochs.null_count == 0 else np.array(epochs.to_pylist(), object)
    if (given == NO_EPOCH).any():
        raise ValidationError(f"points: epochs of {key!r} must be above {NO_EPOCH}")
    if epochs.null_count:
        given[given == None] = NO_EPOCH  # noqa: E711 - an elementwise comparison
    return given.astype(np.int64)
