from __future__ import annotations

import gzip
import io
import json
import logging
import threading
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import attrs
import pytest
import requests
import responses
from support.clock import Clock

from runatlas.backends.http.session import Request, Session
from runatlas.errors import (
    ApiStatusError,
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    RateLimitedError,
    RequestError,
    ResponseFormatError,
    ServerError,
    TimeoutError_,
    ValidationError,
)

HOST = "http://tracking.example.org"
URL = f"{HOST}/atlas/v1/user"
KEY = "0123456789abcdefghijk"
GET = Request("GET", "/atlas/v1/user")


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_session(clock: Clock, **options: Any) -> Session:
    return Session(HOST, KEY, policy=clock.policy(**options))


def said(message: str, status: int = 500) -> dict[str, Any]:
    return {"error": {"status": status, "type": "SomeError", "message": message}}


# -- what is sent ----------------------------------------------------------------------------------------------------


def test_a_request_carries_the_key_and_what_it_accepts(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, json={"username": "ann"})

    answer = make_session(clock).send(Request("GET", "/atlas/v1/user", accept="application/x-thing"))

    assert answer.json() == {"username": "ann"}
    headers = web.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Accept"] == "application/x-thing"
    assert headers["User-Agent"].startswith("runatlas/")


def test_without_a_key_none_is_sent(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, json={})

    Session(HOST, policy=clock.policy()).send(GET)

    assert "Authorization" not in web.calls[0].request.headers


def test_a_netrc_of_somebody_else_is_not_used(
    web: responses.RequestsMock, clock: Clock, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine tracking.example.org login x password OTHER\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    web.get(URL, json={})

    Session(HOST, policy=clock.policy()).send(GET)

    assert "Authorization" not in web.calls[0].request.headers


def test_large_bodies_are_compressed_and_small_ones_not(web: responses.RequestsMock, clock: Clock) -> None:
    web.post(URL, json={})
    session = make_session(clock)

    session.send(Request("POST", "/atlas/v1/user", b"x" * 10_000, "application/json"))
    session.send(Request("POST", "/atlas/v1/user", b"x" * 10, "application/json"))

    large, small = web.calls[0].request, web.calls[1].request
    assert large.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(large.body) == b"x" * 10_000  # type: ignore[arg-type]
    assert large.headers["Content-Length"] == str(len(large.body))  # type: ignore[arg-type]
    assert "Content-Encoding" not in small.headers
    assert large.headers["Accept-Encoding"] == "gzip"


def test_a_server_on_this_machine_is_spared_the_compression(web: responses.RequestsMock, clock: Clock) -> None:
    web.post("http://127.0.0.1:5170/x", json={})

    Session("http://127.0.0.1:5170", policy=clock.policy()).send(Request("POST", "/x", b"x" * 10_000))

    assert web.calls[0].request.body == b"x" * 10_000
    assert web.calls[0].request.headers["Accept-Encoding"] == "identity"


def test_a_write_without_a_body_says_so(web: responses.RequestsMock, clock: Clock) -> None:
    web.post(URL, json={})

    make_session(clock).send(Request("POST", "/atlas/v1/user"))

    assert web.calls[0].request.headers["Content-Length"] == "0"


def test_a_prefix_of_the_host_is_kept(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/below/atlas/v1/user", json={"ok": True})

    assert Session(f"{HOST}/below/", policy=clock.policy()).send(GET).json() == {"ok": True}


# -- statuses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ValidationError),
        (401, AuthenticationError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (405, ApiStatusError),
        (409, ConflictError),
        (413, ValidationError),
        (422, ValidationError),
        (501, NotSupportedError),
        (505, ServerError),
    ],
)
def test_a_refusal_is_told_at_once_in_the_servers_words(
    web: responses.RequestsMock, clock: Clock, status: int, kind: type[Exception]
) -> None:
    web.get(URL, json=said("there is no run 'x'", status), status=status)

    with pytest.raises(kind) as caught:
        make_session(clock).send(GET)

    assert type(caught.value) is kind
    assert str(caught.value) == "there is no run 'x'"
    assert caught.value.code == status  # type: ignore[attr-defined]
    assert len(web.calls) == 1
    assert clock.waits == []


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitedError), (502, ServerError), (503, ServerError)])
def test_a_busy_server_is_asked_again_until_time_is_up(
    web: responses.RequestsMock, clock: Clock, status: int, kind: type[Exception]
) -> None:
    web.get(URL, json=said("busy"), status=status)

    with pytest.raises(kind, match=r"busy \(tried \d+ times\); the next try would be in"):
        make_session(clock, total_s=30).send(GET)

    assert len(web.calls) > 5
    assert sum(clock.waits) < 30


