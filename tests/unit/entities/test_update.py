"""Updates as people meet them: plans of what is in hand, and wrong arguments."""

from __future__ import annotations

import pytest
from support.place import Place

from runatlas.entities.update import Update, UpdatePlan
from runatlas.errors import ConflictError, NotFoundError

PROJECT = "my-team/my-project"
PATH = f"{PROJECT}/abc123"


def test_a_plan_says_what_would_be_done_and_does_it(own_place: Place) -> None:
    runs = own_place.api.project(PROJECT).runs(order="-name")
    before = [run.json() for run in runs]
    plan = runs.update(group="<g>", config={"net.depth": 5}, commit=False).unwrap()
    assert isinstance(plan, UpdatePlan)
    assert (plan.total, plan.differ, len(plan), plan.complete, plan.sampled) == (4, 4, 4, True, False)
    assert [run.json() for run in runs.refresh()] == before
    told = {**plan.json(), "runs": len(plan.json()["runs"])}
    sample = told.pop("sample")
    counts = {"total": 4, "differ": 4, "runs": 4}
    assert told == {**counts, "missing": [], "notes": [], "refusal": "", "complete": True}
    assert [run["path"] for run in sample] == [item.path for item in plan]
    (one,) = (run for run in sample if run["path"] == PATH)
    assert (one["before"], one["after"]) == (
        {"group": "resnet", "config.net.depth": 18},
        {"group": "<g>", "config.net.depth": 5},
    )
    assert f"\n- {PATH}: config.net.depth 18 → 5\n" in f"{plan!r}\n"
    assert repr(plan).startswith("UpdatePlan: 4 of 4 runs would be changed\n- ")
    assert ">&#x27;&lt;g&gt;&#x27;</td>" in plan._repr_html_()
    assert plan.to_csv().splitlines()[0] == "run,field,before,after"
    assert list(plan.to_pandas().columns) == ["run", "field", "before", "after"]
    done = plan.apply()
    assert isinstance(done.unwrap(), Update)
    assert done.change.id == done.unwrap().json()["change"]
    assert {run.group for run in runs} == {"<g>"}, "the listing in hand asks again"
    done.unwrap().undo().unwrap()
    assert [{**run.json(), "updated_at": ""} for run in runs.refresh()] == [{**run, "updated_at": ""} for run in before]


def test_one_run_a_slice_and_what_is_chosen_by_hand_are_planned(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    run = own_place.api.run(PATH)
    plan = run.update(name="new", commit=False).unwrap()
    assert ([item.path for item in plan], plan.sample[0].after) == ([PATH], {"name": "new"})
    assert plan.apply().ok
    assert run.name == "new"
    runs = project.runs(order="-name")
    assert [item.path for item in runs[:2].update(group="g", commit=False).unwrap()] == [run.path for run in runs[:2]]
    rest = runs - [run]
    assert PATH not in {item.path for item in rest.update(group="g", commit=False).unwrap()}
    plan = project.runs(ids=["abc123", "nope"]).update(group="g", commit=False).unwrap()
    assert (plan.missing, plan.failures, plan.complete) == (("nope",), ("nope",), False)
    assert "- there is no such run: nope" in repr(plan)
    assert isinstance(plan.apply().error, NotFoundError)
    plan = project.runs("config.baselin != 1").update(group="g", commit=False).unwrap()
    assert "- note: no run here has a config 'baselin'" in repr(plan)


def test_labels_of_many_are_not_lost_unawares(own_place: Place) -> None:
    runs = own_place.api.project(PROJECT).runs()
    before = {run.path: list(run.labels) for run in runs}
    assert len(set(map(tuple, before.values()))) > 1
    refused = runs.update(labels=["new"])
    assert isinstance(refused.error, ConflictError)
    plan = runs.update(labels=["new"], commit=False).unwrap()
    assert plan.refusal == refused.errmsg
    assert f"- refused: {refused.errmsg}" in repr(plan)
    assert isinstance(plan.apply().error, ConflictError)
    assert {run.path: list(run.labels) for run in runs.refresh()} == before
    assert runs.update(labels=["new"], replace_labels=True).unwrap().total == len(before)
    assert {tuple(run.labels) for run in runs} == {("new",)}


def test_mistyped_arguments_are_told_with_what_is_near(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    with pytest.raises(TypeError, match=r"no field 'lables' to change, did you mean 'labels'\?$"):
        run.update(lables=["x"])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"no field 'tags' to change, did you mean 'labels'\?$"):
        run.update(tags=["x"])  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"no field 'xyz' to change; it takes name, "):
        run.update(xyz=1)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="it goes with labels"):
        run.update(replace_labels=True)
    with pytest.raises(TypeError, match="replace_labels"):
        run.update(labels=[], replace_labels=1)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="commit"):
        run.update(name="x", commit=0)  # type: ignore[call-overload]
