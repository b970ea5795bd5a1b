"""``runatlas policies``, and a server that evaluates what is due by itself."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.patience import eventually
from support.server import running_server

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.server.store.engine import DATABASE_NAME

DAY = 24 * 3_600_000
PATH = "team/vision"
Call = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A project with ten runs that ended one, two, … days ago."""
    backend = LocalBackend(tmp_path / "store")
    backend.create_workspace("team")
    now = round(time.time() * 1000)
    for age in range(1, 11):
        backend.create_run(
            RunDraft(
                ProjectPath("team", "vision"),
                id=f"run-{age}",
                state="FINISHED",
                created_at_ms=now - (age + 1) * DAY,
                finished_at_ms=now - age * DAY,
                create_project=True,
            )
        )
    backend.close()
    return tmp_path / "store"


@pytest.fixture(params=["directory", "server"])
def call(request: pytest.FixtureRequest, store: Path) -> Iterator[Call]:
    """Run ``runatlas policies`` with arguments."""
    if request.param == "directory":
        yield lambda *arguments: CliRunner().invoke(main, ["policies", *arguments, "--dir", str(store)])
        return
    with running_server(store, settings={"evaluates": False}) as server:
        yield lambda *arguments: CliRunner().invoke(main, ["policies", *arguments, "--host", server.origin])


def evaluate(store: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["policies", "evaluate", str(store), *options])


def listed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code in {0, 1}, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["list"]
    return found


def left(store: Path) -> int:
    with Api(store) as api:
        return api.runs(PATH).total


def test_a_policy_is_held_reports_acts_and_is_released(call: Call, store: Path) -> None:
    policy = ("--older-than", "5d", "--keep-last", "2", "--keep-best", "loss:1", "--keep-best", "acc:1:max")
    assert call("list", PATH).exit_code == 0
    held = call("hold", PATH, "old", *policy, "--every", "12h")
    assert held.stdout == f"{PATH} holds the policy 'old', which reports only, every 12h\n"
    refused = evaluate(store, "--json")
    assert (refused.exit_code, listed(refused)[0]["outcome"]) == (1, "refused")
    assert "no run here has a metric 'loss'" in listed(refused)[0]["reason"]

    assert call("hold", PATH, "old", "--older-than", "5d", "--keep-last", "2").exit_code == 0
    done = evaluate(store)
    assert (done.exit_code, left(store)) == (0, 10)
    assert all(word in done.stdout for word in (PATH, "planned", "6 go by older_than 5d", "2 stay by keep_last 2"))
    assert evaluate(store).output == "no policy is due\n"
    assert call("switch", PATH, "old", "--act").stdout.startswith("the policy 'old' deletes; it is due at 20")
    (row,) = listed(call("list", PATH, "--json"))
    assert (row["name"], row["acts"], row["every"]) == ("old", True, "1d")
    assert row["policy"] == {"older_than": "5d", "keep_last": 2}
    assert "older_than 5d; keep_last 2" in call("list", PATH).stdout

    call("hold", PATH, "old", "--older-than", "5d", "--keep-last", "2", "--act")
    (deleted,) = listed(evaluate(store, "--json"))
    assert (deleted["outcome"], deleted["taken"], left(store)) == ("deleted", 6, 4)
    with Api(store) as api:
        assert api.trash_entry(deleted["trash_id"]).runs == 6
        api.restore(deleted["trash_id"]).unwrap()
    assert left(store) == 10
    told = listed(call("log", PATH, "old", "--json"))
    assert [line["outcome"] for line in told] == ["deleted", "planned", "refused"]
    assert told[0] == deleted
    assert deleted["trash_id"] in call("log", PATH, "--limit", "1").stdout

    gone = call("release", PATH, "old")
    assert gone.stdout.startswith(f"{PATH} holds the policy 'old' no longer; 'runatlas policies log {PATH} old --")
    again = call("release", PATH, "old")
    assert (again.exit_code, again.stderr) == (1, f"Error: project {PATH} holds no policy 'old'\n")
    assert (listed(call("list", PATH, "--json")), len(listed(call("log", PATH, "--json")))) == ([], 3)


