"""Fixtures of the tests against a real server."""

from __future__ import annotations

from support.database import engine, new_location
from support.server import server

__all__ = ["engine", "new_location", "server"]
