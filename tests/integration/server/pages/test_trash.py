"""The page of the trash: what was deleted comes back, or goes for good."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs
import pytest
import requests
from support.person import Person, shown_text
from support.server import ServerProcess, make_key, running_server

from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.server.services.services import Services

_LONG_AGO_MS = 1_500_000_000_000
_HOSTILE = "<script>alert(1)</script>\u202egnp." + "x" * 300


@attrs.frozen
class Scene:
    """Ann owns a workspace that Bob is a member of."""

    server: ServerProcess
    key: str
    ann: Person
    bob: Person

    def delete(self, *names: str, project: str = "p") -> str:
        """Make runs and delete them together."""
        for name in names:
            self.record(name, project)
        ids = [name.partition(" ")[0] for name in names]
        plan = self.ask("POST", "deletions/plan", {"runs": {"workspace": "ann", "project": project, "ids": ids}})
        return str(self.ask("POST", "deletions", plan)["trash_id"])

    def record(self, name: str, project: str = "p") -> None:
        """Make a run whose id is the first word of its name."""
        where = {"workspace": "ann", "project": project}
        draft = {"project": where, "id": name.partition(" ")[0], "name": name, "state": "FINISHED"}
        self.ask("POST", "runs", draft)
        points = [{"key": "loss", "steps": [1, 2], "values": [0.5, 0.25], "times_ms": [1, 2]}]
        self.ask("POST", f"runs/ann/{project}/{draft['id']}/append", {"points": points})

    def ask(self, method: str, path: str, body: object) -> dict[str, object]:
        answer = self.server.call(method, path, key=self.key, json=body)
        assert answer.ok, answer.text
        return dict(answer.json()) if answer.content else {}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory = tmp_path_factory.mktemp("trash") / "store"
    keys = {name: make_key(directory, name) for name in ("ann", "bob")}
    services = Services.open(directory, clock=lambda: _LONG_AGO_MS)
    services.projects.create_project(services.owner(), ProjectDraft("old", "ann"))
    services.trash.delete_project(services.owner(), ProjectPath("ann", "old"))
    services.close()
    with running_server(directory) as server:
        people = [Person.with_key(server.origin, keys[name]) for name in ("ann", "bob")]
        made = Scene(server, keys["ann"], *people)
        made.ask("POST", "projects", {"name": "p"})
        made.ask("PUT", "workspaces/ann/members/bob", {"role": "MEMBER"})
        yield made


def _runs(scene: Scene) -> set[str]:
    found = scene.ask("POST", "runs/query", {"selection": {"workspace": "ann", "project": "p"}})["items"]
    assert isinstance(found, list)
    return {run["id"] for run in found}


def test_a_deletion_is_restored_whole_and_the_page_says_where_it_is(scene: Scene) -> None:
    entry = scene.delete("a", f"b {_HOSTILE}")
    listed = scene.ann.visit("/trash?workspace=ann").text
    assert f'href="/trash/{entry}"' in listed
    shown = scene.ann.visit(f"/trash/{entry}").text
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
    assert "2 runs, 4 points" in shown_text(shown)
    for person, told in ((scene.ann, True), (scene.bob, True), (Person(scene.server.origin), False)):
        missing = person.visit("/@ann/p/runs/a/logs")
        assert (missing.status_code, f'href="/trash/{entry}"' in missing.text) == (404, told)
    assert "In the trash" in shown_text(scene.ann.visit("/@ann/old").text)
    assert "In the trash" not in scene.bob.visit("/@ann/old").text, "a member restores no project"
    done = scene.ann.send(f"/trash/{entry}/restore", seen_on="/trash")
    assert "2 runs restored, in ann/p" in shown_text(done.text)
    assert {"a", "b"} <= _runs(scene)
    assert scene.ann.visit(f"/trash/{entry}").status_code == 404


def test_what_is_in_the_way_of_a_restoration_is_said_and_nothing_comes_back(scene: Scene) -> None:
    entry = scene.delete("c", "d")
    scene.record("c")
    refused = scene.ann.send(f"/trash/{entry}/restore", seen_on=f"/trash/{entry}")
    assert refused.status_code == 409
    assert "in the way are" in shown_text(refused.text)
    assert "d" not in _runs(scene)
    assert scene.ann.visit(f"/trash/{entry}").status_code == 200


def test_purging_is_confirmed_and_for_owners(scene: Scene) -> None:
    entry = scene.delete("e", "f")
    assert "Owners of the workspace ann purge" in shown_text(scene.bob.visit(f"/trash/{entry}").text)
    assert scene.bob.send(f"/trash/{entry}/purge", {"confirmed": "yes"}, seen_on="/trash").status_code == 403
    assert scene.ann.send(f"/trash/{entry}/purge", seen_on=f"/trash/{entry}").status_code == 422
    assert scene.ann.visit(f"/trash/{entry}").status_code == 200
    done = scene.ann.send(f"/trash/{entry}/purge", {"confirmed": "yes"}, seen_on=f"/trash/{entry}")
    assert "2 runs gone for good" in shown_text(done.text)
    assert scene.ann.visit(f"/trash/{entry}").status_code == 404


def test_only_what_the_address_of_an_action_may_say_is_shown(scene: Scene) -> None:
    for query in ("restored=<b>", "restored=" + "9" * 5000, "restored=3&project=//evil.example", "purged=-1"):
        page = scene.ann.visit(f"/trash?{query}")
        assert page.status_code in {200, 422}, query
        assert ("evil" in page.text, "<b>" in page.text) == (False, False)


def test_a_deletion_of_others_is_not_there(scene: Scene) -> None:
    entry = scene.delete("g")
    stranger = Person.with_key(scene.server.origin, make_key(scene.server.directory, "eve"))
    assert "trash is empty" in shown_text(stranger.visit("/trash").text)
    unknown = stranger.visit("/trash/" + "0" * len(entry))
    other = stranger.visit(f"/trash/{entry}")
    assert (other.status_code, other.text.replace(entry, "")) == (404, unknown.text.replace("0" * len(entry), ""))
    assert stranger.send(f"/trash/{entry}/restore", seen_on="/trash").status_code == 404
    nobody = requests.get(f"{scene.server.origin}/trash", timeout=60, allow_redirects=False)
    assert (nobody.status_code, nobody.headers["location"]) == (303, "/sign-in?next=%2Ftrash")


def test_what_is_kept_no_longer_is_purged_together_and_nothing_else(scene: Scene) -> None:
    entry = scene.delete("h")
    assert "Nothing that you may purge" in shown_text(scene.bob.visit("/trash/purge").text)
    assert "time is over" in shown_text(scene.ann.visit("/trash").text)
    assert "time of 1 deletion is over" in shown_text(scene.ann.visit("/trash/purge").text)
    assert scene.ann.send("/trash/purge").status_code == 422
    stale = scene.ann.send("/trash/purge", {"confirmed": "yes", "shown": "0 0 0"})
    assert (stale.status_code, "nothing was purged" in stale.text) == (409, True)
    found = re.search(r'name="shown" value="([^"]+)"', stale.text)
    assert found is not None
    left = scene.ann.send("/trash/purge", {"confirmed": "yes", "shown": found[1]}).text
    assert "time is over" not in shown_text(left)
    assert entry in left
