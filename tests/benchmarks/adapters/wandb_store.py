"""wandb, offline: it only writes."""

from __future__ import annotations

import json
from typing import Any

import wandb
from wandb.proto.wandb_internal_pb2 import Record

from benchmarks.adapters.base import Adapter
from benchmarks.adapters.leveldb import read_records

__all__ = ["WandbAdapter"]


class WandbAdapter(Adapter):
    """``wandb.init(mode="offline")``."""

    def tracker(self, name: str) -> _WandbTracker:
        """``Run.log``."""
        return _WandbTracker(str(self.directory), name)

    def history(self, run: str, key: str) -> tuple[list[int], list[float]]:
        """Read the offline file, as checking needs."""
        (path,) = self.directory.glob(f"wandb/offline-run-*/run-{run}.wandb")
        steps, values = [], []
        for raw in read_records(path):
            record = Record.FromString(raw)
            for item in record.history.item:
                if item.nested_key == [key] or item.key == key:
                    steps.append(record.history.step.num)
                    values.append(json.loads(item.value_json))
        return steps, values


class _WandbTracker:
    def __init__(self, directory: str, name: str) -> None:
        settings = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", disable_git=True)
        self._run: Any = wandb.init(dir=directory, project="bench", id=name, name=name, settings=settings)

    def log(self, row: dict[str, float], step: int) -> None:
        self._run.log(row, step=step)

    def close(self) -> None:
        self._run.finish()
