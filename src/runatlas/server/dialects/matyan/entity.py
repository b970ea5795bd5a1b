"""Routes of what stands beside runs: the server itself, and all of the repository."""

from __future__ import annotations

from runatlas.model.version import VERSION
from runatlas.server.dialects.matyan.activity import activity_of
from runatlas.server.dialects.matyan.body import answer
from runatlas.server.dialects.matyan.reading import Reading
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["get_activity", "get_project", "get_version"]


def get_version(_: EndpointCall) -> Answer:
    """Say what answers here."""
    return answer({"version": VERSION, "component": "runatlas"})


def get_project(_: EndpointCall) -> Answer:
    """Describe the repository."""
    told = {"name": "RunAtlas", "path": "", "description": "", "telemetry_enabled": 0}
    return answer({**told, "warn_index": False, "warn_runs": False})


def get_activity(call: EndpointCall) -> Answer:
    """Tell how many runs there are, and when they were made."""
    reading = Reading(call.services, call.user)
    counted = activity_of(call, call.services.repository.iterate_runs(call.user), by_day=True)
    return answer({"num_experiments": len(reading.experiments), **counted})
