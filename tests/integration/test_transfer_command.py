"""``runatlas api move --project``, ``merge``, and what gives other names: shown first, done with ``--commit``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.recording import line
from support.server import running_server

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft

DEMO, OTHER = "team/demo", "team/other"
Call = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two projects, with a run of the same id."""
    backend = LocalBackend(tmp_path / "store")
    backend.create_workspace("team")
    for name in ("demo/run-0", "demo/run-1", "demo/run-2", "other/theirs"):
        project, _, run = name.partition("/")
        draft = RunDraft(ProjectPath("team", project), id=run, state="FINISHED", config={"n": run}, create_project=True)
        backend.create_run(draft)
    backend.close()
    return tmp_path / "store"


@pytest.fixture(params=["directory", "server"])
def call(request: pytest.FixtureRequest, store: Path) -> Iterator[Call]:
    """Run ``runatlas api`` with arguments."""
    if request.param == "directory":
        yield lambda *arguments: CliRunner().invoke(main, ["api", *arguments, "--dir", str(store)])
        return
    with running_server(store) as server:
        yield lambda *arguments: CliRunner().invoke(main, ["api", *arguments, "--host", server.origin])


def runs(store: Path) -> set[str]:
    """The paths of all runs."""
    with Api(store) as api:
        return {run.path for run in api.workspace("team").runs()}


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_runs_move_once_it_is_said_so(call: Call, store: Path) -> None:
    before = runs(store)
    shown = call("move", DEMO, "--project", "other", "--filter", "config.n != 'run-0'")
    assert (shown.exit_code, shown.stdout.splitlines()[0]) == (
        0,
        "TransferPlan: 2 runs would be moved to team/other",
    )
    assert f"- {DEMO}/run-1 → {OTHER}/run-1" in shown.stdout
    assert "nothing was moved; add --commit to do it" in shown.stderr
    assert runs(store) == before
    done = call("move", DEMO, "--project", OTHER, "--filter", "config.n != 'run-0'", "--commit")
    assert (done.exit_code, done.stdout, done.stderr.splitlines()[0]) == (0, "", "moved 2 runs to team/other")
    assert runs(store) == {f"{DEMO}/run-0", f"{OTHER}/run-1", f"{OTHER}/run-2", f"{OTHER}/theirs"}
    one = as_json(call("move", f"{OTHER}/run-1", "--project", "demo", "--commit", "--json"))
    assert (one["kind"], one["paths"]) == ("move", [f"{DEMO}/run-1"])
    assert as_json(call("move", f"{OTHER}/run-2", "--project", "new", "--create", "--json"))["total"] == 1


def test_what_is_in_the_way_is_told(call: Call, store: Path) -> None:
    assert call("move", f"{OTHER}/theirs", "--project", "demo", "--commit").exit_code == 0
    assert call("create", OTHER).exit_code == 1
    with Api(store) as api:
        api.run(f"{DEMO}/theirs").move(project="new", create=True, commit=True).unwrap()
        api.run(f"{DEMO}/run-0").move(project="other", commit=True).unwrap()
    backend = LocalBackend(store)
    backend.create_run(RunDraft(ProjectPath("team", "other"), id="run-1", state="FINISHED"))
    backend.close()
    before = runs(store)
    for command in (("move", DEMO, "--project", "other"), ("merge", DEMO, "other")):
        shown = call(*command)
        assert (shown.exit_code, "has a run 'run-1' already" in shown.stdout) == (4, True)
        refused = call(*command, "--commit")
        assert (refused.exit_code, "has a run 'run-1' already" in refused.stderr) == (1, True)
    assert runs(store) == before
    nowhere = call("move", DEMO, "--project", "zzz123", "--commit")
    told = "there is no project team/zzz123; move with --create if it is to be made"
    assert (nowhere.exit_code, told in nowhere.stderr) == (1, True)


