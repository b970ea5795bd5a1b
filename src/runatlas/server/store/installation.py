"""What every installation has from its first moment: a signing secret, the directory's owner and their workspace."""

from __future__ import annotations

import getpass
import re
import secrets

from sqlalchemy import Connection, bindparam, select

from runatlas.errors import StoreError
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import memberships, settings, users, workspaces

__all__ = ["install", "owner_name", "read_secret"]

_NAME_MAX = 25
_SIGNING = "signing_secret"
_CREATED = "created_at_ms"
_SETTING = Prepared(select(settings.c.value).where(settings.c.name == bindparam("name")), "name")


def owner_name() -> str:
    """Return the name for the directory's owner: the operating-system user's, cleaned to the allowed form."""
    try:
        found = getpass.getuser()
    except (OSError, KeyError, ImportError):
        found = ""
    return re.sub(r"[^0-9A-Za-z_-]", "", found)[:_NAME_MAX] or "owner"


def install(connection: Connection, now_ms: int) -> None:
    """Fill a new database with what an installation begins with."""
    facts = {_SIGNING: secrets.token_hex(32), _CREATED: str(now_ms)}
    connection.execute(settings.insert(), [{"name": name, "value": value} for name, value in facts.items()])
    name = owner_name()
    user = users.insert().values(username=name, name=name, is_root=True, created_at_ms=now_ms)
    user_id = connection.execute(user.returning(users.c.id)).scalar_one()
    workspace = workspaces.insert().values(username=name, name=name, workspace_type="PERSON", created_at_ms=now_ms)
    workspace_id = connection.execute(workspace.returning(workspaces.c.id)).scalar_one()
    connection.execute(memberships.insert().values(user_id=user_id, workspace_id=workspace_id, role="OWNER"))


def read_secret(connection: Connection) -> bytes:
    """Return the secret that links are signed with.

    Raises:
        StoreError: The installation has none.
    """
    found = _SETTING.first(connection, _SIGNING)
    if found is None or not found[0]:
        raise StoreError("the database has no signing secret; restore it from a backup")
    return bytes.fromhex(found[0])
