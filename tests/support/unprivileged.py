"""Processes to which the modes of files apply: root's do not look at them unless told to."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["run_bound_by_modes"]

_PR_CAPBSET_DROP = 24
_OVERRIDES = (1, 2, 3)
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER."""


def run_bound_by_modes(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of Python as a user who may do what the modes of files say, and no more.

    Args:
        code: The program.
        arguments: Its command line.
    """
    command: Sequence[str] = [sys.executable, "-c", code, *map(str, arguments)]
    bound = _drop_overrides if os.geteuid() == 0 else None
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=bound, timeout=120)


def _drop_overrides() -> None:
    library = ctypes.CDLL(None)
    for capability in _OVERRIDES:
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
