"""Routes of blobs and exports, and of the signed links to them."""

from __future__ import annotations

from typing import Any, BinaryIO

import attrs

from runatlas.model.ids import ProjectPath
from runatlas.model.media import BlobRecord
from runatlas.server.dialects.native.route import RouteTable
from runatlas.server.services.caller import Caller
from runatlas.server.services.links import OpenedFile
from runatlas.server.services.services import Services
from runatlas.server.wire.download import Download
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["routes"]

routes = RouteTable("files")

_SIGNED: dict[str, Any] = {
    "public": True,
    "answer": bytes,
    "statuses": (200, 206, 304, 416),
    "errors": (404,),
    "produces": ("*/*",),
}


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


@attrs.frozen
class PartRecord:
    """How much of a body there is."""

    size: int


@routes.add("PUT", "/bodies/{name}", errors=(409,), body=bytes, consumes=("application/octet-stream",), limit="batch")
def put_part(services: Services, caller: Caller, name: str, data: BinaryIO, *, offset: int) -> PartRecord:
    """Take a part of a body that something on the way does not let through as a whole.

    ``name`` is the sha256 of the whole body. When all parts are there, any request is sent without a
    body and with the header ``Runatlas-Body: {name}``.
    """
    return PartRecord(services.bodies.add_part(caller, name, offset, data))


@routes.add("GET", "/blobs/{sha256}", **_SIGNED)
def get_blob(
    services: Services, call: EndpointCall, sha256: str, *, name: str, type: str, expires: int, signature: str
) -> Download:
    """Fetch a blob, or a range of it, by a link that was given out."""
    found = services.links.open_blob(sha256, name=name, mime_type=type, expires_ms=expires, signature=signature)
    return _download(call, found, expires)


@routes.add("GET", "/exports/{cuid}", **_SIGNED)
def get_export(
    services: Services, call: EndpointCall, cuid: str, *, name: str, expires: int, signature: str
) -> Download:
    """Fetch an exported file, or a range of it, by a link that was given out."""
    found = services.links.open_export(cuid, name=name, expires_ms=expires, signature=signature)
    return _download(call, found, expires)


def _download(call: EndpointCall, file: OpenedFile, expires_ms: int) -> Download:
    left_s = max(expires_ms - call.services.store.clock(), 0) // 1000
    return Download(file.pieces, file.size, file.name, file.mime_type, file.tag, expires_in_s=left_s)
