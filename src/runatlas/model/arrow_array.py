"""Arrow arrays of buffers, without a copy, and of pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arro3.core import Array, ChunkedArray, DataType

__all__ = ["join_arrays", "make_array"]


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


def join_arrays(arrays: Sequence[Array], kind: DataType) -> Array:
    """Put arrays one after another; one alone is not copied.

    Args:
        arrays: All of one type.
        kind: The type of the result if there are none.

    Example:
        >>> from array import array
        >>> join_arrays([make_array(array("q", [1])), make_array(array("q", [2]))], DataType.int64()).to_pylist()
        [1, 2]
    """
    if len(arrays) == 1:
        return arrays[0]
    return ChunkedArray(arrays).combine_chunks() if arrays else Array([], kind)
