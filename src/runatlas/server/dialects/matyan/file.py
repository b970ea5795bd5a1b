"""Routes of the bytes of a run: its artifacts, and what its images and sounds are."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO

from litestar.types import ASGIApp

from runatlas.errors import NotFoundError, ValidationError
from runatlas.server.dialects.matyan.body import read_body, stream
from runatlas.server.dialects.matyan.reading import READ
from runatlas.server.dialects.matyan.run import found_run, list_files
from runatlas.server.dialects.matyan.stream import encode_pair
from runatlas.server.dialects.matyan.upload import SEQUENCES
from runatlas.server.services.links import Grant
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import Download
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["download", "download_all", "get_blobs"]

_PIECE = 1 << 20
_IN_MEMORY = 1 << 24
_OCTETS = "application/octet-stream"


def download(call: EndpointCall) -> ASGIApp:
    """Send one file."""
    name = call.value("path")
    if not name:
        raise ValidationError("path: which file?")
    run = found_run(call)
    if name.startswith(SEQUENCES):
        raise NotFoundError(f"run {run.id!r} has no artifact {name!r}")
    file = call.services.artifacts.open_artifact(call.user, run.path, name)
    return Download(file.pieces, file.size, file.name, file.mime_type, file.tag)


def download_all(call: EndpointCall) -> ASGIApp:
    """Send all files as a ZIP archive."""
    run = found_run(call)
    names = [file.name for file in list_files(call, run.path) if not file.name.startswith(SEQUENCES)]
    if not names:
        raise NotFoundError(f"run {run.id!r} has no artifacts")
    packed = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  it goes with the answer
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            file = call.services.artifacts.open_artifact(call.user, run.path, name)
            with archive.open(name, "w", force_zip64=True) as member:
                for piece in file.pieces():
                    member.write(piece)
    size = packed.tell()

    def pieces(start: int, end: int) -> Iterator[bytes]:
        return _read(packed, start, end)

    return Download(pieces, size, f"{run.id}.zip", "application/zip", f"{run.cuid}-{size}")


def _read(file: IO[bytes], start: int, end: int) -> Iterator[bytes]:
    file.seek(start)
    while start < end and (piece := file.read(min(_PIECE, end - start))):
        start += len(piece)
        yield piece


def get_blobs(call: EndpointCall) -> Answer:
    """Return the bytes of images or sounds; what is no link is left out."""
    out = []
    for uri in dict.fromkeys(str(item) for item in read_body(call, list)):
        data = _bytes_of(call, uri)
        if data is not None:
            out.append(encode_pair([uri], data))
    return stream(b"".join(out))


def _bytes_of(call: EndpointCall, uri: str) -> bytes | None:
    parts = uri.split("-")
    if len(parts) != 4 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) < 19):
        return None
    run, sha256, expires, signature = parts
    grant = Grant(READ, run, sha256, int(expires), signature)
    try:
        return b"".join(call.services.links.open_granted(grant, name=sha256, mime_type=_OCTETS).pieces())
    except NotFoundError:
        return None
