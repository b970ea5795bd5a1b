"""The server that our own client meets as one of SwanLab's."""

from __future__ import annotations

from support.swanlab_server import servers, swanlab_server

__all__ = ["servers", "swanlab_server"]
