"""Routes of the notes on a run."""

from __future__ import annotations

from typing import Any

from runatlas.model.annotation import AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.page import each_item
from runatlas.server.dialects.matyan.body import answer, read_body
from runatlas.server.dialects.matyan.run import found_run
from runatlas.server.services.annotations import EDITED
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import text

__all__ = ["create_note", "delete_note", "get_note", "list_notes", "update_note"]


def _object(note: AnnotationRecord) -> dict[str, Any]:
    edited = note.metadata.get(EDITED)
    updated_ms = edited if isinstance(edited, int) else note.created_at_ms
    return {"id": note.id, "content": note.text, "updated_at": updated_ms / 1000}


def list_notes(call: EndpointCall) -> Answer:
    """List the notes on a run, oldest first."""
    run = found_run(call)
    annotations = call.services.annotations
    notes = each_item(lambda page: annotations.list_annotations(call.user, run.path, AnnotationQuery(page=page)))
    return answer([{**_object(note), "created_at": note.created_at_ms / 1000} for note in notes])


def create_note(call: EndpointCall) -> Answer:
    """Note something on a run."""
    draft = AnnotationDraft(_content(call))
    made = call.services.annotations.create_annotation(call.user, found_run(call).path, draft)
    return answer({"id": made.id, "created_at": made.created_at_ms / 1000}, 201)


def _content(call: EndpointCall) -> str:
    return text(read_body(call, dict), "content").strip()


def get_note(call: EndpointCall) -> Answer:
    """Return a note."""
    run = found_run(call)
    return answer(_object(call.services.annotations.get_annotation(call.user, run.path, call.params["note"])))


def update_note(call: EndpointCall) -> Answer:
    """Change the text of a note."""
    run, text = found_run(call), _content(call)
    changed = call.services.annotations.update_annotation(call.user, run.path, call.params["note"], text)
    return answer(_object(changed))


def delete_note(call: EndpointCall) -> Answer:
    """Delete a note."""
    run = found_run(call)
    call.services.annotations.delete_annotation(call.user, run.path, call.params["note"])
    return answer({"status": "OK"})
