"""What the buttons beside the table of runs do: changes of chosen runs, deletions with their plan, and taking back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

import attrs

from runatlas.errors import ApiStatusError, ConflictError, NotFoundError, ValidationError
from runatlas.model.change import ChangeQuery
from runatlas.model.filter_language import FilterSyntaxError
from runatlas.model.guard import FORCED
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunPatch, RunQuery, RunSelection
from runatlas.model.transfer import TransferDraft
from runatlas.model.trash import DeletionPlanRecord
from runatlas.server.pages.address import project_address, with_query
from runatlas.server.pages.curves.points import CURVE_RUNS
from runatlas.server.pages.page import Form, last_of, page, project_path, read_form, redirect
from runatlas.server.pages.project import project_page
from runatlas.server.pages.run_list import PASSED, read_selection
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["change_runs", "delete_runs", "undo_change"]

_RUNS_MAX = 5_000
_COMPARED = range(2, 21)
_REPORTED, _FILTER_MAX = 100, 6_000
_RECENT = 50
_SHOWN = 100
_BACK_MAX = 20_000


def _words(form: Form) -> tuple[str, ...]:
    """Return the tags that were written, with commas between them."""
    found = tuple(dict.fromkeys(filter(None, map(str.strip, last_of(form, "text").split(",")))))
    if not found:
        raise ValidationError("write the tag first; several with commas between them")
    return found


_PATCHES: Mapping[str, Callable[[Form], RunPatch]] = {
    "tag": lambda form: RunPatch(labels_added=_words(form)),
    "untag": lambda form: RunPatch(labels_removed=_words(form)),
    "group": lambda form: RunPatch(group=last_of(form, "text").strip()),
    "archive": lambda _: RunPatch(archived=True),
    "unarchive": lambda _: RunPatch(archived=False),
    "pin": lambda _: RunPatch(pin=True),
    "unpin": lambda _: RunPatch(pin=False),
    "protect": lambda form: RunPatch(protected=True, protected_reason=last_of(form, "text").strip() or None),
    "unprotect": lambda _: RunPatch(protected=False),
}


def change_runs(call: EndpointCall) -> Answer:
    """Do to the chosen runs what the button says."""
    form = read_form(call)
    try:
        action, selection = last_of(form, "do"), _selection(call, form)
        does = {"compare": _compare, "draw": _draw, "report": _report, "delete": _show_plan, "move": _move}.get(action)
        if does is not None:
            return does(call, form, selection)
        if action not in _PATCHES:
            raise ValidationError("the page does not say what is to be done with the runs; load it again")
        done = call.services.runs.update_runs(call.user, selection, _PATCHES[action](form))
    except NotFoundError as error:
        call.services.projects.get_project(call.user, project_path(call))
        return _refused(call, form, error.message, error.code)
    except ApiStatusError as error:
        return _refused(call, form, error.message, error.code)
    return _back(call, form, done=done.change_id or None, same=None if done.change_id else done.updated)


def delete_runs(call: EndpointCall) -> Answer:
    """Move to the trash what a plan told, if the plan is still what the runs are like."""
    form = read_form(call)
    try:
        selection = _selection(call, form)
        plan = _plan(call, form, selection)
        if last_of(form, "plan") != _digest(plan):
            return _show_plan(call, form, selection, changed=True)
        done = call.services.trash.delete(call.user, plan)
    except ApiStatusError as error:
        return _refused(call, form, error.message, error.code)
    return _back(call, form, done=_deletion(call, done.trash_id), same=None if done.trash_id else 0)


def undo_change(call: EndpointCall) -> Answer:
    """Take a change back."""
    form = read_form(call)
    call.services.projects.get_project(call.user, project_path(call))
    try:
        done = call.services.changes.undo_change(call.user, last_of(form, "change")[:100])
    except NotFoundError:
        return _refused(call, form, "there is no such change; it may be taken back on the page of the trash", 404)
    except ApiStatusError as error:
        return _refused(call, form, error.message, error.code)
    return _back(call, form, done=done.id)


# -- what was chosen ----------------------------------------------------------------------------------------------


def _selection(call: EndpointCall, form: Form) -> RunSelection:
    path = project_path(call)
    everything = RunSelection(path.workspace, path.project)
    if last_of(form, "which") == "all":
        try:
            return read_selection(everything, last_of(form, "filter").strip())
        except FilterSyntaxError as error:
            raise ValidationError(str(error)) from error
    chosen = tuple(dict.fromkeys(name for text in form.get("run", ()) for name in text.split()))
    # Who may not see the project is not told what a form lacks.
    call.services.projects.get_project(call.user, path)
    if not chosen:
        raise ValidationError("no run is selected: tick some of them, or choose all that fit the filter")
    if len(chosen) > _RUNS_MAX:
        raise ValidationError(f"{len(chosen):,} runs are selected, and {_RUNS_MAX:,} at the most; choose by a filter")
    return attrs.evolve(everything, ids=chosen)


def _compare(call: EndpointCall, _: Form, selection: RunSelection) -> Answer:
    ids = selection.ids or ()
    if len(ids) not in _COMPARED:
        raise ValidationError("2 to 20 runs are compared: tick them")
    return redirect(with_query(f"{project_address(project_path(call))}/compare", runs=",".join(ids)))


def _draw(call: EndpointCall, form: Form, selection: RunSelection) -> Answer:
    ids = selection.ids or ()
    if not 1 <= len(ids) <= CURVE_RUNS:
        raise ValidationError(f"curves are drawn of 1 to {CURVE_RUNS} runs: tick them")
    return _back(call, form, drawn=",".join(ids))


def _report(call: EndpointCall, form: Form, selection: RunSelection) -> Answer:
    """Lead to the report on these runs, which begins with what the table shows of them."""
    query = parse_qsl(_return_address(call, form).partition("?")[2])
    wanted = last_of(form, "filter").strip()
    if selection.ids is not None:
        asked = RunQuery(selection, parts=(), page=PageRequest(limit=_REPORTED))
        found = [run.id for run in call.services.runs.list_runs(call.user, asked).items]
        wanted = f"id in {found!r}"
        if len(selection.ids) > _REPORTED or len(wanted) > _FILTER_MAX:
            raise ValidationError(f"a report is on {_REPORTED} chosen runs at the most; choose more by a filter")
    told = urlencode([("filter", wanted), *((name, held) for name, held in query if name != "filter")])
    return redirect(f"{project_address(project_path(call))}/report?{told}")


def _move(call: EndpointCall, form: Form, selection: RunSelection) -> Answer:
    """Move runs to another project, which is made if the form says so."""
    name = _named(form, "to", "say which project they move to")
    target = name if "/" in name else f"{selection.workspace}/{name}"
    plan = call.services.transfers.plan_transfer(call.user, TransferDraft("move", target, runs=selection, create=True))
    if not plan.target_cuid and last_of(form, "create") != "yes":
        _require_target(call, ProjectPath.parse(plan.target))
    if plan.notes and not plan.items:
        raise ConflictError(f"nothing was moved: {'; '.join(plan.notes)}")
    done = call.services.transfers.transfer(call.user, plan)
    return _back(call, form, done=done.change_id or None, same=None if done.change_id else 0)


def _require_target(call: EndpointCall, path: ProjectPath) -> None:
    try:
        call.services.projects.get_project(call.user, path)
    except NotFoundError as error:
        end = "" if error.message.endswith("?") else "."
        raise NotFoundError(f"{error.message}{end} Tick “Make it if it is not there” to make it.") from error


# -- deletions ----------------------------------------------------------------------------------------------------


def _plan(call: EndpointCall, form: Form, selection: RunSelection) -> DeletionPlanRecord:
    return call.services.trash.plan_run_deletion(call.user, selection, force=last_of(form, "force") == "yes")


def _digest(plan: DeletionPlanRecord) -> str:
    """Tell one plan from another: by the runs that go, and what guards those."""
    told = sorted((item.cuid, item.guards) for item in plan.items)
    return hashlib.sha256(repr((told, plan.notes, plan.takes)).encode()).hexdigest()


def _show_plan(call: EndpointCall, form: Form, selection: RunSelection, *, changed: bool = False) -> Answer:
    path = project_path(call)
    plan = _plan(call, form, selection)
    return page(
        call,
        "delete_runs.html",
        status=409 if changed else 200,
        project=call.services.projects.get_project(call.user, path),
        address=project_address(path),
        back=_return_address(call, form),
        plan=plan,
        digest=_digest(plan),
        which="all" if selection.ids is None else "chosen",
        filter=last_of(form, "filter"),
        chosen=" ".join(selection.ids or ()),
        changed=changed,
        forcible=bool(plan.notes) or any(item.is_taken(FORCED) for item in plan.kept),
        shown=_SHOWN,
    )


def _deletion(call: EndpointCall, trash_id: str) -> str | None:
    """Find the line of the journal that a deletion made."""
    if not trash_id:
        return None
    query = ChangeQuery(str(project_path(call)), kind="delete", page=PageRequest(limit=_RECENT))
    found = call.services.changes.list_changes(call.user, query).items
    return next((change.id for change in found if change.trash_id == trash_id), None)


# -- the way back -------------------------------------------------------------------------------------------------


def _back(call: EndpointCall, form: Form, **told: str | int | None) -> Answer:
    address = _return_address(call, form)
    said = urlencode({name: value for name, value in told.items() if value is not None})
    return redirect(f"{address}{'&' if '?' in address else '?'}{said}" if said else address)


def _return_address(call: EndpointCall, form: Form) -> str:
    """Return the address of the listing that the form was on, without what was of one moment."""
    address = project_address(project_path(call))
    pairs = parse_qsl(last_of(form, "back").partition("#")[0].partition("?")[2][:_BACK_MAX])
    left = PASSED - {"after", "at"} | ({"drawn", "hidden"} if last_of(form, "do") == "draw" else set())
    asked = urlencode([(name, value) for name, value in pairs if name not in left])
    return f"{address}?{asked}" if asked else address


def _refused(call: EndpointCall, form: Form, problem: str, status: int) -> Answer:
    """Show the listing again, and why nothing was done."""
    address, _, query = _return_address(call, form).partition("?")
    asked = attrs.evolve(call, raw_path=address, query_string=query.encode("ascii"))
    return project_page(asked, refusal=problem, status=status, typed=form)


def _named(form: Form, name: str, problem: str) -> str:
    found = last_of(form, name).strip()
    if not found:
        raise ValidationError(problem)
    return found