def test_policies_of_a_file_are_held(call: Call, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "clean.toml"
    file.write_text(
        f'[[policy]]\nname = "a"\nproject = "{PATH}"\nolder_than = "5d"\n'
        f'[[policy]]\nname = "b"\nproject = "{PATH}"\nwhere = "state == \'CRASHED\'"\nallow_all = true\n'
    )
    assert len(listed(call("hold", "--policy", str(file), "--all", "--every", "1w", "--json"))) == 2
    assert call("hold", "--policy", str(file), "b", "--act").exit_code == 0
    found = {row["name"]: (row["acts"], row["every"]) for row in listed(call("list", PATH, "--json"))}
    assert found == {"a": (False, "1w"), "b": (True, "1d")}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("hold", PATH), "give PATH and NAME"),
        (("hold", PATH, "a"), "the policy is empty"),
        (("hold", PATH, "a", "--keep-last", "0"), "keep_last: 0 is too small"),
        (("hold", PATH, "a", "--older-than", "5d", "--every", "5 minutes"), "every: '5 minutes' is no duration"),
        (("hold", PATH, "a/b", "--older-than", "5d"), "'a/b' cannot name a policy"),
        (("switch", PATH, "a"), "'--act'"),
    ],
)
def test_wrong_usage_is_told(store: Path, arguments: tuple[str, ...], sentence: str) -> None:
    told = CliRunner().invoke(main, ["policies", *arguments, "--dir", str(store)])
    assert (told.exit_code, sentence in told.stderr) == (2, True), told.output


def test_a_server_evaluates_what_is_due_by_itself(store: Path) -> None:
    with Api(store) as api:
        api.project(PATH).hold_policy("report", older_than="5d").unwrap()
        api.project(PATH).hold_policy("old", older_than="5d", keep_last=3, acts=True).unwrap()
    with running_server(store) as server, Api(store) as own:
        assert eventually(lambda: len(own.project(PATH).evaluations()) == 2)
        by_name = {item.name: item for item in own.project(PATH).evaluations()}
        assert eventually(lambda: all(item.refresh().outcome != "begun" for item in by_name.values()))
        assert (by_name["report"].outcome, by_name["report"].taken) == ("planned", 6)
        deleted = by_name["old"]
        assert (deleted.outcome, deleted.taken, left(store)) == ("deleted", 6, 4)
        assert own.restore(deleted.trash_id).unwrap().runs == 6
        assert server.stop() == 0
    assert "Traceback" not in "".join(server.log)


def test_a_policy_that_fails_stops_no_other_and_the_server_tells_how_many_did(store: Path) -> None:
    with closing(LocalBackend(store)) as backend:
        backend.create_run(RunDraft(ProjectPath("team", "damaged"), id="r", state="FINISHED", create_project=True))
    places = {"a": PATH, "b": "team/damaged", "c": PATH}
    with Api(store) as api:
        for name, path in places.items():
            api.project(path).hold_policy(name, older_than="5d", keep_last=3, acts=name == "b").unwrap()
    with closing(sqlite3.connect(store / DATABASE_NAME)) as database:  # what no policy can judge
        database.execute("UPDATE runs SET created_at_ms = 'x' WHERE project_id = (SELECT max(id) FROM projects)")
        database.commit()
    with running_server(store) as server, Api(store) as own:

        def outcomes() -> dict[str, list[str]]:
            logs = {name: own.project(path).held_policy(name).log() for name, path in places.items()}
            return {name: [item.outcome for item in log] for name, log in logs.items()}

        assert eventually(lambda: outcomes() == {"a": ["planned"], "b": ["failed"], "c": ["planned"]}), outcomes()
        assert server.stop() == 0
    told = [line.split(" ", 3)[2:] for line in server.log if " ERROR " in line or " WARNING " in line]
    assert told == [
        ["ERROR", "the policy 'b' of team/damaged was not evaluated\n"],
        ["WARNING", "failures in evaluating policies, each told above: 1\n"],
    ]
    assert sum(line.startswith("TypeError: ") for line in server.log) == 1, "the reason"
