"""What SwanLab's ``Api`` tells of what a key may not do, and that nothing is changed then."""

from __future__ import annotations

from typing import Any

import pytest
from support.swanlab_site import Site

pytestmark = pytest.mark.xdist_group("conformance-swanlab")

NAMES = ["baseline v2", "broken", "deep v1", "wide v2"]


@pytest.fixture(scope="module")
def teams(site: Site, version: str) -> dict[str, str]:
    """Three workspaces: vera may read in one, write in another, and not see what is private in the third."""
    ending = version.replace(".", "-")
    teams = {name: f"{name}-{ending}" for name in ("viewed", "shared", "hidden")}
    for name, team in teams.items():
        with site.world(team) as world:
            if name != "hidden":
                world.backend.set_member(team, "vera", "VIEWER" if name == "viewed" else "MEMBER")
                continue
            body = {"visibility": "PRIVATE"}
            path = f"projects/{team}/my-project"
            assert site.server.call("PATCH", path, key=site.keys["ann"], json=body).ok
    return teams


@pytest.fixture(scope="module")
def told(site: Site, version: str, teams: dict[str, str]) -> Any:
    """What the script tells, with vera's key."""
    return site.call(version, "refusal.py", dict(teams), username="vera")


def test_a_key_is_needed(told: Any) -> None:
    assert (told["nobody"], told["wrong"]) == ("AuthenticationError", "AuthenticationError")


def test_a_viewer_changes_nothing(told: Any, site: Site, teams: dict[str, str]) -> None:
    assert told["roles"][teams["viewed"]] == "VIEWER"
    assert told["viewer"] == {
        "make": None,
        "delete run": False,
        "delete runs": False,
        "delete project": False,
        "left": NAMES,
    }
    assert [project.name for project in site.api().projects(teams["viewed"])] == ["my-project"]
    assert len(site.api().runs(f"{teams['viewed']}/my-project")) == len(NAMES)


def test_a_member_changes_what_members_may(told: Any, site: Site, teams: dict[str, str]) -> None:
    assert told["roles"][teams["shared"]] == "MEMBER"
    assert told["member"]["make"] == f"{teams['shared']}/made-by-vera"
    names = {project.name for project in site.api().projects(teams["shared"])}
    assert "made-by-vera" in names
    # Whatever was answered is what happened.
    assert ("my-project" in names) is not told["member"]["delete project"]


@pytest.mark.parametrize("who", ["stranger", "nothing"])
def test_what_may_not_be_seen_is_not_there(told: Any, who: str, site: Site, teams: dict[str, str]) -> None:
    found = told[who]
    for name in ("project", "run"):
        assert (found[name]["ok"], found[name]["has data"]) == (False, False)
        assert found[name]["errmsg"]
    assert (found["projects"], found["runs"], found["paged runs"]) == ([], [], [])
    assert (found["delete"], found["make"]) == (False, True)
    assert not found["workspace"]["ok"]
    assert len(site.api().runs(f"{teams['hidden']}/my-project")) == len(NAMES)
    # Nor is what was to be made there made elsewhere.
    assert "made-by-vera" not in {project.name for project in site.api("vera").projects("vera")}


def test_only_who_administers_the_server_is_told_of_all(told: Any, site: Site) -> None:
    found = told["administration"]
    assert found == {"root": False, **dict.fromkeys(("create", "users", "projects", "groups", "usage"), "ValueError")}
    assert "another" not in {user.username for user in site.api().self_hosted().get_users(all=True)}
