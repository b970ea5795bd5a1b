"""Pages for people: made on the server of what the services answer, readable and usable without script."""

from __future__ import annotations

from runatlas.server.pages.routes import make_dialect

__all__ = ["make_dialect"]
