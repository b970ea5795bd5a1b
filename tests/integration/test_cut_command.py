"""``runatlas api cut`` and ``runatlas clean --thin``: data goes and the runs stay, once ``--commit`` says so."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.server import running_server

import runatlas
from runatlas import Api
from runatlas.cli.main import main
from runatlas.objects import Text

PROJECT = "demo"
Call = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A project with two runs of twenty steps, with texts and a file."""
    (tmp_path / "weights.bin").write_bytes(b"weights")
    place = tmp_path / "store"
    for name in ("one", "two"):
        with runatlas.Run(name, repo=place, experiment="demo", config={"n": name}, capture_terminal_logs=False) as run:
            for step in range(20):
                run.log({"loss": float(step), "acc": 1.0})
            run.log({"text": Text(name)}, step=3)
            run.log_artifact(tmp_path / "weights.bin")
    return place


@pytest.fixture
def path(store: Path) -> str:
    """The project's path."""
    with Api(store) as api:
        return f"{api.user().username}/demo"


@pytest.fixture(params=["directory", "server"])
def call(request: pytest.FixtureRequest, store: Path) -> Iterator[Call]:
    """Run ``runatlas`` with arguments."""
    if request.param == "directory":
        yield lambda *arguments: CliRunner().invoke(main, [*arguments, "--dir", str(store)])
        return
    with running_server(store) as server:
        yield lambda *arguments: CliRunner().invoke(main, [*arguments, "--host", server.origin])


def as_json(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def steps(store: Path, path: str, run: str = "one", key: str = "loss") -> list[int]:
    with Api(store, cache=False) as api:
        return list(api.run(f"{path}/{run}").metrics([key], all=True).unwrap()[key].steps.to_pylist())


def test_it_shows_what_it_would_cut_and_does_it_when_told(call: Call, store: Path, path: str) -> None:
    shown = call("api", "cut", path, "--metric", "loss", "--steps", "10:14")
    assert shown.exit_code == 0
    assert "metric 'loss' at steps 10 to 14 would be cut out of 2 runs: 10 points" in shown.stdout
    assert "add --commit" in shown.stderr
    assert steps(store, path) == list(range(20))
    done = as_json(call("api", "cut", path, "--metric", "loss", "--steps", "10:14", "--commit", "--json"))
    assert (done["kind"], done["runs"]) == ("data", 2)
    assert steps(store, path) == [*range(10), *range(15, 20)]
    back = call("api", "restore", done["trash_id"], "two")
    assert "brought back what was cut out of 1 run of" in back.stderr
    assert (len(steps(store, path)), len(steps(store, path, "two"))) == (15, 20)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--rewind", "4"), list(range(5))),
        (("--metric", "loss", "--steps", ":4"), list(range(5, 20))),
        (("--metric", "loss", "--steps", "7"), [*range(7), *range(8, 20)]),
        (("--metric", "loss", "--steps", "-3:18"), [19]),
        (("--thin", "1"), [0, 10, 19]),
        (("--thin", "1", "--metric", "acc"), list(range(20))),
        (("--media", "text"), list(range(20))),
        (("--artifact", "weights.bin"), list(range(20))),
    ],
)
def test_each_way_to_say_what(store: Path, path: str, options: tuple[str, ...], left: list[int]) -> None:
    done = CliRunner().invoke(main, ["api", "cut", f"{path}/one", *options, "--commit", "--dir", str(store)])
    assert done.exit_code == 0, done.output
    assert steps(store, path) == left
    assert steps(store, path, "two") == list(range(20))
    with Api(store, cache=False) as api:
        run = api.run(f"{path}/one")
        assert len(run.artifacts()) == (0 if "--artifact" in options else 1)
        assert len(run.medias(None, all=True).unwrap()) == (0 if "--media" in options else 1)


def test_a_plan_is_saved_and_applied(call: Call, store: Path, path: str, tmp_path: Path) -> None:
    plan = str(tmp_path / "plan.json")
    assert call("api", "cut", path, "--rewind", "9", "--filter", "config.n == 'one'", "--save", plan).exit_code == 0
    assert call("api", "apply", plan, "--commit").exit_code == 0
    assert (len(steps(store, path)), len(steps(store, path, "two"))) == (10, 20)


def test_what_no_run_has_and_what_is_protected_refuse(call: Call, path: str) -> None:
    refused = call("api", "cut", path, "--metric", "lss")
    assert (refused.exit_code, "did you mean 'loss'?" in refused.stdout) == (4, True)
    assert call("api", "protect", f"{path}/one", "--reason", "the best").exit_code == 0
    refused = call("api", "cut", f"{path}/one", "--rewind", "3", "--commit")
    assert (refused.exit_code, "protected: the best" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--metric", "loss", "--rewind", "3"),
        ("--artifact", "x", "--steps", "3:"),
        ("--metric", "loss", "--steps", "a:b"),
        ("--metric", "loss", "--steps", ":"),
        ("--metric", "loss", "--steps", "5:2"),
        ("--metric", "loss", "--steps", "3-10"),
        ("--thin", "-1"),
        ("--rewind", "3", "--commit", "--save", "x"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(store: Path, path: str, options: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, ["api", "cut", path, *options, "--dir", str(store)]).exit_code == 2


def test_a_policy_thins_what_it_would_delete(call: Call, store: Path, path: str, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    options = ("clean", path, "--where", "config.n != 'none'", "--keep-last", "1", "--thin", "2")
    shown = call(*options, "--exit-code")
    assert shown.exit_code == 3
    assert "all metrics but for the first, last, smallest and largest point and 2 more of each" in shown.stdout
    done = call(*options, "--commit", "--report", str(report))
    assert "thinned the metrics of 1 run" in done.stderr
    assert (len(steps(store, path)), len(steps(store, path, "two"))) == (4, 20)
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert [(row["outcome"], row["run"].rpartition("/")[2]) for row in rows] == [("thinned", "one"), ("kept", "two")]
    assert call(*options, "--exit-code").exit_code == 0, "what is thinned already stays as it is"
    assert call("api", "restore", rows[0]["entry"]).exit_code == 0
    assert len(steps(store, path)) == 20
