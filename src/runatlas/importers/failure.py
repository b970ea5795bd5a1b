"""What can be wrong with a record of a file."""

from __future__ import annotations

__all__ = ["MalformedRecordError"]


class MalformedRecordError(ValueError):
    """A record that is no run; the sentence says what is wrong where."""
