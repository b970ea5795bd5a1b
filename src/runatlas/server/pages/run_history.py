"""What was done with a run: notes, changes and by whom, and its keys."""

from __future__ import annotations

from runatlas.display import markup
from runatlas.errors import ApiStatusError, ValidationError
from runatlas.model.annotation import ANNOTATION_MAX, AnnotationDraft, AnnotationQuery
from runatlas.model.change import LASTING, ChangeQuery
from runatlas.model.ingestion_key import INGESTION_KEY_TTL_MAX_MS
from runatlas.model.page import PageRequest
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import Form, last_of, read_form, redirect
from runatlas.server.pages.room import Room, fitting_page
from runatlas.server.pages.run_view import RunView, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.terminal import printable

__all__ = ["add_note", "create_key", "revoke_key", "show_history"]

_NOTES, _CHANGES = 10, 25
_NOTES_ROOM = 100_000
_HOUR_MS = 3_600_000
_HOURS_MAX = INGESTION_KEY_TTL_MAX_MS // _HOUR_MS


def show_history(call: EndpointCall) -> Answer:
    """Show notes, what was changed and by whom, and the keys of the run."""
    return _history(call, view_run(call))


def _history(
    call: EndpointCall, shown: RunView, *, problem: str = "", secret: str = "", text: str = "", status: int = 200
) -> Answer:
    path, services = shown.run.path, call.services
    cursor = call.value("after") or None
    since = call.value("notes") or None
    notes = fitting_page(
        lambda limit: services.annotations.list_annotations(
            call.user, path, AnnotationQuery(page=PageRequest(limit=limit, cursor=since))
        ),
        _NOTES,
        Room(_NOTES_ROOM, beside=500),
        lambda note: [markup.lines(note.text, ANNOTATION_MAX).text],
    )
    changes = services.changes.list_changes(
        call.user, ChangeQuery(str(path), page=PageRequest(limit=_CHANGES, cursor=cursor))
    )
    return run_page(
        call,
        shown,
        "run_history.html",
        tab="history",
        status=status,
        notes=notes.items,
        later_notes=notes.next_cursor,
        changes=changes.items,
        earlier_changes=changes.next_cursor,
        keys=services.ingestion_keys.list_ingestion_keys(call.user, path) if shown.may_write else (),
        lasting_kinds=frozenset(LASTING),
        problem=problem,
        secret=secret,
        text=text[:ANNOTATION_MAX],
        note_most=ANNOTATION_MAX,
        hours_most=_HOURS_MAX,
    )


def add_note(call: EndpointCall) -> Answer:
    """Note something on the run."""
    form, shown = read_form(call), view_run(call)
    text = last_of(form, "text").replace("\r\n", "\n").strip()
    try:
        call.services.annotations.create_annotation(call.user, shown.run.path, AnnotationDraft(text))
    except ApiStatusError as error:
        return _history(call, shown, problem=error.message, text=text, status=error.code)
    return redirect(with_query(f"{shown.address}/history", said="noted"))


def create_key(call: EndpointCall) -> Answer:
    """Make a key that may write to this run for a while, and show it this once."""
    form, shown = read_form(call), view_run(call)
    name = last_of(form, "name").strip()
    try:
        ttl_ms = _hours(form) * _HOUR_MS
        made = call.services.ingestion_keys.create_ingestion_key(call.user, shown.run.path, name, ttl_ms=ttl_ms)
    except ApiStatusError as error:
        return _history(call, shown, problem=error.message, status=error.code)
    return _history(call, shown, secret=made.secret)


def _hours(form: Form) -> int:
    said = last_of(form, "hours").strip()
    if said.isascii() and said.isdigit() and len(said) <= len(str(_HOURS_MAX)) and 1 <= int(said) <= _HOURS_MAX:
        return int(said)
    raise ValidationError(f"hours: a key is good for 1 to {_HOURS_MAX} whole hours, got {printable(said[:50])!r}")


def revoke_key(call: EndpointCall) -> Answer:
    """Make a key of the run useless at once."""
    form, shown = read_form(call), view_run(call)
    call.services.ingestion_keys.revoke_ingestion_key(call.user, shown.run.path, last_of(form, "key"))
    return redirect(with_query(f"{shown.address}/history", said="revoked"))
