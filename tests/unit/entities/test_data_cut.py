"""Cutting data out of runs, as the entities say it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.place import Place

import runatlas
from runatlas import Api
from runatlas.entities.deletion import DeletionPlan
from runatlas.entities.project import Project
from runatlas.entities.run import Run
from runatlas.errors import ConflictError
from runatlas.model.data_cut import DataCut
from runatlas.objects import Text


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with two runs of twenty steps, two pictures and a file."""
    (tmp_path / "weights.bin").write_bytes(b"weights")
    for name in ("one", "two"):
        with runatlas.Run(name, repo=tmp_path, experiment="demo", capture_terminal_logs=False) as run:
            for step in range(20):
                run.log({"loss": float(step), "acc": 1.0})
            for step in range(2):
                run.log({"text": Text(f"{name} {step}")}, step=step)
            run.log_artifact(tmp_path / "weights.bin")
            run.log_artifact(tmp_path / "weights.bin", name="again.bin")
    project = Api(tmp_path).projects().first()
    assert project is not None
    return project


def _run(project: Project, name: str = "one") -> Run:
    found = project.runs(ids=[name]).first()
    assert found is not None
    return found


def _steps(run: Run, key: str = "loss") -> list[int]:
    return list(run.metrics([key], all=True).unwrap()[key].steps.to_pylist())


def test_a_plan_says_what_would_be_cut(project: Project) -> None:
    plan = project.runs().delete_metrics(["loss", "acc"], steps=(10, 14)).unwrap()
    what = "metrics 'loss', 'acc' at steps 10 to 14 would be cut out of 2 runs: 20 points"
    assert repr(plan).startswith(f"DeletionPlan: {what}; purging them frees {plan.bytes:,} bytes")
    assert "(FINISHED): 10 points, 0 files" in repr(plan)
    assert plan.json()["cut"]["metrics"] == ["loss", "acc"]
    assert _steps(_run(project)) == list(range(20))


def test_it_is_applied_from_a_file_and_undone(project: Project, tmp_path: Path) -> None:
    plan = project.runs().rewind(9).unwrap()
    loaded = Api(tmp_path).load_plan(plan.save(tmp_path / "plan.json"))
    deletion = loaded.apply().unwrap()
    assert (deletion.kind, deletion.runs) == ("data", 2)
    assert _steps(_run(project)) == list(range(10))
    entry = Api(tmp_path).trash().first()
    assert entry is not None
    assert (entry.kind, [run.path for run in entry.list_runs()]) == ("data", [run.path for run in project.runs()][::-1])
    assert deletion.undo().ok
    assert _steps(_run(project)) == list(range(20))


def test_one_run_is_cut_and_reads_anew(project: Project) -> None:
    run = _run(project)
    assert run.summary(["loss"]).unwrap()["loss"]["value"] == 19
    run.delete_metrics(["loss"], steps=(None, 4), commit=True).unwrap()
    run.rewind(7, commit=True).unwrap()
    assert _steps(run) == [5, 6, 7]
    assert run.summary(["loss"]).unwrap()["loss"]["value"] == 7
    run.thin(0, keys=["acc"], commit=True).unwrap()
    assert _steps(run, "acc") == [0, 7]


def test_files_and_media_go_alone(project: Project) -> None:
    run = _run(project)
    plan = run.artifact("weights.bin").delete().unwrap()
    assert isinstance(plan, DeletionPlan)
    assert (plan.record.artifacts, plan.bytes) == (1, 0), "another name needs its bytes"
    run.artifact("weights.bin").delete(commit=True).unwrap()
    files = run.artifacts()
    assert [file.name for file in files] == ["again.bin"]
    deletion = files.delete(commit=True).unwrap()
    assert list(files) == []
    assert run.artifacts().delete(commit=True).unwrap().trash_id == ""
    assert repr(files.delete().unwrap()).startswith("DeletionPlan: nothing would be cut out of 0 runs")
    deletion.restore().unwrap()
    run.delete_artifacts(["again.bin"], commit=True).unwrap()
    run.delete_media(["text"], steps=(1, 1), commit=True).unwrap()
    assert run.medias(None, all=True).unwrap()["text"].steps == [0]


def test_a_mistyped_key_stops_it(project: Project) -> None:
    answer = project.runs().delete_metrics(["lss"], commit=True)
    assert isinstance(answer.error, ConflictError)
    assert "did you mean 'loss'?" in answer.errmsg


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda run: run.delete_metrics("loss"), "keys: expected a list of strings"),
        (lambda run: run.delete_metrics([]), "keys: must not be empty"),
        (lambda run: run.delete_metrics(["loss"], steps=(3, 1)), "the last step 1 comes before the first, 3"),
        (lambda run: run.delete_metrics(["loss"], steps=3), r"steps: expected \(first, last\)"),
        (lambda run: run.delete_media(["text"], steps=(1.5, None)), "steps: expected whole numbers"),
        (lambda run: run.delete_metrics(["loss"], steps=(2**63, None)), "64 bits"),
        (lambda run: run.rewind(True), "step: expected a whole number"),
        (lambda run: run.rewind(2**63 - 1), "step: must be from"),
        (lambda run: run.thin(-1), "points: must be from 0"),
        (lambda run: run.thin(3, commit=1), "commit: expected True or False"),
    ],
)
def test_a_mistake_is_told_before_any_request(place: Place, call: Callable[[Any], object], sentence: str) -> None:
    run = place.api.run("my-team/my-project/abc123")
    with pytest.raises((TypeError, ValueError), match=sentence):
        call(run)
    assert not place.account.calls


def test_a_cut_says_what_it_is() -> None:
    assert str(DataCut(None, None, first_step=11)) == "all metrics and media from step 11 on"
    assert str(DataCut(("a",), ("b", "c"), last_step=3)) == "metric 'a' and media 'b', 'c' up to step 3"
    assert (
        str(DataCut(("a",), artifacts=("x", "y"), first_step=1, last_step=1))
        == "metric 'a' at step 1 and files 'x', 'y'"
    )
    assert str(DataCut(tuple("abcdefg"))) == "metrics 'a', 'b', 'c', 'd', 'e' and 2 more"
    thinned = DataCut(None, thin=100)
    assert str(thinned) == "all metrics but for the first, last, smallest and largest point and 100 more of each"
