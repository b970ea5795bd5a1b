"""swanlab, offline: it only writes."""

from __future__ import annotations

from typing import Any

import swanlab
from swanlab.proto.swanlab.record.v1.record_pb2 import Record

from benchmarks.adapters.base import Adapter
from benchmarks.adapters.leveldb import read_records

__all__ = ["SwanlabAdapter"]


class SwanlabAdapter(Adapter):
    """``swanlab.init(mode="offline")``."""

    def tracker(self, name: str) -> _SwanlabTracker:
        """``swanlab.log``."""
        return _SwanlabTracker(str(self.directory / name))

    def history(self, run: str, key: str) -> tuple[list[int], list[float]]:
        """Read the offline file, as checking needs."""
        (path,) = (self.directory / run).glob("*/*.swanlab")
        steps, values = [], []
        for raw in read_records(path):
            record = Record.FromString(raw)
            if record.HasField("scalar") and record.scalar.key == key:
                steps.append(record.scalar.step)
                values.append(record.scalar.value.number)
        return steps, values


class _SwanlabTracker:
    def __init__(self, directory: str) -> None:
        self._swanlab: Any = swanlab
        swanlab.init(mode="offline", log_dir=directory, project="bench", name="bench")

    def log(self, row: dict[str, float], step: int) -> None:
        self._swanlab.log(row, step=step)

    def close(self) -> None:
        self._swanlab.finish()
