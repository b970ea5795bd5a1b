"""SwanLab's protocol, under ``/api``: what its clients of the versions 0.6, 0.8 and 0.10 send and need."""

from __future__ import annotations

from runatlas.server.dialects.swanlab.dialect import make_dialect

__all__ = ["make_dialect"]
