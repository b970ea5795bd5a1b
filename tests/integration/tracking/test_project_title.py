"""Names of other trackers' experiments: taken as titles of projects whose names are made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.server import running_server

import runatlas
from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.backends.native import NativeBackend
from runatlas.cli.main import main
from runatlas.model.ids import ProjectPath, RunPath, project_name_of
from runatlas.model.run import RunDraft

TITLES = ("my project", "\u9879\u76ee", "cifar/resnet", "\u00c9t\u00e9 / x", "50% off?", "a" * 300)


@pytest.fixture(params=["directory", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "directory":
        yield str(tmp_path / "store")
        return
    with running_server(tmp_path / "store") as server:
        yield server.origin


def test_any_text_names_a_project(place: str) -> None:
    for title in TITLES:
        for _ in range(2):
            with runatlas.Run(repo=place, experiment=title, capture_terminal_logs=False) as run:
                run.track(1.0, name="loss")
            assert not run.health.problem
            assert run.experiment == project_name_of(title)
            assert RunPath.parse(run.path).project == run.experiment

    with Api(place) as api:
        found = {project.title: project for project in api.projects()}
        assert set(found) == set(TITLES)
        assert [len(found[title].runs()) for title in TITLES] == [2] * len(TITLES)
        assert all(found[title].url.isascii() for title in TITLES)


def _make(place: str, project: str, *run_ids: str) -> None:
    """Make runs, whatever other projects have."""
    backend = NativeBackend(place) if "://" in place else LocalBackend(place, create=True)
    workspace = backend.get_workspace().username
    for run_id in run_ids:
        backend.create_run(RunDraft(ProjectPath(workspace, project), id=run_id, create_project=True))
    backend.close()


def _counts(place: str) -> dict[str, int]:
    """How many points each run has."""
    with Api(place, cache=False) as api:
        runs = [run for project in api.projects() for run in project.runs()]
        found = {"/".join(run.path.split("/")[1:]): run.summary().unwrap() for run in runs}
        return {path: summary["a"]["count"] or 0 if "a" in summary else 0 for path, summary in found.items()}


def test_a_run_goes_on_in_the_project_that_is_named(place: str) -> None:
    for project in ("first", "second", "third"):
        _make(place, project, "r1")
    with runatlas.Run("r1", repo=place, experiment="first", capture_terminal_logs=False) as run:
        run.log({"a": 1})
        assert (run.experiment, run.flush(60).where) == ("first", "store")
    # Which of three is meant to be moved, nobody knows.
    with runatlas.Run("r1", repo=place, experiment="fourth", capture_terminal_logs=False) as run:
        run.log({"a": 1})
    with runatlas.Run("r1", repo=place, capture_terminal_logs=False) as run:
        run.log({"a": 1})
        assert run.experiment == "fourth"

    assert _counts(place) == {"first/r1": 1, "second/r1": 0, "third/r1": 0, "fourth/r1": 2}


def test_a_run_that_cannot_be_moved_stays_where_it_is(place: str) -> None:
    _make(place, "second", "r1")
    run = runatlas.Run("r1", repo=place, experiment="second", capture_terminal_logs=False)
    _make(place, "third", "r1")
    run.experiment = "third"
    run.log({"a": 1})
    told = run.flush(60)
    assert (told.where, told.dropped, run.experiment) == ("lost", 1, "second")
    assert "has a run of one of these ids already" in told.problem
    run.close()

    assert (run.health.sent, run.health.spooled) == (1, 0)
    assert _counts(place) == {"second/r1": 1, "third/r1": 0}


def test_a_run_moves_to_a_project_with_a_title(place: str) -> None:
    with runatlas.Run("r1", repo=place, experiment="plain", capture_terminal_logs=False) as run:
        run.experiment = "cifar/resnet"
        run.track(1.0, name="loss")
    with runatlas.Run("r1", repo=place, experiment="my project", capture_terminal_logs=False) as run:
        pass

    with Api(place) as api:
        assert {project.title: len(project.runs()) for project in api.projects()} == {
            "": 0,
            "cifar/resnet": 0,
            "my project": 1,
        }


def test_a_run_that_was_offline_brings_its_title(tmp_path: Path) -> None:
    place = str(tmp_path / "store")
    with runatlas.Run(repo=place, experiment="my project", mode="offline", capture_terminal_logs=False) as run:
        run.track(1.0, name="loss")
    done = CliRunner().invoke(main, ["sync", place])

    assert done.exit_code == 0, done.output
    with Api(place) as api:
        assert [project.title for project in api.projects()] == ["my project"]


def test_an_import_takes_them_too(tmp_path: Path) -> None:
    file = tmp_path / "runs.jsonl"
    records = [{"study": title, "points": [[0, {"loss": 1.0}]]} for title in TITLES]
    file.write_text("\n".join(map(json.dumps, records)))
    arguments = ["import", "jsonl", str(file), "--dir", str(tmp_path / "store"), "--project-field", "study"]
    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 0, done.output
    with Api(tmp_path / "store") as api:
        assert {project.title for project in api.projects()} == set(TITLES)


@pytest.mark.parametrize("name", ["", "  ", "a" * 1001, "..", 5])
def test_what_can_name_nothing_is_refused_at_once(tmp_path: Path, name: object) -> None:
    with pytest.raises((ValueError, TypeError), match="experiment: "):
        runatlas.Run(repo=tmp_path, experiment=name, capture_terminal_logs=False)  # type: ignore[arg-type]
