"""The artifacts of a run, with links that download them."""

from __future__ import annotations

from html import escape

from runatlas.display import markup
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.page import Page, PageRequest
from runatlas.server.pages.room import Room, fitting_page
from runatlas.server.pages.run_view import own_link, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_artifacts"]

_FILES, _NAME = 100, 200
_ROOM = 200_000


def show_artifacts(call: EndpointCall) -> Answer:
    """Show the artifacts, with links that download them."""
    shown = view_run(call)
    cursor = call.value("after") or None

    def read(limit: int) -> Page[ArtifactRecord]:
        request = PageRequest(limit=limit, cursor=cursor, with_total=cursor is None)
        return call.services.artifacts.list_artifacts(call.user, shown.run.path, request)

    found = fitting_page(
        read, _FILES, Room(_ROOM, beside=500), lambda item: (markup.text(item.name, _NAME).text, escape(item.url or ""))
    )
    files = [(item, "" if item.url is None else own_link(call, item.url)) for item in found.items]
    return run_page(
        call, shown, "run_artifacts.html", tab="files", files=files, total=found.total, following=found.next_cursor
    )
