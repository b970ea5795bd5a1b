"""Links to blobs and exports that work without further credentials.

Embedded use gets ``file://`` links. A server's links name what they lead to and when they expire, and are signed with
the installation's secret (HMAC-SHA256); whoever has one may fetch that one thing until then.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import url2pathname

import attrs

from runatlas.errors import NotFoundError, StoreError
from runatlas.file_access import read_pieces
from runatlas.model.media import LinkRecord
from runatlas.server.services.caller import Caller
from runatlas.server.store.blob import is_sha256
from runatlas.server.store.blob_ref import known_blobs
from runatlas.server.store.engine import Store
from runatlas.server.store.export import ExportRow, export_path, find_export, open_export

__all__ = ["LINK_MS", "Grant", "Links", "OpenedFile"]

LINK_MS = 3600 * 1000
"""How long a signed link works."""

_TEXT_TYPES = {"csv": "text/csv; charset=utf-8", "log": "text/plain; charset=utf-8"}


@attrs.frozen
class OpenedFile:
    """What a link leads to.

    Attributes:
        tag: Changes when the content does, for conditional requests.
    """

    name: str
    mime_type: str
    size: int
    tag: str
    _read: Callable[[int, int], Iterator[bytes]] = attrs.field(repr=False)

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Read from byte ``start`` to before byte ``end``, in pieces.

        Raises:
            NotFoundError: It was removed meanwhile.
            StoreError: It is damaged; also in the middle of the iteration, before the last piece.
        """
        return self._read(start, self.size if end is None else min(end, self.size))


@attrs.frozen
class Grant:
    """Leave to do one thing with one path of a run, for a while, for whoever has it.

    Attributes:
        doing: What it is for, such as ``upload``; a grant for one thing is worth nothing for another.
        run: The run's cuid.
    """

    doing: str
    run: str
    path: str
    expires_at_ms: int
    signature: str


