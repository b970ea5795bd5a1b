"""Runs that are not heard of for long."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from support.backend import Site
from support.database import Clock
from support.recording import line

from runatlas.errors import StoreError
from runatlas.model.batch import Batch
from runatlas.model.filter_language import parse_filter
from runatlas.model.filters import Comparison, Field, Sort
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.project import ProjectQuery
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.server.services.services import Services

_TIMEOUT_MS = 600_000
_STATE = Field("STABLE", "state")


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    return site.project()


def _make(site: Site, demo: ProjectPath, run_id: str, **fields: object) -> RunPath:
    return site.inside.create_run(RunDraft(demo, id=run_id, **fields))[0].path  # type: ignore[arg-type]


def test_a_run_that_is_not_heard_of_reads_as_crashed_everywhere(site: Site, demo: ProjectPath) -> None:
    backend = site.root
    silent, alive = _make(site, demo, "silent"), _make(site, demo, "alive")
    _make(site, demo, "over", state="FINISHED")
    every = RunSelection(demo.workspace, demo.project)
    crashed = attrs.evolve(every, filter=parse_filter("state == 'CRASHED'"))
    site.clock.advance(_TIMEOUT_MS)
    assert backend.get_run(silent).state == "RUNNING"
    backend.append(Batch(alive, (line("a", 1),)))
    site.clock.advance(1)

    assert backend.get_run(silent).state == "CRASHED"
    listed = backend.list_runs(RunQuery(every, sorts=(Sort(_STATE, "ASC"),))).items
    assert [(run.id, run.state) for run in listed] == [
        ("silent", "CRASHED"),
        ("over", "FINISHED"),
        ("alive", "RUNNING"),
    ]
    assert [run.id for run in backend.list_runs(RunQuery(crashed)).items] == ["silent"]
    running = attrs.evolve(every, filter=Comparison(_STATE, "IN", ("RUNNING", "ABORTED")))
    assert (backend.count_runs(crashed), backend.count_runs(running)) == (1, 1)
    grouped = backend.list_runs(RunQuery(every, groups=(_STATE,))).items
    assert [run.id for run in grouped] == ["silent", "over", "alive"]
    assert [(item.path, item.state) for item in backend.plan_run_deletion(crashed).items] == [(str(silent), "CRASHED")]
    assert backend.get_usage().running == 1
    assert [found.path for found in backend.list_projects(ProjectQuery(demo.workspace, state="CRASHED")).items] == [
        demo
    ]


@pytest.mark.parametrize("word", ["points", "heartbeat", "state", "resuming"])
def test_its_next_word_makes_it_running_again(site: Site, demo: ProjectPath, word: str) -> None:
    run = _make(site, demo, "one")
    selection = RunSelection(demo.workspace, demo.project, ("one",))
    site.clock.advance(_TIMEOUT_MS + 1)
    site.root.update_runs(selection, RunPatch(description="somebody looked at it"))
    assert site.root.get_run(run).state == "CRASHED"
    if word == "points":
        site.inside.append(Batch(run, (line("a", 1),)))
    elif word == "resuming":
        site.inside.create_run(RunDraft(demo, id="one", if_exists="resume"))
    else:
        # A clock that goes wrong where the run is makes no difference.
        site.root.update_runs(
            selection, RunPatch(heartbeat_at_ms=1) if word == "heartbeat" else RunPatch(state="RUNNING")
        )
    assert site.root.get_run(run).state == "RUNNING"
    site.clock.advance(_TIMEOUT_MS + 1)
    site.root.update_runs(selection, RunPatch(state="ABORTED"))
    assert site.root.get_run(run).state == "ABORTED"


def test_how_long_is_what_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNATLAS_HEARTBEAT_TIMEOUT", "86400")
    clock = Clock()
    services = Services.open(tmp_path, clock=clock)
    caller = services.owner()
    draft = RunDraft(ProjectPath(caller.username, "demo"), id="one", create_project=True)
    path = services.runs.create_run(caller, draft)[0].path
    clock.advance(86_400_000)
    assert services.runs.get_run(caller, path).state == "RUNNING"
    clock.advance(1)
    assert services.runs.get_run(caller, path).state == "CRASHED"
    services.close()

    monkeypatch.setenv("RUNATLAS_HEARTBEAT_TIMEOUT", "ten minutes")
    with pytest.raises(StoreError, match="RUNATLAS_HEARTBEAT_TIMEOUT: expected a number of seconds"):
        Services.open(tmp_path)
