"""The lesser pages of a run: its system, its files, and what was done with it."""

from __future__ import annotations

from runatlas.errors import ApiStatusError
from runatlas.model.annotation import ANNOTATION_MAX, AnnotationDraft, AnnotationQuery
from runatlas.model.change import LASTING, ChangeQuery
from runatlas.model.page import PAGE_LIMIT, PageRequest
from runatlas.model.run import Profile, RunSelection
from runatlas.model.series import SummaryQuery
from runatlas.server.pages.address import project_address, with_query
from runatlas.server.pages.curves import read_view
from runatlas.server.pages.page import last_of, read_form, redirect
from runatlas.server.pages.run_view import RunView, own_link, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = [
    "add_note",
    "create_key",
    "revoke_key",
    "show_files",
    "show_history",
    "show_system",
]

_SYSTEM, _FILES, _NOTES, _CHANGES = 100, 100, 10, 50
_HOUR_MS = 3_600_000


def show_system(call: EndpointCall) -> Answer:
    """Show what the machine did, and what it was."""
    shown = view_run(call)
    run = shown.run
    selection = RunSelection(run.workspace, run.project, ids=(run.cuid,))
    query = SummaryQuery(selection, median=False, column_class="SYSTEM", page=PageRequest(limit=PAGE_LIMIT))
    found = call.services.points.read_summaries(call.user, query).items
    return run_page(
        call,
        shown,
        "run_system.html",
        tab="system",
        summaries=found[:_SYSTEM],
        total=len(found),
        keys=list(dict.fromkeys(each.key for each in found[:_SYSTEM])),
        curves=f"{project_address(shown.project.path)}/curves",
        view=read_view(call),
        profile=run.profile or Profile(),
    )


def show_files(call: EndpointCall) -> Answer:
    """Show the artifacts, with links that download them."""
    shown = view_run(call)
    cursor = call.value("after") or None
    request = PageRequest(limit=_FILES, cursor=cursor, with_total=cursor is None)
    found = call.services.artifacts.list_artifacts(call.user, shown.run.path, request)
    files = [(item, "" if item.url is None else own_link(call, item.url)) for item in found.items]
    return run_page(
        call, shown, "run_files.html", tab="files", files=files, total=found.total, following=found.next_cursor
    )


def show_history(call: EndpointCall) -> Answer:
    """Show notes, what was changed and by whom, and the keys of the run."""
    return _history(call, view_run(call))


def _history(
    call: EndpointCall, shown: RunView, *, problem: str = "", secret: str = "", text: str = "", status: int = 200
) -> Answer:
    path, services = shown.run.path, call.services
    cursor = call.value("after") or None
    notes = services.annotations.list_annotations(
        call.user, path, AnnotationQuery(page=PageRequest(limit=_NOTES, cursor=call.value("notes") or None))
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
        text=text,
        note_most=ANNOTATION_MAX,
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
    name, hours = last_of(form, "name").strip(), last_of(form, "hours").strip()
    ttl_ms = int(hours) * _HOUR_MS if hours.isascii() and hours.isdigit() and len(hours) <= 4 else 0
    try:
        made = call.services.ingestion_keys.create_ingestion_key(call.user, shown.run.path, name, ttl_ms=ttl_ms)
    except ApiStatusError as error:
        return _history(call, shown, problem=error.message, status=error.code)
    return _history(call, shown, secret=made.secret)


def revoke_key(call: EndpointCall) -> Answer:
    """Make a key of the run useless at once."""
    form, shown = read_form(call), view_run(call)
    call.services.ingestion_keys.revoke_ingestion_key(call.user, shown.run.path, last_of(form, "key"))
    return redirect(with_query(f"{shown.address}/history", said="revoked"))
