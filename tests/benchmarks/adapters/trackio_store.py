"""trackio: its SQLite files in process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import trackio
from trackio.sqlite_storage import SQLiteStorage

from benchmarks import dataset
from benchmarks.adapters.base import Adapter
from benchmarks.dataset import RunData

__all__ = ["TrackioAdapter"]

PROJECT = "bench"
LAST_ROWS = "SELECT run_name, metrics, MAX(step) FROM metrics GROUP BY run_id"
MATCHING = f"""
SELECT m.run_name, c.config, m.metrics
FROM (SELECT run_id, run_name, metrics, MAX(step) FROM metrics GROUP BY run_id) m JOIN configs c ON c.run_id = m.run_id
WHERE json_extract(c.config, '$.optimizer') = '{dataset.MATCH_OPTIMIZER}'
AND json_extract(m.metrics, '$.loss') < {dataset.MATCH_BELOW}
"""
BULK = 50_000
"""Rows a call: a million at once take 4 GB of memory."""
NO_LIMIT = 10_000_000


class TrackioAdapter(Adapter):
    """``SQLiteStorage``, which trackio's own ``Api``, import and command line call."""

    def create(self) -> None:
        """Make the project's file."""
        SQLiteStorage.init_db(PROJECT)

    def build(self, runs: Iterable[RunData]) -> None:
        """A ``bulk_log`` a run, more for a very long one; trackio has no tags, so they lie in the config."""
        for data in runs:
            rows = [dict(zip(data.metrics, row, strict=True)) for row in zip(*data.metrics.values(), strict=True)]
            config: dict[str, Any] = {**data.params, "_Tags": list(data.tags)}
            for start in range(0, data.steps, BULK):
                steps = list(range(start, min(start + BULK, data.steps)))
                SQLiteStorage.bulk_log(PROJECT, data.name, rows[start : start + BULK], steps, config=config)
                config = {}

    def totals(self) -> tuple[int, int]:
        """Count runs and points."""
        runs = SQLiteStorage.get_run_records(PROJECT)
        logs = (SQLiteStorage.get_logs(PROJECT, str(run["name"])) for run in runs)
        return len(runs), sum(len(row) - 2 for log in logs for row in log)

    def _rows(self, query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = SQLiteStorage.query_project(PROJECT, query, max_rows=NO_LIMIT)["rows"]
        return rows

    def list_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """Every config by one internal call, and the last row of each run by its SQL interface.

        Its documented way, ``list_params``, is a query a run.
        """
        configs = SQLiteStorage.get_all_run_configs(PROJECT)
        last = {row["run_name"]: orjson.loads(row["metrics"]) for row in self._rows(LAST_ROWS)}
        return [(name, _params(config), last[name]) for name, config in configs.items()]

    def list_params(self) -> list[tuple[str, dict[str, Any]]]:
        """``Api().runs()`` with each run's config, which is a query a run; last values it has none."""
        return [(run.name, _params(run.config or {})) for run in trackio.Api().runs(PROJECT)]

    def filter_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """Its SQL interface."""
        rows = self._rows(MATCHING)
        return [(r["run_name"], _params(orjson.loads(r["config"])), orjson.loads(r["metrics"])) for r in rows]

    def history(self, run: str, key: str) -> tuple[list[int], list[float]]:
        """``get_logs``, which keeps what it read for a second call."""
        found = [row for row in SQLiteStorage.get_logs(PROJECT, run) if key in row]
        return [row["step"] for row in found], [row[key] for row in found]

    def curves(self, key: str) -> tuple[int, list[float]]:
        """``get_logs_batch``."""
        runs = [{"run": run["name"], "run_id": run["id"]} for run in SQLiteStorage.get_run_records(PROJECT)]
        found = SQLiteStorage.get_logs_batch(PROJECT, runs)
        columns: dict[str, list[Any]] = {"run": [], "step": [], "value": []}
        for each in found:
            rows = [row for row in each["logs"] if key in row]
            columns["run"] += [each["run"]] * len(rows)
            columns["step"] += [row["step"] for row in rows]
            columns["value"] += [row[key] for row in rows]
        return len(found), columns["value"]

    def handles(self) -> list[str]:
        """Return the names that deletion takes."""
        return [str(run["name"]) for run in SQLiteStorage.get_run_records(PROJECT)]

    def delete(self, handles: Sequence[str]) -> None:
        """``delete_run`` a run."""
        for name in handles:
            assert SQLiteStorage.delete_run(PROJECT, name)

    def append_batches(self, rows: Sequence[dict[str, float]]) -> None:
        """A ``bulk_log`` for every ten steps."""
        for start in range(0, len(rows), 10):
            batch = list(rows[start : start + 10])
            SQLiteStorage.bulk_log(PROJECT, "writer-0", batch, list(range(start, start + len(batch))))

    def tracker(self, name: str) -> _TrackioTracker:
        """``trackio.log``."""
        return _TrackioTracker(name)


def _params(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}


class _TrackioTracker:
    def __init__(self, name: str) -> None:
        self._trackio = trackio
        trackio.init(project=PROJECT, name=name, auto_log_cpu=False, auto_log_gpu=False, embed=False)

    def log(self, row: dict[str, float], step: int) -> None:
        self._trackio.log(row, step=step)

    def close(self) -> None:
        self._trackio.finish()
