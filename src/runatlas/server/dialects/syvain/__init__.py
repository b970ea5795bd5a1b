"""The protocol of Syvain Metrics: JSON under ``/api/v1``, messages under ``/api/v2``."""

from __future__ import annotations

from runatlas.server.dialects.syvain.dialect import make_dialect

__all__ = ["make_dialect"]
