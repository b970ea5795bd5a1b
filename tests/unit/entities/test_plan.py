"""A plan as a table, as a page and as a file."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.place import Place

from runatlas import Api
from runatlas.entities.deletion import DeletionPlan
from runatlas.errors import ConflictError
from runatlas.model.data_cut import DataCut
from runatlas.model.run import RunPatch, RunSelection

PROJECT = "my-team/my-project"


@pytest.fixture
def plan(own_place: Place) -> DeletionPlan:
    own_place.api.run(f"{PROJECT}/abc123").protect("=cmd()").unwrap()
    own_place.api.run(f"{PROJECT}/run_id_2").update(name="<b>@bold").unwrap()
    return own_place.api.runs(PROJECT).delete().unwrap()


def test_it_tells_what_every_run_holds(plan: DeletionPlan) -> None:
    points = {item.path.rpartition("/")[2]: item.points for item in (*plan.items, *plan.kept)}
    assert points == {"run_id_3": 0, "run_id_2": 1, "run_id_1": 3, "abc123": 2103}
    assert plan.points == sum(item.points or 0 for item in plan.items)
    assert plan.bytes is not None
    assert 0 < plan.bytes <= sum(item.bytes or 0 for item in plan.items)
    assert f"purging them frees {plan.bytes:,} bytes, which the trash holds until then" in repr(plan)


def test_as_a_table_it_has_what_goes_and_what_is_kept(plan: DeletionPlan, tmp_path: Path) -> None:
    frame = plan.to_pandas()
    assert list(frame["action"]) == ["delete"] * 2 + ["keep"] * 2
    assert list(frame.columns) == ["action", "run", "name", "state", "reason", "created_at", "points", "files", "bytes"]
    assert frame["points"].sum() == sum(item.points or 0 for item in (*plan.items, *plan.kept))
    text = plan.to_csv()
    assert text.count("\n") == 5
    assert "protected: =cmd()" in text
    target = tmp_path / "plan.csv"
    assert Path(plan.to_csv(target)).read_text() == text


def test_as_a_page_it_is_short_and_runs_nothing(own_place: Place, plan: DeletionPlan) -> None:
    page = plan._repr_html_()
    assert "<b>" not in page
    assert "&lt;b&gt;@bold" in page
    assert "<script" not in page
    many = DeletionPlan(plan._handle, attrs.evolve(plan.record, items=plan.items[:1] * 50))
    assert many._repr_html_().count("<tr>") == 1 + 20 + 1 + 2
    assert "50 rows" in many._repr_html_()


def test_what_takes_long_is_told(plan: DeletionPlan) -> None:
    for cut, points, is_long in (
        (DataCut(None, thin=10), 3_000_000, True),
        (DataCut(("loss",), first_step=10), 3_000_000, True),
        (DataCut(("loss",), first_step=10), 300_000, False),
        (DataCut(("loss",)), 3_000_000, False),
    ):
        record = attrs.evolve(plan.record, kind="data", cut=cut, points=points, kept=())
        assert ("others wait to write" in repr(DeletionPlan(plan._handle, record))) == is_long


def test_saved_it_is_applied_later_if_nothing_changed(own_place: Place, plan: DeletionPlan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("before")
    assert plan.save(path) == str(path)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list(tmp_path.glob(".plan*"))
    loaded = own_place.api.load_plan(path)
    assert (loaded.record, repr(loaded)) == (plan.record, repr(plan))
    own_place.api.run(f"{PROJECT}/run_id_2").protect("no").unwrap()
    refused = loaded.apply()
    assert isinstance(refused.error, ConflictError)
    assert f"{PROJECT}/run_id_2 is protected: no" in refused.errmsg
    own_place.api.run(f"{PROJECT}/run_id_2").unprotect().unwrap()
    own_place.api.run(f"{PROJECT}/run_id_2").update(state="CRASHED").unwrap()
    assert f"changed since: {PROJECT}/run_id_2 (FINISHED → CRASHED)" in loaded.apply().errmsg
    own_place.api.run(f"{PROJECT}/run_id_2").update(state="FINISHED").unwrap()
    deletion = loaded.apply().unwrap()
    assert deletion.runs == 2
    (entry,) = own_place.api.trash()
    told = f"{PROJECT}/run_id_2 (in the trash since {entry.deleted_at} as entry {deletion.trash_id})"
    assert told in loaded.apply().errmsg
    assert entry.purge(commit=True).ok
    assert f"{PROJECT}/run_id_2 (no longer there)" in loaded.apply().errmsg


def test_a_run_that_moved_is_told_where_it_is(own_place: Place, plan: DeletionPlan) -> None:
    own_place.api.create_project("my-team", "other").unwrap()
    own_place.world.backend.update_runs(
        RunSelection("my-team", "my-project", ids=("run_id_2",)), RunPatch(project="other")
    )
    refused = plan.apply()
    assert isinstance(refused.error, ConflictError)
    assert f"{PROJECT}/run_id_2 (now my-team/other/run_id_2)" in refused.errmsg


def test_a_project_plan_tells_which_run_came_to_it(own_place: Place) -> None:
    whole = own_place.api.project(PROJECT).delete(force=True).unwrap()
    own_place.world.add_run("late", state="FINISHED")
    assert f"{PROJECT}/late (new)" in whole.apply().errmsg


def test_a_plan_that_cannot_be_written_leaves_what_was_there(plan: DeletionPlan, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        plan.save(tmp_path / "missing" / "plan.json")
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        plan.save(tmp_path / "taken")
    assert not list(tmp_path.glob(".taken*"))


def _edited(**changes: Any) -> Any:
    return lambda document: document["plan"].update(changes)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], "no JSON, or damaged"),
        (lambda text: "", "no JSON, or damaged"),
        (lambda text: "[" * 100_000, "no JSON, or damaged"),
        (lambda text: "\x00\xff", "no JSON, or damaged"),
        (lambda text: "[]", "does not say that it is a runatlas deletion plan"),
        (lambda text: text.replace("deletion plan", "policy"), "does not say that it is"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "of version 2, this RunAtlas knows 1"),
        (lambda text: text.replace('"store": "', '"shop": "'), "does not say of which store it is"),
        (_edited(takes=["protected"]), "takes"),
        (_edited(items=[{"path": 5}]), "its plan is damaged"),
        (_edited(items="all"), "its plan is damaged"),
        (_edited(more=True), "its plan is damaged"),
        (_edited(kind="everything"), "its plan is damaged"),
        (lambda text: text.replace('"version": 1', '"version": true'), "this RunAtlas knows 1"),
        (lambda text: re.sub(r'"created_at_ms": \d+', '"created_at_ms": 100000000000000000', text), "created_at_ms"),
        (lambda text: re.sub(r'"name": "[^"]*"', '"name": "\\\\ud800"', text), "lone surrogates"),
    ],
)
def test_what_is_no_plan_is_told(own_place: Place, plan: DeletionPlan, tmp_path: Path, damage: Any, told: str) -> None:
    path = tmp_path / "plan.json"
    plan.save(path)
    text = path.read_text()
    document = json.loads(text)
    made = damage(document if damage.__qualname__.startswith("_edited") else text)
    path.write_text(made if isinstance(made, str) else json.dumps(document))
    with own_place.account.asking(), pytest.raises(ValueError, match=told) as caught:
        own_place.api.load_plan(path)
    assert str(path) in str(caught.value)


def test_a_plan_of_another_store_takes_nothing(own_place: Place, plan: DeletionPlan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plan.save(path)
    document = json.loads(path.read_text())
    for item in document["plan"]["items"]:
        item["cuid"] = item["cuid"][::-1]
    path.write_text(json.dumps(document))
    assert not own_place.api.load_plan(path).apply().ok
    assert len(own_place.api.runs(PROJECT)) == 4


def test_a_plan_of_another_place_is_refused_by_name(own_place: Place, plan: DeletionPlan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    plan.save(path)
    here = own_place.api.location
    with Api(tmp_path / "other") as other:
        other.create_project(None, "spirals").unwrap()
        told = f"the plan is of another store, {here}, and not of {tmp_path / 'other'}"
        with pytest.raises(ValueError, match=re.escape(told)):
            other.load_plan(path)
        refused = DeletionPlan(other._handle, plan.record, store=here).apply()
        assert isinstance(refused.error, ConflictError)
        assert told in refused.errmsg


def test_a_plan_of_the_same_store_reached_in_another_way_is_taken(
    own_place: Place, plan: DeletionPlan, tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    plan.save(path)
    document = json.loads(path.read_text())
    assert document["store"] == own_place.api.location
    path.write_text(json.dumps({**document, "store": "http://127.0.0.1:5179"}))
    assert own_place.api.load_plan(path).apply().unwrap().runs == 2


def test_a_key_that_no_run_has_stops_a_deletion(own_place: Place) -> None:
    runs = own_place.api.runs(PROJECT, "config.baselin != True")
    plan = runs.delete().unwrap()
    assert plan.notes == ("no run here has a config 'baselin'",)
    for refused in (plan.apply(), runs.delete(commit=True)):
        assert isinstance(refused.error, ConflictError)
        assert refused.errmsg == (
            "nothing was deleted: no run here has a config 'baselin'; delete with force if that is meant"
        )
    assert len(own_place.api.runs(PROJECT)) == 4
    nothing = own_place.api.runs(PROJECT, "config.baselin == True")
    assert "nothing was deleted: no run here has a config 'baselin'" in nothing.delete(commit=True).errmsg
    assert nothing.delete(commit=True, force=True).unwrap().runs == 0
    assert runs.delete(force=True).unwrap().apply().unwrap().runs == 4