def test_a_fault_of_the_server_gets_a_few_tries(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, json=said("it broke"), status=500)

    with pytest.raises(ServerError, match=r"it broke \(tried 4 times\)"):
        make_session(clock).send(GET)

    assert len(web.calls) == 4
    assert clock.waits == [0.25, 0.5, 1]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_passing_failure_is_not_seen(web: responses.RequestsMock, clock: Clock, status: int) -> None:
    web.get(URL, status=status)
    web.get(URL, json={"ok": True})

    assert make_session(clock).send(GET).json() == {"ok": True}


@pytest.mark.parametrize(("status", "calls"), [(429, 2), (500, 1), (502, 1), (503, 1), (504, 1)])
def test_what_may_not_be_repeated_is_not(web: responses.RequestsMock, clock: Clock, status: int, calls: int) -> None:
    web.post(URL, status=status)
    web.post(URL, json={"ok": True})

    try:
        make_session(clock).send(Request("POST", "/atlas/v1/user", repeatable=False))
    except ServerError:
        assert calls == 1

    assert len(web.calls) == calls


def test_a_write_still_under_way_is_waited_for(web: responses.RequestsMock, clock: Clock) -> None:
    body = {"error": {"status": 409, "message": "still running", "code": "idempotency_key_in_progress"}}
    web.post(URL, json=body, status=409)
    web.post(URL, json={"ok": True})

    answer = make_session(clock).send(Request("POST", "/atlas/v1/user", idempotency_key="k1"))

    assert answer.json() == {"ok": True}
    assert [call.request.headers["Idempotency-Key"] for call in web.calls] == ["k1", "k1"]


# -- waiting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_kept_in_both_forms(web: responses.RequestsMock, clock: Clock, form: str) -> None:
    clock.time = 1_700_000_000.0
    asked = "7" if form == "seconds" else formatdate(clock.time + 7, usegmt=True)
    web.get(URL, status=429, headers={"Retry-After": asked})
    web.get(URL, json={"ok": True})

    make_session(clock).send(GET)

    assert clock.waits == [7.25]


def test_a_retry_after_beyond_the_budget_ends_it_at_once(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, json=said("slow down"), status=429, headers={"Retry-After": "120"})

    with pytest.raises(RateLimitedError, match="slow down; the next try would be in 120 s, beyond the time budget"):
        make_session(clock, total_s=60).send(GET)

    assert clock.waits == []


def test_a_pause_is_for_all_requests_of_a_session(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, status=503, headers={"Retry-After": "20"})
    web.get(URL, json={})
    web.get(f"{HOST}/other", json={})

    def wait(_: threading.Event, seconds: float) -> bool:
        clock.waits.append(seconds)
        if len(clock.waits) == 1:
            session.send(Request("GET", "/other"))
        else:
            clock.time += seconds
        return False

    session = Session(HOST, KEY, policy=attrs.evolve(clock.policy(), wait=wait))
    session.send(GET)

    assert clock.waits == [20.25, 20.25]


