"""URLs: their origins, and what of them may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["origin_of", "redact"]

_USERINFO = re.compile(r"//[^/@\s]+@")
_SIGNATURE = re.compile(r"((?:signature|token|key|password)=)[^&\s'\"]+", re.IGNORECASE)
_STANDARD = {"http": 80, "https": 443}


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host name and port of a URL: what decides whether a key may be sent there.

    Raises:
        ValueError: The URL has an impossible port.
    """
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").rstrip("."), parts.port or _STANDARD.get(scheme, 0)


def redact(text: str, key: str | None = None) -> str:
    """Take secrets out of a text that people will see: credentials and signatures in URLs, and ``key`` itself.

    Example:
        >>> redact("http://ann:SECRET@host/blob?signature=abc&name=x")
        'http://***@host/blob?signature=***&name=x'
    """
    shown = _SIGNATURE.sub(r"\1***", _USERINFO.sub("//***@", text))
    return shown.replace(key, "***") if key else shown
