"""Models, usage, and what administrators look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import attrs
import pytest
from support.patience import eventually
from support.person import Person, shown_text
from support.server import ServerProcess, make_key, running_server

_SECRET = re.compile(r'<pre class="secret"[^>]*>([0-9A-Za-z]{21})</pre>')
_HOSTILE = "<script>alert(1)<\\script>\u202e" + "x" * 150
_HOSTILE_MODEL = _HOSTILE.replace("\\", "")


@attrs.frozen
class Scene:
    """An administrator with a model, and Bob who is none."""

    server: ServerProcess
    key: str
    root: Person
    bob: Person

    def make(self, method: str, path: str, **options: Any) -> Any:
        answer = self.server.call(method, path, key=self.key, **options)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("administration") / "store"
    key = make_key(directory, "rita")
    with running_server(directory) as server:
        root = Person.with_key(server.origin, key)
        root.send("/administration/users", {"username": "bob"}, seen_on="/administration").raise_for_status()
        found = _SECRET.search(root.send("/administration/users/bob/keys", seen_on="/administration").text)
        assert found is not None
        made = Scene(server, key, root, Person.with_key(server.origin, found[1]))
        made.make("POST", "projects", json={"name": "p"})
        for run in ("big", "small"):
            made.make("POST", "runs", json={"project": {"workspace": "rita", "project": "p"}, "id": run})
        blob = made.make("POST", "projects/rita/p/blobs", data=b"w" * 5000)
        file = {"name": "model.pt", "sha256": blob["sha256"], "size": 5000}
        made.make("POST", "runs/rita/p/big/append", json={"artifacts": [file]})
        for name in ("net", "net", _HOSTILE_MODEL):
            made.make("POST", "models", json={"name": name, "run": "rita/p/big", "artifact": "model.pt"})
        yield made


def test_a_model_s_versions_lead_to_their_run_and_file(scene: Scene) -> None:
    listed = scene.root.visit("/models").text
    assert "<script>alert" not in listed
    assert "\u202e" not in listed
    assert 'href="/models/rita/net"' in listed
    page = scene.root.visit("/models/rita/net").text
    assert 'href="/@rita/p/runs/big"' in page
    link = re.search(r'href="([^"]+)" download', page)
    assert link is not None
    assert scene.root.visit(unescape(link[1])).content == b"w" * 5000
    assert "No model is registered" in shown_text(scene.bob.visit("/models").text)
    assert scene.bob.visit("/models/rita/net").status_code == 404


def test_one_version_at_most_is_in_production(scene: Scene) -> None:
    address = "/models/rita/net"
    for version in ("1", "2"):
        done = scene.root.send(address, {"version": version, "stage": "production"})
        assert f"stage of version {version} was changed" in shown_text(done.text)
    assert re.findall(r'class="tag stage-(\w+)"', scene.root.visit(address).text) == ["production", "archived"]
    assert scene.root.send(address, {"version": "1", "stage": "moon"}).status_code == 422
    for version in ("9", "x", "9" * 30):
        assert scene.root.send(address, {"version": version, "stage": "none"}).status_code in {404, 422}


def test_usage_leads_from_all_to_what_takes_most(scene: Scene) -> None:
    first = scene.root.visit("/usage").text
    assert 'href="/usage?path=rita%2Fp"' in first
    project = scene.root.visit("/usage?path=rita/p").text
    assert re.findall(r'<th scope="row"><a href="/usage\?path=([^"]+)"', project) == [
        "rita%2Fp%2Fbig",
        "rita%2Fp%2Fsmall",
    ]
    assert "4.9 KiB" in shown_text(project)
    assert scene.root.visit("/usage?path=rita/p/big").status_code == 200
    assert scene.bob.visit("/usage?path=rita/p").status_code == 404
    assert scene.root.visit("/usage?path=rita/p&by=" + _HOSTILE).status_code == 200
    assert scene.root.visit("/usage?path=/../" + "x" * 5000).status_code in {404, 422}


def test_users_are_listed_and_made_by_administrators(scene: Scene) -> None:
    assert scene.bob.visit("/administration").status_code == 403
    assert "/administration" not in scene.bob.visit("/account").text
    page = scene.root.visit("/administration").text
    assert 'href="/administration/users/bob"' in page
    assert shown_text(page).count("came with the store") == 1
    assert "came with the store" not in scene.root.visit("/administration/users/bob").text
    assert f"Users {scene.make('GET', 'admin/usage')['users']} " in shown_text(page)
    address = "/administration/users"
    taken = scene.root.send(address, {"username": "bob"}, seen_on="/administration")
    assert (taken.status_code, "is taken" in shown_text(taken.text)) == (409, True)
    wrong = scene.root.send(address, {"username": _HOSTILE}, seen_on="/administration")
    assert (wrong.status_code, "<script>alert" in wrong.text) == (422, False)
    form = {"username": "carl", "password": "pass123"}
    assert scene.root.send(address, form, seen_on="/administration").url.endswith(
        "/administration/users/carl?done=made"
    )
    assert Person(scene.server.origin).send("/sign-in", form).url == f"{scene.server.origin}/"
    assert scene.bob.send(address, {"username": "dora"}, seen_on="/account").status_code == 403


def test_administrators_revoke_keys_of_others(scene: Scene) -> None:
    secret = scene.make("POST", "keys", json={"username": "bob"})["secret"]
    page = scene.root.visit("/administration/users/bob").text
    assert secret not in page
    found = re.search(rf'href="([^"]+)" aria-label="Revoke the key {secret[:4]}"', page)
    assert found is not None
    assert scene.root.send(f"{found[1]}/revoke", seen_on=found[1]).status_code == 422
    done = scene.root.send(f"{found[1]}/revoke", {"confirmed": "yes"}, seen_on=found[1])
    assert "The key was revoked" in shown_text(done.text)
    assert scene.server.call("GET", "user", key=secret).status_code == 401
    assert scene.root.visit("/administration/users/nobody").status_code == 404


def test_administrators_help_who_forgot_a_password(scene: Scene) -> None:
    secret = scene.make("POST", "keys", json={"username": "bob"})["secret"]
    there, address = Person.with_key(scene.server.origin, secret), "/administration/users/bob"
    assert scene.bob.send(f"{address}/password", {"confirmed": "yes"}, seen_on="/account").status_code == 403
    assert scene.root.send(f"{address}/password", seen_on=address).status_code == 422
    assert there.visit("/account").url == f"{scene.server.origin}/account"
    made = scene.root.send(f"{address}/password", {"confirmed": "yes"}, seen_on=address)
    found = re.search(r'<pre class="secret"[^>]*>([a-z2-9]{4}(?:-[a-z2-9]{4}){3})</pre>', made.text)
    assert found is not None, made.text
    assert (found[1] in made.url, "no-store" in made.headers["cache-control"]) == (False, True)
    assert found[1] not in scene.root.visit(address).text
    for person in (there, scene.bob):
        assert person.visit("/account").url.startswith(f"{scene.server.origin}/sign-in")
    assert scene.server.call("GET", "user", key=secret).status_code == 200
    assert eventually(lambda: any("rita gave bob a one-time password" in line for line in scene.server.log))
    assert not any(found[1] in line for line in scene.server.log)

    bob = Person(scene.server.origin)
    asked = bob.send("/sign-in", {"username": "bob", "password": found[1], "next": "/trash"})
    assert ("Choose a password" in shown_text(asked.text), found[1] in shown_text(asked.text)) == (True, False)
    carried = f'<input type="hidden" name="password" value="{found[1]}">'
    assert (carried in asked.text, "Set the password" in shown_text(asked.text)) == (True, True), "it is typed once"
    assert "no-store" in asked.headers["cache-control"]
    assert bob.visit("/account").url.startswith(f"{scene.server.origin}/sign-in")
    form = {"username": "bob", "password": found[1], "next": "/trash", "new": "bob's own", "again": "bob's own"}
    other = bob.send("/sign-in/password", {**form, "again": "bob's one"}, seen_on="/sign-in")
    assert (other.status_code, "not the same both times" in shown_text(other.text)) == (422, True)
    assert carried in other.text
    short = bob.send("/sign-in/password", {**form, "new": "short", "again": "short"}, seen_on="/sign-in")
    assert (short.status_code, carried in short.text) == (422, True)
    wrong = bob.send("/sign-in/password", {**form, "password": "no such"}, seen_on="/sign-in")
    assert (wrong.status_code, 'name="password" type="password"' in wrong.text) == (401, True)
    done = bob.send("/sign-in/password", form, seen_on="/sign-in")
    assert done.url == f"{scene.server.origin}/trash"
    assert Person(scene.server.origin).send("/sign-in/password", form, seen_on="/sign-in").status_code == 401
    nobody = scene.root.send("/administration/users/nobody/password", {"confirmed": "yes"}, seen_on=address)
    assert nobody.status_code == 404
