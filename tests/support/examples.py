"""How many examples are generated: the same few each time, or many and new ones by ``RUNATLAS_EXAMPLES``."""

from __future__ import annotations

import os

__all__ = ["TIMES", "examples"]

TIMES = int(os.environ.get("RUNATLAS_EXAMPLES", "0"))
"""How many times as many, drawn anew; 0: the usual ones."""


def examples(usual: int) -> int:
    """How many examples a test tries that tries ``usual`` where time is no matter: half of them, or times as many."""
    return -(-usual // 2) * max(1, TIMES)
