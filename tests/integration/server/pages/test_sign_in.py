"""Signing in, and what other sites, guesses, old sessions and uploaded files cannot do."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import argon2
import attrs
import pytest
import requests
from support.person import Person, shown_text, token_of
from support.server import ServerProcess, make_key, running_server

from runatlas.server.pages.routes import READS, VISITED, WRITES
from runatlas.server.services.services import Services
from runatlas.server.services.sessions import SESSION_MS

_PASSWORD = "a password of ann's"


@attrs.frozen
class Scene:
    """Ann with a key, a password and a run; Bob has a key."""

    server: ServerProcess
    key: str
    ann: Person
    bob: Person

    def link(self, name: str, mime_type: str, content: bytes) -> str:
        """Put a file into the run and return the link to it."""
        blob = self.server.call("POST", "projects/ann/p/blobs", key=self.key, data=content).json()
        file = {"name": name, "sha256": blob["sha256"], "size": len(content), "mime_type": mime_type}
        body = {"artifacts": [file]}
        self.server.call("POST", "runs/ann/p/r/append", key=self.key, json=body).raise_for_status()
        items = self.server.call("GET", "runs/ann/p/r/artifacts", key=self.key).json()["items"]
        return next(str(item["url"]) for item in items if item["name"] == name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("sign-in") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        for method, path, body in (
            ("POST", "admin/users", {"username": "bob"}),
            ("POST", "projects", {"name": "p"}),
            ("POST", "runs", {"project": {"workspace": "ann", "project": "p"}, "id": "r"}),
        ):
            server.call(method, path, key=key, json=body).raise_for_status()
        bob = server.call("POST", "keys", key=key, json={"username": "bob"}).json()["secret"]
        people = [Person.with_key(server.origin, each) for each in (key, bob)]
        password = {"new": _PASSWORD, "again": _PASSWORD}
        people[0].send("/account/password", password, seen_on="/account").raise_for_status()
        yield Scene(server, key, *people)


def _filled(route: str) -> str:
    """Put names into a route."""
    names = {"workspace": "@ann", "project": "p", "run": "r", "username": "bob"}
    return re.sub(r"{(\w+):str}", lambda found: names.get(found[1], "x"), route)


def _cookies(answer: requests.Response) -> set[str]:
    return {part.strip() for part in answer.headers.get("set-cookie", "").split(";")}


def test_the_cookie_of_a_session_is_no_script_s_and_no_other_site_s(scene: Scene) -> None:
    person = Person(scene.server.origin)
    answer = person.send("/sign-in", {"key": scene.key}, follows=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={SESSION_MS // 1000}"} <= _cookies(answer)
    assert "Secure" not in _cookies(answer)
    assert scene.key not in answer.headers["set-cookie"]
    done = person.send("/sign-out", seen_on="/account", follows=False)
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=0"} <= _cookies(done)
    assert person.visit("/account").url.startswith(f"{scene.server.origin}/sign-in")


def test_behind_tls_the_cookie_travels_through_tls_only(tmp_path: Path) -> None:
    key = make_key(tmp_path / "store", "ann")
    with running_server(tmp_path / "store", "--public-url", "https://runs.example.org") as server:
        person = Person(server.origin)
        cookies = _cookies(person.send("/sign-in", {"key": key}, follows=False))
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= cookies


@pytest.mark.parametrize(
    "given",
    ["//evil.example", "https://evil.example", "/\\evil.example", "/\t/evil.example", "\n//evil.example", "evil", ""],
)
def test_signing_in_leads_to_no_other_site(scene: Scene, given: str) -> None:
    person = Person(scene.server.origin)
    answer = person.send("/sign-in", {"key": scene.key, "next": given}, follows=False)
    assert answer.headers["location"] == "/"
    shown = person.session.get(f"{scene.server.origin}/sign-in", params={"next": given}, allow_redirects=False)
    assert shown.headers["location"] == "/"


def test_signing_in_leads_to_where_one_was(scene: Scene) -> None:
    person = Person(scene.server.origin)
    asked = person.visit("/trash?workspace=ann")
    assert asked.url == f"{scene.server.origin}/sign-in?next=%2Ftrash%3Fworkspace%3Dann"
    done = person.send("/sign-in", {"key": scene.key, "next": "/trash?workspace=ann"})
    assert done.url == f"{scene.server.origin}/trash?workspace=ann"


def test_every_change_needs_the_token_of_its_session_and_comes_from_our_own_pages(scene: Scene) -> None:
    own = token_of(scene.ann.visit("/").text)
    foreign = [token_of(scene.bob.visit("/").text), token_of(Person(scene.server.origin).visit("/sign-in").text)]
    for route in sorted({*WRITES, "/sign-out"}):
        address = scene.server.origin + _filled(route)
        for token in (None, "", "0" * 64, own.upper(), *foreign):
            form = {"confirmed": "yes", **({} if token is None else {"token": token})}
            answer = scene.ann.session.post(address, form, timeout=60)
            assert (answer.status_code, "not filled in on a page" in answer.text) == (403, True), (route, token)
        for origin in ("https://evil.example", "null", scene.server.origin + ".evil.example"):
            headers = {"Origin": origin}
            answer = scene.ann.session.post(address, {"token": own}, headers=headers, timeout=60)
            assert (answer.status_code, "web pages of" in answer.text) == (403, True), (route, origin)
        for body in ({"json": {"token": own}}, {"data": own, "headers": {"Content-Type": "text/plain"}}):
            answer = scene.ann.session.post(address, timeout=60, **body)
            assert answer.status_code == 415, route
    for token in (None, foreign[0], own):
        form = {"key": scene.key, **({} if token is None else {"token": token})}
        answer = Person(scene.server.origin).session.post(f"{scene.server.origin}/sign-in", form, timeout=60)
        assert answer.status_code == 403
    assert scene.ann.visit("/account").url == f"{scene.server.origin}/account"


def test_a_visitor_changes_nothing(scene: Scene) -> None:
    token = token_of(Person(scene.server.origin).visit("/sign-in").text)
    for route in sorted(WRITES):
        answer = requests.post(
            scene.server.origin + _filled(route), {"token": token}, timeout=60, allow_redirects=False
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), route


def test_every_page_bars_scripts_that_are_not_ours_and_only_the_form_sets_a_cookie(scene: Scene) -> None:
    routes = [_filled(route) for route in sorted({*VISITED, *READS})]
    for route in [*routes, "/sign-in", "/@nobody", "/a/b/c/d/e", "/static/x/y.css", "/trash?after=x"]:
        for session in (scene.ann.session, requests.Session()):
            answer = session.get(scene.server.origin + route, timeout=60, allow_redirects=False)
            assert answer.status_code < 500, (route, answer.text)
            is_form = route == "/sign-in" and session is not scene.ann.session
            assert ("set-cookie" in answer.headers) == is_form, route
            assert answer.headers["x-content-type-options"] == "nosniff", route
            if answer.headers.get("content-type", "").startswith("text/html"):
                policy = answer.headers["content-security-policy"]
                assert "default-src 'none'" in policy, route
                assert "frame-ancestors 'none'" in policy, route
                scripts = re.search(r"script-src ([^;]*)", policy)
                assert scripts is not None, route
                assert scripts[1].strip() == "'self'", route


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("x.html", "text/html"),
        ("x.svg", "image/svg+xml"),
        ("x.xhtml", "application/xhtml+xml"),
        ("x.xml", "text/xml"),
        ("x.js", "text/javascript"),
        ("x.pdf", "application/pdf"),
        ('"; filename=y.html', "text/html"),
    ],
)
def test_files_that_people_uploaded_never_run_on_our_origin(scene: Scene, name: str, mime_type: str) -> None:
    content = b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/account")</script></svg>' + name.encode()
    link = scene.link(name, mime_type, content)
    answer = scene.ann.session.get(link, timeout=60)
    assert answer.content == content
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = {part.strip() for part in answer.headers["content-security-policy"].split(";")}
    assert {"default-src 'none'", "sandbox"} <= policy


def test_passwords_are_not_found_by_trying(scene: Scene) -> None:
    def try_as(name: str, password: str, address: str) -> requests.Response:
        person = Person(scene.server.origin)
        person.session.headers["X-Forwarded-For"] = address
        return person.send("/sign-in", {"username": name, "password": password})

    for number in range(10):
        wrong = try_as("ann", f"guess {number}", f"203.0.113.9, 2001:db8:1:2::{number}")
        assert wrong.status_code == 401
    for password, address in (("another guess", "2001:db8:1:2::1"), (_PASSWORD, "203.0.113.1")):
        refused = try_as("ann", password, address)
        assert (refused.status_code, "wait five minutes" in refused.text) == (429, True)
        assert refused.headers["retry-after"] == "300"
    change = {"old": _PASSWORD, "new": "taken over!", "again": "taken over!"}
    refused = scene.ann.send("/account/password", change, seen_on="/account")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "300")
    with ThreadPoolExecutor(2) as pool:
        tried = pool.map(lambda number: try_as(f"n{number}", "x", f"2001:db8:1:2:{number}::"), range(20))
        assert {answer.status_code for answer in tried} == {401}
    assert try_as("bob", "no guess", "2001:db8:1:2:ffff::1").status_code == 429
    assert try_as("bob", "no guess", "2001:db8:1:3::1").status_code == 401
    person = Person(scene.server.origin)
    assert person.send("/sign-in", {"key": scene.key}).url == f"{scene.server.origin}/"


def test_another_site_signs_nobody_in(scene: Scene) -> None:
    """Its own form, with its own cookie or none, is no form of the browser that is made to send it."""
    stranger, person = Person(scene.server.origin), Person(scene.server.origin)
    foreign = token_of(stranger.visit("/sign-in").text)
    first = person.visit("/sign-in")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= _cookies(first)
    own = token_of(first.text)
    again = person.visit("/sign-in")
    assert (token_of(again.text), "set-cookie" in again.headers) == (own, False), "the other tab's form stays good"
    address = f"{scene.server.origin}/sign-in"
    form = {"username": "ann", "password": _PASSWORD, "next": "/trash"}
    (name,) = person.session.cookies.keys()
    for cookie, token in (
        (person.session.cookies[name], foreign),
        (person.session.cookies[name], own.upper()),
        ("", foreign),
        ("x", own),
        ("x", token_of(requests.get(address, cookies={name: "x"}, timeout=60).text)),
    ):
        for path, shown in (("", "With a key"), ("/password", "Choose a password")):
            stale = requests.post(address + path, {**form, "token": token}, cookies={name: cookie}, timeout=60)
            text = shown_text(stale.text)
            assert (stale.status_code, "here is a new one" in text, shown in text) == (403, True, True)
            assert ('value="ann"' in stale.text, _PASSWORD in stale.text) == (True, False)
            assert 'value="/trash"' in stale.text
            assert ("set-cookie" in stale.headers) == (len(cookie) < 2)
    with requests.Session() as fresh:
        shown_again = fresh.post(address, {**form, "token": foreign}, timeout=60)
        done = fresh.post(address, {"key": scene.key, "token": token_of(shown_again.text)}, timeout=60)
        assert done.url == f"{scene.server.origin}/"


def test_a_session_is_always_a_new_one(scene: Scene) -> None:
    """Neither is one taken over that a browser was made to show, nor is the one of before left behind."""
    cookie = f"runatlas-{scene.server.origin.rpartition(':')[2]}"
    address, planted = f"{scene.server.origin}/sign-in", "A" * 43
    visitor = Person(scene.server.origin)
    form = {"key": scene.key, "token": token_of(visitor.visit("/sign-in").text)}
    visit = visitor.session.cookies.get_dict()

    def begin(held: str) -> str:
        answer = requests.post(address, form, cookies={**visit, cookie: held}, timeout=60, allow_redirects=False)
        return answer.cookies[cookie]

    def is_in(held: str) -> bool:
        headers = {"Cookie": f"{cookie}={held}".encode()}
        page = f"{scene.server.origin}/account"
        return requests.get(page, headers=headers, timeout=60, allow_redirects=False).status_code == 200

    first = begin(planted)
    assert (first == planted, is_in(first)) == (False, True)
    second = begin(first)
    assert (second == first, is_in(first), is_in(second)) == (False, False, True)
    signed = base64.urlsafe_b64encode(f"1.x.{2**42}.{'0' * 64}".encode()).decode().rstrip("=")
    swanlab = scene.server.call("POST", "/api/login/api_key", headers={"authorization": scene.key}).json()["sid"]
    for forged in (planted, signed, swanlab, second[:-1], f"{second}A", second.swapcase(), "é", '"', "A" * 5000):
        assert not is_in(forged), forged


def test_a_name_that_is_unknown_is_refused_with_the_same_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[str] = []
    verify = argon2.PasswordHasher.verify

    def counting(self: argon2.PasswordHasher, kept: str, password: str) -> bool:
        verified.append(password)
        return bool(verify(self, kept, password))

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counting)
    services = Services.open(tmp_path / "store")
    services.admin.create_user(services.owner(), "ann", _PASSWORD)
    services.admin.create_user(services.owner(), "bob")
    for number, name in enumerate(("ann", "bob", "nobody", "")):
        assert services.accounts.authenticate_password(name, str(number)) is None
    assert verified == ["0", "1", "2", "3"]
    services.close()
