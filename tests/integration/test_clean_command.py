"""``runatlas clean``: nothing goes without --commit, each run has a reason, and exit codes tell scripts what is up."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.server import running_server

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft

DAY = 24 * 3_600_000
PATH = "team/vision"
Call = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A project with thirty runs that ended one, two, … days ago."""
    backend = LocalBackend(tmp_path / "store")
    backend.create_workspace("team")
    now = round(time.time() * 1000)
    for age in range(1, 31):
        backend.create_run(
            RunDraft(
                ProjectPath("team", "vision"),
                id=f"run-{age}",
                name=f"n {age}",
                state="FINISHED" if age % 2 else "CRASHED",
                created_at_ms=now - (age + 1) * DAY,
                finished_at_ms=now - age * DAY,
                labels=("baseline",) if age == 30 else (),
                config={"model": "mlp" if age < 16 else "cnn"},
                create_project=True,
            )
        )
    backend.close()
    return tmp_path / "store"


@pytest.fixture(params=["directory", "server"])
def call(request: pytest.FixtureRequest, store: Path) -> Iterator[Call]:
    """Run ``runatlas clean`` with arguments."""
    if request.param == "directory":
        yield lambda *arguments: CliRunner().invoke(main, ["clean", *arguments, "--dir", str(store)])
        return
    with running_server(store) as server:
        yield lambda *arguments: CliRunner().invoke(main, ["clean", *arguments, "--host", server.origin])


def left(store: Path) -> int:
    with Api(store) as api:
        return api.runs(PATH).total


def listed(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)["list"]
    return found


def test_a_plan_is_shown_and_then_applied(call: Call, tmp_path: Path) -> None:
    policy = ("--older-than", "5d", "--keep-last", "2", "--keep-label", "baseline", "--group-by", "config.model")
    shown = call(PATH, *policy)
    assert shown.exit_code == 0
    assert "23 runs would be deleted" in shown.stdout
    assert f"- {PATH}/run-6: n 6 (CRASHED, finished 6 d ago, older than 5d)" in shown.stdout
    assert "- … and 3 more runs" in shown.stdout
    assert "- kept: team/vision/run-16: n 16 (CRASHED, one of the last 2 of config.model='cnn')" in shown.stdout
    assert "- kept: team/vision/run-3: n 3 (FINISHED, finished 3 d ago, not older than 5d)" in shown.stdout
    assert "label baseline" in shown.stdout
    assert shown.stderr == "nothing was deleted; add --commit to delete\n"
    assert call(PATH, *policy, "--exit-code").exit_code == 3
    report = tmp_path / "plan.csv"
    done = call(PATH, *policy, "--exit-code", "--commit", "--json", "--report", str(report))
    assert done.exit_code == 0
    (cleaned,) = listed(done)
    assert (cleaned["plan"]["total"], cleaned["deletion"]["runs"], len(cleaned["plan"]["kept"])) == (23, 23, 7)
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    by_run = {row["run"]: row for row in rows}
    assert (by_run[f"{PATH}/run-30"]["outcome"], by_run[f"{PATH}/run-30"]["reason"]) == ("kept", "label baseline")
    gone = [row["entry"] for row in rows if row["outcome"] == "deleted"]
    assert gone == [cleaned["deletion"]["trash_id"]] * 23
    again = call(PATH, *policy, "--exit-code", "--commit")
    assert (again.exit_code, again.stderr) == (0, "nothing was deleted: there is nothing to delete\n")


def test_what_commit_would_refuse_is_said_before_the_plan(call: Call, store: Path, tmp_path: Path) -> None:
    mistyped = (PATH, "--older-than", "20d", "--keep-label", "baselin", "--keep-last", "3")
    told = call(*mistyped, "--exit-code")
    assert told.exit_code == 4
    assert told.output.startswith(
        "with --commit this is refused: nothing was deleted: "
        "no run here has the label 'baselin', did you mean 'baseline'?; delete with --force if that is meant\n"
    )
    assert "add --commit" not in told.output
    assert told.stdout.splitlines()[1].startswith("- note: no run here has the label 'baselin'")
    assert (call(*mistyped).exit_code, listed(call(*mistyped, "--json"))[0]["error"] is None) == (1, False)
    refused = call(*mistyped, "--exit-code", "--commit")
    assert (refused.exit_code, "delete with --force if that is meant" in refused.stderr) == (4, True)
    assert left(store) == 30
    assert call(*mistyped, "--exit-code", "--commit", "--force").exit_code == 0
    nothing = (PATH, "--where", "summary.val_los < 1", "--exit-code")
    assert (call(*nothing).exit_code, call(*nothing, "--commit").exit_code) == (4, 4)


