"""Fixtures of the tests of entities."""

from __future__ import annotations

from support.place import own_place, place, reading_place

__all__ = ["own_place", "place", "reading_place"]
