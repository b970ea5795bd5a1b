"""Stores to test on, each empty, one a test: a SQLite directory, and a schema or a database of PostgreSQL.

To make all tables takes longer than most tests do, so that what is no test of just that begins with a copy.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from sqlalchemy import make_url
from support.lent import Lender

from runatlas.server.services.services import Services
from runatlas.server.store.engine import DATABASE_NAME, Store

ENGINES = ("sqlite", "postgresql")


class Clock:
    """Unix milliseconds that move only when they are told to."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.now_ms += ms


@attrs.frozen
class Location:
    """Where a store lies, and how it is opened."""

    engine: str
    name: str
    blobs_dir: Path | None = None
    clock: Clock = attrs.field(factory=Clock)

    def open(self) -> Store:
        """Open the store."""
        return Store.open(self.name, clock=self.clock, blobs_dir=self.blobs_dir)

    def services(self) -> Services:
        """Open the store and put the services over it."""
        return Services.open(self.name, clock=self.clock, blobs_dir=self.blobs_dir)


def new_schema(server: str) -> str:
    """Make an empty schema and return the URL that works in it."""
    name = f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{server}&options=-csearch_path%3D{name}"


@cache
def _empty_file() -> bytes:
    """Return the database of a directory where nothing but the store was made."""
    with tempfile.TemporaryDirectory() as directory:
        Location("sqlite", directory).open().close()
        return (Path(directory) / DATABASE_NAME).read_bytes()


def fill_directory(directory: Path) -> None:
    """Make a store in a directory that is not there yet."""
    directory.mkdir(mode=0o700, parents=True)
    path = directory / DATABASE_NAME
    path.touch(mode=0o600)
    path.write_bytes(_empty_file())


Lend = Callable[[], AbstractContextManager[str]]
"""Makes a database of PostgreSQL with an empty store in it, and tells its URL."""


@pytest.fixture(scope="session")
def lend_database(postgresql: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lend]:
    """Lend databases with an empty store to one test after the other."""
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE DATABASE made")
    url = make_url(postgresql).set(database="made").render_as_string(hide_password=False)
    Location("postgresql", url, tmp_path_factory.mktemp("made")).open().close()
    lender = Lender(postgresql, "made")
    yield lender.lend
    lender.close()


@contextmanager
def made_location(engine: str, directory: Path, request: pytest.FixtureRequest) -> Iterator[Location]:
    """Make an empty store whose files lie in a directory."""
    if engine == "sqlite":
        fill_directory(directory / "here")
        yield Location(engine, str(directory / "here"))
        return
    lend: Lend = request.getfixturevalue("lend_database")
    with lend() as url:
        yield Location(engine, url, directory / "blobs")


Place = Callable[[], Location]


@pytest.fixture(scope="session", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """One engine, then the other."""
    found: str = request.param
    return found


@pytest.fixture(scope="session")
def new_location(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make places where no store is yet."""

    def make() -> Location:
        directory = tmp_path_factory.mktemp("store")
        if engine == "sqlite":
            return Location(engine, str(directory / "here"))
        server: Any = request.getfixturevalue("postgresql")
        return Location(engine, new_schema(server), directory / "blobs")

    return make


@pytest.fixture
def location(
    engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Location]:
    """An empty store."""
    with made_location(engine, tmp_path_factory.mktemp("store"), request) as found:
        yield found


@pytest.fixture
def services(location: Location) -> Iterator[Services]:
    """Services over an empty store."""
    opened = location.services()
    yield opened
    opened.close()
