"""A SwanLab server as a backend."""

from __future__ import annotations

from runatlas.backends.swanlab.backend import SwanlabBackend

__all__ = ["SwanlabBackend"]
