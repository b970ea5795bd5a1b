"""A tracked distribution of values."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded, Trackable, numbers_of, require

__all__ = ["BIN_MAX", "Distribution"]

_LARGEST = sys.float_info.max

BIN_MAX = 512
"""The most bins of a distribution."""


class Distribution(Trackable):
    """A histogram for ``run.track``: of raw samples, or counted already.

    Bins are equally wide; the last one includes its upper edge. Samples that are not finite have no bin: they are
    left out and counted in the stored ``non_finite``.

    Args:
        samples: Values to count, in any shape; leave it out with ``hist`` and ``bin_range``.
        bin_count: How many bins to count them into; more than 512 become 512.
        hist: Counts or weights of bins.
        bin_range: The lower edge of the first and the upper edge of the last bin of ``hist``.

    Raises:
        TypeError: ``samples`` are no numbers.
        ValueError: Neither ``samples`` nor both of ``hist`` and ``bin_range`` are given, or all, or they do not fit.

    Example:
        >>> Distribution([0.0, 0.5, 1.0, 1.0], bin_count=2).weights
        [1, 3]
        >>> Distribution.from_histogram([3, 1], (0.0, 2.0)).range
        (0.0, 2.0)
    """

    column_type: ClassVar[ColumnType] = "DISTRIBUTION"

    def __init__(
        self,
        samples: Iterable[Any] | None = None,
        bin_count: int = 64,
        *,
        hist: Sequence[float | int] | None = None,
        bin_range: tuple[float, float] | None = None,
    ) -> None:
        self._non_finite = 0
        if samples is not None and not (hist is None and bin_range is None):
            raise ValueError(
                "samples: their bins reach from the least to the largest; give hist and bin_range of what is counted "
                "already, without samples"
            )
        if hist is not None and bin_range is not None:
            self._weights = _check_histogram(hist)
            self._range = _check_range(bin_range)
        elif samples is not None:
            if isinstance(bin_count, bool) or not isinstance(bin_count, int) or bin_count < 1:
                raise ValueError(f"bin_count: expected a whole number from 1 up, got {bin_count!r}")
            if isinstance(samples, (str, bytes, bytearray, Mapping)):
                raise TypeError(
                    f"samples: expected numbers, got {type(samples).__name__}; of counts use from_histogram"
                )
            histogram = _histogram_of_array if hasattr(samples, "__array__") else _histogram
            self._weights, self._range, self._non_finite = histogram(samples, min(bin_count, BIN_MAX))
        else:
            raise ValueError("samples: provide either samples, or both hist and bin_range")

    @classmethod
    def from_samples(cls, samples: Iterable[Any], bin_count: int = 64) -> Distribution:
        """Make a distribution of raw samples.

        Args:
            samples: Values to count.
            bin_count: How many bins, at most 512.
        """
        return cls(samples, bin_count)

    @classmethod
    def from_histogram(cls, hist: Sequence[float | int], bin_range: tuple[float, float]) -> Distribution:
        """Make a distribution of counts.

        Args:
            hist: Counts or weights of equally wide bins.
            bin_range: The outer edges.
        """
        return cls(hist=hist, bin_range=bin_range)

    @property
    def bin_count(self) -> int:
        """How many bins there are."""
        return len(self._weights)

    @property
    def range(self) -> tuple[float, float]:
        """The outer edges ``(low, high)``."""
        return self._range

    @property
    def weights(self) -> list[float | int]:
        """The count or weight of each bin."""
        return list(self._weights)

    def encode(self) -> Encoded:
        """Return the distribution in the form it is stored in."""
        data = {"bin_count": self.bin_count, "range": list(self._range), "data": self.weights}
        return Encoded(data=data, suffix="json", meta={"non_finite": self._non_finite} if self._non_finite else {})

    def json(self) -> dict[str, Any]:
        """Return ``type``, ``bin_count``, ``range`` and ``data`` (the weights)."""
        return {
            "type": "distribution",
            "bin_count": self.bin_count,
            "range": list(self._range),
            "data": self.weights,
        }

    def __repr__(self) -> str:
        return f"Distribution(bins={self.bin_count}, range={self._range})"


def _check_histogram(hist: Any) -> list[float | int]:
    weights = list(hist.tolist() if hasattr(hist, "tolist") else hist)
    if not 1 <= len(weights) <= BIN_MAX:
        raise ValueError(f"hist: expected 1 to {BIN_MAX} bins, got {len(weights)}")
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not math.isfinite(weight):
            raise ValueError(f"hist: expected finite numbers, got {weight!r}")
    return weights


def _check_range(bin_range: Any) -> tuple[float, float]:
    match [float(edge) for edge in bin_range]:
        case [low, high] if math.isfinite(low) and math.isfinite(high) and low <= high:
            return low, high
    raise ValueError(f"bin_range: expected (low, high) with low not above high, got {bin_range!r}")


def _histogram_of_array(samples: Any, bins: int) -> tuple[list[float | int], tuple[float, float], int]:
    """Count an array or a tensor of any shape."""
    numpy = require("numpy", extra="media", purpose="a distribution of an array")
    values = numbers_of(samples, "samples", "a distribution of an array").astype(numpy.float64).ravel()
    finite = values[numpy.isfinite(values)]
    bounds = _widened(float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    low, high = bounds
    # Halves keep the width finite when the range spans nearly all floats.
    scale = 1 if math.isfinite(high - low) else 2
    counts, _ = numpy.histogram(finite / scale, bins=bins, range=(low / scale, high / scale))
    return counts.tolist(), bounds, int(values.size - finite.size)


def _histogram(samples: Iterable[Any], bins: int) -> tuple[list[float | int], tuple[float, float], int]:
    """Count a sequence, nested or not."""
    values = _flat(samples)
    finite = [value for value in values if math.isfinite(value)]
    low, high = _widened(min(finite), max(finite)) if finite else (0.0, 1.0)
    # Halves keep the width finite when the range spans nearly all floats.
    width = high / 2 - low / 2
    counts: list[float | int] = [0] * bins
    for value in finite:
        counts[min(int((value / 2 - low / 2) / width * bins), bins - 1)] += 1
    return counts, (low, high), len(values) - len(finite)


def _flat(samples: Iterable[Any]) -> list[float]:
    flat: list[float] = []
    for item in samples:
        if isinstance(item, (list, tuple)):
            flat.extend(_flat(item))
        elif getattr(item, "ndim", 0):
            flat.extend(numbers_of(item, "samples", "a distribution of arrays").ravel().tolist())
        elif isinstance(item, (str, bytes)):
            raise TypeError(f"samples: expected numbers, got {item!r}")
        else:
            flat.append(float(item))
    return flat


def _widened(low: float, high: float) -> tuple[float, float]:
    """A range that bins fit into: one that is too narrow becomes one wide, or a bit wider than its value."""
    if high / 2 - low / 2 > max(abs(low), abs(high)) * 1e-12:
        return low, high
    margin = max(0.5, abs(low) * 1e-9)
    return max(low - margin, -_LARGEST), min(high + margin, _LARGEST)
