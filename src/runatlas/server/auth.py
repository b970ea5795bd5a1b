"""Who is asking: decided before anything else of a request is looked at."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import attrs
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from runatlas.errors import AuthenticationError, PermissionDeniedError, StoreError, ValidationError
from runatlas.server.services.caller import VISITOR, Caller
from runatlas.server.services.services import Services
from runatlas.server.settings import ServerSettings
from runatlas.server.wire.dialect import Dialect, dialect_for
from runatlas.server.wire.worker import in_thread
from runatlas.settings import is_loopback

__all__ = ["Gatekeeper"]

_CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
_HTTP_SCHEMES = {"ws": "http", "wss": "https"}
_HOST = re.compile(r"([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Gatekeeper:
    """A Litestar guard for every route: it puts the caller into ``scope["user"]`` or refuses the request.

    While no account was ever made and the server can be reached from this machine only, whoever asks is the
    directory's owner. A web page in the owner's browser must not get that far: a foreign ``Host`` (a name that was
    pointed at this machine) and a foreign ``Origin`` are refused.

    Args:
        services: Tells whose key it is.
        settings: Which address is bound, and the origin of links.
        dialects: Where each protocol carries its key.
        default: For paths that belong to no protocol.
    """

    def __init__(
        self, services: Services, settings: ServerSettings, dialects: tuple[Dialect, ...], default: Dialect
    ) -> None:
        self._services = services
        self._settings = settings
        self._is_local = settings.is_local
        self._dialects = dialects
        self._default = default
        self._owner = services.owner()
        self._has_accounts = services.accounts.has_accounts()

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Let a request pass, or raise.

        Raises:
            AuthenticationError: It needs a key, and has none or one that is not valid.
            PermissionDeniedError: It comes from a foreign web page.
        """
        public = bool(handler.opt.get("public"))
        if public and self._has_accounts:
            return
        if handler.opt.get("aside"):
            # Neither a thread nor the store: it answers whatever they do.
            headers = {name.lower(): value for name, value in connection.headers.items()}
            _require_host(headers)
            if self._is_local:
                _require_own_page(headers)
            return
        headers = {name.lower(): value for name, value in connection.headers.items()}
        _require_host(headers)
        # What tells the methods of a path may be of no dialect.
        dialect: Dialect = handler.opt.get("dialect") or dialect_for(
            connection.scope["path"], self._dialects, self._default
        )
        takes_visitors = bool(handler.opt.get("visitors"))
        admit = self._admit_public if public else self._admit_visitor if takes_visitors else self._admit
        caller = await in_thread(admit, dialect, headers)
        # A browser sends along what it holds of credentials when a foreign page opens a socket, too.
        if connection.scope["type"] == ScopeType.WEBSOCKET or connection.scope.get("method") in _CHANGING:
            self._require_own_site(headers)
        if caller is not None:
            origin = self._origin(connection.scope, headers)
            # With a key of the owner's it serves the children of a process that has the directory open.
            own = "http" if dialect.name == "native" else dialect.name
            door = own if self._settings.owner_key is None else "python"
            connection.scope["user"] = attrs.evolve(caller, origin=origin, door=door)

    def _origin(self, scope: Scope, headers: Mapping[str, str]) -> str:
        host, port = scope["server"] or (self._settings.host, self._settings.port)
        scheme = _HTTP_SCHEMES.get(scope["scheme"], scope["scheme"])
        return self._settings.origin or f"{scheme}://{headers.get('host') or f'{host}:{port}'}"

    def _require_own_site(self, headers: Mapping[str, str]) -> None:
        """Refuse what another site makes a browser send; only a Bearer token cannot have come along by itself."""
        origin = headers.get("origin")
        own = {headers.get("host", "").lower(), urlsplit(self._settings.origin or "").netloc.lower()} - {""}
        bearer = headers.get("authorization", "").lower().startswith("bearer ")
        if origin is not None and not bearer and _host_of(origin) not in own:
            raise PermissionDeniedError(f"requests of web pages of {origin[:80]!r} are not taken")
        if headers.get("sec-fetch-site") == "cross-site" and not bearer:
            raise PermissionDeniedError("requests of web pages of other sites are not taken")

    def _admit_public(self, _: Dialect, headers: Mapping[str, str]) -> Caller | None:
        # A store that does not answer is for the route to tell: the one of the server's health does.
        with suppress(StoreError):
            if self._is_open():
                _require_own_page(headers)
        return None

    def _admit_visitor(self, dialect: Dialect, headers: Mapping[str, str]) -> Caller:
        """Let in who shows nothing, or something that is worth nothing any more; a page then says how to sign in."""
        with suppress(AuthenticationError):
            return self._admit(dialect, headers)
        return VISITOR

    def _admit(self, dialect: Dialect, headers: Mapping[str, str]) -> Caller:
        if self._is_open():
            _require_own_page(headers)
            return self._owner
        secret = dialect.secret(headers)
        if secret is None:
            raise AuthenticationError("an API key is needed: send 'Authorization: Bearer KEY'")
        if self._settings.owner_key is not None:
            if not hmac.compare_digest(secret.encode(), self._settings.owner_key.encode()):
                raise AuthenticationError("the API key is not valid")
            return self._owner
        caller = dialect.identify(self._services, secret)
        if caller is None:
            raise AuthenticationError("the API key is not valid; it may have been revoked")
        return caller

    def _is_open(self) -> bool:
        # Accounts are never unmade, so a yes is remembered and a no is asked again: another process may make the first.
        if self._settings.owner_key is not None:
            return False
        if not self._has_accounts:
            self._has_accounts = self._services.accounts.has_accounts()
        return self._is_local and not self._has_accounts


def _require_host(headers: Mapping[str, str]) -> None:
    """Check that the host is a name or an address, with a port or without: links are built on it."""
    host = headers.get("host")
    if host is not None and not _HOST.fullmatch(host):
        raise ValidationError(f"the Host {host[:80]!r} is neither a name nor an address", code=400)


def _host_of(origin: str) -> str:
    """Return the host of what a browser says a request comes from, with its port; ``""`` if it is not told."""
    return origin.partition("://")[2].lower()


def _require_own_page(headers: Mapping[str, str]) -> None:
    host = headers.get("host", "")
    found = _HOST.fullmatch(host)
    if found is None or not is_loopback(found[1]):
        raise PermissionDeniedError(
            f"this server has no accounts yet and answers only to the name of this machine, not to {host[:80]!r}; "
            "make a key with 'runatlas keys create' to reach it by other names"
        )
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) != host.lower():
        raise PermissionDeniedError(
            f"this server has no accounts yet and takes no requests from other web pages, such as {origin[:80]!r}"
        )
