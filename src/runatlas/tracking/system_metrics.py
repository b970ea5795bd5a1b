"""How busy the machine is: processor, memory, disk, network and GPUs."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs

from runatlas.tracking.entry import SYSTEM_PREFIX

__all__ = ["INTERVAL_MAX", "INTERVAL_MIN", "Reading", "SystemProbe", "validate_interval"]

INTERVAL_MIN, INTERVAL_MAX = 0.1, 86_400.0
"""Seconds between two samples."""

_MIB = 1 << 20


def validate_interval(interval: Any) -> float | None:
    """Return the seconds between two samples, ``None`` for none.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 0.1 s or above a day.
    """
    if interval is None:
        return None
    if isinstance(interval, bool) or not isinstance(interval, (int, float)):
        raise TypeError(f"system_tracking_interval: expected seconds or None, got {type(interval).__name__}")
    if not INTERVAL_MIN <= interval <= INTERVAL_MAX:
        raise ValueError(f"system_tracking_interval: expected {INTERVAL_MIN} to {INTERVAL_MAX:.0f}, got {interval}")
    return float(interval)


@attrs.frozen
class Reading:
    """Some values taken at one moment.

    Attributes:
        gpu: Which GPU they are of; ``None`` for the machine.
    """

    values: dict[str, float]
    gpu: int | None = None


class SystemProbe:
    """Takes samples of the machine. Needs psutil; GPUs are read if nvidia-ml-py and a driver are there.

    Args:
        clock: Seconds, never going back.

    Raises:
        ImportError: psutil is not installed.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._psutil: Any = importlib.import_module("psutil")
        self._process = self._psutil.Process()
        self._process.cpu_percent(None)
        self._psutil.cpu_percent(None)
        self._nvml = _Nvml.load()
        self._before = self._counters()
        self._before_at = clock()

    def read(self) -> list[Reading]:
        """Take a sample: one reading of the machine, one of each GPU."""
        return [Reading(self._read_machine()), *(self._nvml.read() if self._nvml else ())]

    def close(self) -> None:
        """Let the driver go."""
        if self._nvml:
            self._nvml.close()

    def _read_machine(self) -> dict[str, float]:
        psutil = self._psutil
        memory = self._process.memory_info()
        values = {
            "cpu": self._process.cpu_percent(None),
            "cpu_total_percent": psutil.cpu_percent(None),
            "p_memory_percent": self._process.memory_percent(),
            "p_memory_mib": memory.rss / _MIB,
            "memory_percent": psutil.virtual_memory().percent,
            "disk_percent": psutil.disk_usage("/").percent,
            **self._rates(),
        }
        return {SYSTEM_PREFIX + name: round(float(value), 5) for name, value in values.items()}

    def _rates(self) -> dict[str, float]:
        now, counters = self._clock(), self._counters()
        seconds = max(now - self._before_at, 1e-3)
        # Counters of a removed device make a sum fall; that is no negative traffic.
        rates = {
            f"{name}_mib_per_s": max(0, value - self._before.get(name, value)) / _MIB / seconds
            for name, value in counters.items()
        }
        self._before, self._before_at = counters, now
        return rates

    def _counters(self) -> dict[str, int]:
        network, disk = self._psutil.net_io_counters(), _disk_counters(self._psutil)
        counters: dict[str, int] = {}
        if network is not None:
            counters |= {"network_sent": network.bytes_sent, "network_received": network.bytes_recv}
        if disk is not None:
            counters |= {"disk_read": disk.read_bytes, "disk_written": disk.write_bytes}
        return counters


def _disk_counters(psutil: Any) -> Any:
    # Some containers hide the counters' file.
    try:
        return psutil.disk_io_counters()
    except (OSError, RuntimeError):
        return None


class _Nvml:
    """NVIDIA's management library."""

    def __init__(self, library: ModuleType) -> None:
        self._library: Any = library
        self._handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())]

    @classmethod
    def load(cls) -> _Nvml | None:
        """The library, if it and a driver are installed."""
        try:
            library: Any = importlib.import_module("pynvml")
        except ImportError:
            return None
        try:
            library.nvmlInit()
            return cls(library)
        except library.NVMLError:
            return None

    def read(self) -> list[Reading]:
        return [Reading(self._read_gpu(handle), gpu=index) for index, handle in enumerate(self._handles)]

    def close(self) -> None:
        try:
            self._library.nvmlShutdown()
        except self._library.NVMLError:
            self._handles = []

    def _read_gpu(self, handle: Any) -> dict[str, float]:
        library = self._library
        memory = self._ask(library.nvmlDeviceGetMemoryInfo, handle)
        use = self._ask(library.nvmlDeviceGetUtilizationRates, handle)
        power = self._ask(library.nvmlDeviceGetPowerUsage, handle)
        heat = self._ask(library.nvmlDeviceGetTemperature, handle, library.NVML_TEMPERATURE_GPU)
        values = {
            "gpu": None if use is None else use.gpu,
            "gpu_memory_percent": None if memory is None or not memory.total else memory.used * 100 / memory.total,
            "gpu_temp": heat,
            "gpu_power_watts": None if power is None else power / 1000,
        }
        return {SYSTEM_PREFIX + name: round(float(value), 5) for name, value in values.items() if value is not None}

    def _ask(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a call answers; ``None`` for what this GPU does not tell."""
        try:
            return call(*arguments)
        except self._library.NVMLError:
            return None
