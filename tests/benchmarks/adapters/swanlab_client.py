"""SwanLab's own client, reading from a server that runs already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import swanlab

from benchmarks.adapters.base import Client

__all__ = ["SwanlabClient"]


class SwanlabClient(Client):
    """``swanlab.Api(host=…, api_key=…)``; making it is part of each read."""

    def _api(self) -> Any:
        return swanlab.Api(host=self.url, api_key=self.key)

    def read_runs(self) -> list[tuple[str, dict[str, Any]]]:
        """``api.runs``: one answer with all of them, where ``runs_get`` asks for ten pages."""
        return [(run.name, run.profile["config"]) for run in self._api().runs(path=self.path)]

    def read_metrics(self, keys: Sequence[str], below: int) -> dict[str, dict[str, Any]]:
        """``run.metrics`` of each run that a filter finds: it has no call for many runs."""
        chosen = {"key": "size_1", "type": "CONFIG", "op": "LTE", "value": [below - 1]}
        runs = self._api().runs(path=self.path, filters=[chosen])
        return {run.name: run.metrics(keys=list(keys)) for run in runs}

    def read_history(self, run: str, key: str) -> dict[str, Any]:
        """``run.metrics``, every point."""
        found: dict[str, Any] = self._api().run(path=f"{self.path}/{run}").metrics(keys=[key], all=True)
        return found

    def plain(self, method: str, answer: Any) -> Any:
        """Return what a read gave in the form that is checked."""
        if method == "read_runs":
            return [(name, {key: item["value"] for key, item in config.items()}) for name, config in answer]
        if method == "read_metrics":
            return {
                name: {item["key"]: _columns(item["metrics"], "index", "data") for item in found["list"]}
                for name, found in answer.items()
            }
        (found,) = answer["list"]
        return _columns(found["metrics"], "step", "value")


def _columns(points: list[dict[str, Any]], *names: str) -> tuple[list[Any], ...]:
    return tuple([point[name] for point in points] for name in names)
