"""Routes of what runs recorded: points, summaries, columns, media and log lines."""

from __future__ import annotations

from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.batch import AppendRecord
from runatlas.model.ids import RunPath
from runatlas.model.log import LogPage, LogQuery
from runatlas.model.media import MediaPage, MediaQuery
from runatlas.model.page import Page, PageRequest
from runatlas.model.series import ColumnQuery, ColumnRecord, PointQuery, SummaryQuery, SummaryRecord
from runatlas.server.dialects.native.bulk import BatchDocument, BlockDocument, read_batch, write_block
from runatlas.server.dialects.native.route import Call, RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services
from runatlas.server.wire.answer import Answer

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
def append(services: Services, caller: Caller, call: Call, path: RunPath) -> AppendRecord:
    """Apply a batch: all of it or nothing, a repeated (writer, sequence) once."""
    return services.recording.append(caller, read_batch(call, path))


@routes.add("POST", "/points/query", errors=(404,), answer=BlockDocument, produces=_BULK)
def read_points(services: Services, caller: Caller, call: Call, body: PointQuery) -> Answer:
    """Read points of many runs and keys in one call; the rest comes with ``next_cursor``."""
    return write_block(call, services.points.read_points(caller, body))


@routes.add("POST", "/summaries/query", errors=(404,))
def read_summaries(services: Services, caller: Caller, body: SummaryQuery) -> Page[SummaryRecord]:
    """Read the summaries of many runs' scalar series; runs in the selection's order, then key, then context."""
    return services.points.read_summaries(caller, body)


@routes.add("POST", "/runs/{workspace}/{project}/{run}/columns/query", errors=(404,))
def list_columns(services: Services, caller: Caller, path: RunPath, body: ColumnQuery) -> Page[ColumnRecord]:
    """List a run's columns by key, exact matches of ``key`` first."""
    return services.columns.list_columns(caller, path, body)


@routes.add("POST", "/runs/{workspace}/{project}/{run}/media/query", errors=(404,))
def list_media(services: Services, caller: Caller, path: RunPath, body: MediaQuery) -> MediaPage:
    """Read media with links that work without further credentials."""
    return services.media.list_media(caller, path, body)


@routes.add("POST", "/runs/{workspace}/{project}/{run}/logs/query", errors=(404,))
def read_logs(services: Services, caller: Caller, path: RunPath, body: LogQuery) -> LogPage:
    """Read log lines, ascending."""
    return services.logs.read_logs(caller, path, body)


@routes.add("GET", "/runs/{workspace}/{project}/{run}/artifacts", errors=(404,))
def list_artifacts(services: Services, caller: Caller, path: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
    """List a run's files by name, with links that work without further credentials."""
    return services.artifacts.list_artifacts(caller, path, page)
