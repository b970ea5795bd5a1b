"""Routes of blobs and exports, and of the signed links to them."""

from __future__ import annotations

from typing import BinaryIO

import attrs

from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.media import BlobRecord, LinkRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.services import Services

__all__ = ["routes"]

routes = RouteTable("files")


@attrs.frozen
class LogExport:
    """Which lines to write to a file, counted from 0."""

    start: int
    rows: int


@attrs.frozen
class ColumnExport:
    """Which column to write to a file."""

    key: str


@routes.add("POST", "/runs/{workspace}/{project}/{run}/logs/export", errors=(404,))
def export_logs(services: Services, caller: Caller, path: RunPath, body: LogExport) -> LinkRecord:
    """Write lines ``start`` to ``start + rows`` to a ``.log`` file and return a link to it."""
    return services.exports.export_logs(caller, path, start=body.start, rows=body.rows)


@routes.add("POST", "/runs/{workspace}/{project}/{run}/columns/export", errors=(404,))
def export_csv(services: Services, caller: Caller, path: RunPath, body: ColumnExport) -> LinkRecord:
    """Write one column to a ``.csv`` file (``step,value,timestamp``) and return a link to it."""
    return services.exports.export_csv(caller, path, body.key)


@routes.add(
    "POST",
    "/projects/{workspace}/{project}/blobs",
    errors=(404,),
    body=bytes,
    consumes=("application/octet-stream",),
    limit="blob",
)
def put_blob(services: Services, caller: Caller, path: ProjectPath, data: BinaryIO) -> BlobRecord:
    """Store bytes under their sha256; the same content is stored once."""
    return services.recording.put_blob(caller, path, data)
