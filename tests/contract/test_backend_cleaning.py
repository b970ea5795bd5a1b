"""What every backend does with a policy of clean-up: who goes, who stays and why, and that guards always hold."""

from __future__ import annotations

import math
import random
from typing import Any

import attrs
import pytest
from support.backend import Site
from support.recording import line

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.policy import JudgedRun, Policy, judge, read_policy
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.model.trash import DeletionPlanRecord, PlannedItem

DAY = 24 * 3_600_000


def make(site: Site, project: ProjectPath, run_id: str, age: float, loss: tuple[float, ...] = (), **said: Any) -> None:
    """Make a run that ended so many days ago and began the day before, with values of ``val_loss``."""
    ended = site.clock() - round(age * DAY)
    draft = RunDraft(project, id=run_id, state="FINISHED", created_at_ms=ended - DAY, finished_at_ms=ended)
    run, _ = site.inside.create_run(attrs.evolve(draft, **said))
    if loss:
        site.inside.append(Batch(run.path, (line("val_loss", len(loss), value=loss.__getitem__),)))


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """Runs of two models, some of them guarded."""
    project = site.project()
    mlp, cnn = {"model": "mlp"}, {"model": {"name": "cnn"}}
    make(site, project, "best", 90, (0.9, 0.1, 0.5), config=mlp)
    make(site, project, "second", 91, (0.2, 0.9), config=mlp)
    make(site, project, "worse", 92, (0.3, math.nan), config=mlp)
    make(site, project, "nothing", 93, (math.nan, math.nan), config=mlp)
    make(site, project, "newest", 60, (7.0,), config=mlp)
    make(site, project, "kept", 94, (7.0,), config=mlp, labels=("x", "baseline"))
    make(site, project, "pinned", 95, (7.0,), config=mlp)
    make(site, project, "locked", 96, (7.0,), config=mlp)
    make(site, project, "young", 10, (7.0,), config=cnn)
    change(site, project, "pinned", RunPatch(pin=True))
    change(site, project, "locked", RunPatch(protected=True, protected_reason="for the paper"))
    return project


def change(site: Site, project: ProjectPath, run_id: str, patch: RunPatch) -> None:
    site.root.update_runs(RunSelection(project.workspace, project.project, ids=(run_id,)), patch)


POLICY = Policy(
    older_than="30d",
    keep_last=1,
    keep_best=("val_loss:2",),
    keep_labels=("baseline",),
    group_by=("config.model",),
)


def plan(site: Site, project: ProjectPath, policy: Policy, *, force: bool = False) -> DeletionPlanRecord:
    return site.root.plan_cleaning(project.workspace, policy, project=project.project, force=force)


def reasons(items: tuple[PlannedItem, ...]) -> dict[str, str]:
    return {item.path.rpartition("/")[2]: item.reason for item in items}


def left(site: Site, project: ProjectPath) -> set[str]:
    query = RunQuery(RunSelection(project.workspace, project.project), parts=())
    return {run.id for run in site.services.runs.list_runs(site.services.owner(), query).items}


def test_every_run_has_its_reason_and_what_was_planned_goes_and_comes_back(site: Site, demo: ProjectPath) -> None:
    made = plan(site, demo, POLICY)
    assert reasons(made.items) == {
        "worse": "finished 92 d ago, older than 30d",
        "nothing": "finished 93 d ago, older than 30d",
    }
    assert reasons(made.kept) == {
        "best": "best val_loss of config.model='mlp'",
        "second": "2nd best val_loss of config.model='mlp'",
        "newest": "the last one of config.model='mlp'",
        "kept": "label baseline",
        "pinned": "pinned",
        "locked": "protected: for the paper",
        "young": "the last one of no config.model; best val_loss of no config.model",
    }
    guards = {item.path.rpartition("/")[2]: item.guards for item in made.kept if item.guards}
    assert guards == {"pinned": ("pinned",), "locked": ("protected",)}
    assert (made.points, made.takes, made.notes) == (4, (), ())
    assert len(left(site, demo)) == 9
    deleted = site.root.delete(made)
    assert deleted.runs == 2
    assert left(site, demo) == {"best", "second", "newest", "kept", "pinned", "locked", "young"}
    site.root.restore(deleted.trash_id)
    assert len(left(site, demo)) == 9


