"""Which blobs there are, and which run needs which."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, delete, exists, select, text, update

from runatlas.server.store.prepared import Prepared, listing
from runatlas.server.store.schema import artifacts, blob_refs, blobs, media, series
from runatlas.server.store.statement import member_of

__all__ = ["add_refs", "drop_unused_refs", "known_blobs", "lock_blobs", "register_blob"]

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
    return dict(_KNOWN.all(connection, listing(connection, hashes)))


def add_refs(connection: Connection, run_pk: int, hashes: Collection[str]) -> None:
    """Note that a run needs blobs."""
    there = {sha256 for (sha256,) in _REFS.all(connection, run_pk, listing(connection, hashes))}
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
