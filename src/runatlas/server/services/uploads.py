"""Uploads by link: whoever has a grant sends bytes to one path of a run, and a batch refers to them by that path."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import BinaryIO

import attrs

from runatlas.errors import NotFoundError
from runatlas.model.artifact import validate_artifact_name
from runatlas.model.ids import RunPath
from runatlas.model.media import BlobRecord
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.blob_writing import keep_blob
from runatlas.server.services.caller import Caller
from runatlas.server.services.joined_files import JoinedFile
from runatlas.server.services.links import Grant, Links
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.run import RunRow, find_runs_by_cuid
from runatlas.server.store.statement import Connection
from runatlas.server.store.upload import UploadRow, find_uploads, put_upload

__all__ = ["UploadRecord", "Uploads"]

_DOING = "upload"
_DOING_ANY = "upload anything"
_BUFFER = 1 << 20


@attrs.frozen
class UploadRecord:
    """What was sent to a path of a run."""

    path: str
    sha256: str
    size: int
    mime_type: str


class Uploads:
    """What may be done with uploads."""

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links

    def grant_uploads(self, caller: Caller, run: RunPath, paths: Iterable[str]) -> tuple[Grant, ...]:
        """Let whoever gets these grants send bytes to paths of a run, again and again until they expire.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: A path does not stay inside the run.
        """
        checked = [_check_path(path) for path in paths]
        with self._store.read() as connection:
            cuid = require_run(connection, caller, run, "write").cuid
        return tuple(self._links.grant(_DOING, cuid, path) for path in checked)

    def grant_run(self, caller: Caller, run: RunPath, ttl_ms: int) -> Grant:
        """Let whoever gets this grant send bytes to any path of a run until it expires.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
        """
        with self._store.read() as connection:
            cuid = require_run(connection, caller, run, "write").cuid
        return self._links.grant(_DOING_ANY, cuid, "", ttl_ms)

    def put_by_run(self, grant: Grant, path: str, data: BinaryIO, mime_type: str) -> BlobRecord:
        """Take what is sent to a path by the grant of a whole run.

        Raises:
            NotFoundError: The grant expired or was never given, or the run is gone.
            ValidationError: The path does not stay inside the run.
        """
        self._links.check_grant(attrs.evolve(grant, doing=_DOING_ANY, path=""))
        return self._put(attrs.evolve(grant, path=_check_path(path)), data, mime_type)

    def put_upload(self, grant: Grant, data: BinaryIO, mime_type: str) -> BlobRecord:
        """Take what is sent by a grant; a second time, it replaces what was sent before.

        Raises:
            NotFoundError: The grant expired or was never given, or the run is gone.
        """
        self._links.check_grant(attrs.evolve(grant, doing=_DOING))
        return self._put(grant, data, mime_type)

    def _put(self, grant: Grant, data: BinaryIO, mime_type: str) -> BlobRecord:
        with self._store.read() as connection:
            project_id = _find_run(connection, grant).project.id
        blob = keep_blob(self._store, project_id, data)
        with self._store.write() as connection:
            run = _find_run(connection, grant)
            put_upload(self._store, connection, run.id, UploadRow(grant.path, blob.sha256, mime_type, blob.size))
        return blob

    def find_uploads(self, caller: Caller, run: RunPath, paths: Sequence[str]) -> dict[str, UploadRecord]:
        """Return what was sent to those of the paths that got anything, for whoever completes it.

        Raises:
            NotFoundError: There is no such run.
            PermissionDeniedError: The caller may not write to it.
        """
        for path in paths:
            check_text(path, "path")
        with self._store.read() as connection:
            found = find_uploads(connection, require_run(connection, caller, run, "write").id, paths)
        return {path: UploadRecord(path, row.sha256, row.size, row.mime_type) for path, row in found.items()}

    def join_uploads(self, caller: Caller, run: RunPath, paths: Sequence[str]) -> BlobRecord:
        """Make one blob of the parts of a file.

        Args:
            caller: Who asks.
            run: Whose parts.
            paths: Where the parts were sent to, in order.

        Raises:
            NotFoundError: There is no such run, or a part was never sent.
            PermissionDeniedError: The caller may not write to it.
        """
        with self._store.read() as connection:
            place = require_run(connection, caller, run, "write")
            found = find_uploads(connection, place.id, paths)
        for path in paths:
            if path not in found:
                raise NotFoundError(f"run {run} got no upload {path!r}")
        parts = JoinedFile(self._store.blobs.open, [found[path].sha256 for path in paths])
        with io.BufferedReader(parts, _BUFFER) as whole:
            return keep_blob(self._store, place.project.id, whole)


def _find_run(connection: Connection, grant: Grant) -> RunRow:
    found = find_runs_by_cuid(connection, 0, [grant.run]).get(grant.run)
    if found is None:
        raise NotFoundError(f"there is no run {grant.run!r}")
    return found


def _check_path(path: str) -> str:
    return check_text(checked(validate_artifact_name, path, "path"), "path")
