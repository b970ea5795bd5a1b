"""Charts of plain values: lines, points and parallel coordinates, drawn by matplotlib if it is there."""

from __future__ import annotations
