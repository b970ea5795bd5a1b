"""Runs: what a list carried, what costs a request, and the verbs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from support.place import Place
from support.world import START, make_points

from runatlas import RangeQuery
from runatlas.entities.run import Run
from runatlas.errors import ConflictError, NotFoundError, ServerError

PATH = "my-team/my-project/abc123"


def test_identity_costs_nothing(place: Place) -> None:
    run = place.api.run(f"/{PATH}")
    with place.account.asking():
        assert (run.path, run.id, run.run_id, run.workspace, run.project) == (
            PATH,
            "abc123",
            "abc123",
            "my-team",
            "my-project",
        )
        assert repr(run) == "Run('my-team/my-project/abc123')"
        assert run.url.startswith("file:///")
        assert run.url.endswith("#@my-team/my-project/runs/abc123")


def test_a_listed_run_holds_what_the_list_carried(place: Place) -> None:
    run = place.api.runs("my-team/my-project", "id == 'abc123'")[0]
    with place.account.asking():
        assert run.name == "baseline v2"
        assert run.config == {"lr": 0.01, "param_2": 7, "net": {"depth": 18}}
        assert run.latest["acc"] == 0.495
        assert run.labels == ["baseline", "cv"]
        assert run.ok
    with place.account.asking("get_run"):
        assert run.profile["requirements"] == "numpy==2.0"
        assert run.profile["config"] == run.config
        assert run.json()["profile"]["conda"] == "name: base"


def test_a_minimal_listing_leaves_the_config_for_later(place: Place) -> None:
    run = place.api.runs_get("my-team/my-project", page=1, size=10)[-1]
    with place.account.asking():
        assert run.name == "baseline v2"
    with place.account.asking("get_run"):
        assert run.config["lr"] == 0.01
        assert run.latest["acc"] == 0.495


def test_a_run_deleted_after_it_was_listed_is_not_found(own_place: Place) -> None:
    run = own_place.api.runs_get("my-team/my-project")[0]
    assert own_place.api.project("my-team/my-project").delete_runs([run.id], commit=True).ok
    assert run.name
    with pytest.raises(NotFoundError):
        _ = run.profile
    assert run.metrics(["loss"]).code == 404


def test_times_are_text_and_aware_datetimes(place: Place) -> None:
    run = place.api.run(PATH)
    assert run.created_at == "2024-05-15T10:40:00.000Z"
    assert run.finished_at == "2024-05-15T11:40:00.000Z"
    assert run.created.isoformat() == "2024-05-15T10:40:00+00:00"
    assert run.finalized_at is not None
    assert (run.finalized_at - run.created).total_seconds() == 3600
    going = place.api.run("my-team/my-project/run_id_1")
    assert going.finished_at is None
    assert going.finalized_at is None
    assert going.user["username"] == place.api.user().username


# -- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_are_sampled_unless_told_otherwise(place: Place) -> None:
    run = place.api.run(PATH)
    with place.account.asking("read_points"):
        answer = run.metrics(["loss", "acc"])
        table = answer.unwrap()
        assert len(table["loss"]) <= 1500
        assert table["loss"].sampled
        assert table["loss"].total == 2000
        assert not table["acc"].sampled
        assert len(table["acc"]) == 100
        assert (table.sampled, table.complete, table.total) == (True, False, 2100)
        assert table["loss"][0]["step"] == 0
        assert table["loss"][-1]["step"] == 1999


def test_a_sample_keeps_the_extremes(place: Place) -> None:
    run = place.api.run(PATH)
    values = np.asarray(run.metrics(["loss"], all=True)["loss"].values)
    for sample in (4, 50, 500, 1500):
        thinned = np.asarray(run.metrics(["loss"], sample=sample)["loss"].values)
        assert len(thinned) <= sample
        assert (thinned.min(), thinned.max()) == (values.min(), values.max())


def test_all_points_come_in_full(place: Place) -> None:
    table = place.api.run(PATH).metrics(["loss"], all=True).unwrap()
    assert len(table["loss"]) == 2000
    assert table.complete
    assert table.notes == ()


def test_a_sample_beyond_1500_is_cut_and_told(place: Place) -> None:
    table = place.api.run(PATH).metrics(["loss"], sample=9999).unwrap()
    assert len(table["loss"]) <= 1500
    assert "sample=9999" in table.notes[0]
    assert place.api.run(PATH).metrics(["loss"], sample=9999, all=True).unwrap().notes == ()


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ({"start": 100, "end": 102}, [100, 101, 102]),
        ({"type": "step", "start": 1998}, [1998, 1999]),
        ({"end": 1}, [0, 1]),
        ({"head": 2}, [0, 1]),
        ({"tail": 2}, [1998, 1999]),
        ({"start": 10, "end": 500, "head": 2}, [10, 11]),
        ({"start": 10, "end": 500, "tail": 1}, [500]),
        ({"last": 2000}, [1997, 1998, 1999]),
        ({"last": 2000, "head": 1}, [1997]),
        ({"type": "timestamp", "start": START + 1000, "end": START + 2000}, [1, 2]),
        ({"type": "timestamp", "start": START // 1000 + 1, "end": START // 1000 + 2}, [1, 2]),
        ({"start": 5000}, []),
    ],
)
def test_ranges(place: Place, query: dict[str, Any], steps: list[int]) -> None:
    given = dict(query)
    for form in (given, RangeQuery(**query)):
        table = place.api.run(PATH).metrics(["loss"], range_query=form).unwrap()
        assert [point["step"] for point in table["loss"]] == steps
        assert table.complete
    assert given == query


def test_statistics_are_those_of_the_whole_series(place: Place) -> None:
    run = place.api.run(PATH)
    whole = run.metrics(["loss"], all=True)["loss"]
    for table in (run.metrics(["loss"], sample=10), run.metrics(["loss"], range_query={"tail": 1})):
        series = table["loss"]
        assert (series.min, series.max, series.latest) == (whole.min, whole.max, whole.latest)
        assert series.avg == pytest.approx(np.asarray(whole.values).mean())
        assert series.median == pytest.approx(np.median(np.asarray(whole.values)))
    with place.account.asking("read_points", "read_summaries"):
        fresh = run.metrics(["loss", "acc"]).unwrap()
        assert fresh["loss"].min is not None
        assert fresh["acc"].max == {"step": 99, "value": 0.495, "timestamp": START + 99_000}


def test_an_unknown_metric_is_empty_and_missing(place: Place) -> None:
    table = place.api.run(PATH).metrics(["loss", "nope"]).unwrap()
    assert (table.missing, table.notes) == (("nope",), ("the run has no nope",))
    mistyped = place.api.run(PATH).metrics(["los"]).unwrap().notes
    assert mistyped == ("no metric 'los' in this run, did you mean 'loss'?", "the run has no los")
    assert len(table["nope"]) == 0
    assert table["nope"].latest is None
    assert "nope" in table.json()["keys"]


def test_every_metric_comes_when_none_is_named(place: Place) -> None:
    assert sorted(place.api.run(PATH).metrics(None).unwrap()) == ["acc", "cpu", "loss"]


def test_contexts_are_told_apart(own_place: Place) -> None:
    own_place.world.add_points("run_id_2", make_points("acc", [0.1], context={"subset": "train"}))
    own_place.world.add_points("run_id_2", make_points("acc", [0.2, 0.3], context={"subset": "val"}))
    run = own_place.api.run("my-team/my-project/run_id_2")
    table = run.metrics(["acc"]).unwrap()
    assert sorted(table) == ['acc{"subset":"train"}', 'acc{"subset":"val"}']
    assert table['acc{"subset":"val"}'].avg == pytest.approx(0.25)
    assert table['acc{"subset":"train"}'].avg == 0.1
    assert run.metrics(["acc"], context={"subset": "val"})["acc"][1]["value"] == 0.3
    assert run.metrics(["acc"], context={}).unwrap().missing == ("acc",)
    assert run.summary(["acc"])['acc{"subset":"val"}']["value"] == 0.3
    columns = list(run.columns(search="acc"))
    assert [column.context for column in columns] == [{"subset": "train"}, {"subset": "val"}]
    assert columns[1].refresh().context == {"subset": "val"}
    assert len(columns[1].metric().unwrap()) == 2


def test_timestamps_can_be_ignored(place: Place) -> None:
    table = place.api.run(PATH).metrics(["acc"], ignore_timestamp=True).unwrap()
    assert table["acc"][0] == {"step": 0, "value": 0.0}
    assert "timestamp" not in table.json()["list"][0]["metrics"][0]


def test_what_was_logged_comes_back_as_it_was(own_place: Place) -> None:
    values = [1.5, math.nan, math.inf, -math.inf, 1e-308, -0.0]
    own_place.world.add_points("run_id_3", make_points("odd", values, steps=[3, 1, 2, 2, 0, -5]))
    series = own_place.api.run("my-team/my-project/run_id_3").metrics(["odd"], all=True)["odd"]
    expected = [(-5, -0.0), (0, 1e-308), (1, math.nan), (2, math.inf), (2, -math.inf), (3, 1.5)]
    assert repr([(point["step"], point["value"]) for point in series]) == repr(expected)


def test_a_failed_reading_is_an_answer_and_is_not_kept(place: Place) -> None:
    run = place.api.run(PATH)
    place.account.fail("read_points", ServerError("down"))
    answer = run.metrics(["loss"])
    assert (answer.ok, answer.code, answer.errmsg, answer.data) == (False, 500, "down", None)
    with pytest.raises(ServerError):
        answer["loss"]
    with pytest.raises(ServerError):
        answer.to_pandas()  # type: ignore[attr-defined]
    assert run.metrics(["loss"]).ok


def test_metrics_of_a_run_that_is_not_there(place: Place) -> None:
    answer = place.api.run("my-team/my-project/nope").metrics(["loss"])
    assert (answer.ok, answer.code) == (False, 404)
    assert place.api.run("my-team/nope/nope").metrics(["loss"]).code == 404


@pytest.mark.parametrize(
    ("arguments", "error", "name"),
    [
        ({"keys": []}, ValueError, "keys"),
        ({"keys": 5}, TypeError, "keys"),
        ({"keys": ["loss", 3]}, TypeError, "keys"),
        ({"keys": ["  "]}, ValueError, "keys"),
        ({"sample": 0}, ValueError, "sample"),
        ({"sample": -5}, ValueError, "sample"),
        ({"sample": "many"}, TypeError, "sample"),
        ({"sample": 10.5}, TypeError, "sample"),
        ({"all": "yes"}, TypeError, "all"),
        ({"ignore_timestamp": 1}, TypeError, "ignore_timestamp"),
        ({"range_query": [0, 5]}, TypeError, "range_query"),
        ({"range_query": {"from": 5}}, ValueError, "range_query"),
        ({"range_query": {"type": "epoch"}}, ValueError, "range_query"),
        ({"range_query": {"head": 1, "tail": 1}}, ValueError, "range_query"),
        ({"range_query": {"last": 5, "start": 1}}, ValueError, "range_query"),
        ({"range_query": {"last": 5, "end": 1}}, ValueError, "range_query"),
        ({"range_query": {"start": 5, "end": 1}}, ValueError, "range_query"),
        ({"range_query": {"head": 0}}, ValueError, "range_query"),
        ({"range_query": {"start": "5"}}, TypeError, "range_query"),
        ({"context": "val"}, TypeError, "context"),
    ],
)
def test_mistakes_are_named_before_any_request(
    place: Place, arguments: dict[str, Any], error: type[Exception], name: str
) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        place.api.run(PATH).metrics(**{"keys": ["loss"], **arguments})


# -- summary ----------------------------------------------------------------------------------------------------------


def test_a_summary_has_every_statistic(place: Place) -> None:
    with place.account.asking("read_summaries"):
        summary = place.api.run(PATH).summary().unwrap()
    assert sorted(summary) == ["acc", "cpu", "loss"]
    acc: dict[str, Any] = {**summary["acc"]}
    assert (acc["value"], acc["step"]) == (0.495, 99)
    assert acc["min"] == {"step": 0, "value": 0.0, "timestamp": START}
    assert acc["max"] == acc["latest"] == {"step": 99, "value": 0.495, "timestamp": START + 99_000}
    assert acc["avg"] == pytest.approx(0.2475)
    assert acc["median"] == pytest.approx(0.2475)
    assert acc["std"] == pytest.approx(np.std(np.arange(100) / 200))
    assert (acc["count"], acc["first_step"]) == (100, 0)
    assert list(place.api.run(PATH).summary(keys=["acc", "nope"]).unwrap()) == ["acc"]


def test_a_summary_of_nothing_but_nan(own_place: Place) -> None:
    own_place.world.add_points("run_id_3", make_points("bad", [math.nan, math.nan]))
    bad = own_place.api.run("my-team/my-project/run_id_3").summary(["bad"])["bad"]
    assert math.isnan(bad["value"])
    assert (bad["min"], bad["max"], bad["avg"], bad["median"]) == (None, None, None, None)


def test_what_is_read_may_be_one_key_alone(place: Place) -> None:
    run = place.api.run(PATH)
    assert list(run.metrics("loss").unwrap()) == list(run.metrics(["loss"]).unwrap()) == ["loss"]
    assert run.summary("loss").unwrap().keys() == {"loss"}


def test_the_summary_of_a_run_that_is_not_there(place: Place) -> None:
    assert place.api.run("my-team/my-project/nope").summary().code == 404
    with pytest.raises(TypeError, match="keys"):
        place.api.run(PATH).summary(keys=5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keys"):
        place.api.run(PATH).summary(keys=[])


# -- changes ----------------------------------------------------------------------------------------------------------


def test_update_changes_what_is_named_and_nothing_else(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    before = run.json()
    answer = run.update(name="new", description="", labels=["x"], group="g", job_type="eval", show=False)
    assert answer.unwrap() is run
    after = run.json()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"name", "description", "labels", "group", "job_type", "show", "updated_at"}
    assert (run.name, run.labels, run.show) == ("new", ["x"], False)
    assert own_place.api.run(PATH).name == "new"


def test_update_of_labels_and_config_in_part(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    assert run.update(labels_added=["new"], labels_removed=["cv"], config={"net.depth": 34}, config_removed=["lr"]).ok
    assert run.labels == ["baseline", "new"]
    assert run.config == {"param_2": 7, "net": {"depth": 34}}


def test_a_moved_run_goes_on_under_its_new_path(own_place: Place) -> None:
    assert own_place.api.create_project("my-team", "other").ok
    run = own_place.api.run(PATH)
    moved = run.update(project="other").unwrap()
    assert moved.path == "my-team/other/abc123"
    assert moved.name == "baseline v2"
    assert not run.ok
    assert own_place.api.run("my-team/other/abc123").metrics(["acc"])["acc"][0]["value"] == 0.0


@pytest.mark.parametrize(
    ("changes", "error", "name"),
    [
        ({}, ValueError, "nothing to change"),
        ({"color": "red"}, TypeError, "color"),
        ({"state": "DONE"}, ValueError, "state"),
        ({"state": 1}, TypeError, "state"),
        ({"error": None}, TypeError, "error"),
        ({"name": ""}, ValueError, "name"),
        ({"name": None}, TypeError, "name"),
        ({"description": 3}, TypeError, "description"),
        ({"labels": "cv"}, TypeError, "labels"),
        ({"labels": [1]}, TypeError, "labels"),
        ({"labels": ["a"], "labels_added": ["b"]}, ValueError, "labels"),
        ({"show": 1}, TypeError, "show"),
        ({"config": [1]}, TypeError, "config"),
        ({"config": {3: 1}}, TypeError, "config"),
        ({"project": ".."}, ValueError, "project"),
    ],
)
def test_mistakes_in_updates_are_named_before_any_request(
    place: Place, changes: dict[str, Any], error: type[Exception], name: str
) -> None:
    runs = place.api.runs("my-team/my-project")
    with place.account.asking():
        with pytest.raises(error, match=name):
            place.api.run(PATH).update(**changes)
        with pytest.raises(error, match=name):
            runs.update(**changes)


def test_an_update_that_fails_changes_nothing(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    assert run.name == "baseline v2"
    own_place.account.fail("update_runs", ConflictError("busy"))
    assert run.update(name="new").errmsg == "busy"
    assert own_place.api.run(PATH).name == "baseline v2"
    assert own_place.api.run("my-team/my-project/nope").update(name="x").code == 404


def test_deleting_is_planned_done_and_undone(own_place: Place) -> None:
    run = own_place.api.run(PATH)
    plan = run.delete(commit=False).unwrap()
    assert (plan.total, plan.complete, plan.sampled, plan.failures) == (1, True, False, ())
    assert plan.record.points == 2103
    assert PATH in repr(plan)
    assert run.refresh().ok
    deletion = run.delete(commit=True).unwrap()
    assert (deletion.runs, deletion.kind, deletion.project) == (1, "runs", None)
    assert not run.refresh().ok
    assert run.delete(commit=True).code == 404
    assert deletion.restore().ok
    assert run.refresh().ok
    assert len(run.metrics(["loss"], all=True)["loss"]) == 2000
    applied = run.delete().unwrap().apply()
    assert applied.ok
    assert applied.undo().ok  # type: ignore[attr-defined]


def test_commit_must_be_a_boolean(place: Place) -> None:
    run = place.api.run(PATH)
    for call in (run.delete, place.api.project("my-team/my-project").delete, place.api.runs("a/b").delete):
        with place.account.asking(), pytest.raises(TypeError, match="commit"):
            call(commit="no")  # type: ignore[call-overload]


def test_a_run_is_found_by_its_cuid_too(place: Place) -> None:
    run = place.api.run(PATH)
    twin = place.api.run(f"my-team/my-project/{run.cuid}")
    assert isinstance(twin, Run)
    assert twin.name == run.name
    assert twin.cuid == run.cuid
