"""The page of one's own account: the profile, keys whose secret is shown once, and the password."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import attrs
import pytest
import requests
from support.person import Person, shown_text, token_of
from support.server import ServerProcess, make_key, running_server

_SECRET = re.compile(r'<pre class="secret"[^>]*>([0-9A-Za-z]{21})</pre>')
_KEYS = re.compile(r'href="(/account/keys/\w+)" aria-label="Revoke the key (\w{4})"')
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")
_HOSTILE = "</textarea><script>alert(1)</script>\u202e" + "\"'" + "x" * 900


@attrs.frozen
class Scene:
    """A server and its administrator's key."""

    server: ServerProcess
    key: str

    def new_key(self, name: str) -> str:
        """Make a user and a key."""
        self.server.call("POST", "admin/users", key=self.key, json={"username": name}).raise_for_status()
        return str(self.server.call("POST", "keys", key=self.key, json={"username": name}).json()["secret"])

    def person(self, name: str) -> Person:
        """Make a user who signed in with a key."""
        return Person.with_key(self.server.origin, self.new_key(name))

    def sign_in(self, name: str, password: str) -> tuple[int, Person]:
        """Sign in with a password."""
        person = Person(self.server.origin)
        return person.send("/sign-in", {"username": name, "password": password}).status_code, person

    def name_of(self, key: str) -> str | None:
        """Return whose key that is; ``None`` for nobody's."""
        answer = self.server.call("GET", "user", key=key)
        return str(answer.json()["username"]) if answer.ok else None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("account") / "store"
    key = make_key(directory, "root")
    with running_server(directory) as server:
        yield Scene(server, key)


def test_a_profile_is_changed_and_shown_as_text(scene: Scene) -> None:
    ann = scene.person("ann")
    done = ann.send("/account", {"name": _HOSTILE, "bio": _HOSTILE, "is_root": "1"})
    assert "Your profile was changed" in shown_text(done.text)
    assert "<script>alert" not in done.text
    assert done.text.count("&lt;script&gt;alert(1)") >= 2
    assert "administrator" not in shown_text(done.text)
    assert ann.send("/account", {"email": "a@b.example"}).status_code == 200
    page = ann.visit("/account").text
    assert 'value="a@b.example"' in page
    assert unescape(page).count(_HOSTILE) == 2


def test_a_key_s_secret_is_shown_once_and_a_revoked_key_is_none(scene: Scene) -> None:
    bob = scene.person("bob")
    before = len(scene.server.log)
    made = bob.send("/account/keys", seen_on="/account")
    found = _SECRET.search(made.text)
    assert found is not None, made.text
    secret = found[1]
    assert secret not in made.url
    assert "no-store" in made.headers["cache-control"]
    assert scene.name_of(secret) == "bob"
    login = f"runatlas login --host {scene.server.origin}"
    assert login in shown_text(made.text)
    assert f"export RUNATLAS_API_HOST={scene.server.origin} export RUNATLAS_API_KEY={secret}" in shown_text(made.text)
    assert login in shown_text(bob.visit("/").text), "there is no project yet"
    page = bob.visit("/account").text
    assert secret not in page
    addresses = dict(prefix[::-1] for prefix in _KEYS.findall(page))
    address = addresses[secret[:4]]
    assert secret not in bob.visit(address).text
    assert bob.send(f"{address}/revoke", seen_on=address).status_code == 422
    assert scene.name_of(secret) == "bob"
    done = bob.send(f"{address}/revoke", {"confirmed": "yes"}, seen_on=address)
    assert "The key was revoked" in shown_text(done.text)
    assert scene.name_of(secret) is None
    assert secret not in "".join(scene.server.log[before:])


def test_a_session_ends_with_the_key_that_it_was_begun_with(scene: Scene) -> None:
    key = scene.new_key("cid")
    cid = Person.with_key(scene.server.origin, key)
    address = next(path for path, prefix in _KEYS.findall(cid.visit("/account").text) if prefix == key[:4])
    done = cid.send(f"{address}/revoke", {"confirmed": "yes"}, seen_on=address)
    assert done.url.startswith(f"{scene.server.origin}/sign-in?next=")


def test_keys_of_others_are_not_there(scene: Scene) -> None:
    dan, eve = scene.person("dan"), scene.person("eve")
    (address, _), *_ = _KEYS.findall(dan.visit("/account").text)
    assert eve.visit(address).status_code == 404
    assert eve.send(f"{address}/revoke", {"confirmed": "yes"}, seen_on="/account").status_code == 404
    assert dan.visit("/account").status_code == 200


