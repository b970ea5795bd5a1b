"""How much room the caller's projects, runs and metrics take."""

from __future__ import annotations

from typing import get_args

from runatlas.model.usage import UsageGroup
from runatlas.server.pages.page import page
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_usage"]

_ITEMS = 200
_PATH_MAX = 1000
_BELOW: dict[int, UsageGroup] = {0: "workspace", 1: "project", 2: "run", 3: "metric"}
"""What is measured below a path of so many parts."""


def show_usage(call: EndpointCall) -> Answer:
    """Show what takes most room in all, or in the workspace, project or run that the address names."""
    path = (call.value("path") or "")[:_PATH_MAX] or None
    parts = [] if path is None else path.split("/", 2)
    below = _BELOW[len(parts)]
    asked = call.value("by") or ("project" if path is None else below)
    by = next((each for each in get_args(UsageGroup) if each == asked), below)
    found = call.services.usage.read_space(call.user, path, by, _ITEMS)
    return page(
        call, "usage.html", path=path, parts=parts, by=by, choices=list(_BELOW.values())[len(parts) :], found=found
    )
