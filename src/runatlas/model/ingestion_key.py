"""Keys that may only write to one run, and only for a while."""

from __future__ import annotations

import attrs

__all__ = ["INGESTION_KEY_TTL_MAX_MS", "IngestionKeyRecord", "NewIngestionKeyRecord"]

INGESTION_KEY_TTL_MAX_MS = 7 * 24 * 3600 * 1000
INGESTION_KEY_TTL_MS = 24 * 3600 * 1000
"""The longest and the ordinary life of a key."""


@attrs.frozen
class IngestionKeyRecord:
    """A key without its secret."""

    id: str
    run: str
    name: str
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    last_used_at_ms: int | None = None


@attrs.frozen
class NewIngestionKeyRecord:
    """A key just made; the only time that its secret is shown."""

    key: IngestionKeyRecord
    secret: str
