"""The entry point: ``Api``."""

from __future__ import annotations

from runatlas.api.entry import Api

__all__ = ["Api"]
