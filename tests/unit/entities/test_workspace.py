"""Workspaces, people, and the installation."""

from __future__ import annotations

from typing import Any

import pytest
from support.place import Place

from runatlas.errors import ConflictError, NotFoundError


def test_every_field_of_a_workspace(place: Place) -> None:
    workspace = place.api.workspace("my-team")
    with place.account.asking("get_workspace"):
        assert (workspace.name, workspace.username, workspace.workspace_type) == ("My Team", "my-team", "TEAM")
        assert (workspace.role, workspace.comment, workspace.profile) == ("OWNER", "We train.", {})
        assert workspace.url.endswith("#@my-team")
        assert set(workspace.json()) == {
            "name",
            "username",
            "workspace_type",
            "role",
            "profile",
            "comment",
            "created_at",
            "url",
        }


def test_the_callers_own_workspace(place: Place) -> None:
    own = place.api.workspace()
    with place.account.asking():
        assert repr(own) == "Workspace()"
    assert own.username == place.api.user().username
    assert own.workspace_type == "PERSON"


def test_listing_workspaces(own_place: Place) -> None:
    api = own_place.api
    me = api.user().username
    assert {workspace.username for workspace in api.workspaces()} == {me, "my-team"}
    assert {workspace.username for workspace in api.workspaces(me)} == {me, "my-team"}
    assert [w.username for w in api.workspaces(limit=1)] == sorted([me, "my-team"])[:1]
    assert api.workspaces("nobody").code == 404
    assert len(api.workspaces()) == 2
    assert api.workspaces().json()["total"] == 2
    with pytest.raises(ValueError, match="username"):
        api.workspaces("a/b")


def test_making_and_changing_a_team(own_place: Place) -> None:
    team = own_place.api.create_workspace("lab", name="The Lab", comment="c").unwrap()
    assert (team.username, team.workspace_type, team.role) == ("lab", "TEAM", "OWNER")
    assert isinstance(own_place.api.create_workspace("lab").error, ConflictError)
    assert team.update(name="Lab", profile={"url": "https://x"}).unwrap() is team
    assert (team.name, team.comment, team.profile) == ("Lab", "c", {"url": "https://x"})
    assert own_place.api.self_hosted().create_user("eve").ok
    assert team.set_member("eve", "VIEWER").ok
    assert [w.username for w in own_place.api.workspaces("eve")] == ["eve", "lab"]
    assert team.set_member("eve", None).ok
    assert [w.username for w in own_place.api.workspaces("eve")] == ["eve"]
    assert team.set_member("nobody", "MEMBER").code == 404


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda api: api.workspace("a b"), "username"),
        (lambda api: api.workspace(5), "username"),
        (lambda api: api.create_workspace("x" * 26), "username"),
        (lambda api: api.create_workspace("x", name=5), "name"),
        (lambda api: api.workspace("x").update(), "nothing to change"),
        (lambda api: api.workspace("x").update(name=5), "name"),
        (lambda api: api.workspace("x").update(profile="p"), "profile"),
        (lambda api: api.workspace("x").set_member("eve", "BOSS"), "role"),
        (lambda api: api.workspace("x").set_member(5, None), "username"),
        (lambda api: api.workspace("x").project(""), "name"),
        (lambda api: api.self_hosted().create_user("a b"), "username"),
        (lambda api: api.self_hosted().create_user("ab", ""), "password"),
        (lambda api: api.self_hosted().get_users(search=""), "search"),
        (lambda api: api.self_hosted().get_groups(type="CLUB"), "type"),
        (lambda api: api.self_hosted().get_groups(sort="size"), "sort"),
        (lambda api: api.self_hosted().get_projects(state="DONE"), "state"),
        (lambda api: api.self_hosted().get_projects(creator="a b"), "creator"),
        (lambda api: api.self_hosted().get_projects(group="a b"), "group"),
        (lambda api: api.user().update(name=5), "name"),
        (lambda api: api.trash("a b"), "workspace"),
        (lambda api: api.restore(""), "trash_id"),
        (lambda api: api.purge(commit=1), "commit"),
        (lambda api: api.purge(expired_only=None), "expired_only"),
    ],
)
def test_mistakes_are_named_before_any_request(place: Place, call: Any, name: str) -> None:
    with place.account.asking(), pytest.raises((TypeError, ValueError), match=name):
        call(place.api)


def test_the_callers_account(own_place: Place) -> None:
    user = own_place.api.user()
    with own_place.account.asking():
        assert repr(user) == "User()"
    assert user.update(name="Ann", bio="b", institution="i", school="s", email="a@b", location="l", url="u").ok
    assert {
        name: user.json()[name] for name in ("name", "bio", "institution", "school", "email", "location", "url")
    } == {
        "name": "Ann",
        "bio": "b",
        "institution": "i",
        "school": "s",
        "email": "a@b",
        "location": "l",
        "url": "u",
    }
    assert own_place.api.user().name == "Ann"
    assert user.is_root
    assert user.created_at.endswith("Z")


def test_keys_are_made_listed_and_revoked(own_place: Place) -> None:
    user = own_place.api.user()
    made = user.create_key().unwrap()
    assert len(made.secret) == 21
    keys = user.keys().unwrap()
    assert [(key.id, key.prefix, key.revoked_at_ms) for key in keys] == [(made.key.id, made.secret[:4], None)]
    revoked = user.revoke_key(made.key.id).unwrap()
    assert revoked.revoked_at_ms is not None
    assert isinstance(user.revoke_key("nope").error, NotFoundError)


def test_administration(own_place: Place) -> None:
    installation = own_place.api.self_hosted()
    assert (installation.enabled, installation.expired, installation.root) == (True, False, True)
    assert (installation.plan, installation.seats, installation.product) == ("free", 0, "runatlas")
    assert installation.json()["version"] == installation.version
    user = installation.create_user(username="eve", password="pass123").unwrap()
    assert user.username == "eve"
    assert isinstance(installation.create_user("eve").error, ConflictError)
    assert [user.username for user in installation.get_users(search="EV")] == ["eve"]
    assert installation.get_users()[0].refresh().ok
    with pytest.raises(ValueError, match="own account"):
        user.update(name="x")
    assert user.keys().unwrap() == ()
    assert user.create_key().unwrap().key.username == "eve"
    assert installation.reset_password("eve").unwrap().username == "eve"
    groups = installation.get_groups(type="TEAM", sort="name")
    assert [group.username for group in groups] == ["my-team"]
    assert {group.username for group in installation.get_groups(search="e", all=True)} >= {"eve", "my-team"}
    projects = installation.get_projects(search="images", state="FINISHED", group="my-team", sort="create")
    assert [project.path for project in projects] == ["my-team/my-project"]
    assert len(installation.get_projects(creator="eve")) == 0
    usage = installation.get_usage_summary().unwrap()
    assert (usage["runs"], usage["projects"], usage["users"]) == (4, 1, 2)
    gone = own_place.api.self_hosted().get_users()[0]
    assert gone.identity == ("eve",)
