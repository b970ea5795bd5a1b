"""The points and objects of runs: read, thinned evenly, one a step."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from runatlas.model.media import MediaItem, MediaQuery, MediaRecord
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import Context, PointBlock, PointQuery, SeriesSlice, each_block
from runatlas.server.dialects.matyan.reading import Reading
from runatlas.server.dialects.matyan.stream import number_array

__all__ = ["Thinned", "Trace", "evenly", "object_ranges", "object_trace", "read_objects", "read_traces"]

Identity = tuple[str, str, Context]
"""A run's cuid, a metric's name and its context."""


@attrs.frozen(eq=False)
class Trace:
    """The points of a metric, one a step, in the order of the steps."""

    steps: NDArray[np.int64]
    values: NDArray[np.float64]
    times_s: NDArray[np.float64]
    epochs: NDArray[np.float64]

    def taken(self, places: NDArray[np.int64]) -> Trace:
        """Return some of the points."""
        return Trace(self.steps[places], self.values[places], self.times_s[places], self.epochs[places])

    def between(self, start: int | None, stop: int | None) -> Trace:
        """Return the points from step ``start`` to before step ``stop``."""
        low = 0 if start is None else int(np.searchsorted(self.steps, start))
        high = len(self.steps) if stop is None else int(np.searchsorted(self.steps, stop))
        return self.taken(np.arange(low, max(low, high)))


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """Choose places evenly, the first and the last among them; ``most`` of 0 or less means all.

    Example:
        >>> evenly(5, 3).tolist(), evenly(3, 0).tolist()
        ([0, 2, 4], [0, 1, 2])
    """
    if most <= 0 or count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count - 1])
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def read_traces(reading: Reading, runs: Collection[str], names: Collection[str]) -> dict[Identity, Trace]:
    """Read the metrics of some names of runs.

    Args:
        reading: The request's.
        runs: Their cuids.
        names: Of metrics.
    """
    parts: dict[Identity, list[Trace]] = {}
    if not runs or not names:
        return {}
    query = PointQuery(RunSelection(reading.caller.username, ids=tuple(runs)), tuple(names))
    for block in each_block(partial(reading.services.points.read_whole, reading.caller), query):
        for part in block.series:
            identity = (block.runs[part.run][0], part.key, part.context)
            parts.setdefault(identity, []).append(_cut(block, part))
    return {identity: _last_of_steps(found) for identity, found in parts.items()}


def _cut(block: PointBlock, part: SeriesSlice) -> Trace:
    rows = slice(part.start, part.start + part.length)
    epochs = np.full(part.length, np.nan)
    if block.epochs is not None:
        given = block.epochs.slice(part.start, part.length).to_pylist()
        epochs = np.array([np.nan if epoch is None else epoch for epoch in given], np.float64)
    steps, values, times = (np.asarray(column)[rows] for column in (block.steps, block.values, block.times_ms))
    return Trace(steps, values, times / 1000, epochs)


def _last_of_steps(parts: list[Trace]) -> Trace:
    whole = Trace(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("steps", "values", "times_s", "epochs"))
    )
    kept = np.append(whole.steps[1:] != whole.steps[:-1], True) if len(whole.steps) else np.array([], bool)
    return whole if kept.all() else whole.taken(np.flatnonzero(kept))


def read_objects(reading: Reading, run: RunRecord, names: Collection[str]) -> Iterator[MediaRecord]:
    """Read the objects of some names of a run."""
    query = MediaQuery(keys=tuple(names), all=True)
    yield from reading.services.media.list_media(reading.caller, run.path, query).items


@attrs.frozen
class Thinned:
    """Which steps of a sequence are shown: at most so many, from one step to before another."""

    most: int
    bounds: tuple[int | None, int | None] | None = None

    def shown(self, records: list[MediaRecord]) -> list[MediaRecord]:
        """Choose among the records of a sequence, which come by step."""
        low, high = self.bounds or (None, None)
        within = [item for item in records if (low is None or item.step >= low) and (high is None or item.step < high)]
        return [within[place] for place in evenly(len(within), self.most).tolist()]


def object_trace(
    reading: Reading, run: RunRecord, kind: str, steps: list[MediaRecord], thinned: Thinned
) -> dict[str, Any]:
    """Describe a sequence of objects, all of one name and context, by step."""
    shown = thinned.shown(steps)
    return {
        "name": steps[0].key,
        "context": dict(steps[0].context),
        "values": [_values(reading, run, kind, record) for record in shown],
        "iters": [record.step for record in shown],
        "epochs": [record.epoch for record in shown],
        "timestamps": [record.time_ms / 1000 for record in shown],
    }


def object_ranges(kind: str, sequences: list[list[MediaRecord]], thinned: Thinned) -> dict[str, list[int]]:
    """Say which steps the sequences of a run have, and which of them are shown; of objects in lists their places, too.

    Args:
        kind: Of the objects.
        sequences: Of one run, none empty, each by step.
        thinned: What is shown.
    """
    steps = [record.step for records in sequences for record in records]
    shown = [record.step for records in sequences for record in thinned.shown(records)]
    total = [min(steps), max(steps) + 1]
    used = [min(shown), max(shown) + 1] if shown else [total[0], total[0]]
    ranges = {"record_range_total": total, "record_range_used": used}
    if kind in {"images", "audios", "texts"}:
        longest = max(len(record.items) for records in sequences for record in records)
        ranges |= {"index_range_total": [0, longest], "index_range_used": [0, longest]}
    return ranges


def _values(reading: Reading, run: RunRecord, kind: str, record: MediaRecord) -> Any:
    if kind in {"distributions", "figures"}:
        return _value(reading, run, kind, record.items[0], 0)
    return [_value(reading, run, kind, item, index) for index, item in enumerate(record.items)]


def _value(reading: Reading, run: RunRecord, kind: str, item: MediaItem, index: int) -> dict[str, Any]:
    content = item.data or {}
    if kind == "texts":
        return {"data": str(content.get("text", "")), "index": index}
    if kind == "figures":
        return {"data": json.dumps(content, ensure_ascii=False), "index": index}
    if kind == "distributions":
        weights, bounds = content.get("data"), content.get("range")
        weights = weights if isinstance(weights, list) else []
        return {
            "data": number_array(weights),
            "bin_count": content.get("bin_count", len(weights)),
            "range": bounds if isinstance(bounds, list) else [],
        }
    sizes = {"width": item.meta.get("width"), "height": item.meta.get("height")} if kind == "images" else {}
    return {
        "caption": item.caption,
        **sizes,
        "format": item.meta.get("format") or "",
        "blob_uri": reading.blob_uri(run, item),
        "index": index,
    }
