"""Training, recorded: the only place of the demonstration that writes."""

from __future__ import annotations

from runatlas.backends.contract import Backend
from runatlas.demo.sweep import DivergedError, Trial, train
from runatlas.errors import NotFoundError
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import MetricDefinition
from runatlas.model.project import ProjectPatch
from runatlas.model.run import RunRecord
from runatlas.tracking.run import Run

__all__ = ["record_goals", "record_trial"]

_LOG_EVERY = 250
_GOALS = (MetricDefinition("val_loss", "min"), MetricDefinition("val_acc", "max"))


def record_goals(backend: Backend, project: ProjectPath) -> None:
    """Say which way the metrics are better that tell how good a network is.

    Args:
        backend: Where to.
        project: The project, which is there.
    """
    backend.update_project(project, ProjectPatch(metrics=_GOALS))


def record_trial(backend: Backend, project: ProjectPath, trial: Trial) -> bool:
    """Train a network and record it as a run; a run that ended before stays as it is, unless it was interrupted.

    Args:
        backend: Where to.
        project: Its project, which is made if need be.
        trial: What to train.

    Returns:
        Whether there was anything to train.
    """
    found = _find(backend, project, trial.name)
    if found is not None:
        is_interrupted = found.state == "ABORTED" and found.name == trial.name and not found.protected
        if found.state != "RUNNING" and not is_interrupted:
            return False
        # An earlier demonstration was killed or interrupted within it: half a run is no use.
        backend.delete_run(found.path)
    with Run(
        trial.name,
        repo=backend.location,
        workspace=project.workspace,
        experiment=project.project,
        name=trial.name,
        tags=trial.labels,
        group=f"lr={trial.learning_rate:g}",
        job_type="train",
        config=trial.config,
        capture_terminal_logs=False,
    ) as run:
        _train(trial, run)
    return True


def _find(backend: Backend, project: ProjectPath, run_id: str) -> RunRecord | None:
    try:
        return backend.get_run(project.run(run_id))
    except NotFoundError:
        return None


def _train(trial: Trial, run: Run) -> None:
    def record(step: int, metrics: dict[str, float]) -> None:
        run.log(metrics, step=step)
        if step % _LOG_EVERY == 0:
            run.log_info(f"step {step}: " + ", ".join(f"{key} {value:.4f}" for key, value in metrics.items()))

    try:
        network = train(trial, record)
    except DivergedError as error:
        run.log_error(f"stopped: {error}")
        run.fail(str(error))
    else:
        run.log_info(f"trained {network.size} parameters")
