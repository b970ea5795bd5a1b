"""Parts of a batch that is refused as a whole: halves, and halves of those, down to what is refused by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from runatlas.model.batch import Batch
from runatlas.model.series import SeriesPoints

__all__ = ["BatchPart"]

_FIELDS = ("points", "media", "logs", "artifacts")


@attrs.frozen(eq=False)
class BatchPart:
    """A part of a batch.

    Attributes:
        batch: What is to be sent: a part has a writer of its own, so that it is known when it is sent again.
        number: 1 for the whole batch, then those of its halves.
        origin: What the writers of the parts begin with; ``""`` for the whole batch, and if it has no writer.
        is_last: Whether it is not to be cut further.
    """

    batch: Batch
    number: int = 1
    origin: str = ""
    is_last: bool = False

    def halves(self, *, by_point: bool) -> tuple[BatchPart, ...]:
        """Cut it in two; what cannot be cut is tried once more.

        Args:
            by_point: Whether a series alone is cut, too.

        Returns:
            The parts, in their order; none if it was tried once more.
        """
        if self.is_last:
            return ()
        items = [(name, item) for name in _FIELDS for item in getattr(self.batch, name)]
        if len(items) > 1:
            middle = len(items) // 2
            return self._of(items[:middle], 0), self._of(items[middle:], 1)
        series = next(iter(self.batch.points), None)
        if by_point and series is not None and len(series.steps) > 1:
            middle = len(series.steps) // 2
            cut = (_slice(series, 0, middle), _slice(series, middle, len(series.steps)))
            return tuple(self._of([("points", part)], place) for place, part in enumerate(cut))
        return (attrs.evolve(self._of(items, 0), is_last=True),)

    def _of(self, items: Sequence[tuple[str, Any]], place: int) -> BatchPart:
        fields: dict[str, Any] = {name: tuple(item for kind, item in items if kind == name) for name in _FIELDS}
        number, origin = 2 * self.number + place, self.origin
        if self.batch.writer is not None:
            origin = origin or f"{self.batch.writer}.{self.batch.sequence}"
            fields |= {"writer": f"{origin}.{number}", "sequence": 1}
        return BatchPart(attrs.evolve(self.batch, columns=(), **fields), number, origin)


def _slice(series: SeriesPoints, start: int, end: int) -> SeriesPoints:
    return attrs.evolve(
        series,
        steps=series.steps.slice(start, end - start),
        values=series.values.slice(start, end - start),
        times_ms=series.times_ms.slice(start, end - start),
        epochs=None if series.epochs is None else series.epochs.slice(start, end - start),
        event_ids=None if series.event_ids is None else series.event_ids[start:end],
    )