def test_a_report_tells_what_became_of_each_run(call: Call, store: Path, tmp_path: Path) -> None:
    file, report = tmp_path / "clean.toml", tmp_path / "report.csv"
    file.write_text(
        f'[[policy]]\nname = "old"\nproject = "{PATH}"\nolder_than = "28d"\n'
        f'[[policy]]\nname = "sweeps"\nproject = "{PATH}"\nolder_than = "26d"\nkeep_labels = ["baselin"]\n'
        f'[[policy]]\nname = "all"\nproject = "{PATH}"\nolder_than = "1h"\n'
        '[[policy]]\nname = "elsewhere"\nproject = "team/none"\nolder_than = "1h"\n'
    )
    arguments = ("--policy", str(file), "--all", "--report", str(report), "--json")
    for commit, outcome in (((), "planned"), (("--commit",), "deleted")):
        old = listed(call(*arguments, *commit))[0]
        with report.open(newline="") as opened:
            rows = list(csv.DictReader(opened))
        assert list(rows[0])[:4] == ["policy", "outcome", "entry", "run"]
        told = {(row["policy"], row["outcome"]) for row in rows}
        assert told == {
            *(("old", outcome), ("old", "kept"), ("sweeps", "refused"), ("sweeps", "kept")),
            *(("all", "refused"), ("elsewhere", "failed")),
        }
        entry = old["deletion"]["trash_id"] if commit else ""
        assert {row["entry"] for row in rows if row["outcome"] in {"planned", "deleted"}} == {entry}
        (why,) = (row["reason"] for row in rows if row["policy"] == "sweeps" and not row["run"])
        assert "no run here has the label 'baselin'" in why
    shown = call("--policy", str(file), "all", "--commit")
    assert "Error: policy 'all': the policy would take all" in shown.stderr
    assert left(store) == 27


def test_a_refused_policy_deletes_nothing(call: Call, store: Path) -> None:
    everything = (PATH, "--older-than", "1h", "--commit")
    refused = call(*everything)
    assert refused.exit_code == 1
    assert "Error: the policy would take all 30 runs that it looks at" in refused.stderr
    assert "add a keep, or a --where and --allow-all if that is meant" in refused.stderr
    filtered = call(PATH, "--where", "state == 'CRASHED'", "--commit")
    assert "add a keep, or say --allow-all if that is meant" in filtered.stderr
    assert call(*everything, "--exit-code").exit_code == 4
    assert call(*everything, "--keep-last", "1", "--max", "28", "--exit-code").exit_code == 4
    assert left(store) == 30
    crashed = (PATH, "--where", "state == 'CRASHED'", "--commit", "--exit-code")
    assert call(*crashed).exit_code == 4
    bounded = call(*crashed, "--allow-all", "--max", "3")
    assert (bounded.exit_code, left(store)) == (4, 30)
    assert "would take 15 runs, and its max is 3; raise that if it is meant" in bounded.stderr
    done = call(*crashed, "--allow-all", "--max", "15")
    assert (done.exit_code, "deleted 15 runs; 'runatlas api restore " in done.stderr) == (0, True)
    assert left(store) == 15
    assert call("team/none", "--older-than", "1d", "--exit-code").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "give one PATH, or --policy with NAMES or --all"),
        ((PATH,), "the policy is empty; give where or older_than"),
        ((PATH, "--keep-last", "3"), "says what stays but not what may go"),
        ((PATH, "--older-than", "30"), "older_than: '30' is no duration"),
        ((PATH, "--where", "stat == 1"), "where: unknown name 'stat'"),
        ((PATH, "--older-than", "1d", "--allow-all"), "allow_all: it goes with where"),
        ((PATH, "--older-than", "1d", "--keep-last", "0"), "keep_last: 0 is too small"),
        ((PATH, "--older-than", "1d", "--all"), "give one PATH"),
        (("--policy", "none.toml", "--all"), "none.toml"),
    ],
)
def test_wrong_usage_is_told(store: Path, arguments: tuple[str, ...], sentence: str) -> None:
    told = CliRunner().invoke(main, ["clean", *arguments, "--dir", str(store)])
    assert (told.exit_code, told.stdout) == (2, "")
    assert sentence in " ".join(told.stderr.split())


def test_a_file_of_policies(call: Call, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "clean.toml"
    file.write_text(
        f'[[policy]]\nname = "old"\nproject = "{PATH}"\nolder_than = "20d"\nkeep_last = 5\n'
        f'[[policy]]\nname = "older"\nproject = "{PATH}"\nolder_than = "10d"\nkeep_last = 5\n'
        '[[policy]]\nname = "elsewhere"\nproject = "team/none"\nolder_than = "10d"\n'
    )
    policy = ("--policy", str(file))
    shown = call(*policy, "old")
    assert shown.exit_code == 0
    assert shown.stdout.startswith(f"policy 'old' of {PATH}\nDeletionPlan: 11 runs would be deleted")
    for arguments, sentence in {
        (): "give the NAMES of policies or --all",
        ("--all", "old"): "give the NAMES of policies or --all",
        ("odl",): "has no policy 'odl'; it has old, older, elsewhere",
        ("old", "--keep-last", "3"): "with --policy the file says it: leave out --keep-last",
    }.items():
        told = call(*policy, *arguments)
        assert told.exit_code == 2
        assert sentence in " ".join(told.stderr.split())
    done = call(*policy, "--all", "--commit", "--json", "--exit-code")
    assert done.exit_code == 1
    old, older, elsewhere = listed(done)
    assert (old["policy"], old["deletion"]["runs"], old["error"]) == ("old", 11, None)
    assert (older["deletion"]["runs"], older["path"]) == (10, PATH)
    assert (elsewhere["plan"], elsewhere["deletion"]) == (None, None)
    assert "team/none" in elsewhere["error"]
    assert left(store) == 9
    file.write_text(file.read_text().replace('"20d"', '"20 days"'))
    told = call(*policy, "--all")
    assert told.exit_code == 2
    assert "line 4, column 14: older_than: '20 days' is no duration" in " ".join(told.stderr.split())
