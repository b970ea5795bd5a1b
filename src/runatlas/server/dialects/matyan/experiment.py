"""Routes of experiments, which are projects here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.ids import project_names
from runatlas.model.project import ProjectPatch, ProjectRecord
from runatlas.model.run import RunPatch, RunRecord, RunSelection
from runatlas.server.dialects.matyan.activity import activity_of
from runatlas.server.dialects.matyan.body import answer, read_body, whole_of
from runatlas.server.dialects.matyan.experiment_place import DEFAULT
from runatlas.server.dialects.matyan.reading import experiment_id, standing_of
from runatlas.server.services.validation import checked
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import flag, optional, text

__all__ = [
    "create_experiment",
    "delete_experiment",
    "get_activity",
    "get_experiment",
    "list_experiments",
    "list_runs",
    "search_experiments",
    "update_experiment",
]

_ARCHIVED = "archived"
"""The label of a project that is an archived experiment."""


def _experiments(call: EndpointCall) -> list[ProjectRecord]:
    return [found for found in call.services.repository.list_projects(call.user) if found.name != DEFAULT]


def _find(call: EndpointCall) -> ProjectRecord:
    for found in _experiments(call):
        if experiment_id(found) == call.params["experiment"]:
            return found
    raise NotFoundError(f"experiment {call.params['experiment']!r} not found")


def _object(project: ProjectRecord) -> dict[str, Any]:
    return {
        "id": experiment_id(project),
        "name": project.title or project.name,
        "description": project.description,
        "run_count": 0 if project.count is None else project.count.experiments,
        "archived": _ARCHIVED in project.labels,
        "creation_time": project.created_at_ms / 1000,
    }


def list_experiments(call: EndpointCall) -> Answer:
    """List experiments by name."""
    return answer(list(map(_object, _experiments(call))))


def search_experiments(call: EndpointCall) -> Answer:
    """List the experiments whose names have a text in them, whatever its case."""
    wanted = (call.value("q") or "").strip().lower()
    return answer([made for made in map(_object, _experiments(call)) if wanted in made["name"].lower()])


def get_experiment(call: EndpointCall) -> Answer:
    """Return an experiment."""
    return answer(_object(_find(call)))


def create_experiment(call: EndpointCall) -> Answer:
    """Make an experiment."""
    name = text(read_body(call, dict), "name").strip()
    if not name:
        raise ValidationError("name: it must not be empty")
    if call.services.repository.find_project(call.user, name) is not None:
        raise ConflictError(f"experiment {name!r} already exists")
    project = call.services.repository.project_for(call.user, name)
    return answer({"id": experiment_id(project), "status": "OK"})


def update_experiment(call: EndpointCall) -> Answer:
    """Rename, describe, archive or restore an experiment; archiving changes nothing of its runs."""
    body = read_body(call, dict)
    title = text(body, "name", "").strip()
    archived = optional(flag, body, "archived")
    found = _find(call)
    labels = None
    if archived is not None:
        others = tuple(label for label in found.labels if label != _ARCHIVED)
        labels = (*others, _ARCHIVED) if archived else others
    name, shown = checked(project_names, title, "experiment") if title else (None, None)
    if name == DEFAULT:
        raise ValidationError(f"name: {DEFAULT!r} is where runs without an experiment lie")
    patch = ProjectPatch(
        name=name,
        title=shown,
        description=optional(text, body, "description"),
        labels=labels,
    )
    call.services.projects.update_project(call.user, found.path, patch)
    return answer({"id": experiment_id(found), "status": "OK"})


def delete_experiment(call: EndpointCall) -> Answer:
    """Delete an experiment; its runs stay, and belong to none."""
    found = _find(call)
    services, caller = call.services, call.user
    default = services.repository.project_for(caller, DEFAULT)
    if found.count is None or found.count.experiments:
        services.runs.update_runs(caller, RunSelection(found.workspace, found.name), RunPatch(project=default.name))
    services.trash.delete_project(caller, found.path)
    return answer({"status": "OK"})


def _runs(call: EndpointCall, project: ProjectRecord) -> Iterator[RunRecord]:
    return call.services.repository.iterate_runs(call.user, project=project.name)


def list_runs(call: EndpointCall) -> Answer:
    """List the runs of an experiment, newest first; from behind the one with the id ``offset``."""
    limit, offset = whole_of(call, "limit", 0), call.value("offset")
    project = _find(call)
    found = list(_runs(call, project))
    places = [place for place, run in enumerate(found) if run.id == offset]
    chosen = islice(found, places[0] + 1 if places else 0, None)
    runs = [{**standing_of(run), "archived": run.archived} for run in (islice(chosen, limit) if limit > 0 else chosen)]
    return answer({"id": experiment_id(project), "runs": runs})


def get_activity(call: EndpointCall) -> Answer:
    """Tell how many runs an experiment has, and when they were made."""
    return answer(activity_of(call, _runs(call, _find(call))))
