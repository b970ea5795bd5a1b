"""The rules of annotations: whoever may write to a run may note something on it."""

from __future__ import annotations

import hashlib
import uuid

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.annotation import ANNOTATION_MAX, AnnotationDraft, AnnotationQuery, AnnotationRecord
from runatlas.model.ids import RunPath
from runatlas.model.page import Page
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.store.annotation import (
    add_annotation,
    annotation_page,
    change_annotation,
    delete_annotation,
    find_annotation,
)
from runatlas.server.store.engine import Store
from runatlas.server.store.statement import Connection

__all__ = ["EDITED", "Annotations"]

EDITED = "edited_at_ms"
"""Where the metadata of a note that was changed tell when."""

_LISTING = "annotations"
_EVENT_NAMESPACE = uuid.UUID("5e0f3c6a-5d5b-4f0e-9f64-2f5b1f8d7a10")


class Annotations:
    """What may be done with annotations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_annotations(self, caller: Caller, run: RunPath, query: AnnotationQuery) -> Page[AnnotationRecord]:
        """List a run's notes, oldest first."""
        check_page(query.page)
        after = None if query.page.cursor is None else read_cursor(query.page.cursor, _LISTING, ("int", "int"))
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "read")
            held = annotation_page(connection, found.id, query, after)
        return make_page(
            held, query.page.limit, item=lambda row: row[1], cursor=lambda row: write_cursor(_LISTING, row[0])
        )

    def create_annotation(self, caller: Caller, run: RunPath, draft: AnnotationDraft) -> AnnotationRecord:
        """Note something on a run; a repeated event id answers the first note.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The text is empty or too long.
        """
        _check_text(draft.text)
        with self._store.write() as connection:
            found = require_run(connection, caller, run, "write")
            name = str(uuid.uuid4())
            if draft.event_id is not None:
                name = str(uuid.uuid5(_EVENT_NAMESPACE, _event_name(found.cuid, draft.event_id)))
                first = find_annotation(connection, found.id, name)
                if first is not None:
                    return first
            record = AnnotationRecord(name, draft.text, draft.metadata, caller.username, self._store.clock())
            add_annotation(connection, found.id, record)
            return record

    def get_annotation(self, caller: Caller, run: RunPath, name: str) -> AnnotationRecord:
        """Return a note of a run.

        Raises:
            NotFoundError: There is no such run, or it has no such note.
        """
        with self._store.read() as connection:
            return _require(connection, require_run(connection, caller, run, "read").id, name)

    def update_annotation(self, caller: Caller, run: RunPath, name: str, text: str) -> AnnotationRecord:
        """Change the text of a note; its metadata tell from then on when.

        Raises:
            NotFoundError: There is no such run, or it has no such note.
            PermissionDeniedError: The caller may not write to the run.
            ValidationError: The text is empty or too long.
        """
        _check_text(text)
        with self._store.write() as connection:
            found = require_run(connection, caller, run, "write")
            held = _require(connection, found.id, name)
            changed = attrs.evolve(held, text=text, metadata={**held.metadata, EDITED: self._store.clock()})
            change_annotation(connection, found.id, changed)
            return changed

    def delete_annotation(self, caller: Caller, run: RunPath, name: str) -> None:
        """Delete a note for good.

        Raises:
            NotFoundError: There is no such run, or it has no such note.
            PermissionDeniedError: The caller may not write to the run.
        """
        with self._store.write() as connection:
            found = require_run(connection, caller, run, "write")
            _require(connection, found.id, name)
            delete_annotation(connection, found.id, name)


def _require(connection: Connection, run_pk: int, name: str) -> AnnotationRecord:
    check_text(name, "note")
    found = find_annotation(connection, run_pk, name)
    if found is None:
        raise NotFoundError(f"the run has no note {name!r}")
    return found


def _check_text(text: str) -> None:
    if not 1 <= len(text) <= ANNOTATION_MAX:
        raise ValidationError(f"text: an annotation has 1 to {ANNOTATION_MAX} characters, got {len(text)}")
    check_text(text, "text")


def _event_name(cuid: str, event_id: str) -> str:
    return f"{cuid}/{hashlib.sha256(event_id.encode()).hexdigest()}"
