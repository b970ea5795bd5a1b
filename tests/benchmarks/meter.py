"""Clocks, memory and requests of the process under measurement."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Reading", "RequestCounter", "measure", "percentile"]

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class Reading:
    """What one call took.

    Attributes:
        seconds: Wall-clock time.
        cpu_seconds: What this process computed in it, in all its threads; a busy machine does not add to it.
        memory_mb: How far the process's resident memory rose above what it was before, at its peak.
        requests: HTTP requests sent, retries included.
        answer: What the call returned.
    """

    def __init__(self, seconds: float, cpu_seconds: float, memory_mb: float, requests: int, answer: Any) -> None:
        self.seconds = seconds
        self.cpu_seconds = cpu_seconds
        self.memory_mb = memory_mb
        self.requests = requests
        self.answer = answer


class RequestCounter:
    """Counts what goes through the ``requests`` package, which mlflow and RunAtlas both use; 0 without it."""

    def __init__(self) -> None:
        self.count = 0

    def install(self) -> None:
        """Begin to count."""
        loaded = sys.modules.get("requests.adapters")
        if loaded is None:
            return
        send = loaded.HTTPAdapter.send

        def counted(adapter: Any, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            return send(adapter, *args, **kwargs)

        loaded.HTTPAdapter.send = counted


def measure(call: Callable[[], Any], requests: RequestCounter) -> Reading:
    """Run ``call`` once."""
    before_mb = _resident_mb("VmRSS")
    _CLEAR.write_text("5")  # forgets the peak so far, so that VmHWM is this call's
    requests_before = requests.count
    computed, started = time.process_time(), time.perf_counter()
    answer = call()
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - computed
    memory_mb = max(0.0, _resident_mb("VmHWM") - before_mb)
    return Reading(seconds, cpu_seconds, memory_mb, requests.count - requests_before, answer)


def percentile(values: list[int], share: float) -> float:
    """Return the value that ``share`` of ``values`` do not exceed."""
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))])


def _resident_mb(name: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"{_STATUS} has no {name}")
