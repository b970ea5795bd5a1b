"""How runs begin, go on and end with SwanLab's tracker, as our own client sees it; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from support.run_content import log_lines, points
from support.swanlab_site import Site

from runatlas import Experiment
from runatlas.errors import NotFoundError

pytestmark = pytest.mark.xdist_group("conformance-swanlab")


@pytest.fixture(scope="module")
def team(version: str, site: Site) -> str:
    return site.add_team("session", version)


@pytest.fixture(scope="module")
def told(site: Site, version: str, team: str) -> Any:
    """What the script tells."""
    return site.call(version, "session.py", {"team": team, "viewer": site.keys["vera"]})


def find(site: Site, team: str, run_id: str) -> Experiment:
    return site.api().run(f"{team}/sessions/{run_id}").unwrap()


def test_every_option_of_init_is_kept(told: Any, site: Site, team: str) -> None:
    path = f"{team}/every-option_1.0+x/every option é"
    run = site.api().run(path)
    assert (run.name, run.description, run.group, run.job_type) == ("every option", "described", "g2", "eval")
    assert (run.labels, run.state, run.colors[0]) == (["t1", "t2"], "FINISHED", "#123456")
    assert site.api().project(f"{team}/every-option_1.0+x").visibility == "PUBLIC"
    assert run.user["username"] == "ann"
    # What is changed while it runs comes too.
    assert run.config == {
        "from": "file",
        "lr": 0.25,
        "text": "é",
        "added": {"deep": [1, {"deeper": None}]},
        "attribute": "set",
    }
    assert points(run, "nested/b/c") == [(0, 2.0)]
    assert points(run, "plain") == [(0, 3.0)]
    assert told["options"] == {
        "id": "every option é",
        "name": "every option",
        "mode": "online",
        "url": f"{site.server.origin}/@{team}/every-option_1.0+x/runs/every option é",
        "path": path,
        "second": "RuntimeError",
        "callbacks": ["begun", "finished"],
    }


def test_a_run_ends_when_the_next_one_begins(told: Any, site: Site, team: str) -> None:
    first, second = (find(site, team, run_id) for run_id in told["pair"])
    assert (first.name, first.description, first.state) == ("first of two", "noted", "FINISHED")
    assert second.state == "FINISHED"
    assert site.api().project(f"{team}/sessions").visibility == "PRIVATE"
    # Steps that are not given are counted.
    assert points(second, "counted") == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_a_run_that_is_gone_on_with_keeps_what_it_was(told: Any, site: Site, team: str) -> None:
    run = find(site, team, "again")
    assert told["again"] == {"name": "original", "id": "again"}
    assert (run.name, run.colors[0], run.state) == ("original", "#aabbcc", "FINISHED")
    assert run.config == {"a": 1, "b": {"c": 3}}
    assert (run.labels, run.group) == (["old", "new"], "later")
    assert points(run, "loss") == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 103.0), (4, 104.0), (5, 7.0)]
    notes = run.medias(["note"], all=True).unwrap()["note"]
    found = [(step.step, step[0].read().unwrap().decode()) for step in notes]
    assert found == [(0, "at 0"), (1, "at 1"), (2, "at 2"), (3, "again at 3"), (4, "again at 4")]
    lines = log_lines(run)
    assert [line for line in lines if line in {"before", "after"}] == ["before", "after"]
    assert any("first attempt" in line for line in log_lines(run, "ERROR"))
    numbers = [line.line for line in run.logs(level="DEBUG", all=True).unwrap()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_runs_that_must_not_begin_are_refused(told: Any, site: Site, team: str) -> None:
    assert told["refused"] == {
        "must without a run": "RuntimeError",
        "must without an id": "AssertionError",
        "never with an id": "AssertionError",
        "a bad id": "ValidationError",
        "a workspace that is not there": "RuntimeError",
        "a long name": "ValidationError",
        "deleted": True,
        "must of a deleted run": "RuntimeError",
        "allow of a deleted run": None,
    }
    ids = {run.id for run in site.api().runs(f"{team}/sessions")}
    assert ids.isdisjoint({"not-there", "some-id", "a/b"})
    # The one that was deleted lies in the trash; another has its id.
    assert "doomed" in ids
    assert sum(entry.runs for entry in site.api().trash(team)) == 2


def test_a_run_that_is_deleted_while_it_is_tracked_stays_deleted(told: Any, site: Site, team: str) -> None:
    assert told["lost"] is True
    with pytest.raises(NotFoundError):
        find(site, team, "lost")


@pytest.mark.usefixtures("told")
def test_programs_end_in_a_state_that_tells_how(site: Site, team: str) -> None:
    ended = {run_id: find(site, team, run_id) for run_id in ("raises", "interrupted", "ends", "stopped")}
    assert {run_id: run.state for run_id, run in ended.items()} == {
        "raises": "CRASHED",
        "interrupted": "ABORTED",
        "ends": "FINISHED",
        "stopped": "ABORTED",
    }
    for run_id in ("raises", "interrupted", "ends"):
        assert points(ended[run_id], "loss") == [(0, 1.0)]
        assert "was here" in log_lines(ended[run_id])
        assert ended[run_id].finished_at is not None
    assert any("a fault of the program" in line for line in log_lines(ended["raises"], "ERROR"))


@pytest.mark.usefixtures("told")
def test_programs_that_share_a_run_lose_nothing(site: Site, team: str) -> None:
    run = find(site, team, "shared")
    assert run.config == {"one": 1, "two": 1}
    lines = log_lines(run)
    for name in ("one", "two"):
        assert points(run, f"loss/{name}") == [(step, float(step)) for step in range(5)]
        assert [line for line in lines if line.startswith(name)] == [f"{name} says {step}" for step in range(5)]


def test_a_key_may_do_only_what_its_user_may(told: Any, site: Site, team: str) -> None:
    assert told["others"] == {
        "viewer": "RuntimeError",
        "viewer goes on": "RuntimeError",
        "viewer's own": None,
        "wrong key": "AuthenticationError",
        "blank key": "AuthenticationError",
    }
    api = site.api()
    assert "written by a viewer" not in {run.name for run in api.runs(f"{team}/sessions")}
    assert {run.user["username"] for run in api.runs(f"{team}/sessions")} == {"ann"}
    own = site.api("vera").run("vera/sessions/own")
    assert (own.state, own.user["username"]) == ("FINISHED", "vera")
