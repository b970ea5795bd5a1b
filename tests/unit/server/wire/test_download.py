from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.asgi import Received, call_app

from runatlas.server.wire.download import Download, content_disposition, safe_media_type

CONTENT = bytes(range(256)) * 12_000


def pieces(start: int, stop: int) -> Iterator[bytes]:
    for position in range(start, stop, 100_000):
        yield CONTENT[position : min(position + 100_000, stop)]


@pytest.fixture
def download() -> Download:
    return Download(pieces, len(CONTENT), "weights.pt", "application/octet-stream", "abc", expires_in_s=60)


def ask(download: Download, method: str = "GET", **headers: str) -> Received:
    return call_app(download, method, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_file_comes_whole(download: Download) -> None:
    received = ask(download)
    assert received.status == 200
    assert received.body == CONTENT
    assert received.headers["content-length"] == str(len(CONTENT))
    assert received.headers["accept-ranges"] == "bytes"
    assert received.headers["etag"] == '"abc"'
    assert received.headers["cache-control"] == "private, max-age=60, immutable"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=5-", 5, len(CONTENT)),
        ("bytes=-7", len(CONTENT) - 7, len(CONTENT)),
        ("bytes=-99999999", 0, len(CONTENT)),
        ("bytes=0-99999999", 0, len(CONTENT)),
        ("Bytes = 5 - 9", 5, 10),
        (f"bytes=1000000-{len(CONTENT) - 1}", 1_000_000, len(CONTENT)),
    ],
)
def test_a_range_comes_alone(download: Download, asked: str, start: int, stop: int) -> None:
    received = ask(download, range=asked)
    assert received.status == 206
    assert received.body == CONTENT[start:stop]
    assert received.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(CONTENT)}"
    assert received.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("asked", [f"bytes={len(CONTENT)}-", "bytes=9-5", "bytes=-0"])
def test_a_range_outside_of_the_file_is_refused(download: Download, asked: str) -> None:
    received = ask(download, range=asked)
    assert received.status == 416
    assert received.headers["content-range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize(
    "asked", ["bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=" + "9" * 5000 + "-", ""]
)
def test_what_is_no_single_range_gets_the_whole_file(download: Download, asked: str) -> None:
    assert ask(download, range=asked).status == 200


def test_a_range_of_another_version_is_not_mixed_in(download: Download) -> None:
    assert ask(download, range="bytes=5-9", if_range='"other"').status == 200
    assert ask(download, range="bytes=5-9", if_range='"abc"').status == 206


@pytest.mark.parametrize("tags", ['"abc"', 'W/"abc"', '"x", "abc"', "*"])
def test_a_known_file_is_not_sent_again(download: Download, tags: str) -> None:
    received = ask(download, if_none_match=tags)
    assert (received.status, received.body) == (304, b"")
    assert ask(download, if_none_match='"x"').status == 200


def test_head_tells_the_size_without_the_bytes(download: Download) -> None:
    received = ask(download, "HEAD")
    assert (received.status, received.body) == (200, b"")
    assert received.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/xml", "application/pdf"]
)
def test_nothing_that_a_browser_would_run_is_shown(download: Download, media_type: str) -> None:
    received = ask(Download(pieces, 1, "page", media_type, "abc"))
    assert received.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in received.headers["content-security-policy"]
    assert received.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("media_type", ["image/png", "audio/wav", "video/mp4", "text/plain"])
def test_pictures_sound_and_plain_text_may_be_shown(download: Download, media_type: str) -> None:
    assert ask(Download(pieces, 1, "a", media_type, "abc")).headers["content-disposition"].startswith("inline;")


def test_a_media_type_is_one_or_none() -> None:
    assert safe_media_type("Text/HTML; charset=utf-8") == "text/html"
    for text in ("", "png", "image/", "a/b/c", "image/png\r\nset-cookie: a=b", "image/ü"):
        assert safe_media_type(text) == "application/octet-stream"


@given(st.text(max_size=40))
def test_any_name_makes_one_safe_header_and_comes_back(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    found = re.fullmatch(r"""attachment; filename="([^"/]*)"(?:; filename\*=UTF-8''([^;"]*))?""", header)
    assert found is not None
    encoded = found[2]
    if encoded:
        last = name.replace("\\", "/").rpartition("/")[2].strip()
        wanted = last.encode("utf-8", "replace").decode()
        assert unquote(encoded) == wanted


def test_a_file_that_was_cut_is_not_sent_as_if_it_were_whole() -> None:
    with pytest.raises(OSError, match="shorter"):
        call_app(Download(pieces, len(CONTENT) + 1, "a", "text/plain", "abc"))
