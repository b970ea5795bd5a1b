"""The files that pages are made of: styles, scripts, and plotly's own file."""

from __future__ import annotations

import gzip
import mimetypes
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from runatlas.errors import NotFoundError
from runatlas.server.pages.template import STATIC, asset_version
from runatlas.server.wire.answer import Answer, accepts_gzip
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["asset", "plotly_asset", "plotly_version"]

_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def asset(call: EndpointCall) -> Answer:
    """Return one of our own files; its address changes when any of them does."""
    names = {file.name: file for file in STATIC.iterdir() if file.suffix in _TYPES}
    file = names.get(call.params["name"])
    if file is None or call.params["version"] != asset_version():
        raise NotFoundError("there is no such file; load the page again")
    return _file(call, file)


@cache
def plotly_version() -> str | None:
    """Return the version of plotly's package; ``None`` where it is not installed."""
    try:
        return version("plotly")
    except PackageNotFoundError:
        return None


def plotly_asset(call: EndpointCall) -> Answer:
    """Return plotly's script as its package has it."""
    if plotly_version() is None or call.params["version"] != plotly_version():
        raise NotFoundError("there is no such file; load the page again")
    import plotly  # noqa: PLC0415 - takes longer than all else here

    return _file(call, Path(plotly.__file__).parent / "package_data" / "plotly.min.js")


def _file(call: EndpointCall, file: Path) -> Answer:
    kind = _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    if accepts_gzip(call.headers.get("accept-encoding", "")):
        return Answer(_packed(file), 200, kind, {**_FOR_EVER, "content-encoding": "gzip"}, packed=False)
    return Answer(file.read_bytes(), 200, kind, _FOR_EVER, packed=False)


@cache
def _packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), 9, mtime=0)
