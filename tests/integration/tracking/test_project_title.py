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
from runatlas.cli.main import main
from runatlas.model.ids import RunPath, project_name_of

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
