"""What every backend does with runs that come whole, many at once."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.recording import points

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, new_cuid
from runatlas.model.run import RUN_PARTS, Profile, RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.model.run_import import ImportedSeries, RunImport
from runatlas.model.series import ColumnQuery, PointQuery
from runatlas.server.store.check import check_store

# A SwanLab server has no way to do this.
pytestmark = pytest.mark.parametrize("site", ["local", "native"], indirect=True)

_VALUES = st.floats() | st.integers(-9, 9).map(float)
_POINTS = st.lists(st.tuples(st.integers(-3, 99), _VALUES), max_size=6)
_KEYS = st.sampled_from((("loss", "FLOAT"), ("acc", "FLOAT"), ("ok", "BOOLEAN")))
_SERIES = st.tuples(_KEYS, _POINTS).map(lambda drawn: (*drawn[0], drawn[1]))
_CONFIG = st.dictionaries(st.sampled_from(("lr", "model")), st.none() | _VALUES | st.text(max_size=3), max_size=2)
_RUN = st.fixed_dictionaries(
    {
        "config": _CONFIG,
        "labels": st.lists(st.sampled_from("ab"), max_size=3),
        "metadata": st.dictionaries(st.just("host"), st.sampled_from("xy")),
        "series": st.lists(_SERIES, max_size=4),  # what comes of one key several times is put together
        "is_broken": st.booleans(),
        "state": st.sampled_from(("FINISHED", "CRASHED")),
    }
)


def _imported(project: ProjectPath, number: int, run: dict[str, Any]) -> RunImport:
    draft = RunDraft(
        project,
        id=f"run-{number}",
        labels=("x" * 501,) if run["is_broken"] else tuple(run["labels"]),
        state=run["state"],
        config=run["config"],
        profile=Profile(metadata=run["metadata"]),
        created_at_ms=5,
        create_project=True,
    )
    series = (
        ImportedSeries(key, tuple(step for step, _ in rows), tuple(value for _, value in rows), kind)
        for key, kind, rows in run["series"]
    )
    return RunImport(draft, tuple(series), time_ms=7)


def _record(site: Site, run: RunImport, project: ProjectPath) -> None:
    """Make a run as its own process does."""
    path = site.root.create_run(attrs.evolve(run.draft, state="RUNNING", project=project))[0].path
    pairs = ((each, zip(each.steps, each.values, strict=True)) for each in run.series)
    series = (
        points(each.key, [(step, 7, value, None) for step, value in rows], column_type=each.column_type)
        for each, rows in pairs
    )
    site.root.append(Batch(path, tuple(series)))
    chosen = RunSelection(path.workspace, path.project, (path.run,))
    site.root.update_runs(chosen, RunPatch(state=run.draft.state, by_run=True))


def _content(site: Site, project: ProjectPath) -> tuple[Any, ...]:
    """All of a project's runs: what they say of themselves, their columns, and their points."""
    selection = RunSelection(project.workspace, project.project)
    runs = site.root.list_runs(RunQuery(selection, parts=RUN_PARTS)).items
    told = {
        run.id: (run.state, run.labels, repr(run.config), repr(run.summary), run.profile, run.finished_at_ms)
        for run in runs
    }
    columns = {run.id: site.root.list_columns(run.path, ColumnQuery()).items for run in runs}
    block = site.root.read_points(PointQuery(selection))
    held = [column.to_pylist() for column in (block.steps, block.values, block.times_ms)]
    series = {
        (block.runs[item.run][1], item.key): repr([column[item.start : item.start + item.length] for column in held])
        for item in block.series
    }
    return told, columns, series


