"""Stores to test on: a SQLite directory and a PostgreSQL schema, each empty, one a test."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest

from runatlas.server.services.services import Services
from runatlas.server.store.engine import Store

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


Place = Callable[[], Location]


@pytest.fixture(scope="session", params=ENGINES)
def new_location(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make places for new stores of one engine, then of the other."""
    engine: str = request.param

    def make() -> Location:
        directory = tmp_path_factory.mktemp("store")
        if engine == "sqlite":
            return Location(engine, str(directory / "here"))
        server: Any = request.getfixturevalue("postgresql")
        return Location(engine, new_schema(server), directory / "blobs")

    return make


@pytest.fixture
def location(new_location: Place) -> Location:
    """A place where no store is yet."""
    return new_location()


@pytest.fixture
def services(location: Location) -> Iterator[Services]:
    """Services over an empty store."""
    opened = location.services()
    yield opened
    opened.close()