def test_waits_are_told(web: responses.RequestsMock, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    web.get(URL, json=said(f"busy with {KEY}"), status=503, headers={"Retry-After": "5"})
    web.get(URL, json={})

    with caplog.at_level(logging.WARNING):
        make_session(clock).send(GET)

    assert "trying again in 5.2 s (60 s left)" in caplog.text
    assert KEY not in caplog.text


def test_closing_ends_a_wait(web: responses.RequestsMock) -> None:
    asked = threading.Event()

    def busy(_: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        asked.set()
        return 503, {"Retry-After": "50"}, ""

    web.add_callback(responses.GET, URL, busy)
    session = Session(HOST, KEY)
    failed: list[Exception] = []

    def ask() -> None:
        try:
            session.send(GET)
        except RequestError as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert asked.wait(30)
    session.close()
    thread.join(30)

    assert not thread.is_alive()
    assert "closed" in str(failed[0])
    session.close()
    with pytest.raises(RequestError, match="this Api is closed"):
        session.send(GET)


# -- connections -----------------------------------------------------------------------------------------------------


def test_a_refused_connection_gets_a_few_tries_whatever_the_request(web: responses.RequestsMock, clock: Clock) -> None:
    web.post(URL, body=requests.exceptions.ConnectTimeout("no route"))

    with pytest.raises(TimeoutError_, match=r"POST .*/atlas/v1/user: no connection in time"):
        make_session(clock).send(Request("POST", "/atlas/v1/user", repeatable=False))

    assert len(web.calls) == 4


def test_an_answer_that_does_not_come_is_a_timeout(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, body=requests.exceptions.ReadTimeout("slow"))

    with pytest.raises(TimeoutError, match="no answer within 60 s"):
        make_session(clock).send(GET)


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_broken_connection_is_tried_again_only_where_that_does_no_harm(
    web: responses.RequestsMock, clock: Clock, repeatable: bool
) -> None:
    web.get(URL, body=requests.exceptions.ConnectionError("reset"))

    with pytest.raises(ConnectionFailedError, match="the connection broke"):
        make_session(clock).send(Request("GET", "/atlas/v1/user", repeatable=repeatable))

    assert len(web.calls) == (4 if repeatable else 1)


@pytest.mark.parametrize(
    ("error", "said_"),
    [
        (requests.exceptions.SSLError("certificate verify failed"), "check the certificate"),
        (requests.exceptions.ProxyError("no proxy"), "check HTTP_PROXY"),
    ],
)
def test_what_to_check_is_told(web: responses.RequestsMock, clock: Clock, error: Exception, said_: str) -> None:
    web.get(URL, body=error)

    with pytest.raises(ConnectionFailedError, match=said_):
        make_session(clock).send(GET)


# -- answers that do not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "media_type", "said_"),
    [
        ("<html><title>Sign  in</title>" + "x" * 9000, "text/html", r"a web page \(Sign in\); is this the address"),
        ("<!doctype html>", "", "a web page; is this the address of a RunAtlas server"),
        ('{"username": "a', "application/json", "the JSON does not decode"),
        ("[" * 100_000, "application/json", "nested too deeply"),
        ("plain words", "text/plain", "expected JSON, got text/plain: plain words"),
        ("\x00\x01", "application/octet-stream", "expected JSON, got application/octet-stream$"),
    ],
)
def test_a_success_that_is_no_json_says_what_came(
    web: responses.RequestsMock, clock: Clock, body: str, media_type: str, said_: str
) -> None:
    web.get(URL, body=body, content_type=media_type)

    with pytest.raises(ResponseFormatError, match=said_) as caught:
        make_session(clock).send(GET).json()

    assert str(caught.value).startswith("GET http://tracking.example.org/atlas/v1/user: ")
    assert len(str(caught.value)) < 400


def test_a_success_without_a_body_says_so(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, body="", content_type="application/json", headers={"Content-Length": "0"})

    with pytest.raises(ResponseFormatError, match="got an empty body"):
        make_session(clock).send(GET).json()


def test_a_success_that_lacks_its_body_is_asked_for_again(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, body="")
    web.get(URL, json={"ok": True})

    assert make_session(clock).send(GET).json() == {"ok": True}


@pytest.mark.parametrize(
    ("body", "media_type", "said_"),
    [
        ('{"error": {"message": "one"}}', "application/json", "one"),
        ('{"message": "two"}', "application/json", "two"),
        ('{"detail": "three"}', "application/json", "three"),
        ('{"code": 3, "errmsg": "four"}', "application/json", "four"),
        ('{"error": "five"}', "text/plain", "five"),
        ('{"detail": [{"loc": 1}]}', "application/json", "the server answered 404 with application/json"),
        ("{", "application/json", "the server answered 404 with application/json: {"),
        ("<html><h1>404</h1>", "text/html", "the server answered 404 with a web page"),
        ("x" * 9000, "text/plain", "the server answered 404 with text/plain: xxx"),
        ("", "", "the server answered 404 with an empty body"),
    ],
)
def test_the_sentence_of_a_refusal(
    web: responses.RequestsMock, clock: Clock, body: str, media_type: str, said_: str
) -> None:
    web.get(URL, body=body, content_type=media_type, status=404)

    with pytest.raises(NotFoundError) as caught:
        make_session(clock).send(GET)

    assert said_ in str(caught.value)
    assert len(str(caught.value)) < 400


def test_no_message_shows_the_key(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, json=said(f"the key {KEY} is unknown"), status=401)

    with pytest.raises(AuthenticationError, match=r"the key \*\*\* is unknown"):
        make_session(clock).send(GET)


@pytest.mark.parametrize(("key", "advised"), [(None, True), (KEY, False)])
def test_who_sent_no_key_is_told_how_to(
    web: responses.RequestsMock, clock: Clock, key: str | None, advised: bool
) -> None:
    web.get(URL, json=said("a key is needed"), status=401)

    with pytest.raises(AuthenticationError, match="a key is needed") as caught:
        Session(HOST, key, policy=clock.policy()).send(GET)

    assert ("'runatlas login'" in caught.value.message) is advised


# -- redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_within_the_server_keeps_method_body_and_key(
    web: responses.RequestsMock, clock: Clock, status: int
) -> None:
    web.post(URL, status=status, headers={"Location": "/elsewhere"})
    web.post(f"{HOST}/elsewhere", json={"ok": True})

    answer = make_session(clock).send(Request("POST", "/atlas/v1/user", io.BytesIO(b"data")))

    assert answer.json() == {"ok": True}
    moved = web.calls[1].request
    assert moved.method == "POST"
    assert moved.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "target", ["https://tracking.example.org/x", "http://tracking.example.org:81/", "//evil.example.net/?q=1"]
)
def test_the_key_is_never_sent_to_another_origin(web: responses.RequestsMock, clock: Clock, target: str) -> None:
    web.get(URL, status=307, headers={"Location": target})

    with pytest.raises(RequestError, match=r"the server redirects to .*pass its address as the host"):
        make_session(clock).send(GET)

    assert len(web.calls) == 1


