"""Fixtures of the contract suites."""

from __future__ import annotations

from support.backend import site

__all__ = ["site"]
