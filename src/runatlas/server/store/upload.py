"""What clients sent by a link under a path of a run."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select

from runatlas.server.store.engine import Store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import blobs, uploads
from runatlas.server.store.statement import listing, member_of

__all__ = ["UploadRow", "find_uploads", "put_upload"]


class UploadRow(NamedTuple):
    """Bytes under a path."""

    path: str
    sha256: str
    mime_type: str
    size: int


_FIND = Prepared(
    select(uploads.c.path, uploads.c.sha256, uploads.c.mime_type, blobs.c.size)
    .join(blobs, blobs.c.sha256 == uploads.c.sha256)
    .where(uploads.c.run_pk == bindparam("run_pk"), member_of(uploads.c.path, "paths")),
    "run_pk",
    "paths",
)


def put_upload(store: Store, connection: Connection, run_pk: int, row: UploadRow) -> None:
    """Note which blob lies under a path of a run, in place of the one before."""
    told = {"sha256": row.sha256, "mime_type": row.mime_type}
    statement = store.insert(uploads).values(run_pk=run_pk, path=row.path, **told)
    connection.execute(statement.on_conflict_do_update(index_elements=["run_pk", "path"], set_=told))


def find_uploads(connection: Connection, run_pk: int, paths: Collection[str]) -> dict[str, UploadRow]:
    """Return what lies under those of the paths that have something."""
    return {row[0]: UploadRow(*row) for row in _FIND.all(connection, run_pk, listing(connection.dialect, paths))}
