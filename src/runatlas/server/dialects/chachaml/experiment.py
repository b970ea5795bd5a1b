"""Experiments: projects, by the text that a client gave for them."""

from __future__ import annotations

from typing import Any

from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunRecord
from runatlas.server.dialects.chachaml.record import run_object
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["RunObjects", "experiment_name"]


def experiment_name(project: ProjectRecord) -> str:
    """Return an experiment's name: what it was called when it was made, which a project's name need not be."""
    return project.title or project.name


class RunObjects:
    """Makes run objects for one request, with one look at each project."""

    def __init__(self, call: EndpointCall) -> None:
        self._call = call
        self._names: dict[ProjectPath, str] = {}

    def make(self, run: RunRecord) -> dict[str, Any]:
        """Make a run object."""
        path = run.project_path
        if path not in self._names:
            self._names[path] = experiment_name(self._call.services.projects.get_project(self._call.user, path))
        return run_object(run, self._names[path])
