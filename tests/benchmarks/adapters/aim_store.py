"""Aim: its RocksDB repository in process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import aim.storage.structured.sql_engine.entities  # noqa: F401 (else the first call imports it)
import numpy as np
from aim import Repo, Run
from aim.sdk.types import QueryReportMode
from aim.storage.context import Context

from benchmarks import dataset
from benchmarks.adapters.base import Adapter
from benchmarks.dataset import RunData

__all__ = ["AimAdapter"]

QUIET: dict[str, Any] = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}


class AimAdapter(Adapter):
    """``aim.Repo`` and ``aim.Run``."""

    repo: Repo

    def create(self) -> None:
        """Make the repository and its tables."""
        Repo.from_path(str(self.directory), init=True)

    def open(self) -> None:
        """Open the repository."""
        self.repo = Repo.from_path(str(self.directory))

    def settle(self) -> None:
        """Index what was written, as ``aim up`` does in the background: until then nothing shows it."""
        program = str(Path(sys.executable).with_name("aim"))
        command = [program, "storage", "--repo", str(self.directory), "reindex", "-y"]
        subprocess.run(command, check=True, capture_output=True)
        self.repo = Repo(str(self.directory))

    def build(self, runs: Iterable[RunData]) -> None:
        """``track`` a value: there is no bulk form; a dict of metrics a step."""
        for data in runs:
            run = Run(repo=self.repo, experiment="bench", **QUIET)
            run.name = data.name
            run["hparams"] = data.params
            for tag in data.tags:
                run.add_tag(tag)
            for step, row in enumerate(zip(*data.metrics.values(), strict=True)):
                run.track(dict(zip(data.metrics, row, strict=True)), step=step)
            run.close()

    def totals(self) -> tuple[int, int]:
        """Count runs and points."""
        found = list(self.repo.iter_runs())
        return len(found), sum(len(metric.data.indices_list()) for run in found for metric in run.metrics())

    def list_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """``iter_runs`` with each run's params and sequence infos."""
        return [self._row(run) for run in self.repo.iter_runs()]

    def filter_runs(self) -> list[tuple[str, dict[str, Any], dict[str, float]]]:
        """``query_runs``."""
        query = (
            f"run.hparams['optimizer'] == '{dataset.MATCH_OPTIMIZER}'"
            f" and run.metrics['loss', {{}}].last < {dataset.MATCH_BELOW}"
        )
        found = self.repo.query_runs(query, report_mode=QueryReportMode.DISABLED)
        return [self._row(each.run) for each in found.iter_runs()]

    def _row(self, run: Any) -> tuple[str, dict[str, Any], dict[str, float]]:
        info = run.collect_sequence_info("metric")["metric"]
        return run.hash, run["hparams"], {each["name"]: each["values"]["last"] for each in info}

    def _found(self, name: str) -> Any:
        return next(run for run in self.repo.iter_runs() if run.name == name)

    def history(self, run: str, key: str) -> tuple[Any, Any]:
        """The metric's NumPy arrays."""
        metric = self._found(run).get_metric(key, Context({}))
        steps, (values, *_) = metric.data.view("val").numpy()
        return steps, values

    def curves(self, key: str) -> tuple[int, Any]:
        """``query_metrics``, an array a run, joined."""
        found = self.repo.query_metrics(f"metric.name == '{key}'", report_mode=QueryReportMode.DISABLED)
        parts = [metric.data.view("val").numpy() for each in found.iter_runs() for metric in each]
        table = {
            "run": np.repeat(np.arange(len(parts)), [len(steps) for steps, _ in parts]),
            "step": np.concatenate([steps for steps, _ in parts]),
            "value": np.concatenate([columns[0] for _, columns in parts]),
        }
        return len(parts), table["value"]

    def handles(self) -> list[str]:
        """Return the hashes that deletion takes."""
        return list(self.repo.list_all_runs())

    def delete(self, handles: Sequence[str]) -> None:
        """``delete_runs``."""
        done, remaining = self.repo.delete_runs(list(handles))
        assert done, remaining

    def tracker(self, name: str) -> _AimTracker:
        """``Run.track``."""
        return _AimTracker(str(self.directory), name)


class _AimTracker:
    def __init__(self, repo: str, name: str) -> None:
        self._run = Run(repo=repo, experiment="bench", **QUIET)
        self._run.name = name

    def log(self, row: dict[str, float], step: int) -> None:
        self._run.track(row, step=step)

    def close(self) -> None:
        self._run.close()
