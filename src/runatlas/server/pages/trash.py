"""The trash: what was deleted, until when it can be brought back, and how it goes for good."""

from __future__ import annotations

from runatlas.errors import ApiStatusError, PermissionDeniedError
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.trash import PurgeRecord
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import count_of, is_confirmed, page, read_form, redirect
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["purge_entry", "purge_expired", "restore_entry", "show_entry", "show_expired", "show_trash"]

_ENTRIES, _RUNS = 50, 100


def show_trash(call: EndpointCall) -> Answer:
    """Show what lies in the trash of all workspaces, or of the one that the address names, the latest first."""
    workspace, cursor = call.value("workspace") or None, call.value("after") or None
    request = PageRequest(limit=_ENTRIES, cursor=cursor, with_total=cursor is None)
    found = call.services.trash.list_trash(call.user, workspace, request)
    return page(
        call,
        "trash.html",
        entries=found.items,
        total=found.total,
        following=found.next_cursor,
        workspace=workspace,
        now_ms=call.services.store.clock(),
        restored=count_of(call, "restored"),
        purged=count_of(call, "purged"),
        project=_project(call),
    )


def show_expired(call: EndpointCall) -> Answer:
    """Show what is kept no longer, and what purging it would take."""
    return _expired(call, "")


def _expired(call: EndpointCall, problem: str, *, status: int = 200) -> Answer:
    plan = call.services.purging.purge(call.user, dry_run=True)
    return page(call, "trash_expired.html", status=status, plan=plan, problem=problem)


def show_entry(call: EndpointCall) -> Answer:
    """Show one deletion: its runs, and what purging it would take."""
    return _entry(call, "")


def _entry(call: EndpointCall, problem: str, *, status: int = 200) -> Answer:
    name, cursor = call.params["entry"], call.value("after") or None
    entry = call.services.trash.get_entry(call.user, name)
    runs = call.services.trash.list_trashed_runs(call.user, name, PageRequest(limit=_RUNS, cursor=cursor))
    return page(
        call,
        "trash_entry.html",
        status=status,
        entry=entry,
        runs=runs.items,
        following=runs.next_cursor,
        plan=_plan(call, name),
        now_ms=call.services.store.clock(),
        problem=problem,
    )


def _plan(call: EndpointCall, name: str) -> PurgeRecord | None:
    """Tell what purging takes; ``None`` if the caller may not."""
    try:
        return call.services.purging.purge(call.user, trash_id=name, dry_run=True)
    except PermissionDeniedError:
        return None


def restore_entry(call: EndpointCall) -> Answer:
    """Bring everything of one deletion back."""
    read_form(call)
    try:
        done = call.services.trash.restore(call.user, call.params["entry"])
    except ApiStatusError as error:
        return _entry(call, error.message, status=error.code)
    project = f"{done.workspace}/{done.project}" if done.project else None
    return redirect(with_query("/trash", restored=done.runs, project=project))


def purge_entry(call: EndpointCall) -> Answer:
    """Remove one deletion for good, once that was confirmed."""
    name = call.params["entry"]
    if not is_confirmed(read_form(call)):
        return _entry(call, "nothing was purged: tick that it is meant", status=422)
    done = call.services.purging.purge(call.user, trash_id=name)
    return redirect(with_query("/trash", purged=done.runs))


def purge_expired(call: EndpointCall) -> Answer:
    """Remove for good what is kept no longer."""
    form = read_form(call)
    if not is_confirmed(form):
        return _expired(call, "nothing was purged: tick that it is meant", status=422)
    plan = call.services.purging.purge(call.user, dry_run=True)
    if form.get("shown") != [f"{plan.entries} {plan.runs} {plan.points}"]:
        return _expired(call, "nothing was purged: what is kept no longer is more by now, see below", status=409)
    done = call.services.purging.purge(call.user)
    return redirect(with_query("/trash", purged=done.runs))


def _project(call: EndpointCall) -> ProjectPath | None:
    try:
        return ProjectPath.parse(call.value("project") or "")
    except ValueError:
        return None
