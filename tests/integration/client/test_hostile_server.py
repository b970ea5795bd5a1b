"""What answers need not mean well: a call ends soon, in bounded memory, with a typed error, and gives nothing away."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from support.faulty_server import Exchange, Fault, faulty_server, reply

import runatlas
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.errors import RequestError, ResponseFormatError, RunAtlasError, ServerError, TimeoutError_

KEY = "0123456789abcdefghijk"


def _endless(status: int, piece: bytes, **headers: str) -> Fault:
    """Send the same for as long as anybody listens."""

    def answer(exchange: Exchange) -> None:
        named = {"Content-Type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        lines = "".join(f"{name}: {text}\r\n" for name, text in named.items())
        exchange.connection.sendall(f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode())
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        while not exchange.released.is_set():
            packed = packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
            exchange.connection.sendall(packed if "Content_Encoding" in headers else piece)

    return answer


def _refusal(fault: Fault) -> RunAtlasError:
    with faulty_server(fault) as server:
        session = Session(server.url, KEY, policy=RetryPolicy(fault_tries=1), compress=True)
        with pytest.raises(RunAtlasError) as told:
            session.send(Request("GET", "/atlas/v1/user"))
        assert all(KEY not in seen.path for seen in server.seen)
    return told.value


def test_of_a_refusal_without_an_end_the_beginning_is_read() -> None:
    assert isinstance(_refusal(_endless(500, b" " * (1 << 20))), ServerError)
    assert isinstance(_refusal(_endless(500, b" " * (1 << 24), Content_Encoding="gzip")), ServerError)


def test_an_answer_without_an_end_is_no_answer() -> None:
    error = _refusal(_endless(200, b" " * (1 << 24), Content_Encoding="gzip"))
    # Where the machine has much else to do, time is up before that much has come.
    assert isinstance(error, RequestError)
    assert "more than" in error.message or "time was up" in error.message


def test_a_page_of_beginnings_of_titles_is_told_in_time() -> None:
    assert "web page" in _refusal(reply(b"<html>" + b"<title " * 200_000, 500, "text/html")).message


@pytest.mark.parametrize("target", ["http://127.0.0.1:99999999/", "http://[::1/", "//:x/", "file:///etc/passwd"])
def test_a_redirect_to_what_is_no_server_is_told(target: str) -> None:
    error = _refusal(reply(b"", 302, Location=target))
    assert isinstance(error, RequestError)
    assert "redirects" in error.message
    with faulty_server(reply(b"", 302, Location=target)) as server:
        session = Session(server.url, policy=RetryPolicy(fault_tries=1))
        with pytest.raises(RequestError):
            list(session.download(f"{server.url}/file"))


@pytest.mark.parametrize(
    "asked", ["Fri, 31 Dec 99999999999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 31 Dec 0001 0:0:0 -0000"]
)
def test_a_pause_until_no_date_is_passed_over_or_too_long(asked: str) -> None:
    with faulty_server(reply(b"{}", 503, Retry_After=asked)) as server:
        session = Session(server.url, policy=RetryPolicy(total_s=2))
        # The time may also be up while the last answer is read.
        with pytest.raises((ServerError, TimeoutError_)):
            session.send(Request("GET", "/atlas/v1/user"))


def test_a_listing_that_goes_round_ends() -> None:
    page = json.dumps({"items": [], "next_cursor": "again"}).encode()
    with faulty_server(reply(page)) as server, runatlas.Api(server.url, api_key=KEY, cache=False) as api:
        with pytest.raises(ResponseFormatError, match="names itself"):
            list(api.projects())
        assert len(server.seen) < 5


def _page(*records: dict[str, object]) -> Fault:
    common = {"sha256": "0" * 64, "size": 10, "mime_type": "", "created_at_ms": 0}
    return reply(json.dumps({"items": [{**common, **record} for record in records], "next_cursor": None}).encode())


def test_of_a_file_without_an_end_no_more_is_kept_than_it_has(tmp_path: Path) -> None:
    with (
        faulty_server(_endless(200, b"x" * (1 << 20))) as endless,
        faulty_server(_page({"name": "a.bin", "url": f"{endless.url}/f"})) as server,
        runatlas.Api(server.url, api_key=KEY, cache=False) as api,
    ):
        file = api.run("ann/demo/r").artifact("a.bin")
        assert isinstance(file.read().error, ResponseFormatError)
        assert isinstance(file.download(tmp_path / "a.bin").error, ResponseFormatError)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 10


@pytest.mark.parametrize("name", ["../../a.bin", "/a.bin", "a/../../b", "a\\..\\b", ".."])
def test_a_file_is_saved_below_where_it_was_wanted(tmp_path: Path, name: str) -> None:
    with (
        faulty_server(reply(b"x" * 10)) as files,
        faulty_server(_page({"name": name, "url": f"{files.url}/f"})) as server,
        runatlas.Api(server.url, api_key=KEY, cache=False) as api,
    ):
        assert isinstance(api.run("ann/demo/r").artifacts().download(tmp_path / "d" / "e").error, ResponseFormatError)
        assert files.seen == []
    assert list(tmp_path.iterdir()) == []
