"""RunAtlas's own client, reading from a server that runs already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np  # noqa: F401 - the numbers are handed over as its arrays

import runatlas.api.entry  # the package is lazy: what a read needs is imported here, as with SwanLab's
import runatlas.backends.native
import runatlas.entities.runs
import runatlas.tables.metric  # noqa: F401
from benchmarks.adapters.base import Client
from runatlas import Api
from runatlas.tables.series import Series

__all__ = ["RunatlasClient"]


class RunatlasClient(Client):
    """``Api(host=…, api_key=…)``; making it is part of each read."""

    def _api(self) -> Api:
        return Api(host=self.url, api_key=self.key)

    def read_runs(self) -> list[tuple[str, dict[str, Any]]]:
        """``api.runs``."""
        return [(run.name, run.config) for run in self._api().runs(self.path)]

    def read_metrics(self, keys: Sequence[str], below: int) -> dict[str, dict[str, tuple[Any, Any]]]:
        """``runs.metrics`` of the runs that a filter finds."""
        table = self._api().runs(self.path, f"config.size_1 < {below}").metrics(keys).unwrap()
        found: dict[str, dict[str, tuple[Any, Any]]] = {}
        for (run, key), series in table.items():
            found.setdefault(run, {})[key] = _numbers(series)
        return found

    def read_history(self, run: str, key: str) -> tuple[Any, Any]:
        """``run.metrics``, every point."""
        return _numbers(self._api().run(f"{self.path}/{run}").metrics([key], all=True).unwrap()[key])


def _numbers(series: Series) -> tuple[Any, Any]:
    return series.steps.to_numpy(), series.values.to_numpy()
