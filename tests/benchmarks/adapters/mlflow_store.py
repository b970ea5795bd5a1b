"""mlflow: its SQLite store in process, and ``mlflow server`` over the same store."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import mlflow
import mlflow.cli
import mlflow.store.tracking.sqlalchemy_store  # else imported by the first call
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from benchmarks import dataset
from benchmarks.adapters.base import Adapter, Server, free_port
from benchmarks.dataset import EPOCH_S, RunData

__all__ = ["MlflowAdapter", "MlflowServerAdapter"]

EXPERIMENT = "bench"
BATCH = 1_000
"""As many metrics as one ``log_batch`` may carry."""


class MlflowAdapter(Adapter):
    """``MlflowClient`` over ``sqlite:///``."""

    client: MlflowClient
    experiment: str

    @property
    def database(self) -> str:
        """Where everything lies."""
        return f"sqlite:///{self.directory}/mlflow.db"

    @property
    def uri(self) -> str:
        """What ``MlflowClient`` opens."""
        return self.database

    def create(self) -> None:
        """Run the migrations and make the experiment."""
        client = MlflowClient(self.uri)
        if client.get_experiment_by_name(EXPERIMENT) is None:
            client.create_experiment(EXPERIMENT, artifact_location=str(self.directory / "artifacts"))

    def open(self) -> None:
        """Make the client and find the experiment."""
        self.client = MlflowClient(self.uri)
        found = self.client.get_experiment_by_name(EXPERIMENT)
        assert found is not None
        self.experiment = found.experiment_id

    def build(self, runs: Iterable[RunData]) -> None:
        """One ``create_run`` and as few ``log_batch`` as there may be a run."""
        for data in runs:
            made = self.client.create_run(self.experiment, run_name=data.name)
            params = [Param(key, str(value)) for key, value in data.params.items()]
            tags = [RunTag(tag, "") for tag in data.tags]
            points = iter(
                Metric(key, value, (EPOCH_S + step) * 1000, step)
                for key, values in data.metrics.items()
                for step, value in enumerate(values)
            )
            self.client.log_batch(made.info.run_id, list(islice(points, BATCH)), params, tags)
            while batch := list(islice(points, BATCH)):
                self.client.log_batch(made.info.run_id, batch)
            self.client.set_terminated(made.info.run_id)

    def _search(self, query: str = "") -> list[Any]:
        found, token = [], None
        while True:
            page = self.client.search_runs([self.experiment], query, max_results=50_000, page_token=token)
            found += page
            token = page.token
            if not token:
                return found

    def totals(self) -> tuple[int, int]:
        """Count runs and points."""
        runs = self._search()
        keys = [(run.info.run_id, key) for run in runs for key in run.data.metrics]
        return len(runs), sum(len(self.client.get_metric_history(run, key)) for run, key in keys)

    def list_runs(self) -> list[tuple[str, dict[str, str], dict[str, float]]]:
        """``search_runs``."""
        return [(run.info.run_name, run.data.params, run.data.metrics) for run in self._search()]

    def table(self) -> Sequence[float]:
        """``mlflow.search_runs`` as a data frame."""
        frame = mlflow.search_runs([self.experiment], max_results=50_000)
        losses: Sequence[float] = frame["metrics.loss"]
        return losses

    def filter_runs(self) -> list[tuple[str, dict[str, str], dict[str, float]]]:
        """``search_runs`` with its filter language."""
        query = f"params.optimizer = '{dataset.MATCH_OPTIMIZER}' and metrics.loss < {dataset.MATCH_BELOW}"
        return [(run.info.run_name, run.data.params, run.data.metrics) for run in self._search(query)]

    def history(self, run: str, key: str) -> tuple[list[int], list[float]]:
        """``get_metric_history``."""
        (found,) = self._search(f"attributes.run_name = '{run}'")
        points = self.client.get_metric_history(found.info.run_id, key)
        points.sort(key=lambda point: point.step)
        return [point.step for point in points], [point.value for point in points]

    def curves(self, key: str) -> tuple[int, list[float]]:
        """``get_metric_history`` a run: there is no public call for many."""
        runs = self._search()
        columns: dict[str, list[Any]] = {"run": [], "step": [], "value": []}
        for run in runs:
            for point in self.client.get_metric_history(run.info.run_id, key):
                columns["run"].append(run.info.run_id)
                columns["step"].append(point.step)
                columns["value"].append(point.value)
        return len(set(columns["run"])), columns["value"]

    def handles(self) -> list[str]:
        """Return the ids that deletion takes."""
        return [run.info.run_id for run in self._search()]

    def delete(self, handles: Sequence[str]) -> None:
        """``delete_run`` a run."""
        for run in handles:
            self.client.delete_run(run)

    def restore(self, handles: Sequence[str], _: Any) -> None:
        """``restore_run`` a run."""
        for run in handles:
            self.client.restore_run(run)

    def purge(self) -> None:
        """``mlflow gc``, which is a command."""
        mlflow.cli.cli.main(["gc", "--backend-store-uri", self.database], standalone_mode=False)

    def append_batches(self, rows: Sequence[dict[str, float]]) -> None:
        """A ``log_batch`` for every ten steps."""
        run = self.client.create_run(self.experiment, run_name="writer-0").info.run_id
        for start in range(0, len(rows), 10):
            points = [
                Metric(key, value, (EPOCH_S + step) * 1000, step)
                for step, row in enumerate(rows[start : start + 10], start)
                for key, value in row.items()
            ]
            self.client.log_batch(run, points)

    def tracker(self, name: str) -> _MlflowTracker:
        """``mlflow.log_metrics``."""
        return _MlflowTracker(self.experiment, name)


class MlflowServerAdapter(MlflowAdapter):
    """``MlflowClient`` over ``mlflow server`` on the same SQLite store, one worker."""

    server: Server | None = None

    @property
    def uri(self) -> str:
        """The server's address once it runs."""
        return super().uri if self.url is None else self.url

    def start(self) -> None:
        """Start the server."""
        port = free_port()
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.uri]
        command += ["--artifacts-destination", str(self.directory / "artifacts")]
        command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        self.server = Server(command, port=port, health="/health", log=self.directory / "server.log")
        self.server.wait()
        self.url = self.server.url
        mlflow.set_tracking_uri(self.uri)

    def stop(self) -> None:
        """Stop the server."""
        if self.server is not None:
            self.server.stop()

    def attach(self, url: str | None) -> None:
        """Use a server that another process started."""
        super().attach(url)
        mlflow.set_tracking_uri(self.uri)


class _MlflowTracker:
    def __init__(self, experiment: str, name: str) -> None:
        self._mlflow = mlflow
        mlflow.start_run(experiment_id=experiment, run_name=name, log_system_metrics=False)

    def log(self, row: dict[str, float], step: int) -> None:
        self._mlflow.log_metrics(row, step=step, synchronous=True)

    def close(self) -> None:
        self._mlflow.end_run()
