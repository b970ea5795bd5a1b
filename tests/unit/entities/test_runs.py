"""Many runs: filters, order, groups, tables, and changing or deleting all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest
from support.counting import make_counting
from support.place import Place
from support.world import make_points, make_world

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.errors import ConflictError, NotFoundError, ServerError
from runatlas.model.filters import Comparison, Field
from runatlas.model.series import PointBlock, PointQuery

PROJECT = "my-team/my-project"


def ids(runs: Any) -> list[str]:
    return [run.id for run in runs]


def rule(key: str, kind: str, op: str, *values: object) -> dict[str, object]:
    return {"key": key, "type": kind, "op": op, "value": list(values)}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([rule("state", "STABLE", "EQ", "FINISHED")], ["run_id_2", "abc123"]),
        ([rule("state", "STABLE", "NEQ", "FINISHED")], ["run_id_3", "run_id_1"]),
        ([rule("name", "STABLE", "CONTAIN", "V2")], ["run_id_1", "abc123"]),
        ([rule("labels", "STABLE", "CONTAIN", "cv")], ["run_id_2", "abc123"]),
        ([rule("param_2", "CONFIG", "EQ", 7)], ["abc123"]),
        ([rule("param_2", "CONFIG", "EQ", "7")], ["abc123"]),
        ([rule("lr", "CONFIG", "GTE", 0.01)], ["run_id_1", "abc123"]),
        ([rule("lr", "CONFIG", "LTE", 0.01)], ["run_id_2", "abc123"]),
        ([rule("lr", "CONFIG", "IN", 0.1, 0.001)], ["run_id_2", "run_id_1"]),
        ([rule("lr", "CONFIG", "NOT IN", 0.1, 0.001)], ["run_id_3", "abc123"]),
        ([rule("loss", "SCALAR", "GTE", 0.5)], ["run_id_2", "run_id_1"]),
        ([rule("loss", "SCALAR", "LTE", 0.5), rule("state", "STABLE", "EQ", "FINISHED")], ["run_id_2", "abc123"]),
        ([], ["run_id_3", "run_id_2", "run_id_1", "abc123"]),
        ("config.lr < 0.05 and 'cv' in tags", ["run_id_2", "abc123"]),
        ("summary.acc.max > 0.2 or state == 'CRASHED'", ["run_id_3", "abc123"]),
        (Comparison(Field("STABLE", "id"), "EQ", "abc123"), ["abc123"]),
        (None, ["run_id_3", "run_id_2", "run_id_1", "abc123"]),
    ],
)
def test_filters(place: Place, filters: Any, expected: list[str]) -> None:
    runs = place.api.project(PROJECT).runs(filters)
    assert ids(runs) == expected
    assert runs.total == len(expected)
    assert ids(place.api.runs(PROJECT, filters=filters)) == expected


@pytest.mark.parametrize(
    ("filters", "error", "words"),
    [
        ({"key": "state"}, TypeError, "filters"),
        (5, TypeError, "filters"),
        (["state"], TypeError, r"filters\[0\]"),
        ([{"key": "state", "type": "STABLE", "op": "EQ"}], ValueError, r"filters\[0\]: 'value' is missing"),
        ([rule("state", "STABLE", "LIKE", "x")], ValueError, "LIKE"),
        ([rule("state", "OTHER", "EQ", "x")], ValueError, "OTHER"),
        ([rule("colour", "STABLE", "EQ", "x")], ValueError, "colour"),
        ("state = 'FINISHED'", ValueError, "column"),
        ("import os", ValueError, "filters"),
        ("", ValueError, "filters"),
    ],
)
def test_a_wrong_filter_is_refused_before_any_request(
    place: Place, filters: Any, error: type[Exception], words: str
) -> None:
    with place.account.asking(), pytest.raises(error, match=words):
        place.api.runs(PROJECT, filters)


def test_order_as_text_and_as_rules(place: Place) -> None:
    project = place.api.project(PROJECT)
    assert ids(project.runs(order="config.lr")) == ["run_id_2", "abc123", "run_id_1", "run_id_3"]
    assert ids(project.runs(order="-config.lr")) == ["run_id_1", "abc123", "run_id_2", "run_id_3"]
    assert ids(project.runs(order=["state", "-summary.loss"]))[:2] == ["run_id_3", "run_id_2"]
    sorts = [{"key": "lr", "type": "CONFIG", "order": "ASC"}]
    assert ids(project.runs(sorts=sorts)) == ["run_id_2", "abc123", "run_id_1", "run_id_3"]
    assert ids(project.runs(search="V2")) == ["run_id_1", "abc123"]
    for wrong in ({"order": 5}, {"sorts": "lr"}, {"order": "lr lr"}, {"order": "name", "sorts": sorts}, {"search": ""}):
        with place.account.asking(), pytest.raises((TypeError, ValueError)):
            project.runs(**wrong)


def test_limits_pages_and_single_runs(place: Place) -> None:
    project = place.api.project(PROJECT)
    assert ids(project.runs(order="name", limit=2)) == ["abc123", "run_id_3"]
    assert ids(project.runs(order="name", page=2, size=3)) == ["run_id_1"]
    assert ids(project.runs_get(page=1, size=2)) == ["run_id_3", "run_id_2"]
    assert ids(project.runs_get(page=1, size=2, all=True)) == ["run_id_3", "run_id_2", "run_id_1", "abc123"]
    first = project.runs(order="name").first()
    assert first is not None
    assert first.id == "abc123"
    assert project.runs(order="name")[-1].id == "run_id_1"
    with place.account.asking("count_runs"):
        assert project.runs().total == 4


def test_groups_are_runs_of_equal_values(place: Place) -> None:
    project = place.api.project(PROJECT)
    grouped = project.runs(groups=[{"key": "state", "type": "STABLE"}])
    assert [(values, sorted(ids(runs))) for values, runs in grouped.groups()] == [
        (("CRASHED",), ["run_id_3"]),
        (("FINISHED",), ["abc123", "run_id_2"]),
        (("RUNNING",), ["run_id_1"]),
    ]
    found = dict(project.runs().groups("state", "config.net.depth"))
    assert {values: ids(runs) for values, runs in found.items()} == {
        ("CRASHED", None): ["run_id_3"],
        ("FINISHED", 18): ["abc123"],
        ("FINISHED", None): ["run_id_2"],
        ("RUNNING", None): ["run_id_1"],
    }
    assert len(list(project.runs(groups="summary.acc").groups())) == 3
    mistyped = project.runs().groups("state", "config.lrr")
    assert mistyped.notes == mistyped.table().notes == ("none of 4 runs has config.lrr",)
    assert "none of 4 runs has config.lrr" in mistyped._repr_html_()
    assert (project.runs().groups("config.net.depth").notes, project.runs("name == 'x'").groups("state").notes) == (
        (),
        (),
    )
    with place.account.asking():
        for wrong in ("labels", "summary.loss.min", "nope"):
            with pytest.raises(ValueError, match="groups"):
                project.runs(groups=wrong)
        with pytest.raises(ValueError, match="fields"):
            project.runs().groups()


def test_a_group_of_lists_is_found_by_its_list(own_place: Place) -> None:
    own_place.world.add_run("listed", config={"layers": ["a,b"]})
    own_place.world.add_run("text", config={"layers": "a,b"})
    groups = own_place.api.runs(PROJECT).groups("config.layers")
    assert groups._ipython_key_completions_() == []
    assert ids(groups["a,b"]) == ids(groups[("a,b",)]) == ["text"]
    assert ids(groups[["a,b"],]) == ["listed"]
    assert (None in groups, ("a", "b") in groups, len(groups._ipython_key_completions_())) == (True, False, 3)
    only = own_place.api.runs(PROJECT, "name != 'x'", ids=["listed"]).groups("config.layers")
    assert ids(only[("a,b",)]) == ["listed"]


def test_groups_are_counted_and_not_loaded(place: Place) -> None:
    project = place.api.project(PROJECT)
    with place.account.asking():
        groups = project.runs("state != 'RUNNING'", order="name").groups("state", "config.net.depth")
        assert repr(groups) == "RunGroups(by state, config.net.depth)"
    with place.account.asking("group_runs"):
        assert len(groups) == 3
        assert {values: len(runs) for values, runs in groups} == {
            ("CRASHED", None): 1,
            ("FINISHED", 18): 1,
            ("FINISHED", None): 1,
        }
        assert ("FINISHED", 18.0) in groups
        assert "CRASHED" not in groups
        with pytest.raises(KeyError, match="no run has"):
            groups["CRASHED", 18]
        table = groups.table()
        assert table.columns[:5] == ("state", "config.net.depth", "runs", "crashed", "finished")
        assert table.to_arrow()["runs"].to_pylist() == [1, 1, 1]
    with place.account.asking("list_runs"):
        assert ids(groups["FINISHED", None]) == ["run_id_2"]
    assert [item.path for item in groups["FINISHED", 18].delete().unwrap().items] == [f"{PROJECT}/abc123"]


def test_groups_are_counted_anew_when_they_are_refreshed(own_place: Place) -> None:
    groups = own_place.api.project(PROJECT).runs().groups("state")
    finished = groups["FINISHED"]
    assert finished.delete(commit=True, force=True).ok
    assert (len(finished), len(groups)) == (0, 3)
    assert [values for values, _ in groups.refresh()] == [("CRASHED",), ("RUNNING",)]


def test_groups_have_their_best_runs_and_the_rest(place: Place) -> None:
    groups = place.api.project(PROJECT).runs().groups("state")
    assert sorted(ids(groups.best("acc", goal="max"))) == ["abc123", "run_id_1"]
    assert sorted(ids(groups.rest("acc", goal="max"))) == ["run_id_2", "run_id_3"]
    assert sorted(ids(groups.best("acc", n=2, goal="max"))) == sorted(
        ids(place.api.runs(PROJECT, "summary.acc is not None"))
    )
    assert sorted(ids(groups.best("acc.last", goal="max"))) == ["abc123", "run_id_1"]
    for wrong in ({}, {"goal": "least"}):
        with pytest.raises(ValueError, match="goal"):
            groups.best("acc", **wrong)  # type: ignore[arg-type]


def test_groups_tell_what_they_amount_to(place: Place) -> None:
    groups = place.api.project(PROJECT).runs().groups("state")
    told = groups.stats("acc.max", spread="minmax", states=None).unwrap()
    assert told.by == ("state",)
    assert {row["state"]: row["runs"] for row in told} == {values[0]: len(runs) for values, runs in groups}
    for row in told:
        held = [run.summary(["acc"])["acc"]["max"]["value"] for run in groups[row["state"]] if "acc" in run.summary()]
        assert sorted(row["acc.max"].values) == sorted(held)


def test_a_table_has_one_row_a_run(place: Place) -> None:
    with place.account.asking("list_runs"):
        table = place.api.runs(PROJECT, order="name").table().unwrap()
    assert len(table) == 4
    assert table[0]["config.net.depth"] == 18
    assert table[0]["summary.acc"] == 0.495
    assert table[1]["summary.acc"] is None
    frame = place.api.runs(PROJECT, order="name").to_pandas()
    assert frame["run"].tolist() == ["abc123", "run_id_3", "run_id_2", "run_id_1"]
    with place.account.asking("list_runs"):
        assert len(place.api.project(PROJECT).runs_get().table().unwrap()) == 4
    place.account.fail("list_runs", ServerError("down"))
    assert place.api.runs(PROJECT).table().errmsg == "down"


def test_json_carries_every_part_without_a_request_a_run(place: Place) -> None:
    with place.account.asking("list_runs"):
        plain = place.api.runs(PROJECT, order="name").json()
        assert plain["list"][0]["profile"]["requirements"] == "numpy==2.0"
        assert plain["total"] == 4
    runs = place.api.runs_get(PROJECT, page=1, size=2)
    assert [item["id"] for item in runs.json()["list"]] == ["run_id_3", "run_id_2"]
    assert {name: runs.json()[name] for name in ("total", "page", "size", "pages")} == {
        "total": 4,
        "page": 1,
        "size": 2,
        "pages": 2,
    }


# -- metrics of many runs ---------------------------------------------------------------------------------------------


def test_metrics_of_many_runs_are_one_request(place: Place) -> None:
    project = place.api.project(PROJECT)
    with place.account.asking("read_points"):
        table = project.metrics(["loss", "acc"]).unwrap()
    assert table["run_id_1", "loss"][1]["value"] == 0.8
    assert set(table.missing) == {("run_id_3", "loss"), ("run_id_3", "acc"), ("run_id_2", "acc")}
    assert [run[1] for run in table.runs] == ["run_id_3", "run_id_2", "run_id_1", "abc123"]
    assert table.sampled
    assert table.total == 2000 + 100 + 2 + 1 + 1


def test_the_runs_can_be_said_in_every_way(place: Place) -> None:
    project = place.api.project(PROJECT)
    finished = {"run_id_2", "abc123"}
    text = "state == 'FINISHED'"
    choices: list[Any] = [
        text,
        [rule("state", "STABLE", "EQ", "FINISHED")],
        project.runs(text),
        list(project.runs(text)),
        ["abc123", "run_id_2", "abc123"],
        [f"{PROJECT}/abc123", project.run("run_id_2")],
        project.runs(text, limit=5),
    ]
    for choice in choices:
        table = project.metrics(["loss"], choice, sample=10).unwrap()
        assert {run[1] for run in table.runs} == finished
        assert set(table) == {("abc123", "loss"), ("run_id_2", "loss")}
    assert len(project.metrics(["loss"], []).unwrap()) == 0
    assert {run[1] for run in project.runs(limit=1, order="name").metrics(["loss"]).unwrap().runs} == {"abc123"}


def test_runs_that_are_gone_are_missing_and_no_error(place: Place) -> None:
    table = place.api.project(PROJECT).metrics(["loss"], ["abc123", "gone"]).unwrap()
    assert table.missing_runs == ("gone",)
    assert not table.complete
    assert len(table["abc123", "loss"]) > 0


@pytest.mark.parametrize(
    ("runs", "error", "name"),
    [
        (5, TypeError, "runs"),
        (["a", 5], TypeError, r"runs\[1\]"),
        ([""], ValueError, r"runs\[0\]"),
        (["my-team/other/x"], ValueError, r"runs\[0\]"),
        ("state =", ValueError, "filters"),
        ([{"key": "x"}], ValueError, "filters"),
    ],
)
def test_wrong_runs_are_refused_before_any_request(place: Place, runs: Any, error: type[Exception], name: str) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        place.api.project(PROJECT).metrics(["loss"], runs)


def test_statistics_of_many_runs_are_read_once(place: Place) -> None:
    with place.account.asking("read_points", "read_summaries"):
        table = place.api.project(PROJECT).metrics(["loss"]).unwrap()
        assert table["run_id_1", "loss"].avg == pytest.approx(0.85)
        assert table["run_id_2", "loss"].median == 0.5
        assert table["run_id_3", "loss"].avg is None


def test_statistics_are_those_of_the_runs_that_were_read(own_place: Place) -> None:
    table = own_place.api.project(PROJECT).metrics(["loss"], "group == 'resnet'").unwrap()
    assert own_place.api.run(f"{PROJECT}/abc123").update(group="other").ok
    assert table["abc123", "loss"].max is not None


class Narrow(LocalBackend):
    """A directory whose blocks of points are small."""

    def read_points(self, query: PointQuery) -> PointBlock:
        return super().read_points(attrs.evolve(query, point_limit=150))


def test_points_that_come_in_many_blocks_are_one_table(tmp_path: Path) -> None:
    account, backend = make_counting(Narrow(tmp_path))
    world = make_world(backend)
    for index in range(5):
        world.add_run(f"s{index}")
        world.add_points(f"s{index}", make_points("loss", [index + step / 1000 for step in range(100)]))
    with Api(backend=backend) as api:
        table = api.project(PROJECT).metrics(["loss", "acc"], all=True).unwrap()
        assert account.calls.count("read_points") > 3
        assert table.num_rows == table.total == 2000 + 100 + 2 + 1 + 1 + 5 * 100
        assert table.complete
        assert len(table.runs) == 9
        for index in range(5):
            values = [point["value"] for point in table[f"s{index}", "loss"]]
            assert values == [index + step / 1000 for step in range(100)]
        assert [point["step"] for point in table["abc123", "loss"]] == list(range(2000))
        frame = table.to_pandas()
        assert len(frame) == table.num_rows
        assert frame[frame["run"] == "s3"]["value"].tolist() == [3 + step / 1000 for step in range(100)]
        one = api.run(f"{PROJECT}/abc123").metrics(["loss"], all=True).unwrap()
        assert one["loss"].steps.to_pylist() == list(range(2000))


# -- changes ----------------------------------------------------------------------------------------------------------


def test_update_changes_all_and_only_these(own_place: Place) -> None:
    runs = own_place.api.runs(PROJECT, "state == 'FINISHED'")
    assert len(runs) == 2
    update = runs.update(group="done", labels_added=["x"]).unwrap()
    assert (update.total, update.complete, update.failures, len(update.ids)) == (2, True, (), 2)
    assert ids(own_place.api.runs(PROJECT, "group == 'done'")) == ["run_id_2", "abc123"]
    assert [run.group for run in runs] == ["done", "done"]
    assert "x" in own_place.api.run(f"{PROJECT}/abc123").labels
    assert own_place.api.runs(PROJECT, "id == 'nope'").update(group="x").unwrap().total == 0
    assert own_place.api.runs(PROJECT, order="name", limit=1).update(group="first").unwrap().total == 1
    assert own_place.api.run(f"{PROJECT}/abc123").group == "first"


def test_an_update_settles_the_runs_first(own_place: Place) -> None:
    """What is changed may be what was filtered by: every run that fitted before is changed, once."""
    runs = own_place.api.runs(PROJECT, "state == 'FINISHED' and group != 'gone'")
    assert runs.update(group="gone").unwrap().total == 2
    assert len(runs) == 0


def test_a_failed_update_changes_nothing(own_place: Place) -> None:
    own_place.account.fail("update_runs", ConflictError("busy"))
    assert own_place.api.runs(PROJECT).update(group="x").errmsg == "busy"
    assert len(own_place.api.runs(PROJECT, "group == 'x'")) == 0


def test_deleting_filtered_runs_is_planned_done_and_undone(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    runs = project.runs("state == 'FINISHED'")
    assert ids(runs) == ["run_id_2", "abc123"]
    plan = runs.delete().unwrap()
    assert [item.path.rsplit("/", 1)[1] for item in plan] == ["run_id_2", "abc123"]
    assert (plan.total, len(plan), plan.complete) == (2, 2, True)
    assert plan.json()["items"][0]["name"] == "deep v1"
    assert len(project.runs()) == 4
    deletion = runs.delete(commit=True).unwrap()
    assert ids(project.runs()) == ["run_id_3", "run_id_1"]
    assert len(runs) == 0
    assert deletion.undo().ok
    assert len(project.runs()) == 4
    assert len(project.runs(order="name", limit=1).delete().unwrap()) == 1
    assert project.runs(order="name", page=1, size=3).delete(commit=True).unwrap().runs == 3
    assert ids(project.runs()) == ["run_id_1"]


def test_a_plan_that_no_longer_holds_deletes_nothing(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    plan = project.runs().delete().unwrap()
    assert project.delete_runs(["abc123"], commit=True).ok
    answer = plan.apply()
    assert not answer.ok
    assert isinstance(answer.error, ConflictError)
    assert len(project.runs()) == 3


def test_deleting_by_ids_is_all_or_nothing(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    plan = project.delete_runs(["abc123", "gone"]).unwrap()
    assert (plan.total, plan.missing, plan.complete, plan.failures) == (1, ("gone",), False, ("gone",))
    assert "gone" in repr(plan)
    answer = project.delete_runs(["abc123", "gone"], commit=True)
    assert isinstance(answer.error, NotFoundError)
    assert len(project.runs()) == 4
    assert project.delete_runs(["abc123", project.run("run_id_2")], commit=True).unwrap().runs == 2
    for wrong in ([], "abc123", [5], ["my-team/other/x"], None):
        with own_place.account.asking(), pytest.raises((TypeError, ValueError), match="run_ids"):
            project.delete_runs(wrong)  # type: ignore[arg-type]


def test_ten_thousand_points_over_many_runs(own_place: Place) -> None:
    for index in range(50):
        own_place.world.add_run(f"s{index}")
        own_place.world.add_points(f"s{index}", make_points("loss", [float(index)] * 200))
    table = own_place.api.project(PROJECT).metrics(["loss"], "id != 'abc123'", all=True).unwrap()
    assert table.num_rows == 50 * 200 + 3
    assert table.complete
    frame = table.to_pandas()
    assert frame.groupby("run", observed=True)["value"].mean()["s7"] == 7.0
