"""Thinning a series for a chart: some of its own points, nothing computed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from tsdownsample import LTTBDownsampler

from runatlas.server.store.point_chunk import Floats, Whole

__all__ = ["sample_places"]

Places = npt.NDArray[np.intp]

_LTTB_LEAST = 3
_downsampler = LTTBDownsampler()  # type: ignore[no-untyped-call]


def sample_places(steps: Whole, values: Floats, most: int) -> Places:
    """Choose points that keep the shape of a curve.

    Largest triangle three buckets (S. Steinarsson, "Downsampling time series for visual representation", 2013) over the
    finite values; the first, the last, the smallest and the largest point are always among the chosen. The same points
    give the same choice. NaN is no shape: such points are chosen only as the first or the last, or when nothing else is
    there.

    Args:
        steps: Ascending.
        values: As many.
        most: How many points at the most, from 1; with fewer than 4 the last goes before the first, then the extremes.

    Returns:
        Ascending places.
    """
    count = len(steps)
    if count <= most:
        return np.arange(count)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return np.unique(np.linspace(count - 1, 0, most).round().astype(np.intp))
    low, high = known[values[known].argmin()], known[values[known].argmax()]
    kept = np.unique(np.array([count - 1, 0, low, high][:most], np.intp))
    finite = np.flatnonzero(np.isfinite(values))
    return np.union1d(kept, _shape(steps, values, finite, kept, most))


def _shape(steps: Whole, values: Floats, finite: Places, kept: Places, most: int) -> Places:
    """Choose finite points beside those kept anyhow, so that both together are at most ``most``."""
    chosen = _lttb(steps, values, finite, most)
    beside = np.setdiff1d(kept, chosen)
    if len(chosen) + len(beside) <= most:
        return chosen
    return _lttb(steps, values, finite, most - len(kept))


def _lttb(steps: Whole, values: Floats, finite: Places, most: int) -> Places:
    if most < _LTTB_LEAST or not len(finite):
        return np.empty(0, np.intp)
    found: Places = _downsampler.downsample(steps[finite], values[finite], n_out=most).astype(np.intp)
    return finite[found]
