"""The OpenAPI document against the server it describes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any

import attrs
import pytest
import requests
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from support.examples import examples
from support.server import ServerProcess, make_key, running_server

from runatlas.model.arrow import MEDIA_TYPE as ARROW
from runatlas.server.dialects.native.dialect import native_document

OWNER = "ann"
THERE = {"workspace": OWNER, "project": "demo", "run": "r"}


@attrs.frozen
class Crowded:
    """A server with something of everything, and the key of an administrator whose it is."""

    server: ServerProcess
    key: str
    session: requests.Session

    def check(self, case: Any) -> None:
        """Make a request and hold its answer to the document."""
        # Made requests may make keys, after which everybody needs one: so the first is made before.
        # On one connection: to open one for each would take as long as the requests.
        headers = {"Authorization": f"Bearer {self.key}"}
        case.call_and_validate(base_url=self.server.origin, headers=headers, session=self.session, checks=_checks())


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
        with requests.Session() as session:
            # It looks for a proxy in the environment, and for a password in files, before each request.
            session.trust_env = False
            yield Crowded(server, key, session)


def _checks() -> list[Any]:
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks

    found = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
    return [not_a_server_error, *found]


@pytest.fixture(scope="module")
def document() -> Any:
    """The document as Schemathesis reads it: loaded here, as it takes longer than all that the other tests import."""
    import schemathesis

    @schemathesis.serializer(ARROW)
    def as_bytes(_: schemathesis.SerializationContext, value: Any) -> Any:
        """Send what is no JSON as it was drawn."""
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")

    # Not as examples of each test: a filter holds filters, and has ten thousand bounds wherever there is one.
    config = schemathesis.Config.from_dict({"phases": {"coverage": {"enabled": False}}})
    return schemathesis.openapi.from_dict(native_document(), config=config)


@pytest.fixture(scope="module")
def operations(document: Any) -> dict[str, Any]:
    """All operations by their labels."""
    found = [found.ok() for found in document.get_all_operations()]
    return {operation.label: operation for operation in found}


LABELS = [f"{method.upper()} {path}" for path, methods in native_document()["paths"].items() for method in methods]
ABOUT_WHAT_IS_THERE = [
    label
    for label in LABELS
    if not label.startswith("DELETE") and not re.search("admin|/keys|trash|deletions|members", label)
]
BOUNDS = examples(80)
"""How many cases at the bounds of its fields each operation is asked: every third of them where there are 120."""


def test_the_server_tells_its_document(crowded: Crowded) -> None:
    assert crowded.server.call("GET", "openapi.json").json() == native_document()


BOUNDED = settings(max_examples=examples(10), database=None, suppress_health_check=list(HealthCheck))


def _cases(operation: Any) -> st.SearchStrategy[Any]:
    from schemathesis import GenerationMode

    return st.one_of([operation.as_strategy(generation_mode=mode) for mode in list(GenerationMode)])


def test_every_operation_is_asked(operations: dict[str, Any]) -> None:
    assert sorted(operations) == sorted(LABELS)


@pytest.mark.parametrize("label", LABELS)
def test_every_answer_is_one_that_the_document_tells_of(
    crowded: Crowded, operations: dict[str, Any], label: str
) -> None:
    @BOUNDED
    @given(_cases(operations[label]))
    def check(case: Any) -> None:
        crowded.check(case)
        if label in ABOUT_WHAT_IS_THERE:
            # The same once more, as to draw a request takes ten times as long as to make it.
            _aim(case)
            crowded.check(case)

    check()


@pytest.mark.parametrize("label", LABELS)
def test_so_it_is_at_the_bounds_of_every_field(
    crowded: Crowded, document: Any, operations: dict[str, Any], label: str
) -> None:
    from schemathesis import GenerationMode

    operation = operations[label]
    generation = document.config.generation_for(operation=operation, phase="coverage")
    cases = document.iter_coverage_cases(operation, generation_modes=list(GenerationMode), generation_config=generation)
    drawn = list(islice(cases, 10 * BOUNDS))
    assert drawn
    for case in drawn[:: -(-len(drawn) // BOUNDS)]:
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


_WALKS = examples(2)


def test_so_it_is_of_requests_that_follow_from_each_other(crowded: Crowded, document: Any) -> None:
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
            case.validate_response(response, checks=_checks())

    for number in range(_WALKS):
        # What is deleted in one example is not there in the next: where the same steps lead elsewhere, a walk is over.
        with suppress(FlakyStrategyDefinition):
            seed(number)(Workflow).run(settings=settings(BOUNDED, stateful_step_count=8))
    assert {200, 201, 404} <= set(answered), answered
