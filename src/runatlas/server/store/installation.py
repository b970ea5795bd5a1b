"""What every installation has: the directory's owner, their workspace, and a signing secret in a file of its own.

Whoever may read the database does not learn the secret. Where it is lost a new one is made, and links and sessions end.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection

from runatlas.errors import StoreError
from runatlas.file_access import FileAccess, open_to_read
from runatlas.server.store.failure import file_error
from runatlas.server.store.schema import memberships, settings, users, workspaces

__all__ = ["SECRET_NAME", "install", "new_secret", "owner_name", "read_secret"]

SECRET_NAME = "runatlas.secret"  # noqa: S105 - the name of a file
"""The file beside the database that holds the signing secret."""

_NAME_MAX = 25
_SECRET_BYTES = 32
_CREATED = "created_at_ms"


def owner_name() -> str:
    """Return the name for the directory's owner: the operating-system user's, cleaned to the allowed form."""
    try:
        found = getpass.getuser()
    except (OSError, KeyError, ImportError):
        found = ""
    return re.sub(r"[^0-9A-Za-z_-]", "", found)[:_NAME_MAX] or "owner"


def install(connection: Connection, now_ms: int) -> None:
    """Fill a new database with what an installation begins with."""
    connection.execute(settings.insert().values(name=_CREATED, value=str(now_ms)))
    name = owner_name()
    user = users.insert().values(username=name, name=name, is_root=True, created_at_ms=now_ms)
    user_id = connection.execute(user.returning(users.c.id)).scalar_one()
    workspace = workspaces.insert().values(username=name, name=name, workspace_type="PERSON", created_at_ms=now_ms)
    workspace_id = connection.execute(workspace.returning(workspaces.c.id)).scalar_one()
    connection.execute(memberships.insert().values(user_id=user_id, workspace_id=workspace_id, role="OWNER"))


def new_secret() -> bytes:
    """Return a secret that nobody else has."""
    return secrets.token_bytes(_SECRET_BYTES)


def read_secret(path: Path, access: FileAccess) -> bytes:
    """Return the secret that links and sessions are signed with, made if there is none.

    Args:
        path: The file; it is there as a whole or not at all, whatever other processes do at the same time.
        access: Who may read it.

    Raises:
        StoreError: It cannot be read or made.
    """
    try:
        if not path.exists():
            _make_secret(path, access)
    except OSError as error:
        raise file_error(error, f"the signing secret cannot be written to {path}") from error
    try:
        with open_to_read(path) as file:
            found = file.read(_SECRET_BYTES + 1)
    except OSError as error:
        raise StoreError(
            f"the signing secret in {path} cannot be read ({error.strerror or error}); give your user the right to, or "
            "remove the file: a new one is made, and links and sessions end"
        ) from error
    if len(found) != _SECRET_BYTES:
        raise StoreError(
            f"{path} holds no signing secret; remove the file: a new one is made, and links and sessions end"
        )
    return found


def _make_secret(path: Path, access: FileAccess) -> None:
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(access.open_file(part, os.O_WRONLY | os.O_EXCL), "wb") as file:
            file.write(new_secret())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first, and its secret counts
            path.hardlink_to(part)
    finally:
        part.unlink(missing_ok=True)
