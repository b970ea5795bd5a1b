"""How many examples are generated: the same few each time, or many and new ones by ``RUNATLAS_EXAMPLES``."""

from __future__ import annotations

import os

__all__ = ["TIMES", "examples"]

TIMES = int(os.environ.get("RUNATLAS_EXAMPLES", "0"))
"""How many times as many, drawn anew; 0: the usual ones."""


def examples(usual: int) -> int:
    """How many examples a test tries that tries ``usual`` by itself: half of them in the usual run."""
    return usual * TIMES if TIMES else -(-usual // 2)