def test_runs_are_copied(call: Call, store: Path) -> None:
    before = runs(store)
    shown = call("copy", DEMO, "copies", "--create", "--filter", "config.n != 'run-0'")
    assert (shown.exit_code, "2 runs would be copied to team/copies" in shown.stdout) == (0, True)
    assert runs(store) == before
    done = as_json(call("copy", DEMO, "copies", "--create", "--filter", "config.n != 'run-0'", "--commit", "--json"))
    assert (done["kind"], done["total"]) == ("copy", 2)
    assert runs(store) == before | {"team/copies/run-1", "team/copies/run-2"}
    refused = call("copy", f"{DEMO}/run-1", "copies")
    assert (refused.exit_code, "copy with --suffix='-copy' or another to tell" in refused.stdout) == (4, True)
    near = call("copy", f"{DEMO}/run-1", "copis").stderr
    assert "there is no project team/copis, did you mean 'team/copies'?; copy with --create if it is to be made" in near
    again = call("copy", f"{DEMO}/run-1", "copies", "--suffix=-again", "--commit")
    assert re.match(
        r"copied 1 run to team/copies\n'runatlas undo \w+ --commit --(dir|host) \S+' takes that", again.stderr
    )
    assert "team/copies/run-1-again" in runs(store)


def test_projects_are_merged_and_renamed(call: Call, store: Path) -> None:
    shown = call("merge", DEMO, OTHER)
    assert "project team/demo with 3 runs would be merged into team/other" in shown.stdout
    merged = as_json(call("merge", DEMO, OTHER, "--commit", "--json"))
    assert (merged["kind"], merged["total"]) == ("merge", 3)
    assert call("restore", merged["trash_id"]).exit_code == 0
    assert call("rename-project", OTHER, "demo").exit_code == 4
    assert "would be renamed to team/newer" in call("rename-project", OTHER, "newer").stdout
    assert call("rename-project", OTHER, "newer", "--commit").stderr.startswith("renamed to team/newer\n")
    assert len(runs(store)) == 4
    assert {path.rpartition("/")[0] for path in runs(store)} == {"team/newer"}


def test_metrics_are_renamed(call: Call, store: Path) -> None:
    backend = LocalBackend(store)
    for name in ("run-0", "run-1"):
        backend.append(Batch(ProjectPath("team", "demo").run(name), (line("los", 3),)))
    backend.close()
    shown = call("rename-metric", DEMO, "los", "loss", "--filter", "config.n == 'run-0'")
    assert "'los' would be renamed to 'loss' in 1 run\n- team/demo/run-0 (3 values)" in shown.stdout
    assert "nothing was renamed; add --commit to do it" in shown.stderr
    mistyped = call("rename-metric", DEMO, "lso", "loss", "--commit")
    assert (mistyped.exit_code, "did you mean 'los'?" in mistyped.stderr) == (1, True)
    assert call("rename-metric", DEMO, "lso", "loss").exit_code == 4
    done = call("rename-metric", DEMO, "los", "loss", "--commit")
    assert (done.exit_code, done.stderr.splitlines()[0]) == (0, "renamed to 'loss' in 2 runs")
    assert call("rename-metric", f"{DEMO}/run-9", "loss", "los").exit_code == 1, "there is no such run"
    noted = call("rename-metric", DEMO, "loss", "lost", "--filter", "config.nn == 1", "--commit").stderr.splitlines()
    assert noted == ["note: no run here has a config 'nn', did you mean 'n'?", "renamed to 'lost' in 0 runs"]
    none = call("rename-metric", DEMO, "loss", "lost", "--filter", "config.n == 'none'")
    assert none.stderr == "nothing was renamed\n", "--commit would do nothing either"
    back = as_json(call("rename-metric", f"{DEMO}/run-1", "loss", "los", "--commit", "--json"))
    assert (back["kind"], back["paths"]) == ("rename_metric", [f"{DEMO}/run-1"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("rename-metric", f"{DEMO}/run-1", "los"),
        ("rename-metric", f"{DEMO}/run-1", "los", ""),
        ("move", f"{DEMO}/run-1", "--commit"),
        ("move", f"{DEMO}/run-1", "archive"),
        ("move", f"{DEMO}/run-1", "archive", "--project", "other"),
        ("move", f"{DEMO}/run-1", "--project", "other", "--filter", "state == 'FINISHED'"),
        ("move", DEMO, "--project", "a/b/c"),
        ("rename-project", DEMO, ".."),
    ],
)
def test_wrong_usage(store: Path, arguments: tuple[str, ...]) -> None:
    before = runs(store)
    done = CliRunner().invoke(main, ["api", *arguments, "--dir", str(store)])
    assert done.exit_code == 2, done.output
    assert runs(store) == before
