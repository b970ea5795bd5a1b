"""What all tests share: how generated examples are made, and the PostgreSQL server."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings
from support.postgresql import postgresql

__all__ = ["postgresql"]

# Machines are as slow as they are: no example fails for its time, and every machine tries the same ones.
settings.register_profile("project", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")

# A shell that starts the tests in the background has these ignored, and so would every program that they start.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
