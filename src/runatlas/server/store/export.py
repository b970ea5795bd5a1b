"""Files made on demand, which expire."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sqlalchemy import Connection, select

from runatlas.errors import NotFoundError
from runatlas.file_access import is_own_directory, open_to_read, sync_directory
from runatlas.model.ids import is_cuid
from runatlas.server.store.engine import Store
from runatlas.server.store.failure import file_error
from runatlas.server.store.schema import exports
from runatlas.server.store.statement import rows

__all__ = [
    "ExportRow",
    "add_export",
    "export_path",
    "find_export",
    "open_export",
    "remove_expired",
    "remove_export",
    "write_export",
]


class ExportRow(NamedTuple):
    """A file that was made."""

    cuid: str
    name: str
    size: int
    expires_at_ms: int


def export_path(store: Store, cuid: str, name: str) -> Path:
    """Return where a file lies.

    Raises:
        NotFoundError: There cannot be such a file: its id or name would lead elsewhere.
    """
    if not is_cuid(cuid) or name != Path(name).name:
        raise NotFoundError(f"there is no export {cuid[:80]!r}")
    return store.exports_dir / cuid / name


def open_export(path: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: It is not there, or something else is.
    """
    return open_to_read(path, folder=True)


def write_export(store: Store, cuid: str, name: str, pieces: Iterable[str]) -> int:
    """Write a file and return its size.

    Raises:
        StoreError: It cannot be written.
    """
    path = export_path(store, cuid, name)
    is_whole = False
    try:
        access = store.access()
        access.make_directory(store.exports_dir)
        access.make_directory(path.parent)
        descriptor = access.open_file(path, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        sync_directory(path.parent)
        size = path.stat().st_size
        is_whole = True
    except OSError as error:
        raise file_error(error, f"exports cannot be written to {store.exports_dir}") from error
    finally:
        # Also when its pieces fail or are ended: nothing would refer to it, and nobody remove it.
        if not is_whole:
            remove_export(store, cuid)
    return size


def remove_export(store: Store, cuid: str) -> None:
    """Remove a file, if it is there; an id that is none has none."""
    if is_cuid(cuid) and is_own_directory(store.exports_dir):
        shutil.rmtree(store.exports_dir / cuid, ignore_errors=True)


def add_export(connection: Connection, row: ExportRow) -> None:
    """Note a file."""
    connection.execute(exports.insert().values(**row._asdict()))


def find_export(connection: Connection, cuid: str) -> ExportRow | None:
    """Return a file's row."""
    columns = (exports.c.cuid, exports.c.name, exports.c.size, exports.c.expires_at_ms)
    found = rows(connection, select(*columns).where(exports.c.cuid == cuid))
    return ExportRow(*found[0]) if found else None


def remove_expired(connection: Connection, store: Store, now_ms: int) -> int:
    """Remove files that expired, and return how many."""
    expired = rows(connection, select(exports.c.cuid).where(exports.c.expires_at_ms < now_ms))
    for (cuid,) in expired:
        remove_export(store, cuid)
    if expired:
        connection.execute(exports.delete().where(exports.c.expires_at_ms < now_ms))
    return len(expired)
