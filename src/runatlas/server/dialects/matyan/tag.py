"""Routes of tags, which are the labels of a workspace; a tag's id comes from its name."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.filters import Comparison, Field
from runatlas.model.run import RunPatch, RunSelection
from runatlas.server.dialects.matyan.body import answer, read_body
from runatlas.server.dialects.matyan.reading import Reading, standing_of, tag_id, tag_object
from runatlas.server.services.labels import LabelRecord
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import flag, optional, text

__all__ = ["create_tag", "delete_tag", "get_tag", "list_runs", "list_tags", "search_tags", "update_tag"]


def _labels(call: EndpointCall) -> list[LabelRecord]:
    return call.services.labels.list_labels(call.user, call.user.username)


def _find(call: EndpointCall) -> LabelRecord:
    for label in _labels(call):
        if tag_id(call.user.username, label.name) == call.params["tag"]:
            return label
    raise NotFoundError(f"tag {call.params['tag']!r} not found")


def _object(call: EndpointCall, label: LabelRecord) -> dict[str, Any]:
    made = tag_object(call.user.username, label.name, label.color, label.description)
    return {**made, "run_count": label.runs, "archived": False}


def _having(label: LabelRecord) -> Comparison:
    return Comparison(Field("STABLE", "labels"), "CONTAIN", label.name)


def list_tags(call: EndpointCall) -> Answer:
    """List tags by name."""
    return answer([_object(call, label) for label in _labels(call)])


def search_tags(call: EndpointCall) -> Answer:
    """List the tags whose names have a text in them, whatever its case."""
    wanted = (call.value("q") or "").strip().lower()
    return answer([_object(call, label) for label in _labels(call) if wanted in label.name.lower()])


def get_tag(call: EndpointCall) -> Answer:
    """Return a tag."""
    return answer(_object(call, _find(call)))


def create_tag(call: EndpointCall) -> Answer:
    """Make a tag."""
    body = read_body(call, dict)
    name = text(body, "name").strip()
    label = LabelRecord(name, 0, text(body, "color", ""), text(body, "description", ""))
    call.services.labels.create_label(call.user, call.user.username, label)
    return answer({"id": tag_id(call.user.username, name), "status": "OK"})


def update_tag(call: EndpointCall) -> Answer:
    """Change a tag, on all runs that have it; another name gives it another id."""
    body = read_body(call, dict)
    if optional(flag, body, "archived"):
        raise ValidationError("archived: a tag cannot be archived; delete it, or leave it")
    held = _find(call)
    label = attrs.evolve(
        held,
        name=text(body, "name", "").strip() or held.name,
        color=text(body, "color", held.color).strip(),
        description=text(body, "description", held.description).strip(),
    )
    place = call.user.username
    with call.services.store.together():
        call.services.labels.replace_label(call.user, place, held.name, label)
        if label.name != held.name:
            _change_runs(call, held, RunPatch(labels_added=(label.name,), labels_removed=(held.name,)))
    return answer({"id": tag_id(place, label.name), "status": "OK"})


def delete_tag(call: EndpointCall) -> Answer:
    """Delete a tag, and take it from all runs that have it."""
    held = _find(call)
    with call.services.store.together():
        call.services.labels.drop_label(call.user, call.user.username, held.name)
        _change_runs(call, held, RunPatch(labels_removed=(held.name,)))
    return answer({"status": "OK"})


def _change_runs(call: EndpointCall, label: LabelRecord, patch: RunPatch) -> None:
    call.services.runs.update_runs(call.user, RunSelection(call.user.username, filter=_having(label)), patch)


def list_runs(call: EndpointCall) -> Answer:
    """List the runs that have a tag, newest first."""
    label = _find(call)
    reading = Reading(call.services, call.user)
    found = call.services.repository.iterate_runs(call.user, filter=_having(label))
    runs = [{**standing_of(run), "experiment": reading.experiment_name(run)} for run in found]
    return answer({"id": tag_id(call.user.username, label.name), "runs": runs})
