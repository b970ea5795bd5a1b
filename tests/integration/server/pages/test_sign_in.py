"""Signing in, and what other sites, guesses, old sessions and uploaded files cannot do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import argon2
import attrs
import pytest
import requests
from support.person import Person, token_of
from support.server import ServerProcess, make_key, running_server

from runatlas.server.pages.dialect import READS, VISITED, WRITES
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


def test_every_page_bars_scripts_that_are_not_ours_and_sets_no_cookie(scene: Scene) -> None:
    routes = [_filled(route) for route in sorted({*VISITED, *READS})]
    for route in [*routes, "/sign-in", "/@nobody", "/a/b/c/d/e", "/static/x/y.css", "/trash?after=x"]:
        for session in (scene.ann.session, requests.Session()):
            answer = session.get(scene.server.origin + route, timeout=60, allow_redirects=False)
            assert answer.status_code < 500, (route, answer.text)
            assert "set-cookie" not in answer.headers, route
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
    person = Person(scene.server.origin)
    for number in range(10):
        wrong = person.send("/sign-in", {"username": "ann", "password": f"guess {number}"})
        assert wrong.status_code == 401
    for password in ("another guess", _PASSWORD):
        refused = person.send("/sign-in", {"username": "ann", "password": password})
        assert (refused.status_code, "wait five minutes" in refused.text) == (429, True)
    change = {"old": _PASSWORD, "new": "taken over!", "again": "taken over!"}
    assert scene.ann.send("/account/password", change, seen_on="/account").status_code == 429
    assert person.send("/sign-in", {"username": "bob", "password": "no guess"}).status_code == 401
    assert person.send("/sign-in", {"key": scene.key}).url == f"{scene.server.origin}/"


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


def test_a_session_is_over_after_its_time_and_with_what_it_was_begun_with(tmp_path: Path) -> None:
    now = [1_800_000_000_000]
    services = Services.open(tmp_path / "store", clock=lambda: now[0])
    ann = services.owner()
    services.accounts.change_password(ann, "", _PASSWORD)
    made = services.accounts.create_key(ann)
    sessions = services.sessions
    by_key, by_password = sessions.begin(made.secret), sessions.begin_with_password(ann.username, _PASSWORD)
    now[0] += SESSION_MS - 1
    for session in (by_key, by_password):
        assert sessions.authenticate(session.token) is not None
        assert sessions.authenticate(session.token[:-2] + "AA") is None
    now[0] += 1
    assert [sessions.authenticate(session.token) for session in (by_key, by_password)] == [None, None]
    by_key, by_password = sessions.begin(made.secret), sessions.begin_with_password(ann.username, _PASSWORD)
    services.accounts.revoke_key(ann, made.key.id)
    assert sessions.authenticate(by_key.token) is None
    assert sessions.authenticate(by_password.token) is not None
    services.accounts.change_password(ann, _PASSWORD, "another password")
    assert sessions.authenticate(by_password.token) is None
    services.close()
