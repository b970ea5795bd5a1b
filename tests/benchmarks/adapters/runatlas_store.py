"""RunAtlas: a directory in process, and ``runatlas serve`` over the same directory."""

from __future__ import annotations

import subprocess
import sys
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from arro3.core import Array

import runatlas.api.entry  # the package is lazy: what a work needs is imported here, as with every peer
import runatlas.backends.local
import runatlas.backends.native
import runatlas.entities.runs
import runatlas.tables.metric  # noqa: F401
from benchmarks import dataset
from benchmarks.adapters.base import Adapter, Server, free_port
from benchmarks.dataset import EPOCH_S, RunData
from runatlas import Api, Project, Run
from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.model.series import SeriesPoints
from runatlas.tracking.ending import CLOSE_S

__all__ = ["EmbeddedAdapter", "ServedAdapter"]

PROJECT = "bench"
_PROGRAM = str(Path(sys.executable).with_name("runatlas"))
WRITER = "benchmark"
BULK = 1_000_000
"""Points a batch."""

Row = tuple[str, dict[str, Any], dict[str, float]]


class EmbeddedAdapter(Adapter):
    """``Api("./dir")``; writing goes to the backend, as ``runatlas import`` does."""

    api: Api

    @property
    def _note(self) -> Path:
        return self.directory / "workspace.txt"

    def create(self) -> None:
        """Make the directory's store and an empty project."""
        with Api(backend=LocalBackend(self.directory, create=True)) as api:
            workspace = api.workspace().username
            api.create_project(workspace, PROJECT).unwrap()
        self._note.write_text(workspace)

    def open(self) -> None:
        """Open the directory."""
        self.api = Api(self.directory)

    def stop(self) -> None:
        """Close the store."""
        self.api.close()

    @property
    def _path(self) -> ProjectPath:
        return ProjectPath(self._note.read_text(), PROJECT)

    @property
    def project(self) -> Project:
        """The project of everything."""
        return self.api.project(str(self._path))

    def _backend(self) -> Backend:
        return self.project._handle.backend

    # -- writing ------------------------------------------------------------------------------------------------

    def build(self, runs: Iterable[RunData]) -> None:
        """A ``create_run`` and one ``append`` a run, more for a very long one."""
        backend, path = self._backend(), self._path
        for data in runs:
            draft = RunDraft(
                path, id=data.name, name=data.name, labels=data.tags, config=dict(data.params), state="FINISHED"
            )
            run, _ = backend.create_run(draft)
            for number, start in enumerate(range(0, data.steps, BULK), 1):
                steps = range(start, min(start + BULK, data.steps))
                columns = {key: values[start : start + BULK] for key, values in data.metrics.items()}
                backend.append(Batch(run.path, points=_points(steps, columns), writer=WRITER, sequence=number))

    def append_batches(self, rows: Sequence[dict[str, float]]) -> None:
        """An ``append`` for every ten steps."""
        backend = self._backend()
        run, _ = backend.create_run(RunDraft(self._path, id="writer-0"))
        for start in range(0, len(rows), 10):
            batch = rows[start : start + 10]
            columns = {key: [row[key] for row in batch] for key in dataset.TRACK_KEYS}
            points = _points(range(start, start + len(batch)), columns)
            backend.append(Batch(run.path, points=points, writer=WRITER, sequence=start + 1))

    # -- reading ------------------------------------------------------------------------------------------------

    def totals(self) -> tuple[int, int]:
        """Count runs and points."""
        table = self.project.metrics(None, all=True).unwrap()
        return len(self.project.runs_get()), table.num_rows

    def list_runs(self) -> list[Row]:
        """``project.runs()`` with each run's config and last values."""
        return [(run.name, run.config, run.latest) for run in self.project.runs()]

    def list_params(self) -> list[tuple[str, dict[str, Any]]]:
        """``project.runs()`` with each run's config."""
        return [(run.name, run.config) for run in self.project.runs()]

    def table(self) -> Sequence[float]:
        """``project.runs().table()``."""
        return self.project.runs().table().unwrap().column("summary.loss")

    def filter_runs(self) -> list[Row]:
        """A filter as text."""
        text = f"config.optimizer == '{dataset.MATCH_OPTIMIZER}' and summary.loss < {dataset.MATCH_BELOW}"
        return [(run.name, run.config, run.latest) for run in self.project.runs(text)]

    def history(self, run: str, key: str) -> tuple[Any, Any]:
        """``run.metrics``, every point."""
        series = self.project.run(run).metrics([key], all=True).unwrap()[key]
        return series.steps.to_numpy(), series.values.to_numpy()

    def curves(self, key: str) -> tuple[int, Any]:
        """``project.metrics``, every point, as one Arrow table."""
        table = self.project.metrics([key], all=True).unwrap()
        return len(table), table.to_arrow()["value"].to_numpy()

    def iterate(self) -> tuple[int, int, float]:
        """Pass every run by, keep none."""
        count, params, total = 0, 0, 0.0
        for run in self.project.runs():
            count, params, total = count + 1, params + len(run.config), total + sum(run.latest.values())
        return count, params, total

    # -- tracking -----------------------------------------------------------------------------------------------

    def tracker(self, name: str) -> _RunTracker:
        """``Run(repo="./dir")`` and ``run.log``."""
        return _RunTracker(str(self.directory), name)

    # -- deleting -----------------------------------------------------------------------------------------------

    def handles(self) -> list[str]:
        """Return the ids that deletion takes."""
        return [run.id for run in self.project.runs_get()]

    def delete(self, handles: Sequence[str]) -> Any:
        """``project.delete_runs``."""
        return self.project.delete_runs(handles, commit=True).unwrap()

    # -- cleaning up --------------------------------------------------------------------------------------------

    frees_room = True

    def plan(self, handles: Sequence[str]) -> Any:
        """``project.delete_runs`` without ``commit``."""
        return self.project.delete_runs(handles, commit=False).unwrap()

    def apply(self, plan: Any) -> None:
        """``plan.apply``."""
        plan.apply().unwrap()

    def restore(self, _: Sequence[str], deletion: Any) -> None:
        """``deletion.restore``."""
        deletion.restore().unwrap()

    def policy(self) -> int:
        """``project.clean`` without ``commit``."""
        groups = ["config.optimizer", "config.option_0"]
        plan = self.project.clean(
            where="state == 'FINISHED'", group_by=groups, keep_best="val_loss:3", max=1_000_000, commit=False
        ).unwrap()
        return int(plan.total)

    def usage(self) -> int:
        """``api.usage``."""
        return int(self.api.usage().unwrap().total.points)

    def purge(self) -> None:
        """``api.purge`` of all that lies in the trash."""
        self.api.purge(expired_only=False, commit=True).unwrap()


