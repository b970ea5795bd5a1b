"""The protocol of Syvain Metrics (document 000): JSON under ``/api/v1``, messages under ``/api/v2``."""

from __future__ import annotations

from runatlas.server.dialects.syvain.dialect import make_dialect

__all__ = ["make_dialect"]
