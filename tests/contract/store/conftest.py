"""Every test here runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from support.database import engine, location, new_location, services
from support.recording import Recorder

from runatlas.server.services.services import Services

__all__ = ["engine", "location", "new_location", "services"]


@pytest.fixture
def recorder(services: Services) -> Recorder:
    """The owner of an empty store."""
    return Recorder.of(services)
