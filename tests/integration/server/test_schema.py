"""The OpenAPI document against the server it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.server import ServerProcess, running_server

from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.server.dialects.native.dialect import native_document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with something of everything."""
    with running_server(tmp_path_factory.mktemp("schema")) as server:
        owner = server.call("GET", "user").json()["username"]
        run = {"project": {"workspace": owner, "project": "demo"}, "id": "r", "create_project": True}
        assert server.call("POST", "runs", json=run).status_code == 201
        points = [{"key": "loss", "steps": [1, 2], "values": [0.5, "NaN"], "times_ms": [1, 2]}]
        batch = {"points": points, "logs": [{"message": "hello"}]}
        assert server.call("POST", f"runs/{owner}/demo/r/append", json=batch).status_code == 200
        yield server


# The coverage phase (every bound of every field) takes minutes; random ones find as much over time.
CONFIG = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})

document = schemathesis.openapi.from_dict(native_document(), config=CONFIG)


@schemathesis.serializer(ARROW)
def as_bytes(_: schemathesis.SerializationContext, value: Any) -> Any:
    """Send what is no JSON as it was drawn."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def test_the_server_tells_its_document(crowded: ServerProcess) -> None:
    assert crowded.call("GET", "openapi.json").json() == native_document()


@document.parametrize()
@settings(max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_tells_of(crowded: ServerProcess, case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(base_url=crowded.origin, checks=CHECKS)
