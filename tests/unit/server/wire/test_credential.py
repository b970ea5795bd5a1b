from __future__ import annotations

import base64

import pytest

from runatlas.server.wire.credential import bearer_or_basic


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer abc", "abc"),
        ("bearer   abc ", "abc"),
        (_basic("ann:abc"), "abc"),
        (_basic(":abc"), "abc"),
        (_basic("ann:a:b"), "a:b"),
        (_basic("ann").lower(), None),
        (_basic("ann:"), None),
        ("Basic !!!", None),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Digest abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_the_key_is_found(header: str, secret: str | None) -> None:
    assert bearer_or_basic({"authorization": header}) == secret


def test_there_is_no_key_without_the_header() -> None:
    assert bearer_or_basic({"cookie": "sid=abc"}) is None
