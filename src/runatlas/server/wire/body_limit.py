"""How large request bodies may be, inflated."""

from __future__ import annotations

import attrs

__all__ = ["Limits"]


@attrs.frozen
class Limits:
    """Bounds in bytes.

    Attributes:
        body: An ordinary body.
        batch: A batch of points.
        blob: An uploaded file.
        held: All bodies together that are in memory, and all answers; those of one caller half of it.
    """

    body: int = 16 * 2**20
    batch: int = 128 * 2**20
    blob: int = 16 * 2**30
    held: int = 512 * 2**20