def test_guards_hold_also_those_that_came_since(site: Site, demo: ProjectPath) -> None:
    made = plan(site, demo, POLICY)
    change(site, demo, "worse", RunPatch(protected=True))
    with pytest.raises(ConflictError, match="worse"):
        site.root.delete(made)
    assert len(left(site, demo)) == 9
    forced = plan(site, demo, POLICY, force=True)
    assert set(reasons(forced.items)) == {"nothing", "pinned"}
    assert reasons(forced.kept)["locked"] == "protected: for the paper"
    assert site.services.trash.delete(site.services.owner(), forced).runs == 2


def test_where_chooses_what_is_looked_at_before_groups_are_made(site: Site, demo: ProjectPath) -> None:
    made = plan(site, demo, Policy(where="config.model == 'mlp' and not pin", keep_last=7))
    assert (len(made.kept), made.items) == (7, ())
    made = plan(site, demo, Policy(where="config.model.name == 'cnn'", allow_all=True))
    assert (reasons(made.items), made.kept) == ({"young": "config.model.name == 'cnn'"}, ())


def test_what_no_run_has_refuses_a_policy_also_if_nothing_would_go(site: Site, demo: ProjectPath) -> None:
    mistyped = Policy(
        where="config.modl != 1 and 'x' in tags and 'y' not in tags",
        older_than="30d",
        keep_best=("val_los:3",),
        keep_labels=("baselin",),
        group_by=("config.mdel",),
        keep_last=1,
    )
    assert plan(site, demo, mistyped).notes == (
        "no run here has a config 'modl', did you mean 'model'?",
        "no run here has the label 'y'",
        "no run here has a config 'mdel', did you mean 'model'?",
        "no run here has a metric 'val_los', did you mean 'val_loss'?",
        "no run here has the label 'baselin', did you mean 'baseline'?",
    )
    with pytest.raises(ConflictError, match="nothing was deleted: no run here has the label 'baselin'"):
        site.root.delete(plan(site, demo, attrs.evolve(POLICY, keep_labels=("baselin", "x"))))
    nothing = plan(site, demo, Policy(where="summary.val_los < 1"))
    assert (nothing.items, nothing.notes) == ((), ("no run here has a metric 'val_los', did you mean 'val_loss'?",))
    with pytest.raises(ConflictError, match="nothing was deleted: no run here has a metric 'val_los'"):
        site.root.delete(nothing)
    assert site.root.delete(plan(site, demo, Policy(where="summary.val_los < 1"), force=True)).runs == 0
    assert len(left(site, demo)) == 9


def test_a_section_groups_nothing_and_says_so(site: Site) -> None:
    project = site.project()
    for name in ("a", "b", "c"):
        make(site, project, name, 50, config={"model": {"width": 8, "name": name}, "none": None})
    by_section = Policy(older_than="30d", keep_last=1, group_by=("config.model", "config.none"))
    noted = plan(site, project, by_section)
    assert noted.notes == (
        "config 'model' is a section, which has no value to group by; "
        "use such as config.model.name, config.model.width",
    )
    with pytest.raises(ConflictError, match="nothing was deleted: config 'model' is a section"):
        site.root.delete(noted)
    by_value = Policy(older_than="30d", keep_last=1, group_by=("config.model.width",))
    assert (plan(site, project, by_value).notes, plan(site, project, by_value).total) == ((), 2)
    make(site, project, "d", 50, config={"model": "mlp"})
    assert plan(site, project, by_section).notes == ()


