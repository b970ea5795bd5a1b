"""The version of this package: written here, and taken from here when it is built."""

from __future__ import annotations

__all__ = ["VERSION"]

VERSION = "0.2.0"
"""Looking it up among the installed packages would cost every connection some milliseconds."""
