"""Fixtures of the tests of document 004."""

from __future__ import annotations

from support.scene import ground, own_scene, scene, shared_scene, surroundings

__all__ = ["ground", "own_scene", "scene", "shared_scene", "surroundings"]
