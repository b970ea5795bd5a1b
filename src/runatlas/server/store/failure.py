"""Database errors, told as sentences that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runatlas.errors import StoreError

__all__ = ["store_error", "store_errors"]

_SENTENCES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("file is not a database", "malformed", "database corruption", "disk i/o error"),
        "{where} is damaged or is no RunAtlas database ({cause}); restore it from a backup, or use another directory",
    ),
    (
        ("readonly", "read-only", "unable to open", "permission denied", "access denied"),
        "{where} cannot be opened for writing ({cause}); give your user the right to write there, "
        "or use another directory",
    ),
    (
        ("is locked", "is busy"),
        "{where} is held by another process ({cause}); wait until that is done, or end it",
    ),
    (
        ("is full", "no space"),
        "{where} cannot grow: the disk is full ({cause}); free some space and try again",
    ),
    (
        ("connection failed", "connection refused", "could not connect", "closed the connection", "timeout expired"),
        "{where} cannot be reached ({cause}); check that the database runs, and its address, user and password",
    ),
)


def store_error(error: Exception, where: str) -> StoreError:
    """Make the error that tells what a database error means.

    Args:
        error: What the database driver or SQLAlchemy raised.
        where: The file or server it happened in.

    Returns:
        The error, not raised.
    """
    cause = " ".join(str(getattr(error, "orig", None) or error).split())
    lowered = cause.lower()
    for words, sentence in _SENTENCES:
        if any(word in lowered for word in words):
            return StoreError(sentence.format(where=where, cause=cause))
    return StoreError(f"{where} failed: {cause}")


@contextmanager
def store_errors(where: str) -> Iterator[None]:
    """Turn what the database raises inside into a ``StoreError``; broken constraints and wrong SQL pass through."""
    try:
        yield
    except (IntegrityError, ProgrammingError):
        raise
    except (DBAPIError, DisconnectionError, PoolTimeoutError) as error:
        raise store_error(error, where) from error
