"""Secrets are kept as their hashes: they are long and random, so a plain hash tells nothing of them."""

from __future__ import annotations

import hashlib

__all__ = ["hash_secret"]


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a secret, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()
