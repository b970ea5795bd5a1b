"""The whole demonstration: train and record what is missing, then show the main job on it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import track

from runatlas.api.entry import Api
from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.demo.recording import record_goals, record_trial
from runatlas.demo.sweep import trials
from runatlas.demo.tour import show_tour
from runatlas.model.ids import ProjectPath

__all__ = ["perform"]

_PROJECT = "spirals"


def perform(directory: Path, *, shown: str, console: Console) -> None:
    """Run the demonstration.

    Args:
        directory: The store, which is made if need be; runs of an earlier demonstration stay as they are.
        shown: The directory as the user is to type it.
        console: Where to print.
    """
    backend = LocalBackend(directory, create=True)
    try:
        project = ProjectPath(backend.get_workspace().username, _PROJECT)
        _record(backend, project, shown, console)
    finally:
        backend.close()
    with Api(directory) as api:
        show_tour(api, api.project(str(project)), shown_directory=shown, directory=directory, console=console)


def _record(backend: Backend, project: ProjectPath, shown: str, console: Console) -> None:
    wanted = trials()
    progress = track(wanted, "training", console=console, transient=True, disable=not console.is_terminal)
    trained = sum(record_trial(backend, project, trial) for trial in progress)
    if trained:
        record_goals(backend, project)
    present = len(wanted) - trained
    messages = []
    if present:
        messages.append(f"{present} of {len(wanted)} models are in {shown} from an earlier time, and stay as they are.")
    if trained:
        messages.append(f"Trained {trained} networks to tell two spirals apart, and recorded them in {shown}.")
    for message in messages:
        console.print(message, soft_wrap=True, markup=False, highlight=False)
