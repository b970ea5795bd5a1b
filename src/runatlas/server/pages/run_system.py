"""What the machine did while a run went on, and what it was."""

from __future__ import annotations

from runatlas.model.run import Profile
from runatlas.server.pages.address import project_address
from runatlas.server.pages.config_tree import config_tree
from runatlas.server.pages.curves.points import read_view
from runatlas.server.pages.run_metrics import read_metrics
from runatlas.server.pages.run_view import run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_system"]


def show_system(call: EndpointCall) -> Answer:
    """Show what the machine did, and what it was."""
    shown = view_run(call)
    profile = shown.run.profile or Profile()
    return run_page(
        call,
        shown,
        "run_system.html",
        tab="system",
        listed=read_metrics(call, shown.run, "SYSTEM"),
        curves=f"{project_address(shown.project.path)}/curves",
        view=read_view(call),
        profile=profile,
        environment=config_tree(profile.metadata or {}, None),
    )
