"""What a SwanLab server cannot do, said in one way."""

from __future__ import annotations

from runatlas.errors import NotSupportedError

__all__ = ["unsupported"]


def unsupported(what: str, instead: str = "") -> NotSupportedError:
    """Make the error for something that these servers have no request for.

    Args:
        what: It, as the subject of a sentence.
        instead: What can be done.
    """
    return NotSupportedError(f"a SwanLab server has no {what}" + (f"; {instead}" if instead else ""))
