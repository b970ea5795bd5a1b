"""The range of a series."""

from __future__ import annotations

from typing import Any

import pytest

from runatlas.model.ranges import RangeQuery, ValueRange, make_range


@pytest.mark.parametrize(
    ("given", "padded"),
    [
        (1715769600000, 1715769600000),
        (1715769600, 1715769600000),
        (17157696001, 1715769600100),
        (0, 0),
        (None, None),
        (12345678901234, 12345678901234),
    ],
)
def test_timestamps_are_padded_to_milliseconds(given: int | None, padded: int | None) -> None:
    assert RangeQuery(type="timestamp", start=given).start == padded
    assert RangeQuery(type="timestamp", end=given).end == padded
    assert RangeQuery(start=given).start == given


def test_a_dict_is_as_good() -> None:
    given = {"type": "step", "start": 100, "end": 500, "head": 50}
    assert make_range(given) == RangeQuery(start=100, end=500, head=50)
    assert given == {"type": "step", "start": 100, "end": 500, "head": 50}
    query = RangeQuery(tail=50)
    assert make_range(query) is query
    assert make_range(None) is None
    assert make_range({"last": 300_000, "tail": 5}) == RangeQuery(last=300_000, tail=5)
    assert make_range({"type": "custom", "start": -0.5, "head": 2}) == ValueRange(start=-0.5, head=2)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"last": 5, "start": 1}, ValueError, "last and start/end are mutually exclusive"),
        ({"last": 5, "end": 1}, ValueError, "last and start/end are mutually exclusive"),
        ({"head": 5, "tail": 5}, ValueError, "head and tail are mutually exclusive"),
        ({"start": 5, "end": 4}, ValueError, "start must not be above end"),
        ({"type": "time"}, ValueError, "type must be 'step' or 'timestamp'"),
        ({"head": 0}, ValueError, "head must be at least 1"),
        ({"tail": -1}, ValueError, "tail must be at least 1"),
        ({"last": 0}, ValueError, "last must be at least 1"),
        ({"type": "timestamp", "start": -1}, ValueError, "start must be at least 0"),
        ({"start": 1.0}, TypeError, "start must be a whole number, got float"),
        ({"end": "5"}, TypeError, "end must be a whole number, got str"),
        ({"head": True}, TypeError, "head must be a whole number, got bool"),
        ({"from": 5}, ValueError, "unknown field 'from'"),
        ({"type": "custom", "start": "1"}, TypeError, "start must be a number, got str"),
        ({"type": "custom", "end": float("nan")}, ValueError, "end must be finite, got nan"),
        ({"type": "custom", "start": 1.0, "end": 0.5}, ValueError, "start must not be above end"),
        ({"type": "custom", "start": 1.0, "last": 5}, ValueError, "last and start/end are mutually exclusive"),
        ({"type": "custom", "head": 0.5}, TypeError, "head must be a whole number, got float"),
        ([1, 2], TypeError, "expected a RangeQuery or a dict, got list"),
        ("tail", TypeError, "expected a RangeQuery or a dict, got str"),
    ],
)
def test_mistakes_are_named(given: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"^range_query: {message}"):
        make_range(given)


def test_steps_may_be_negative() -> None:
    assert RangeQuery(start=-5, end=-5).start == -5
