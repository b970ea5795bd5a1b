"""Changing what is said of a run: its name, description, group and tags, and its marks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runatlas.errors import ApiStatusError, ValidationError
from runatlas.model.run import RunPatch
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import Form, read_form, redirect
from runatlas.server.pages.run import run_overview
from runatlas.server.pages.run_view import view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.terminal import printable

__all__ = ["edit_run", "mark_run"]

_TEXTS = ("name", "description", "tags", "group")
_MARKS = ("pin", "baseline", "protected", "archived")
_ANSWERS = {"yes": True, "no": False}


def edit_run(call: EndpointCall) -> Answer:
    """Change the texts of a run: those that the form has."""
    return _apply(call, _texts)


def mark_run(call: EndpointCall) -> Answer:
    """Set one mark of a run, or take it away: the form's field is called as the mark, with ``yes`` or ``no``."""
    return _apply(call, _marks)


def _apply(call: EndpointCall, read: Callable[[Form], RunPatch]) -> Answer:
    form, shown = read_form(call), view_run(call)
    try:
        call.services.runs.update_run(call.user, shown.run.path, read(form))
    except ApiStatusError as error:
        return run_overview(call, shown, problem=error.message, status=error.code)
    return redirect(with_query(shown.address, said="changed"))


def _texts(form: Form) -> RunPatch:
    _require_fields(form, _TEXTS)
    tags = _text(form, "tags")
    lines = () if tags is None else tags.split("\n")
    return RunPatch(
        name=_text(form, "name"),
        description=_text(form, "description"),
        group=_text(form, "group"),
        labels=None if tags is None else tuple(dict.fromkeys(tag for line in lines if (tag := line.strip()))),
    )


def _marks(form: Form) -> RunPatch:
    _require_fields(form, (*_MARKS, "reason"))
    pin, baseline, protected, archived = (_answer(form, name) for name in _MARKS)
    reason = _text(form, "reason") or None
    if reason is not None and not protected:
        raise ValidationError("reason: it is why a run is protected; send it with protected=yes")
    return RunPatch(pin=pin, baseline=baseline, protected=protected, archived=archived, protected_reason=reason)


def _require_fields(form: Form, known: Sequence[str]) -> None:
    """Refuse a form that says something of which nothing would come."""
    for name, values in form.items():
        if name not in known:
            raise ValidationError(f"{printable(name[:50])!r} is no field of this form; it has {', '.join(known)}")
        if len(values) > 1:
            raise ValidationError(f"{name}: expected one value, got {len(values)}")
    if not form:
        raise ValidationError(f"nothing was asked for; the form has {', '.join(known)}")


def _answer(form: Form, name: str) -> bool | None:
    said = _text(form, name)
    if said is not None and said not in _ANSWERS:
        raise ValidationError(f"{name}: expected yes or no, got {printable(said[:50])!r}")
    return None if said is None else _ANSWERS[said]


def _text(form: Form, name: str) -> str | None:
    found = form.get(name)
    return None if found is None else found[-1].replace("\r\n", "\n").strip()
