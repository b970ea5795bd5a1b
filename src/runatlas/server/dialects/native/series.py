"""Routes of what runs recorded: points, summaries, columns, media and log lines."""

from __future__ import annotations

from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.model.batch import AppendRecord
from runatlas.model.ids import RunPath
from runatlas.model.series import PointQuery
from runatlas.server.dialects.native.bulk import BatchDocument, BlockDocument, read_batch, write_block
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["routes"]

routes = RouteTable("series")

_BULK = (ARROW, "application/json")


@routes.add(
    "POST",
    "/runs/{workspace}/{project}/{run}/append",
    errors=(403, 404, 409),
    write=True,
    limit="batch",
    body=BatchDocument,
    consumes=_BULK,
)
def append(services: Services, caller: Caller, call: EndpointCall, path: RunPath) -> AppendRecord:
    """Apply a batch: all of it or nothing, a repeated (writer, sequence) once."""
    return services.recording.append(caller, read_batch(call, path))


@routes.add("POST", "/points/query", errors=(404,), answer=BlockDocument, produces=_BULK)
def read_points(services: Services, caller: Caller, call: EndpointCall, body: PointQuery) -> Answer:
    """Read points of many runs and keys in one call; the rest comes with ``next_cursor``."""
    return write_block(call, services.points.read_points(caller, body))