def test_what_only_deleted_runs_had_is_no_mistake_once_nothing_goes(site: Site, demo: ProjectPath) -> None:
    make(site, demo, "debug", 50, (1.0,), config={"debug": True}, labels=("debug",))
    for where in ("config.debug == True", "'debug' in tags", "config.debug == True or 'debug' in tags"):
        nightly = Policy(where=where, allow_all=True)
        entry = site.root.delete(plan(site, demo, nightly))
        assert entry.runs == 1
        again = plan(site, demo, nightly)
        assert (again.items, again.notes) == ((), ())
        assert site.root.delete(again).trash_id == ""
        assert plan(site, demo, Policy(where="config.debug != True", keep_last=1)).notes != ()
        site.root.restore(entry.trash_id)


def test_what_was_mistyped_comes_before_what_follows_from_it(site: Site, demo: ProjectPath) -> None:
    with pytest.raises(ConflictError) as told:
        plan(site, demo, Policy(where="pin == False", keep_best=("val_los:1",), keep_labels=("baselin",), max=3))
    assert str(told.value) == (
        "no run here has a metric 'val_los', did you mean 'val_loss'?; "
        "no run here has the label 'baselin', did you mean 'baseline'?; "
        "the policy would take 7 runs, and its max is 3; raise that if it is meant"
    )


def test_guards_and_keeps_are_both_told(site: Site, demo: ProjectPath) -> None:
    change(site, demo, "best", RunPatch(protected=True, protected_reason="the best of the sweep", pin=True))
    change(site, demo, "young", RunPatch(pin=True))
    made = plan(site, demo, attrs.evolve(POLICY, keep_last=None), force=True)
    best, young, pinned = (
        next(item for item in (*made.items, *made.kept) if item.path == str(demo.run(name)))
        for name in ("best", "young", "pinned")
    )
    assert best.guards == ("protected", "pinned")
    assert best.reason == "protected: the best of the sweep and pinned; best val_loss of config.model='mlp'"
    assert (young.guards, young.reason) == (("pinned",), "pinned; best val_loss of no config.model")
    assert (pinned.guards, pinned.reason) == (("pinned",), "pinned; finished 95 d ago, older than 30d")
    assert pinned in made.items


def test_a_silent_run_counts_from_when_it_was_heard_of_last(site: Site) -> None:
    project = site.project()
    make(site, project, "silent", 40, state="RUNNING", finished_at_ms=None)
    make(site, project, "done", 1)
    site.clock.advance(50 * DAY)
    make(site, project, "alive", 1, state="RUNNING", finished_at_ms=None, created_at_ms=site.clock())
    made = plan(site, project, Policy(older_than="45d"))
    assert reasons(made.items)["silent"].startswith("last heard of ")
    assert reasons(made.kept) == {"alive": "running; not finished, not older than 45d"}


def test_what_is_no_policy_or_takes_too_much_is_refused(site: Site, demo: ProjectPath) -> None:
    with pytest.raises(ConflictError, match=r"would take the only run of no config\.model that it looks at"):
        plan(site, demo, Policy(older_than="1d", group_by=("config.model",)))
    with pytest.raises(ConflictError, match="would take 2 runs, and its max is 1"):
        plan(site, demo, attrs.evolve(POLICY, max=1))
    assert plan(site, demo, attrs.evolve(POLICY, max=2)).total == 2
    everything = Policy(where="pin == False", allow_all=True)
    total = plan(site, demo, everything).total
    assert plan(site, demo, attrs.evolve(everything, max=total)).total == total
    with pytest.raises(ConflictError, match=f"would take {total} runs, and its max is {total - 1}; raise that if"):
        plan(site, demo, attrs.evolve(everything, max=total - 1), force=True)
    for policy, sentence in {
        Policy(): "the policy is empty; give where or older_than",
        Policy(keep_last=5): "says what stays but not what may go",
        Policy(older_than="1d", allow_all=True): "allow_all: it goes with where",
        Policy(older_than="30"): "older_than: '30' is no duration",
        Policy(where="stat == 1"): "where: unknown name 'stat'",
        Policy(older_than="1d", keep_best=("a\x00:3",)): "keep_best: ",
        Policy(older_than="1d", keep_labels=("a\x00",)): "keep_labels: ",
    }.items():
        with pytest.raises(ValidationError) as told:
            plan(site, demo, policy)
        assert sentence in str(told.value)
    with pytest.raises(NotFoundError):
        site.user("eve").plan_cleaning(demo.workspace, POLICY, project=demo.project)
    with pytest.raises(NotFoundError):
        site.root.plan_cleaning(demo.workspace, POLICY, project="nowhere")


