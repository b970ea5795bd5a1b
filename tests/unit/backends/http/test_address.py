from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.backends.http.address import origin_of, redact
from runatlas.backends.http.record_client import make_path


@given(st.text(max_size=30))
def test_a_segment_stays_one_segment_and_comes_back(text: str) -> None:
    quoted = make_path("", text).removeprefix("/")

    assert unquote(quoted) == text
    assert not set(quoted) & set("/?#+ ;&=")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("http://host/b", True),
        ("http://host:80/a", True),
        ("HTTP://HOST", True),
        ("https://host/", False),
        ("http://host:81/", False),
        ("http://host.example/", False),
        ("http://ann:x@host/", True),
    ],
)
def test_origins(url: str, same: bool) -> None:
    assert (origin_of(url) == origin_of("http://host/a")) is same


def test_secrets_are_taken_out() -> None:
    text = "GET http://ann:SECRET@host/blob?name=x&signature=SIG said no to KEYKEY"

    shown = redact(text, "KEYKEY")

    assert shown == "GET http://***@host/blob?name=x&signature=*** said no to ***"


def test_a_path_leaves_out_what_is_not_asked() -> None:
    assert make_path("/atlas/v1", "trash", workspace=None, limit=5, offset=0, with_total=False) == (
        "/atlas/v1/trash?limit=5"
    )
    assert make_path("/r", "a b", search="x&y", with_total=True) == "/r/a%20b?search=x%26y&with_total=true"
