"""RunAtlas's own protocol, under ``/atlas/v1``."""

from __future__ import annotations

from runatlas.server.dialects.native.dialect import make_dialect

__all__ = ["make_dialect"]
