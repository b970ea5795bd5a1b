"""Points in time as filters take them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.filter_field import instant_ms

_ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-7))])


@given(st.datetimes(timezones=_ZONES))
def test_text_and_datetime_mean_the_same(value: datetime) -> None:
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    assert instant_ms(value) == instant_ms(value.isoformat()) == since // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "value", [5, 1767312000, -1, float("nan"), float("inf"), 2**63, True, "", "tomorrow", "2026-13-01"]
)
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(ValueError, match="is no time"):
        instant_ms(value)


def test_milliseconds_are_taken_as_they_are() -> None:
    assert instant_ms(1767312000001) == 1767312000001
