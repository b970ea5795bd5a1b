"""The server that SwanLab's clients are tested on."""

from __future__ import annotations

from support.swanlab_site import site, version

__all__ = ["site", "version"]
