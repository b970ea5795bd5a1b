"""Where a request carries its API key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

__all__ = ["bearer_or_basic"]


def bearer_or_basic(headers: Mapping[str, str]) -> str | None:
    """Find the key in ``Authorization``: of the scheme Bearer, or of Basic as the password, whoever the user.

    Args:
        headers: The request's headers, lower-case names.

    Returns:
        The key; ``None`` when there is none, or none that can be read.

    Example:
        >>> bearer_or_basic({"authorization": "Bearer abc"}), bearer_or_basic({"authorization": "Basic YW5uOmFiYw=="})
        ('abc', 'abc')
    """
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(rest.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text.partition(":")[2] or None
