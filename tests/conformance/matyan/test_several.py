"""Several writers on one run, and terminals, by the published client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.database import ENGINES, new_schema
from support.server import ServerProcess, running_server

from runatlas import Api

pytestmark = pytest.mark.xdist_group("conformance-matyan")


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of either engine."""
    on_postgresql = request.param == "postgresql"
    database = new_schema(request.getfixturevalue("postgresql")) if on_postgresql else None
    with running_server(tmp_path_factory.mktemp("several"), database=database) as found:
        yield found


@pytest.fixture(scope="module")
def found(client: Any) -> Any:
    return client.call("several")


def test_what_every_writer_said_is_there(found: Any, server: ServerProcess) -> None:
    *losses, shared = found["batches"]
    steps = list(range(200))
    assert [batch["iters"] for batch in losses] == [steps] * 4
    assert [batch["values"] for batch in losses] == [[float(step * rank) for step in steps] for rank in range(4)]
    assert shared["iters"] == list(range(800))
    assert shared["values"] == [float(rank) for _ in steps for rank in range(4)]
    assert found["params"] == {str(rank): {"rank": rank} for rank in range(4)}
    assert found["tags"] == ["distributed", *(f"rank {rank}" for rank in range(4))]
    assert found["records"] == [f"worker {rank}" for rank in range(4)]
    project = next(project for project in Api(host=server.origin).projects() if project.name == "default")
    assert [run.state for run in project.runs() if run.id == "9" * 32] == ["FINISHED"]


def test_the_terminal_is_captured(found: Any, server: ServerProcess) -> None:
    shown = ["first line", "in \x1b[31mred\x1b[0m", "100%", "error", "two", "lines", "no newline"]
    assert found["lines"][: len(shown)] == shown
    assert "after the end" not in found["lines"]
    assert found["some"] == shown[:2]
    project = next(project for project in Api(host=server.origin).projects() if project.name == "default")
    lines = project.run("8" * 32).logs(all=True).unwrap().lines
    assert [line.message for line in lines][: len(shown)] == shown
