"""Fixtures of the tests against a real server."""

from __future__ import annotations

from support.database import postgresql
from support.server import server

__all__ = ["postgresql", "server"]