class Links:
    """Makes links, and opens what they lead to."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def blob_link(
        self, caller: Caller, sha256: str, *, name: str, mime_type: str, size: int | None = None
    ) -> LinkRecord:
        """Make a link to a blob that the caller may read.

        Args:
            caller: Who asks; decides whether the link is a file's or a server's.
            sha256: The blob.
            name: What a download is called.
            mime_type: What it is served as.
            size: Its size, if known.
        """
        if caller.origin is None:
            return LinkRecord(self._store.blobs.path(sha256).as_uri(), name, size)
        expires = self._store.clock() + LINK_MS
        query = {"name": name, "type": mime_type, "expires": expires}
        query["signature"] = self._sign("blob", sha256, name, mime_type, expires)
        return LinkRecord(
            f"{caller.origin}/atlas/v1/blobs/{sha256}?{urlencode(query, quote_via=quote)}", name, size, expires
        )

    def export_link(self, caller: Caller, export: ExportRow) -> LinkRecord:
        """Make a link to an export."""
        cuid, name, size, expires = export
        if caller.origin is None:
            return LinkRecord(export_path(self._store, cuid, name).as_uri(), name, size)
        query = {"name": name, "expires": expires, "signature": self._sign("export", cuid, name, "", expires)}
        return LinkRecord(
            f"{caller.origin}/atlas/v1/exports/{cuid}?{urlencode(query, quote_via=quote)}", name, size, expires
        )

    def grant(self, doing: str, run: str, path: str, ttl_ms: int = LINK_MS) -> Grant:
        """Sign a grant; whoever asks must be allowed to do it."""
        expires = self._store.clock() + ttl_ms
        return Grant(doing, run, path, expires, self._sign(doing, run, path, expires))

    def check_grant(self, grant: Grant) -> None:
        """Check a grant that comes back.

        Raises:
            NotFoundError: It expired, or was never given.
        """
        self._check((grant.doing, grant.run, grant.path), grant.expires_at_ms, grant.signature)

    def open_blob(self, sha256: str, *, name: str, mime_type: str, expires_ms: int, signature: str) -> OpenedFile:
        """Open what a server's link to a blob leads to.

        Raises:
            NotFoundError: The link expired or was never given out, or the blob is gone.
        """
        self._check(("blob", sha256, name, mime_type), expires_ms, signature)
        return self.open_kept(sha256, name=name, mime_type=mime_type)

    def open_granted(self, grant: Grant, *, name: str, mime_type: str) -> OpenedFile:
        """Open the blob that is the path of a grant.

        Raises:
            NotFoundError: The grant expired or was never given, or the blob is gone.
        """
        self.check_grant(grant)
        return self.open_kept(grant.path, name=name, mime_type=mime_type)

    def open_kept(self, sha256: str, *, name: str, mime_type: str) -> OpenedFile:
        """Open a blob; whether that is allowed was settled before.

        Raises:
            NotFoundError: The blob was removed.
            StoreError: Its file is gone, although the blob was not removed.
        """
        blobs = self._store.blobs
        try:
            size = _size(blobs.path(sha256))
        except NotFoundError:
            with self._store.read() as connection:
                if known_blobs(connection, [sha256]):
                    raise StoreError(
                        f"the file of blob {sha256} is gone from {self._store.location}; store the same bytes again, "
                        "or restore it from a backup"
                    ) from None
            raise
        return OpenedFile(name, mime_type, size, sha256, partial(blobs.pieces, sha256))

    def open_export(self, cuid: str, *, name: str, expires_ms: int, signature: str) -> OpenedFile:
        """Open what a server's link to an export leads to.

        Raises:
            NotFoundError: The link expired or was never given out, or the file is gone.
        """
        self._check(("export", cuid, name, ""), expires_ms, signature)
        with self._store.read() as connection:
            found = find_export(connection, cuid)
        if found is None or found.expires_at_ms < self._store.clock():
            raise NotFoundError("the link expired; export again")
        path = export_path(self._store, found.cuid, found.name)
        kind = _TEXT_TYPES.get(path.suffix[1:], "application/octet-stream")
        return OpenedFile(found.name, kind, _export_size(path, found), cuid, partial(_pieces, path))

    def open_link(self, caller: Caller, link: str, *, start: int = 0) -> Iterator[bytes]:  # noqa: ARG002 - as all
        """Open a ``file://`` link of this store, from byte ``start`` on.

        Raises:
            NotFoundError: It is none, or what it led to is gone.
            StoreError: What it leads to is damaged; also in the middle of the iteration, before the last piece.
        """
        parts = urlsplit(link)
        given = Path(url2pathname(unquote(parts.path)) if parts.scheme == "file" else "")
        # The path itself is never taken from the link.
        if is_sha256(given.name) and self._store.blobs.path(given.name) == given:
            return self.open_kept(given.name, name="", mime_type="").pieces(start)
        with self._store.read() as connection:
            export = find_export(connection, given.parent.name)
        if export is None or export_path(self._store, export.cuid, export.name) != given:
            raise NotFoundError(f"{link[:200]!r} is no link of the store in {self._store.location}")
        return _pieces(given, start, _export_size(given, export))

    def _sign(self, *parts: str | int) -> str:
        text = "\n".join(quote(str(part)) for part in parts)
        return hmac.new(self._store.secret, text.encode(), hashlib.sha256).hexdigest()

    def _check(self, signed: tuple[str, ...], expires_ms: int, signature: str) -> None:
        try:
            expected = self._sign(*signed, expires_ms)
            is_ours = hmac.compare_digest(expected.encode(), signature.encode())
        except UnicodeEncodeError:
            is_ours = False
        if not is_ours:
            raise NotFoundError("the link was never given out")
        if expires_ms < self._store.clock():
            raise NotFoundError("the link expired; ask for a new one")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise NotFoundError("what the link led to is gone") from error


def _export_size(path: Path, row: ExportRow) -> int:
    size = _size(path)
    if size != row.size:
        raise StoreError(f"the export {row.name!r} is damaged: it has {size} bytes, not {row.size}; export again")
    return size


def _pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    try:
        file = open_export(path)
    except OSError as error:
        raise NotFoundError("what the link led to is gone") from error
    return read_pieces(file, max(0, start), end)
