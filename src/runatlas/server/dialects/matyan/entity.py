"""Routes of what stands beside runs: the server itself, experiments and tags."""

from __future__ import annotations

from typing import Any

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunPatch, RunSelection
from runatlas.model.version import VERSION
from runatlas.server.dialects.matyan.body import answer, read_object, text_field
from runatlas.server.dialects.matyan.place import DEFAULT
from runatlas.server.dialects.matyan.reading import tag_id, tag_object
from runatlas.server.services.labels import LabelRecord
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "create_experiment",
    "create_tag",
    "delete_experiment",
    "get_project",
    "get_version",
    "list_experiments",
    "list_tags",
]


def get_version(_: EndpointCall) -> Answer:
    """Say what answers here."""
    return answer({"version": VERSION, "component": "runatlas"})


def get_project(_: EndpointCall) -> Answer:
    """Describe the repository."""
    told = {"name": "RunAtlas", "path": "", "description": "", "telemetry_enabled": 0}
    return answer({**told, "warn_index": False, "warn_runs": False})


def _experiments(call: EndpointCall) -> list[ProjectRecord]:
    return [found for found in call.services.repository.list_projects(call.user) if found.name != DEFAULT]


def _experiment_object(project: ProjectRecord) -> dict[str, Any]:
    return {
        "id": project.cuid,
        "name": project.title or project.name,
        "description": project.description,
        "run_count": 0 if project.count is None else project.count.experiments,
        "archived": False,
        "creation_time": project.created_at_ms / 1000,
    }


def list_experiments(call: EndpointCall) -> Answer:
    """List experiments by name."""
    return answer([_experiment_object(project) for project in _experiments(call)])


def create_experiment(call: EndpointCall) -> Answer:
    """Make an experiment."""
    name = text_field(read_object(call), "name").strip()
    if not name:
        raise ValidationError("name: it must not be empty")
    if call.services.repository.find_project(call.user, name) is not None:
        raise ConflictError(f"experiment {name!r} already exists")
    project = call.services.repository.project_for(call.user, name)
    return answer({"id": project.cuid, "status": "OK"})


def delete_experiment(call: EndpointCall) -> Answer:
    """Delete an experiment; its runs stay, and belong to none."""
    found = next((item for item in _experiments(call) if item.cuid == call.params["experiment"]), None)
    if found is None:
        raise NotFoundError(f"experiment {call.params['experiment']!r} not found")
    services, caller = call.services, call.user
    default = services.repository.project_for(caller, DEFAULT)
    if found.count is None or found.count.experiments:
        services.runs.update_runs(caller, RunSelection(found.workspace, found.name), RunPatch(project=default.name))
    services.trash.delete(caller, services.trash.plan_project_deletion(caller, found.path))
    return answer({"status": "OK"})


def list_tags(call: EndpointCall) -> Answer:
    """List tags by name."""
    place = call.user.username
    return answer(
        [
            {
                **tag_object(place, label.name, label.color, label.description),
                "run_count": label.runs,
                "archived": False,
            }
            for label in call.services.labels.list_labels(call.user, place)
        ]
    )


def create_tag(call: EndpointCall) -> Answer:
    """Make a tag."""
    body = read_object(call)
    name = text_field(body, "name").strip()
    label = LabelRecord(name, 0, text_field(body, "color", ""), text_field(body, "description", ""))
    call.services.labels.create_label(call.user, call.user.username, label)
    return answer({"id": tag_id(call.user.username, name), "status": "OK"})
