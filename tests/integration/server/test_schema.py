"""The OpenAPI document against the server it describes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import attrs
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.server import ServerProcess, make_key, running_server

from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.server.dialects.native.dialect import native_document

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


OWNER = "ann"
THERE = {"workspace": OWNER, "project": "demo", "run": "r"}


@attrs.frozen
class Crowded:
    """A server with something of everything, and the key of an administrator whose it is."""

    server: ServerProcess
    key: str

    def check(self, case: schemathesis.Case[Any]) -> None:
        """Make a request and hold its answer to the document."""
        # Made requests may make keys, after which everybody needs one: so the first is made before.
        case.call_and_validate(
            base_url=self.server.origin, headers={"Authorization": f"Bearer {self.key}"}, checks=CHECKS
        )


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    directory = tmp_path_factory.mktemp("schema")
    key = make_key(directory, OWNER)
    with running_server(directory) as server:
        run = {"project": {"workspace": OWNER, "project": "demo"}, "id": "r", "create_project": True}
        assert server.call("POST", "runs", json=run, key=key).status_code == 201
        points = [{"key": "loss", "steps": [1, 2], "values": [0.5, "NaN"], "times_ms": [1, 2]}]
        batch = {"points": points, "logs": [{"message": "hello"}]}
        assert server.call("POST", f"runs/{OWNER}/demo/r/append", json=batch, key=key).status_code == 200
        yield Crowded(server, key)


# Not as examples of each test: a filter holds filters, and has ten thousand bounds wherever there is one.
CONFIG = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})

document = schemathesis.openapi.from_dict(native_document(), config=CONFIG)
_FOUND: Any = document.get_all_operations()
OPERATIONS = [found.ok() for found in _FOUND]
BOUNDS = 120
"""How many cases at the bounds of its fields each operation is asked; most have fewer."""


@schemathesis.serializer(ARROW)
def as_bytes(_: schemathesis.SerializationContext, value: Any) -> Any:
    """Send what is no JSON as it was drawn."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def test_the_server_tells_its_document(crowded: Crowded) -> None:
    assert crowded.server.call("GET", "openapi.json").json() == native_document()


BOUNDED = settings(
    max_examples=20, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@document.parametrize()
@BOUNDED
def test_every_answer_is_one_that_the_document_tells_of(crowded: Crowded, case: schemathesis.Case[Any]) -> None:
    crowded.check(case)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_so_it_is_at_the_bounds_of_every_field(crowded: Crowded, operation: Any) -> None:
    generation = CONFIG.projects.default.generation_for(operation=operation, phase="coverage")
    cases = document.iter_coverage_cases(operation, generation_modes=list(GenerationMode), generation_config=generation)
    checked = 0
    for case in islice(cases, BOUNDS):
        crowded.check(case)
        checked += 1
    assert checked


@document.exclude(method="DELETE").exclude(path_regex="admin|/keys|trash|deletions|members").parametrize()
@BOUNDED
def test_so_it_is_when_the_request_is_about_something_that_is_there(
    crowded: Crowded, case: schemathesis.Case[Any]
) -> None:
    _aim(case)
    crowded.check(case)


def _aim(case: Any) -> None:
    """Let a request be about what is there."""
    known = {name: value for name, value in THERE.items() if name in case.path_parameters}
    case.path_parameters = {**case.path_parameters, **known}
    case.body = _aimed(case.body)


def _aimed(body: Any) -> Any:
    """Let a body speak of the project and the run that are there, where it speaks of any."""
    if not isinstance(body, dict):
        return body
    aimed = {name: _aimed(value) for name, value in body.items()}
    aimed |= {name: value for name, value in THERE.items() if isinstance(aimed.get(name), str)}
    if isinstance(aimed.get("ids"), list):
        aimed["ids"] = [THERE["run"]]
    return aimed


def test_so_it_is_of_requests_that_follow_from_each_other(crowded: Crowded) -> None:
    # Without keys: one that is listed is revoked next, and everything would be refused from then on.
    machine: Any = document.exclude(path_regex="/keys").as_state_machine()
    answered: Counter[int] = Counter()

    class Workflow(machine):  # type: ignore[misc]
        def before_call(self, case: Any) -> None:
            _aim(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"base_url": crowded.server.origin, "headers": {"Authorization": f"Bearer {crowded.key}"}}

        def validate_response(self, response: Any, case: Any, additional_checks: Any = (), **options: Any) -> None:
            answered[response.status_code] += 1
            case.validate_response(response, checks=CHECKS)

    Workflow.run(settings=settings(BOUNDED, stateful_step_count=8))
    assert {200, 201, 404} <= set(answered), answered
