"""What a column, a medium or a log line knows of the run it belongs to."""

from __future__ import annotations

from typing import Protocol

from runatlas.model.ids import RunPath

__all__ = ["Owner"]


class Owner(Protocol):
    """The run that something belongs to."""

    @property
    def run_path(self) -> RunPath:
        """Its path in parts; no request."""

    @property
    def cuid(self) -> str:
        """The store's id of it."""

    @property
    def project_id(self) -> str:
        """The store's id of its project."""
