"""Milliseconds as text and as datetimes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.instant import iso_text, moment

LAST = 253_402_300_799_999


@given(st.integers(0, LAST))
def test_text_and_moment_are_the_same_time(time_ms: int) -> None:
    when = moment(time_ms)
    assert when.tzinfo == UTC
    assert datetime.fromisoformat(iso_text(time_ms).replace("Z", "+00:00")) == when
    assert round(when.timestamp() * 1000) == time_ms


def test_text_always_has_milliseconds() -> None:
    assert iso_text(0) == "1970-01-01T00:00:00.000Z"
    assert iso_text(1_732_364_884_286) == "2024-11-23T12:28:04.286Z"
