"""What all pages of one run show."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.model.instant import iso_text
from runatlas.model.project import ProjectRecord
from runatlas.model.run import RunRecord
from runatlas.server.pages.address import run_address
from runatlas.server.pages.asset import plotly_version
from runatlas.server.pages.page import is_visitor, page, run_path
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["RunView", "heard_text", "own_link", "run_page", "silence", "view_run"]

_WRITERS = frozenset({"MEMBER", "OWNER"})
_TABS = {"": "Overview", "media": "Media", "logs": "Logs", "system": "System", "files": "Files", "history": "History"}
_DONE = {
    "changed": "It was changed. The history has what it was before.",
    "noted": "The note is kept.",
    "revoked": "The key is worth nothing any more.",
}
"""What is said of what was done, by the word that an address has for it."""


@attrs.frozen
class RunView:
    """A run as a caller sees it.

    Attributes:
        address: Of its page.
        may_write: Whether forms that change it are shown; what is allowed is decided when one is sent.
    """

    run: RunRecord
    project: ProjectRecord
    address: str
    may_write: bool


def view_run(call: EndpointCall) -> RunView:
    """Find the run of an address.

    Raises:
        NotFoundError: There is no such run.
    """
    run = call.services.runs.get_run(call.user, run_path(call))
    project = call.services.projects.get_project(call.user, run.project_path)
    may_write = project.role in _WRITERS and not is_visitor(call.user)
    return RunView(run, project, run_address(run.path, run.cuid), may_write)


def run_page(call: EndpointCall, shown: RunView, template: str, **context: Any) -> Answer:
    """Answer with one of the pages of a run.

    Args:
        call: Who asks.
        shown: The run.
        template: Its name.
        context: What it shows beside the run.
    """
    return page(
        call,
        template,
        run=shown.run,
        project=shown.project,
        address=shown.address,
        may_write=shown.may_write,
        plotly=plotly_version(),
        tabs=_TABS,
        done=_DONE.get(call.value("said") or "", ""),
        silence=silence(shown.run),
        heard=heard_text(shown.run),
        now_ms=call.services.store.clock(),
        **context,
    )


def heard_text(run: RunRecord) -> str:
    """Write when a run that has no end was last heard of; ``""`` of one that has."""
    if run.finished_at_ms is not None:
        return ""
    heard_ms = run.created_at_ms if run.heartbeat_at_ms is None else run.heartbeat_at_ms
    return iso_text(heard_ms)[:19].replace("T", " ")


def silence(run: RunRecord) -> str:
    """Say why a run counts as crashed of which nobody said so; ``""`` of any other."""
    if run.state != "CRASHED" or run.finished_at_ms is not None:
        return ""
    return (
        f"Nothing was heard of it since {heard_text(run)} (UTC), so that it counts as crashed:"
        " its process was killed, or cannot reach the store. With its next word it is RUNNING again."
    )


def own_link(call: EndpointCall, url: str) -> str:
    """Return a link of ours for a page: without host, as the page may be looked at by another name of it."""
    return url.removeprefix(call.user.origin or "")
