"""The parts of the backend answer the operations of the contract as the contract has them."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

from runatlas.backends.contract import Backend
from runatlas.backends.operation import operations
from runatlas.backends.swanlab import SwanlabBackend, backend


def _declared(function: Any) -> list[tuple[Any, ...]]:
    hints = get_type_hints(function)
    arguments = inspect.signature(function).parameters.values()
    return [(item.name, item.kind, item.default, hints.get(item.name)) for item in arguments] + [(hints["return"],)]


def test_an_operation_is_answered_by_one_part_with_the_arguments_of_the_contract() -> None:
    wrong = []
    for item in operations(Backend):
        found = [kind for kind in backend._PARTS.values() if hasattr(kind, item.name)]
        wrong += [item.name] if len(found) > 1 else []
        wrong += [item.name for kind in found if _declared(getattr(kind, item.name)) != _declared(item.function)]
    assert not wrong, f"these differ from the contract, or are of two parts: {wrong}"


def test_a_backend_is_made_of_parts() -> None:
    made = SwanlabBackend("http://nowhere.invalid")
    assert {name: type(getattr(made, name)) for name in backend._PARTS} == backend._PARTS
    made.close()
