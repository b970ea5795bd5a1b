"""A small world in a directory, with an account of what is asked of it, as fixtures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from support.counting import Counting, make_counting
from support.world import World, make_world

from runatlas import Api
from runatlas.backends.local import LocalBackend


@attrs.frozen
class Place:
    """An ``Api`` over a world whose requests are counted."""

    api: Api
    world: World
    account: Counting


def _make(directory: str) -> Place:
    account, backend = make_counting(LocalBackend(directory))
    world = make_world(backend)
    account.calls.clear()
    account.arguments.clear()
    return Place(Api(backend=backend), world, account)


@pytest.fixture(scope="module")
def reading_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A world that no test changes."""
    place = _make(str(tmp_path_factory.mktemp("world")))
    yield place
    place.api.close()


@pytest.fixture
def place(reading_place: Place) -> Place:
    """The world that no test changes, with a fresh ``Api``."""
    account, backend = make_counting(reading_place.account.real)
    return Place(Api(backend=backend), reading_place.world, account)


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[Place]:
    """A world of one's own."""
    place = _make(str(tmp_path))
    yield place
    place.api.close()
