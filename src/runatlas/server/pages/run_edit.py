"""Changing what is said of a run: its name, description, group and tags, and its marks."""

from __future__ import annotations

from runatlas.errors import ApiStatusError
from runatlas.model.run import RunPatch
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import Form, read_form, redirect
from runatlas.server.pages.run import run_overview
from runatlas.server.pages.run_view import view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["edit_run", "mark_run"]

_MARKS = ("pin", "baseline", "protected", "archived")


def edit_run(call: EndpointCall) -> Answer:
    """Change the texts of a run: those that the form has."""
    form = read_form(call)
    tags = _text(form, "tags")
    patch = RunPatch(
        name=_text(form, "name"),
        description=_text(form, "description"),
        group=_text(form, "group"),
        labels=None
        if tags is None
        else tuple(dict.fromkeys(tag for line in tags.split("\n") if (tag := line.strip()))),
    )
    return _apply(call, patch)


def mark_run(call: EndpointCall) -> Answer:
    """Set one mark of a run, or take it away: the form's field is called as the mark, with ``yes`` or ``no``."""
    form = read_form(call)
    pin, baseline, protected, archived = (_answer(form, name) for name in _MARKS)
    reason = _text(form, "reason") or None
    return _apply(
        call,
        RunPatch(
            pin=pin,
            baseline=baseline,
            protected=protected,
            archived=archived,
            protected_reason=reason if protected else None,
        ),
    )


def _answer(form: Form, name: str) -> bool | None:
    return form[name][-1] == "yes" if name in form else None


def _apply(call: EndpointCall, patch: RunPatch) -> Answer:
    shown = view_run(call)
    try:
        call.services.runs.update_run(call.user, shown.run.path, patch)
    except ApiStatusError as error:
        return run_overview(call, shown, problem=error.message, status=error.code)
    return redirect(with_query(shown.address, said="changed"))


def _text(form: Form, name: str) -> str | None:
    found = form.get(name)
    return None if found is None else found[-1].replace("\r\n", "\n").strip()
