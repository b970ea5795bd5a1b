"""What all tests share: how generated examples are made, and the PostgreSQL server."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from support.postgresql import postgresql

__all__ = ["postgresql"]

# Machines are as slow as they are: no example fails for its time, and every machine tries the same ones.
settings.register_profile("project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