@settings(max_examples=examples(15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.lists(_RUN, min_size=1, max_size=4))
def test_runs_that_come_whole_are_as_if_recorded_one_by_one(site: Site, drawn: list[dict[str, Any]]) -> None:
    whole, single = ProjectPath(site.home, new_cuid()), ProjectPath(site.home, new_cuid())
    runs = [_imported(whole, number, run) for number, run in enumerate(drawn)]
    outcomes = site.root.import_runs((*runs, runs[0]))
    wanted = ["refused" if run["is_broken"] else "added" for run in drawn]
    assert [answer.outcome for answer in outcomes] == [*wanted, wanted[0].replace("added", "present")]
    assert all(("labels" in answer.reason) == (answer.outcome == "refused") for answer in outcomes)
    for run, outcome in zip(runs, wanted, strict=True):
        if outcome == "added":
            _record(site, run, single)
    if "added" in wanted:
        assert _content(site, whole) == _content(site, single)
    assert list(check_store(site.services.store)) == []


def test_what_is_there_stays_as_it_is(site: Site) -> None:
    project = site.project()
    made, _ = site.root.create_run(RunDraft(project, id="a", name="mine", config={"lr": 1}))
    other = RunImport(
        RunDraft(project, id="a", name="other", state="FINISHED"), (ImportedSeries("loss", (1,), (2.0,)),)
    )
    assert [answer.outcome for answer in site.root.import_runs((other,))] == ["present"]
    assert site.root.get_run(made.path) == made


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ({"state": "RUNNING"}, "has ended"),
        ({"series": (ImportedSeries("", (1,), (1.0,)),)}, "key"),
        ({"series": (ImportedSeries("a", (1, 2), (1.0,)),)}, "2 steps and 1 values"),
        ({"series": (ImportedSeries("a", (1,), (1.0,), "IMAGE"),)}, "column_type"),
        ({"time_ms": -1}, "time_ms"),
        ({"profile": Profile(requirements="a\x00")}, "requirements: text must not have NUL"),
        ({"profile": Profile(conda="a\x00")}, "conda: text must not have NUL"),
    ],
)
def test_what_cannot_be_stored_is_refused_alone(site: Site, run: dict[str, Any], why: str) -> None:
    project = site.project()
    told = {name: run[name] for name in ("state", "profile") if name in run}
    parts = {name: value for name, value in run.items() if name not in told}
    bad = RunImport(RunDraft(project, id="bad", **{"state": "FINISHED", **told}), **parts)
    good = RunImport(RunDraft(project, id="good", state="FINISHED"), (ImportedSeries("a", (1,), (math.inf,)),))
    refused, added = site.root.import_runs((bad, good))
    assert (refused.outcome, added.outcome) == ("refused", "added")
    assert why in refused.reason
    assert [found.id for found in site.root.list_runs(RunQuery(RunSelection(site.home))).items] == ["good"]


def test_a_profile_that_cannot_be_stored_is_refused_wherever_it_comes(site: Site) -> None:
    project = site.project()
    bad = Profile(requirements="a\x00")
    with pytest.raises(ValidationError, match="requirements"):
        site.root.create_run(RunDraft(project, profile=bad))
    path = site.root.create_run(RunDraft(project))[0].path
    with pytest.raises(ValidationError, match="requirements"):
        site.root.update_runs(RunSelection(path.workspace, path.project, (path.run,)), RunPatch(profile=bad))


@pytest.mark.parametrize("lists", [False, True])
def test_configs_nest_as_deep_wherever_they_come_from(site: Site, *, lists: bool) -> None:
    def nested(levels: int) -> dict[str, Any]:
        inner: Any = 1
        for _ in range(levels):
            inner = [inner] if lists else {"a": inner}
        return {"a": inner}

    project, why = site.project(), "config: it nests more than 64 levels deep"
    made, _ = site.root.create_run(RunDraft(project, config=nested(64), profile=Profile(metadata=nested(64))))
    assert site.root.get_run(made.path).config == nested(64)
    fits, deep = (RunDraft(project, id=str(n), state="FINISHED", config=nested(n)) for n in (64, 65))
    added, refused = site.root.import_runs((RunImport(fits), RunImport(deep)))
    assert (added.outcome, refused.outcome, refused.reason) == ("added", "refused", why)
    with pytest.raises(ValidationError, match=why):
        site.root.create_run(deep)
    with pytest.raises(ValidationError, match=why):
        site.root.update_runs(RunSelection(site.home, project.project, (made.id,)), RunPatch(config=nested(65)))


def test_too_many_and_no_place_are_refused_whole(site: Site) -> None:
    run = RunImport(RunDraft(ProjectPath(site.home, "nowhere"), state="FINISHED"))
    with pytest.raises(ValidationError, match="at most 1000"):
        site.root.import_runs((run,) * 1001)
    many = ImportedSeries("a", (0,) * 500_001, (0.0,) * 500_001)
    with pytest.raises(ValidationError, match="at most 1,000,000 values"):
        site.root.import_runs((attrs.evolve(run, series=(many,)),) * 2)
    here = RunImport(RunDraft(site.project(), state="FINISHED"))
    with pytest.raises(NotFoundError, match="nowhere"):
        site.root.import_runs((here, run))
    assert not site.root.list_runs(RunQuery(RunSelection(site.home))).items
    made = attrs.evolve(run, draft=attrs.evolve(run.draft, create_project=True))
    for order in ((run, made), (made, run)):
        with pytest.raises(NotFoundError, match="nowhere"):
            site.root.import_runs(order)


def test_projects_of_runs_that_were_there_did_not_change(site: Site) -> None:
    old, new = site.project(), site.project("new")
    first, second = (RunImport(RunDraft(path, id="a", state="FINISHED")) for path in (old, new))
    assert [answer.outcome for answer in site.root.import_runs((first,))] == ["added"]
    before = site.root.get_project(old)
    site.clock.advance(1000)
    assert [answer.outcome for answer in site.root.import_runs((first, second))] == ["present", "added"]
    assert site.root.get_project(old) == before
