"""What databases and file systems refuse, told as sentences that say what is wrong and what to do."""

from __future__ import annotations

import errno
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runatlas.errors import BusyError, NoSpaceError, RunAtlasError, StoreError
from runatlas.server.work import current

__all__ = ["damage_error", "decoding", "file_error", "store_error", "store_errors"]

_SENTENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("readonly_dbmoved", "no such table", "undefinedtable", "invalidschemaname"),
        "{where} is not the database that was opened ({cause}): it was removed or replaced; put it back and restart "
        "what uses it, or use another directory",
    ),
    (
        ("file is not a database", "malformed", "database corruption", "could not decode to utf-8"),
        "{where} is damaged or is no RunAtlas database ({cause}); restore it from a backup, or use another directory",
    ),
    (
        ("readonly", "read-only", "permission denied", "access denied"),
        "{where} cannot be opened for writing ({cause}); give your user the right to write there, "
        "or use another directory",
    ),
    (
        ("unable to open",),
        "{where} cannot be opened ({cause}); see that its directory is there, that the process has not too many files "
        "open, and give your user the right to write there, or use another directory",
    ),
    (
        ("out of memory",),
        "{where} could not be read or written: there is no memory left ({cause}); end something else, or ask for less",
    ),
    (
        ("connection failed", "connection refused", "could not connect", "closed the connection", "timeout expired"),
        "{where} cannot be reached ({cause}); check that the database runs, and its address, user and password",
    ),
)
_BUSY = ("is locked", "is busy", "lock timeout", "deadlock detected", "queuepool limit", "too many clients")
_BUSY_SENTENCE = "{where} is in use by others ({cause}); wait until that is done, or end what holds it"

_FULL = ("is full", "no space", "disk quota", "disk full")
_FULL_SENTENCE = "{where} cannot grow: the disk is full ({cause}); free some space and try again"
_REFUSED = ("disk i/o error", "input/output error", "file too large")
_REFUSED_SENTENCE = "{where} could not be read or written: the system refused ({cause}), which is no damage; {limit}"
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_ADVICE: dict[int | None, str] = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the quota of the user is used up: free some space and try again",
    errno.EACCES: "give your user the right to write there",
    errno.EPERM: "give your user the right to write there",
    errno.EROFS: "the file system is read-only: use another directory",
    errno.EMFILE: "the process has too many files open: raise the limit (ulimit -n), or open less at once",
    errno.ENFILE: "the system has too many files open: close some",
    errno.ENOENT: "its directory was removed: put it back",
    errno.ELOOP: "put the file itself there",
    errno.EIO: "the disk failed: see the system's log, and restore from a backup what is gone",
}


def store_error(error: Exception, where: str) -> StoreError:
    """Make the error that tells what a database error means.

    Args:
        error: What the database driver or SQLAlchemy raised.
        where: The file or server it happened in.

    Returns:
        The error, not raised.
    """
    driver = getattr(error, "orig", None) or error
    # PostgreSQL tells beside it where in a statement, which is nothing that its user wrote.
    cause = " ".join((getattr(getattr(driver, "diag", None), "message_primary", None) or str(driver)).split())
    # The name tells more than the text; SQLite's is known from Python 3.11 on.
    lowered = f"{cause} {getattr(driver, 'sqlite_errorname', type(driver).__name__)}".lower()
    if any(word in lowered for word in _BUSY):
        return BusyError(_BUSY_SENTENCE.format(where=where, cause=cause))
    if any(word in lowered for word in _FULL):
        return NoSpaceError(_FULL_SENTENCE.format(where=where, cause=cause))
    if any(word in lowered for word in _REFUSED):
        # SQLite does not tell a file that may not grow from a disk that failed.
        kind = StoreError if _file_size_max() is None else NoSpaceError
        return kind(_REFUSED_SENTENCE.format(where=where, cause=cause, limit=_limit()))
    for words, sentence in _SENTENCES:
        if any(word in lowered for word in words):
            return StoreError(sentence.format(where=where, cause=cause))
    return StoreError(f"{where} failed: {cause}")


def file_error(error: OSError, what: str) -> StoreError:
    """Make the error that tells why something could not be written to a file.

    Args:
        error: What the system said.
        what: What could not be done, as the beginning of a sentence.

    Returns:
        The error, not raised.
    """
    advice = _limit() if error.errno == errno.EFBIG else _ADVICE.get(error.errno, "see the system's log")
    kind = NoSpaceError if error.errno in _NO_SPACE else StoreError
    return kind(f"{what} ({error.strerror or error}); {advice}")


def damage_error(what: str, where: str, error: Exception) -> StoreError:
    """Make the error that tells that something stored cannot be decoded.

    Args:
        what: What it is, in the plural.
        where: The store it lies in.
        error: What is wrong with it.

    Returns:
        The error, not raised.
    """
    return StoreError(
        f"{what} are damaged in {where}: {error}; check it with `runatlas fsck {where}`, and restore it from a backup"
    )


@contextmanager
def decoding(what: str, where: str) -> Iterator[None]:
    """Turn what goes wrong while rows become records into a ``StoreError``: they hold what was never stored.

    Args:
        what: What they are, in the plural.
        where: The store they lie in.
    """
    try:
        yield
    except RunAtlasError:
        raise
    except (TypeError, ValueError, LookupError) as error:
        raise damage_error(what, where, error) from error


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn what the database raises inside into a ``StoreError``; broken constraints pass through.

    Text of the database that is no text, or no JSON, is damage: what comes from callers was decoded before.
    """
    try:
        yield
    except (IntegrityError, sqlite3.IntegrityError):
        raise
    except (DBAPIError, DisconnectionError, PoolTimeoutError, sqlite3.Error) as error:
        work = current.work
        # A statement that was interrupted fails in words of its own; what is to be told is why it was.
        raise (work and work.reason) or store_error(error, where) from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise damage_error("rows", where, error) from error


def _limit() -> str:
    """Tell whether a limit on the size of files may be what stands in the way."""
    most = _file_size_max()
    if most is None:
        return "see the system's log, the disk, and its quota"
    return f"a file may have {most} bytes at the most: raise the limit (ulimit -f)"


def _file_size_max() -> int | None:
    if sys.platform == "win32":
        return None
    import resource  # noqa: PLC0415 - only where there is one

    soft, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if soft == resource.RLIM_INFINITY else soft
