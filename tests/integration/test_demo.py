"""The demonstration: trains, records, shows, and leaves a store; every line it shows works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.forked import command

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.demo.sweep import trials
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunPatch, RunSelection

PNG = b"\x89PNG\r\n\x1a\n"


def run_demo(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return command("demo", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory in which the demonstration has run, and what it printed."""
    directory = tmp_path_factory.mktemp("demo")
    done = run_demo(directory)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return directory, done.stdout


def records(directory: Path) -> dict[str, dict[str, Any]]:
    """All that is known of all runs."""
    with Api(directory) as api:
        return {
            run.path: {**run.json(), "points": run.metrics(None, all=True).json()} for run in api.projects()[0].runs()
        }


def test_it_leaves_a_store_of_real_runs(place: tuple[Path, str]) -> None:
    with Api(place[0] / "runatlas-demo") as api:
        [project] = api.projects()
        runs = list(project.runs())
        assert sorted(run.name for run in runs) == sorted(trial.name for trial in trials())
        assert {run.state for run in runs} == {"FINISHED", "CRASHED"}
        assert {key: told.goal for key, told in project.metric_definitions.items()} == {
            "val_loss": "min",
            "val_acc": "max",
        }
        assert all(run.config["lr"] == 3.0 for run in runs if run.state == "CRASHED")
        best = project.runs("state == 'FINISHED'", order="summary.val_loss")[0]
        assert best.summary(["val_acc"])["val_acc"]["value"] > 0.9
        assert best.metrics(["val_loss"], all=True)["val_loss"].steps.to_pylist() == list(range(0, 2001, 10))
        assert "trained" in best.logs().unwrap()[-1].message
        crashed = project.runs("state == 'CRASHED'")[0]
        assert "at step" in crashed.logs(level="ERROR").unwrap()[0].message


def test_it_writes_a_chart_and_tables(place: tuple[Path, str]) -> None:
    report = place[0] / "runatlas-demo" / "report"
    assert sorted(path.name for path in report.iterdir()) == ["losses.csv", "runs.csv", "val_loss.png"]
    assert (report / "val_loss.png").read_bytes().startswith(PNG)
    assert len((report / "runs.csv").read_text().splitlines()) == 13
    assert len((report / "losses.csv").read_text().splitlines()) > 2000


def test_it_shows_the_main_job(place: tuple[Path, str]) -> None:
    shown = place[1]
    for trial in trials():
        assert trial.name in shown
    for words in ("Projects", "4 runs match", "24 curves of 12 runs", "complete", "val_loss.png", "4 runs would go"):
        assert words in shown
    assert "Go on from here\n$ runatlas ui ./runatlas-demo\n$ runatlas ui 'file:///" in shown
    assert "/spirals?order=summary.val_loss&curves=val_loss&" in shown


def test_every_line_it_shows_works(place: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place[0])
    lines = [line.removeprefix(">>> ") for line in place[1].splitlines() if line.startswith(">>> ")]
    assert len(lines) > 15
    names: dict[str, Any] = {}
    for line in lines:
        exec(line, names)
    assert len(names["good"]) == 4
    assert names["plan"].total == 4
    names["api"].close()
    commands = [line.removeprefix("$ ") for line in place[1].splitlines() if line.startswith("$ runatlas api")]
    assert len(commands) == 1
    for line in commands:
        done = command(*line.split()[1:], cwd=place[0])
        assert done.returncode == 0, done.stderr
        assert "wide" in done.stdout


def test_a_second_time_trains_nothing_and_changes_nothing(place: tuple[Path, str]) -> None:
    before = records(place[0] / "runatlas-demo")
    again = run_demo(place[0])
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("12 of 12 models are in ./runatlas-demo from an earlier time, and stay as they are.")
    assert "Trained" not in again.stdout
    assert records(place[0] / "runatlas-demo") == before


def test_a_demonstration_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "store", create=True)
    project = ProjectPath(backend.get_workspace().username, "spirals")
    first, second, third, *_ = trials()
    # One run was begun and not ended; another was ended by somebody; a third was interrupted.
    backend.create_run(RunDraft(project, id=first.name, create_project=True))
    backend.create_run(RunDraft(project, id=second.name, name="mine"))
    backend.update_runs(
        RunSelection(*(project.workspace, project.project), ids=(second.name,)), RunPatch(state="ABORTED")
    )
    backend.create_run(RunDraft(project, id=third.name, name=third.name, state="ABORTED"))
    backend.close()
    done = run_demo(tmp_path, "--dir", "store")
    assert done.returncode == 0, done.stderr
    assert "1 of 12 models are in ./store from an earlier time" in done.stdout
    assert "Trained 11 networks" in done.stdout
    with Api(tmp_path / "store") as api:
        runs = {run.id: run for run in api.project(str(project)).runs()}
        assert runs[first.name].state == "FINISHED"
        assert len(runs[first.name].metrics(["val_loss"], all=True)["val_loss"]) == 201
        assert (runs[second.name].state, runs[second.name].name) == ("ABORTED", "mine")


def test_another_store_is_only_added_to(tmp_path: Path) -> None:
    backend = LocalBackend(tmp_path / "store", create=True)
    project = ProjectPath(backend.get_workspace().username, "own")
    own, _ = backend.create_run(RunDraft(project, id="mine", create_project=True))
    assert run_demo(tmp_path, "--dir", str(tmp_path / "store")).returncode == 0
    assert backend.get_run(own.path) == own
    backend.close()


def test_a_directory_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    done = run_demo(tmp_path, "--dir", "thesis")
    assert done.returncode == 1
    assert done.stderr == "Error: thesis holds other files and no store; name another directory with --dir\n"
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.txt"]


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    done = run_demo(tmp_path, "--dir", "thesis")
    assert done.returncode == 2
    assert (tmp_path / "thesis").read_text() == "mine"


def test_without_its_packages_it_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['numpy'] = None; from runatlas.cli.main import main; main(['demo'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Error: the demo needs numpy; install it with: pip install 'runatlas[all]'\n"
    assert not list(tmp_path.iterdir())
