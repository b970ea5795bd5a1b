"""How often passwords may be tried: none must be found by trying."""

from __future__ import annotations

import ipaddress
import threading

import attrs
from cachetools import TTLCache

from runatlas.errors import RateLimitedError

__all__ = ["ATTEMPTS_WINDOW_S", "Attempts", "TooManyAttemptsError"]

ATTEMPTS_WINDOW_S = 300
"""How long what failed counts."""

_NAME_TRIES, _ADDRESS_TRIES, _ALL_TRIES = 10, 30, 200
_TEXT_MAX = 100
_HOST_BITS = 64


class TooManyAttemptsError(RateLimitedError):
    """Too many attempts failed of late; ``ATTEMPTS_WINDOW_S`` later it may be tried again."""


@attrs.define
class _Count:
    failed: int = 0


class Attempts:
    """Counts what failed of late, for each name, for each address, and in all: so there is little to remember."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: TTLCache[str, _Count] = TTLCache(maxsize=10_000, ttl=float(ATTEMPTS_WINDOW_S))

    def begin(self, name: str, address: str = "") -> None:
        """Count an attempt as one that failed until it succeeds, so that those made at once count too.

        Args:
            name: Whose password is tried.
            address: Where from; ``""`` if that is not known.

        Raises:
            TooManyAttemptsError: It has to wait.
        """
        bounds = _bounds(name, address)
        with self._lock:
            if any(self._failed(key) >= most for key, most in bounds.items()):
                raise TooManyAttemptsError("too many attempts failed; wait five minutes, or sign in with a key")
            for key in bounds:
                self._counts.setdefault(key, _Count()).failed += 1

    def succeed(self, name: str, address: str = "") -> None:
        """Take an attempt back: it was no failure."""
        with self._lock:
            for key in _bounds(name, address):
                count = self._counts.get(key)
                if count is not None:
                    count.failed -= 1
                    if not count.failed:
                        self._counts.pop(key, None)

    def _failed(self, key: str) -> int:
        count = self._counts.get(key)
        return 0 if count is None else count.failed


def _bounds(name: str, address: str) -> dict[str, int]:
    """Return what an attempt counts for, and how many may fail."""
    bounds = {f"name {name[:_TEXT_MAX]}": _NAME_TRIES, "all": _ALL_TRIES}
    source = _source_of(address)
    return bounds | {f"address {source}": _ADDRESS_TRIES} if source else bounds


def _source_of(address: str) -> str:
    """Return whose an address is: a network of IPv6 is one customer's.

    This machine's own is nobody's: what comes from there comes through a proxy that does not tell where from.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address[:_TEXT_MAX]
    if isinstance(found, ipaddress.IPv6Address):
        found = found.ipv4_mapped or found
    if found.is_loopback:
        return ""
    return str(found) if found.version == 4 else str(int(found) >> _HOST_BITS)