def test_a_password_is_changed_by_who_knows_it_and_ends_its_sessions(scene: Scene) -> None:
    fay = scene.person("fay")
    address = "/account/password"

    def change(person: Person, old: str, new: str, again: str = "") -> requests.Response:
        return person.send(address, {"old": old, "new": new, "again": again or new}, seen_on="/account")

    assert change(fay, "", "short").status_code == 422
    assert change(fay, "", "first password", "another password").status_code == 422
    assert scene.sign_in("fay", "first password")[0] == 401
    assert change(fay, "", "first password").status_code == 200
    status, elsewhere = scene.sign_in("fay", "first password")
    assert (status, elsewhere.visit("/account").url) == (200, f"{scene.server.origin}/account")
    wrong = change(fay, "fist password", "second password")
    assert (wrong.status_code, "not the password that you have" in shown_text(wrong.text)) == (403, True)
    changed = change(elsewhere, "first password", "second password")
    assert "nowhere else any more" in shown_text(changed.text)
    assert elsewhere.visit("/account").url == f"{scene.server.origin}/account"
    assert fay.visit("/account").url.startswith(f"{scene.server.origin}/sign-in")
    assert scene.sign_in("fay", "first password")[0] == 401
    assert scene.sign_in("fay", "second password")[0] == 200


def test_one_sees_where_one_is_signed_in_and_ends_it_there(scene: Scene) -> None:
    key = scene.new_key("gil")

    def sign_in(agent: str) -> Person:
        person = Person(scene.server.origin)
        person.session.headers["User-Agent"] = agent
        person.send("/sign-in", {"key": key}).raise_for_status()
        return person

    def is_in(*persons: Person) -> list[bool]:
        return [person.visit("/account").url == f"{scene.server.origin}/account" for person in persons]

    firefox = sign_in("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")
    phone = sign_in("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML) Chrome/130.0 Mobile Safari/537.36")
    odd = sign_in("<script>alert(1)</script>" + "x" * 5000)
    copied = Person(scene.server.origin)
    copied.session.cookies.update(odd.session.cookies)
    assert is_in(copied) == [True]
    page = firefox.visit("/account").text
    for said in ("Firefox on Linux", "Chrome on Android", f"key {key[:4]}…", "told to five minutes"):
        assert said in shown_text(page)
    assert ("<script>alert" in page, "x" * 100 in page) == (False, False)
    ends = dict(re.findall(r'name="session" value="(\w+)" aria-label="Sign out in (\w+)', page))
    assert sorted(ends.values()) == ["Chrome"], "its own has no button, and the odd one no plain name"
    others = re.findall(r'name="session" value="(\w+)"', page)
    assert len(others) == 2

    (of_phone,) = ends
    gus = scene.person("gus")
    assert gus.send("/account/sessions", {"session": of_phone}, seen_on="/account").status_code == 404
    ended = firefox.send("/account/sessions", {"session": of_phone}, seen_on="/account")
    assert "You are signed out there" in shown_text(ended.text)
    assert is_in(phone, firefox, copied) == [False, True, True]
    assert firefox.send("/account/sessions", {"session": of_phone}, seen_on="/account").status_code == 404

    token = token_of(odd.visit("/account").text)
    twice = [odd.session.cookies.copy() for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        address = f"{scene.server.origin}/sign-out"
        sent = pool.map(
            lambda held: requests.post(address, {"token": token}, cookies=held, allow_redirects=False), twice
        )
        assert {answer.status_code for answer in sent} == {303}
    assert is_in(copied, odd, firefox) == [False, False, True]
    again = copied.session.post(f"{scene.server.origin}/sign-out", {"token": token}, timeout=60, allow_redirects=False)
    assert (again.status_code, "Max-Age=0" in again.headers["set-cookie"]) == (303, True)

    back, third = sign_in("curl/8"), sign_in("curl/8")
    done = back.send("/account/sessions", seen_on="/account")
    assert "nowhere else any more" in shown_text(done.text)
    assert is_in(back, firefox, third, gus) == [True, False, False, True]


def test_many_who_try_passwords_at_once_take_little_memory(scene: Scene) -> None:
    visitor = Person(scene.server.origin)
    token = token_of(visitor.visit("/sign-in").text)

    def peak_mib() -> int:
        return int(_PEAK.findall(Path(f"/proc/{scene.server.process.pid}/status").read_text())[0]) >> 10

    def sign_in(name: str) -> requests.Response:
        form = {"token": token, "username": name, "password": "x"}
        return requests.post(f"{visitor.origin}/sign-in", form, cookies=visitor.session.cookies, timeout=60)

    with ThreadPoolExecutor(12) as threads:
        before = peak_mib()
        answers = list(threads.map(sign_in, [f"{number}{'<' * 20_000}" for number in range(12)]))
    assert {answer.status_code for answer in answers} <= {401, 429}
    assert max(len(answer.content) for answer in answers) < 5_000
    assert peak_mib() - before < 400