def test_a_circle_of_redirects_ends(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, status=302, headers={"Location": URL})

    with pytest.raises(RequestError, match="redirects in a circle"):
        make_session(clock).send(GET)


# -- downloads -------------------------------------------------------------------------------------------------------


def download(session: Session, url: str = f"{HOST}/blob?signature=SIG", start: int = 0) -> bytes:
    return b"".join(session.download(url, start=start))


def test_a_link_is_fetched_without_the_key(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/blob", body=b"content")

    assert download(make_session(clock)) == b"content"
    assert "Authorization" not in web.calls[0].request.headers


def test_a_download_begins_where_it_is_told(web: responses.RequestsMock, clock: Clock) -> None:
    def ranged(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        return (206, {}, b"content"[start:]) if start < 7 else (416, {}, b"")

    web.add_callback(responses.GET, f"{HOST}/blob", ranged)

    assert download(make_session(clock), start=3) == b"tent"
    assert download(make_session(clock), start=7) == b""


def test_a_server_that_ignores_ranges_is_put_up_with(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/blob", body=b"content")

    assert download(make_session(clock), start=3) == b"tent"
    assert download(make_session(clock), start=9) == b""


def test_a_link_may_lead_elsewhere(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/blob", status=302, headers={"Location": "https://store.example.net/x"})
    web.get("https://store.example.net/x", body=b"content")

    assert download(make_session(clock)) == b"content"


def test_an_expired_link_is_told_without_its_signature(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/blob", status=404)

    with pytest.raises(NotFoundError) as caught:
        download(make_session(clock))

    assert "SIG" not in str(caught.value)


def test_a_download_is_tried_again(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(f"{HOST}/blob", status=503)
    web.get(f"{HOST}/blob", body=b"content")

    assert download(make_session(clock)) == b"content"


# -- uploads ---------------------------------------------------------------------------------------------------------


def test_a_file_is_sent_to_a_link_without_the_key(web: responses.RequestsMock, clock: Clock) -> None:
    web.put("https://store.example.net/x", body=b"{}", headers={"ETag": '"e"'})
    file = io.BytesIO(b"a part of it")
    file.seek(2)

    answer = make_session(clock).upload("https://store.example.net/x?signature=SIG", file, "image/png")

    request = web.calls[0].request
    assert answer.headers["etag"] == '"e"'
    assert "Authorization" not in request.headers
    assert (request.headers["Content-Type"], request.headers["Content-Length"]) == ("image/png", "10")


def test_an_upload_is_sent_again_from_where_it_began(web: responses.RequestsMock, clock: Clock) -> None:
    bodies: list[bytes] = []

    def take(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        bodies.append(request.body)  # type: ignore[arg-type]
        return 503 if len(bodies) == 1 else 200, {"Content-Length": "0"}, b""

    web.add_callback(responses.PUT, f"{HOST}/blob", take)

    make_session(clock).upload(f"{HOST}/blob", io.BytesIO(b"content"), "text/plain")

    assert bodies == [b"content", b"content"]


def test_a_refused_upload_is_told_without_its_signature(web: responses.RequestsMock, clock: Clock) -> None:
    web.put(f"{HOST}/blob", status=403)

    with pytest.raises(PermissionDeniedError) as told:
        make_session(clock).upload(f"{HOST}/blob?signature=SIG", b"x", "text/plain")

    assert "SIG" not in str(told.value)


def test_a_large_upload_gets_the_time_that_a_slow_line_needs(web: responses.RequestsMock, clock: Clock) -> None:
    def slowly(request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        clock.time += 300.0
        return 200, {"Content-Length": "2"}, b"{}"

    web.add_callback(responses.PUT, f"{HOST}/blob", slowly)

    assert make_session(clock).upload(f"{HOST}/blob", bytes(32 << 20), "text/plain").status == 200


# -- what the environment may not do ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "proxied"),
    [("http://127.0.0.1:5170", False), ("http://localhost:5170", False), ("http://[::1]:5170", False), (HOST, True)],
)
def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, host: str, proxied: bool
) -> None:
    used: list[Any] = []

    def send(_: object, request: requests.PreparedRequest, **options: Any) -> Any:
        used.append(options["proxies"])
        raise requests.exceptions.ConnectTimeout("that was enough")

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://proxy.example.org:3128")
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)

    with pytest.raises(TimeoutError_):
        Session(host, policy=clock.policy()).send(GET)

    assert bool(used[0].get("http")) is proxied


def test_making_a_session_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("touched the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)

    Session("http://192.0.2.1:9", KEY).close()


def test_codes_are_read_from_any_body(web: responses.RequestsMock, clock: Clock) -> None:
    web.get(URL, body=json.dumps({"code": "idempotency_key_in_progress"}), status=409)
    web.get(URL, json={"ok": True})

    assert make_session(clock).send(GET).json() == {"ok": True}
