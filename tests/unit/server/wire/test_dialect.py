from __future__ import annotations

import pytest

from runatlas.server.wire.answer import Answer
from runatlas.server.wire.credential import bearer_or_basic
from runatlas.server.wire.dialect import Dialect, dialect_for


def _dialect(name: str, *prefixes: str) -> Dialect:
    return Dialect(name, prefixes, list, lambda _: Answer(), bearer_or_basic)


NATIVE = _dialect("native", "/atlas")
DIALECTS = (NATIVE, _dialect("a", "/api"), _dialect("b", "/api/v1", "/api/v2"), _dialect("c", "/api/v1/rest"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/atlas/v1/runs", "native"),
        ("/api", "a"),
        ("/api/login", "a"),
        ("/api/v10", "a"),
        ("/api/v1", "b"),
        ("/api/v2/x", "b"),
        ("/api/v1/rest", "c"),
        ("/api/v1/rest/x", "c"),
        ("/api/v1/restless", "b"),
        ("/", "native"),
        ("/apis", "native"),
    ],
)
def test_the_longest_prefix_counts(path: str, name: str) -> None:
    assert dialect_for(path, DIALECTS, NATIVE).name == name
    assert dialect_for(path, DIALECTS[::-1], NATIVE).name == name
