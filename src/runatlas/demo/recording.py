"""Training, recorded: the only place of the demonstration that writes."""

from __future__ import annotations

import time

from arro3.core import Array, DataType

from runatlas.backends.base import Backend
from runatlas.demo.sweep import DivergedError, Trial, train
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft, LogLevel
from runatlas.model.run import RunDraft, RunPatch, RunSelection, RunState
from runatlas.model.series import SeriesPoints

__all__ = ["record_trial"]

_LOG_EVERY = 250


def record_trial(backend: Backend, project: ProjectPath, trial: Trial) -> bool:
    """Train a network and record it as a run; a run that ended before stays as it is.

    Args:
        backend: Where to.
        project: Its project, which is made if need be.
        trial: What to train.

    Returns:
        Whether there was anything to train.
    """
    run, created = backend.create_run(_draft(project, trial))
    if not created and run.state != "RUNNING":
        return False
    journal = _Journal()
    patch = RunPatch(state=_train(trial, journal), error=journal.error)
    # One batch, numbered: if an earlier demonstration was killed after it, this one does not count twice.
    backend.append(journal.batch(run.path))
    backend.update_runs(RunSelection(run.workspace, run.project, ids=(run.cuid,)), patch)
    return True


def _draft(project: ProjectPath, trial: Trial) -> RunDraft:
    return RunDraft(
        project,
        id=trial.name,
        name=trial.name,
        labels=trial.labels,
        group=f"lr={trial.learning_rate:g}",
        job_type="train",
        config=trial.config,
        create_project=True,
        if_exists="keep",
    )


def _train(trial: Trial, journal: _Journal) -> RunState:
    try:
        network = train(trial, journal.log)
    except DivergedError as error:
        journal.error = str(error)
        journal.say(f"stopped: {error}", "ERROR")
        return "CRASHED"
    journal.say(f"trained {network.size} parameters")
    return "FINISHED"


class _Journal:
    """What a run will have recorded."""

    def __init__(self) -> None:
        self.error = ""
        self._steps: list[int] = []
        self._times_ms: list[int] = []
        self._values: dict[str, list[float]] = {}
        self._lines: list[LogDraft] = []

    def log(self, step: int, metrics: dict[str, float]) -> None:
        self._steps.append(step)
        self._times_ms.append(_now_ms())
        for key, value in metrics.items():
            self._values.setdefault(key, []).append(value)
        if step % _LOG_EVERY == 0:
            self.say(f"step {step}: " + ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()))

    def say(self, message: str, level: LogLevel = "INFO") -> None:
        self._lines.append(LogDraft(message, level, time_ms=_now_ms()))

    def batch(self, run: RunPath) -> Batch:
        steps, times_ms = (Array(column, DataType.int64()) for column in (self._steps, self._times_ms))
        points = tuple(
            SeriesPoints(key, steps, Array(values, DataType.float64()), times_ms)
            for key, values in self._values.items()
        )
        return Batch(run, points=points, logs=tuple(self._lines), writer="demo", sequence=1)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
