"""Numbers as the text of exported files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from runatlas.server.store.point_chunk import Floats, Points, Whole

__all__ = ["column_pieces", "value_texts"]

_PIECE_ROWS = 50_000
_EXACT = 2.0**53
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def value_texts(values: Floats) -> list[str]:
    """Write values so that they read back the same, whole ones without a point."""
    with np.errstate(invalid="ignore"):
        whole = (values % 1 == 0) & (np.abs(values) < _EXACT)
        whole &= ~((values == 0) & np.signbit(values))
    return [
        str(int(value)) if is_whole else _SPECIAL.get(text := repr(value), text)
        for value, is_whole in zip(values.tolist(), whole.tolist(), strict=True)
    ]


def column_pieces(titles: Sequence[str], columns: Sequence[Points | None]) -> Iterator[str]:
    """Write series side by side as CSV, one row a step; of several points of one step the last counts.

    Args:
        titles: What each is called.
        columns: Their points, sorted by step; ``None`` for one without points.
    """
    header = io.StringIO()
    names = (f"{title}_{part}" for title in titles for part in ("step", "timestamp"))
    csv.writer(header, lineterminator="\n").writerow(["step", *names])
    yield header.getvalue()
    kept = [None if points is None else points.part(_last_of_steps(points.steps)) for points in columns]
    held = [points.steps for points in kept if points is not None]
    steps: Whole = np.unique(np.concatenate(held)) if held else np.empty(0, np.int64)
    for first in range(0, len(steps), _PIECE_ROWS):
        chosen = steps[first : first + _PIECE_ROWS]
        texts = [chosen.tolist(), *(part for points in kept for part in _cells(points, chosen))]
        yield "".join(",".join(map(str, row)) + "\n" for row in zip(*texts, strict=True))


def _last_of_steps(steps: Whole) -> Whole:
    return np.flatnonzero(np.append(steps[1:] != steps[:-1], True)) if len(steps) else np.empty(0, np.int64)


def _cells(points: Points | None, steps: Whole) -> tuple[list[str], list[str]]:
    """Return the values and times of a series at some steps, empty where it has none."""
    values, times = [""] * len(steps), [""] * len(steps)
    if points is None:
        return values, times
    start = np.searchsorted(points.steps, steps[0])
    stop = np.searchsorted(points.steps, steps[-1], side="right")
    places = np.searchsorted(steps, points.steps[start:stop]).tolist()
    cells = zip(places, value_texts(points.values[start:stop]), points.times_ms[start:stop].tolist(), strict=True)
    for place, value, time in cells:
        values[place], times[place] = value, str(time)
    return values, times