class ServedAdapter(EmbeddedAdapter):
    """``Api(host=…)`` and ``runatlas serve`` in a process of its own."""

    server: Server | None = None
    _away_port: int | None = None

    def start(self) -> None:
        """Start the server."""
        self.server = self._serve(free_port())
        self.url = self.server.url

    def _serve(self, port: int) -> Server:
        command = [_PROGRAM, "serve", "--dir", str(self.directory), "--port", str(port)]
        server = Server(command, port=port, health="/healthz", log=self.directory / f"server-{port}.log")
        server.wait()
        return server

    def tracker(self, name: str) -> _RunTracker:
        """``Run(repo="http://…")`` and ``run.log``."""
        assert self.url is not None
        return _RunTracker(self.url, name)

    def tracker_away(self, name: str) -> _RunTracker:
        """The same where nobody listens; durable is what lies in the spool."""
        self._away_port = free_port()
        return _RunTracker(f"http://127.0.0.1:{self._away_port}", name, closing_s=0.0)

    def settle(self) -> None:
        """Send what lies in the spool, once a server is there."""
        if self._away_port is not None:
            server = self._serve(self._away_port)
            try:
                subprocess.run([_PROGRAM, "sync", str(self.directory)], check=True, capture_output=True)
            finally:
                server.stop()

    def open(self) -> None:
        """Make the client."""
        self.api = Api(host=self.url)

    def stop(self) -> None:
        """Close the client and stop the server."""
        super().stop()
        if self.server is not None:
            self.server.stop()


class _RunTracker:
    def __init__(self, repo: str, name: str, *, closing_s: float = CLOSE_S) -> None:
        self._run = Run(name, repo=repo, experiment=PROJECT, capture_terminal_logs=False)
        self._closing_s = closing_s

    def log(self, row: dict[str, float], step: int) -> None:
        self._run.log(row, step=step)

    def close(self) -> None:
        self._run.close(self._closing_s)


def _points(steps: range, columns: dict[str, list[float]]) -> tuple[SeriesPoints, ...]:
    step_column = Array.from_buffer(array("q", steps))
    time_column = Array.from_buffer(array("q", ((EPOCH_S + step) * 1000 for step in steps)))
    return tuple(_series(key, step_column, values, time_column) for key, values in columns.items())


def _series(key: str, steps: Array, values: list[float], times_ms: Array) -> SeriesPoints:
    return SeriesPoints(key, steps=steps, values=Array.from_buffer(array("d", values)), times_ms=times_ms)
