from __future__ import annotations

import gzip
import os

import pytest
from support.asgi import call_app

from runatlas.server.wire.answer import GZIP_MINIMUM, Answer, accepts_gzip, compressed


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 5 << 20])
def test_a_body_arrives_whole_whatever_its_size(size: int) -> None:
    body = os.urandom(size)
    received = call_app(Answer(body))
    assert received.body == body
    assert received.headers["content-length"] == str(size)
    assert received.headers["content-type"] == "application/json"


def test_every_answer_says_that_its_type_is_not_to_be_guessed_and_that_it_is_not_to_be_stored() -> None:
    received = call_app(Answer(b"{}"))
    assert received.headers["x-content-type-options"] == "nosniff"
    assert received.headers["cache-control"] == "no-store"


def test_a_header_of_the_answer_takes_the_place_of_the_default() -> None:
    assert call_app(Answer(headers={"cache-control": "private"})).headers["cache-control"] == "private"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_that_may_have_no_body_has_no_length_either(status: int) -> None:
    received = call_app(Answer(status=status))
    assert (received.status, received.body) == (status, b"")
    assert not {"content-length", "content-type"} & set(received.headers)


def test_a_large_answer_is_gzipped() -> None:
    body = b"run " * GZIP_MINIMUM
    received = call_app(compressed(Answer(body)))
    assert received.headers["content-encoding"] == "gzip"
    assert received.headers["vary"] == "accept-encoding"
    assert gzip.decompress(received.body) == body
    assert len(received.body) < len(body)


@pytest.mark.parametrize("answer", [Answer(b"x" * (GZIP_MINIMUM - 1)), Answer(b"x" * GZIP_MINIMUM, packed=False)])
def test_small_answers_and_columns_of_numbers_stay_as_they_are(answer: Answer) -> None:
    assert compressed(answer) == answer


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, GZIP;q=0.1", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br, deflate", False),
    ],
)
def test_gzip_is_sent_to_those_who_take_it(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
