"""Numbers in a buffer as an Arrow array, without a copy, whatever their count."""

from __future__ import annotations

from typing import Any

from arro3.core import Array, DataType

__all__ = ["make_array"]


def make_array(values: Any) -> Array:
    """Make an Arrow array over a buffer of 64-bit numbers, such as an ``array.array`` or a NumPy array.

    Args:
        values: A contiguous buffer; it is not copied and must not change.

    Returns:
        ``int64`` or ``float64``. An empty buffer is no buffer to every build of the Arrow library, so it makes an
        array of its own.

    Example:
        >>> from array import array
        >>> make_array(array("q", [1, 2])).to_pylist(), len(make_array(array("d")))
        ([1, 2], 0)
    """
    view = memoryview(values)
    if view.nbytes:
        return Array.from_buffer(values)
    return Array([], DataType.float64() if view.format == "d" else DataType.int64())
