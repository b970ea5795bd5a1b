"""Fixtures of the contract suites."""

from __future__ import annotations

from support.backend import servers, site

__all__ = ["servers", "site"]
