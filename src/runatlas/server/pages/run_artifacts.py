"""The artifacts of a run, with links that download them."""

from __future__ import annotations

from runatlas.model.page import PageRequest
from runatlas.server.pages.run_view import own_link, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_artifacts"]

_FILES = 100


def show_artifacts(call: EndpointCall) -> Answer:
    """Show the artifacts, with links that download them."""
    shown = view_run(call)
    cursor = call.value("after") or None
    request = PageRequest(limit=_FILES, cursor=cursor, with_total=cursor is None)
    found = call.services.artifacts.list_artifacts(call.user, shown.run.path, request)
    files = [(item, "" if item.url is None else own_link(call, item.url)) for item in found.items]
    return run_page(
        call, shown, "run_artifacts.html", tab="files", files=files, total=found.total, following=found.next_cursor
    )
