"""Fixtures of the contract suites."""

from __future__ import annotations

from support.backend import site
from support.database import postgresql

__all__ = ["postgresql", "site"]
