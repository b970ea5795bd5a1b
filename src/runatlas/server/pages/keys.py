"""Keys on pages, one's own and those that administrators see: which are shown, and how one is revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runatlas.errors import NotFoundError
from runatlas.model.account import KeyRecord
from runatlas.server.pages.address import with_query
from runatlas.server.pages.page import is_confirmed, page, read_form, redirect
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["KEY_REVOKED", "key_tables", "revoke", "show"]

KEY_REVOKED = "The key was revoked: nothing can be done with it any more."
_KEYS, _REVOKED = 200, 20


def key_tables(keys: Sequence[KeyRecord]) -> dict[str, Any]:
    """Part keys into those that are good and those that were revoked, each newest first."""
    good = [key for key in keys if key.revoked_at_ms is None]
    revoked = [key for key in keys if key.revoked_at_ms is not None]
    return {"keys": good[: -_KEYS - 1 : -1], "revoked": revoked[: -_REVOKED - 1 : -1]}


def show(call: EndpointCall, back: str, username: str | None = None, problem: str = "", *, status: int = 200) -> Answer:
    """Ask whether the key of the address is to be revoked.

    Args:
        call: Who asks.
        back: The page that lists it.
        username: Whose key it is; ``None`` is the caller's own.
        problem: What was wrong with the answer.
        status: The HTTP status.

    Raises:
        NotFoundError: There is no such key.
    """
    key = _find(call, username)
    return page(call, "key.html", status=status, key=key, problem=problem, back=back)


def revoke(call: EndpointCall, back: str, username: str | None = None) -> Answer:
    """Revoke the key of the address, once that was confirmed; else as ``show``.

    Raises:
        NotFoundError: There is no such key.
    """
    if not is_confirmed(read_form(call)):
        return show(call, back, username, "nothing was revoked: tick that it is meant", status=422)
    call.services.accounts.revoke_key(call.user, _find(call, username).id)
    return redirect(with_query(back, done="revoked"))


def _find(call: EndpointCall, username: str | None) -> KeyRecord:
    for key in call.services.accounts.list_keys(call.user, username):
        if key.id == call.params["key"]:
            return key
    raise NotFoundError("there is no such key")
