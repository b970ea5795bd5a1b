"""What lies in the directory of a store, which somebody else may have filled: files and directories of its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from runatlas.errors import StoreError
from runatlas.file_access import open_to_read

__all__ = ["check_layout"]

_JOURNAL = "-journal"
_DATABASE = ("", "-wal", "-shm", _JOURNAL)
_FOLDERS = ("blobs", "exports", "spool")
_JOURNAL_END = bytes.fromhex("d9d505f920a163d7")


def check_layout(database: Path, secret: Path) -> None:
    """Check that the parts of a store are files and directories of its own, as far as they are there.

    Args:
        database: The database file.
        secret: The file of the signing secret.

    Raises:
        StoreError: One is a link or no file, or a journal would have SQLite remove other files.
    """
    for path in (*(database.with_name(database.name + suffix) for suffix in _DATABASE), secret):
        _require(path, stat.S_ISREG, "no file")
    for name in _FOLDERS:
        _require(database.with_name(name), stat.S_ISDIR, "no directory")
    journal = database.with_name(database.name + _JOURNAL)
    if _names_others(journal):
        raise StoreError(f"{journal} names files of other databases, which none of RunAtlas does; remove it")


def _require(path: Path, is_right: Callable[[int], bool], otherwise: str) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        otherwise = "a link"
    elif is_right(mode):
        return
    raise StoreError(f"{path} is {otherwise}; all of a store lies in its own directory: put there what belongs there")


def _names_others(journal: Path) -> bool:
    """Tell whether a journal ends with the name of one for several databases, which SQLite removes when it is done."""
    try:
        with open_to_read(journal) as file:
            if file.seek(0, os.SEEK_END) < len(_JOURNAL_END):
                return False
            file.seek(-len(_JOURNAL_END), os.SEEK_END)
            return file.read() == _JOURNAL_END
    except OSError:
        return False
