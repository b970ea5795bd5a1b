"""Fixtures of the tests in a real browser."""

from __future__ import annotations

from browser.chromium import browser, visitor

__all__ = ["browser", "visitor"]
