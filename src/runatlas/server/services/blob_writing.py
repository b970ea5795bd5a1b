"""Keeping bytes: from a stream to a blob that is registered and durable."""

from __future__ import annotations

from typing import BinaryIO

from runatlas.model.media import BlobRecord
from runatlas.server.store.blob_ref import grant_blob, lock_blobs, register_blob
from runatlas.server.store.engine import Store

__all__ = ["keep_blob"]


def keep_blob(store: Store, project_id: int, data: BinaryIO) -> BlobRecord:
    """Store bytes under their sha256, so that runs of a project may name them; the same content is stored once.

    Whether that is allowed was settled before.

    Raises:
        NoSpaceError: The disk is nearly full.
        NotFoundError: The project was removed for good meanwhile.
    """
    store.require_room()
    with store.blobs.stage(data) as staged, store.write() as connection:
        lock_blobs(connection)
        store.blobs.keep(staged)
        register_blob(connection, staged.sha256, staged.size, store.clock())
        grant_blob(connection, project_id, staged.sha256)
    return BlobRecord(staged.sha256, staged.size)