def test_the_store_says_what_the_pure_function_says(site: Site) -> None:
    one, other = site.project("one"), site.project("other")
    chance = random.Random(7)
    losses: list[tuple[float, ...]] = [(), (math.nan,), (1.0,), (1.0, 0.5), (math.inf,), (-math.inf, math.nan), (0.5,)]
    models: list[tuple[Any, str | None]] = [
        ("mlp", "'mlp'"),
        (3, "3"),
        (3.0, "3"),
        ("3", "'3'"),
        (True, "True"),
        (0.1, "0.1"),
        (None, None),
        ({"a": 1}, None),
        ([1, "x"], '[1, "x"]'),
    ]
    given: dict[str, tuple[tuple[float, ...], str | None]] = {}
    for index in range(40):
        loss, (model, shown) = chance.choice(losses), chance.choice(models)
        given[f"r{index}"] = loss, shown
        config = {"model": model} if model is not None or index % 2 else {}
        labels = tuple(chance.sample(["a", "b"], chance.randint(0, 2)))
        age = chance.choice([1, 20, 30, 40])
        make(site, chance.choice([one, other]), f"r{index}", age, loss, config=config, labels=labels)
    policy = Policy(
        where="name != 'x'",
        older_than="15d",
        keep_last=1,
        keep_best=("val_loss:1", "val_loss:1:max"),
        keep_labels=("b",),
        group_by=("config.model", "project"),
        allow_all=True,
    )
    made = site.root.plan_cleaning(site.home, policy)
    records = site.root.list_runs(RunQuery(RunSelection(site.home))).items
    judged = []
    for run in records:
        loss, shown = given[run.id]
        known = [value for value in loss if not math.isnan(value)]
        values = (min(known), max(known)) if known else (None, None)
        groups = (shown, repr(run.project))
        judged.append(
            JudgedRun(run.cuid, run.state, run.created_at_ms, run.finished_at_ms, None, run.labels, values, groups)
        )
    verdicts = judge(read_policy(policy), judged, site.clock())
    said = {run.cuid: (verdict.goes, verdict.reason) for run, verdict in zip(records, verdicts, strict=True)}
    told = {
        item.cuid: (goes, item.reason) for goes, items in ((True, made.items), (False, made.kept)) for item in items
    }
    assert told == said
    assert {goes for goes, _ in told.values()} == {True, False}


def test_what_would_go_can_be_thinned_and_stay(site: Site, demo: ProjectPath) -> None:
    make(site, demo, "long", 97, tuple(20.0 + value % 7 for value in range(100)), config={"model": "mlp"})
    change(site, demo, "long", RunPatch(baseline=True))
    thin = attrs.evolve(POLICY, thin=10)
    found = plan(site, demo, thin)
    assert (found.kind, found.items) == ("data", ())
    assert reasons(found.kept)["long"].startswith("a baseline")
    assert reasons(found.kept).keys() == {"long", "best", "second", "newest", "kept", "young"}
    forced = plan(site, demo, thin, force=True)
    assert [(item.path, item.points) for item in forced.items] == [(str(demo.run("long")), 100 - 13)]
    everything = left(site, demo)
    site.root.delete(forced)
    assert left(site, demo) == everything
    assert plan(site, demo, thin, force=True).items == ()
    whole = Policy(where="summary.val_loss > 5", older_than="1d", thin=1)
    assert plan(site, demo, whole).items == (), "all runs of a group may be thinned"
    for run_id in ("longer", "longest"):
        make(site, demo, run_id, 98, tuple(map(float, range(50))), config={"model": "cnn"})
    with pytest.raises(ConflictError, match="its max is 1"):
        plan(site, demo, Policy(older_than="30d", thin=1, max=1), force=True)
    with pytest.raises(ValidationError, match="thin"):
        plan(site, demo, Policy(older_than="30d", thin=0))
