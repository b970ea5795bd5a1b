"""The files kept with a run."""

from __future__ import annotations

from typing import Any

from runatlas.errors import NotFoundError
from runatlas.model.artifact import ArtifactRecord
from runatlas.model.ids import RunPath
from runatlas.model.page import Page, PageRequest
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.links import Links, OpenedFile
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.store.artifact import count_artifacts, find_artifact, list_artifacts
from runatlas.server.store.engine import Store

__all__ = ["Artifacts"]

_LISTING = "artifacts"


class Artifacts:
    """What may be read of the files of runs."""

    def __init__(self, store: Store, links: Links) -> None:
        self._store = store
        self._links = links

    def list_artifacts(self, caller: Caller, run: RunPath, page: PageRequest) -> Page[ArtifactRecord]:
        """List a run's files by name, with links that work without further credentials.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The page is out of bounds.
        """
        check_page(page)
        after = None if page.cursor is None else read_cursor(page.cursor, _LISTING, ("text",))[0]
        with self._store.read() as connection:
            run_pk = require_run(connection, caller, run, "read").id
            found = list_artifacts(connection, run_pk, after=after, offset=page.offset, limit=page.limit + 1)
            total = count_artifacts(connection, run_pk) if page.with_total else None

        def record(row: Any) -> ArtifactRecord:
            name, sha256, size, mime_type, created_at_ms = row
            short = name.rpartition("/")[2]
            link = self._links.blob_link(caller, sha256, name=short, mime_type=mime_type, size=size)
            return ArtifactRecord(name, sha256, size, mime_type, created_at_ms, link.url, link.expires_at_ms)

        return make_page(
            found, page.limit, item=record, cursor=lambda row: write_cursor(_LISTING, [row[0]]), total=total
        )

    def open_artifact(self, caller: Caller, run: RunPath, name: str) -> OpenedFile:
        """Open a file of a run.

        Raises:
            NotFoundError: There is no such run, or it has no such file.
        """
        check_text(name, "name")
        with self._store.read() as connection:
            found = find_artifact(connection, require_run(connection, caller, run, "read").id, name)
        if found is None:
            raise NotFoundError(f"run {run} has no artifact {name!r}")
        sha256, mime_type = found
        return self._links.open_kept(sha256, name=name.rpartition("/")[2], mime_type=mime_type)
