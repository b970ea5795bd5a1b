"""What the first request would have to wait for, done once before there is one."""

from __future__ import annotations

from contextlib import suppress

from runatlas.errors import RunAtlasError
from runatlas.model.codec import encode_json
from runatlas.model.filters import And, Comparison, Field
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RunQuery, RunSelection
from runatlas.server.services.services import Services
from runatlas.server.wire.payload import decode_payload

__all__ = ["rehearse"]

_ONE = PageRequest(limit=1)
_FILTER = And((Comparison(Field("CONFIG", "-"), "EQ", "-"), Comparison(Field("SCALAR", "-"), "LT", 0.0)))


def rehearse(services: Services) -> None:
    """List runs of a project by a filter, so that decoders are made and statements compiled; nothing is changed."""
    with suppress(RunAtlasError):
        caller = services.owner()
        for project in services.projects.list_projects(caller, ProjectQuery(detail=False, page=_ONE)).items:
            query = RunQuery(RunSelection(project.workspace, project.name, filter=_FILTER), page=_ONE)
            encode_json(services.runs.list_runs(caller, decode_payload(encode_json(query), RunQuery)))
