"""Which blobs there are, which run needs which, and in which projects they may be named.

Who knows a hash does not have the bytes yet: a run names a blob that was stored into its project, or that a run there,
in the trash or not, refers to already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import ColumnElement, Connection, Table, bindparam, delete, exists, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from runatlas.errors import NotFoundError
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import artifacts, blob_grants, blob_refs, blobs, media, runs, series, uploads
from runatlas.server.store.statement import listing, member_of

__all__ = [
    "add_refs",
    "drop_unused_refs",
    "grant_blob",
    "known_blobs",
    "lock_blobs",
    "nameable_blobs",
    "register_blob",
]

_BLOB_LOCK = 0x52754162

_KNOWN = Prepared(select(blobs.c.sha256, blobs.c.size).where(member_of(blobs.c.sha256, "hashes")), "hashes")
_REFS = Prepared(
    select(blob_refs.c.sha256).where(
        blob_refs.c.run_pk == bindparam("run_pk"), member_of(blob_refs.c.sha256, "hashes")
    ),
    "run_pk",
    "hashes",
)
_ADD_REF = Prepared(
    blob_refs.insert().values(run_pk=bindparam("run_pk"), sha256=bindparam("sha256")), "run_pk", "sha256"
)
_RENEW = Prepared(
    update(blobs).values(created_at_ms=bindparam("now")).where(blobs.c.sha256 == bindparam("hash")), "now", "hash"
)
_GRANTED = Prepared(
    select(blob_grants.c.sha256).where(
        blob_grants.c.project_id == bindparam("project"), blob_grants.c.sha256 == bindparam("hash")
    ),
    "project",
    "hash",
)
_GRANT = Prepared(
    blob_grants.insert().values(project_id=bindparam("project_id"), sha256=bindparam("sha256")), "project_id", "sha256"
)
_STORED = Prepared(
    select(blobs.c.sha256, blobs.c.size)
    .select_from(blob_grants.join(blobs, blobs.c.sha256 == blob_grants.c.sha256))
    .where(blob_grants.c.project_id == bindparam("project"), member_of(blob_grants.c.sha256, "hashes")),
    "project",
    "hashes",
)


def _held(table: Table, project: str) -> ColumnElement[bool]:
    """Test whether a run of a project has the blob: asked of those that have it, not of all that the project has."""
    home = select(runs.c.project_id).where(runs.c.id == table.c.run_pk).correlate(table).scalar_subquery()
    return exists().where(table.c.sha256 == blobs.c.sha256, home == bindparam(project)).correlate(blobs)


_HELD = Prepared(
    select(blobs.c.sha256, blobs.c.size).where(
        member_of(blobs.c.sha256, "hashes"), or_(_held(blob_refs, "referring"), _held(uploads, "receiving"))
    ),
    *("hashes", "referring", "receiving"),
)


def lock_blobs(connection: Connection) -> None:
    """Let no other transaction keep or collect blobs until this one ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _BLOB_LOCK})


def register_blob(connection: Connection, sha256: str, size: int, now_ms: int) -> None:
    """Note a blob, or that it was stored once more; the day after which an unneeded one is collected begins now."""
    if not _RENEW.run(connection, now_ms, sha256):
        connection.execute(blobs.insert().values(sha256=sha256, size=size, created_at_ms=now_ms))


def known_blobs(connection: Connection, hashes: Collection[str]) -> dict[str, int]:
    """Return the sizes of those of the hashes that are blobs."""
    return dict(_KNOWN.all(connection, listing(connection.dialect, hashes)))


def grant_blob(connection: Connection, project_id: int, sha256: str) -> None:
    """Note that a blob was stored into a project; the transaction holds the lock of ``lock_blobs``.

    Raises:
        NotFoundError: The project was removed for good.
    """
    if _GRANTED.first(connection, project_id, sha256) is None:
        try:
            _GRANT.run(connection, project_id, sha256)
        except IntegrityError as error:
            raise NotFoundError("the project is gone") from error


def nameable_blobs(connection: Connection, project_id: int, hashes: Collection[str]) -> dict[str, int]:
    """Return the sizes of those of the hashes that runs of a project may name."""
    found = dict(_STORED.all(connection, project_id, listing(connection.dialect, hashes)))
    others = [sha256 for sha256 in hashes if sha256 not in found]
    if others:
        found |= _HELD.all(connection, listing(connection.dialect, others), project_id, project_id)
    return found


def add_refs(connection: Connection, run_pk: int, hashes: Collection[str]) -> None:
    """Note that a run needs blobs."""
    there = {sha256 for (sha256,) in _REFS.all(connection, run_pk, listing(connection.dialect, hashes))}
    _ADD_REF.run_many(connection, [(run_pk, sha256) for sha256 in dict.fromkeys(hashes) if sha256 not in there])


def drop_unused_refs(connection: Connection, run_pk: int, hashes: Iterable[str]) -> None:
    """Forget that a run needs those of the blobs that none of its files and media name any more."""
    for sha256 in hashes:
        in_artifact = exists().where(artifacts.c.run_pk == run_pk, artifacts.c.sha256 == sha256)
        in_media = exists(
            select(media.c.id)
            .join(series, series.c.id == media.c.series_id)
            .where(series.c.run_pk == run_pk, media.c["items"].contains(sha256))
        )
        own = (blob_refs.c.run_pk == run_pk) & (blob_refs.c.sha256 == sha256)
        connection.execute(delete(blob_refs).where(own, ~in_artifact, ~in_media))
