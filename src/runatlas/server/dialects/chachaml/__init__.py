"""The HTTP API of chachaml: writing under ``/api/w``, reading beside it."""

from __future__ import annotations

from runatlas.server.dialects.chachaml.dialect import make_dialect

__all__ = ["make_dialect"]
