"""The protocol of matyan-client: REST under ``/api/v1/rest``, ingestion by WebSocket under ``/api/v1/ws``."""

from __future__ import annotations

from runatlas.server.dialects.matyan.dialect import make_dialect

__all__ = ["make_dialect"]
