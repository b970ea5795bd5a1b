"""Links to what a SwanLab server keeps in files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runatlas.backends.swanlab.client import SwanlabClient, at
from runatlas.backends.swanlab.document import Document
from runatlas.errors import ResponseFormatError
from runatlas.model.media import LinkRecord

__all__ = ["Links"]


class Links:
    """Asks for links, and fetches what they point at."""

    def __init__(self, client: SwanlabClient) -> None:
        self._client = client

    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        return self._client.session.open_link(link, start=start)

    def to_file(self, path: str) -> LinkRecord:
        """Return a link to a file that the server wrote."""
        given = self._client.write("POST", at("files", "presigned", "get"), {"paths": [path]})
        urls = Document.read(given, "links").texts("urls")
        if len(urls) != 1 or not urls[0]:
            raise ResponseFormatError(f"links.urls: expected one link to {path!r}, got {len(urls)}")
        return LinkRecord(urls[0], path.rpartition("/")[2])

    def to_media(self, prefix: str, paths: Sequence[str]) -> dict[str, str]:
        """Return links to objects of a run by their paths; a server may give none at all."""
        if not paths:
            return {}
        body = {"prefix": prefix, "paths": list(paths)}
        given = self._client.query(at("resources", "presigned", "get"), body, keep=0)
        urls = Document.read(given, "links").texts("urls")
        if urls and len(urls) != len(paths):
            raise ResponseFormatError(f"links.urls: expected {len(paths)} links, got {len(urls)}")
        return dict(zip(paths, urls, strict=False))
