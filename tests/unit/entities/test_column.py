"""Columns: found exactly or by part of the name, read, exported."""

from __future__ import annotations

import math
from typing import Any

import pytest
from support.place import Place
from support.world import START, make_points

from runatlas.entities.media import MediaSeries
from runatlas.errors import NotFoundError, ServerError
from runatlas.model.ranges import ValueRange
from runatlas.tables import Series

PATH = "my-team/my-project/abc123"


def test_an_exact_key_comes_before_any_likeness(own_place: Place) -> None:
    for key in ("a_loss", "loss_b", "train/loss"):
        own_place.world.add_points("abc123", make_points(key, [1.0]))
    run = own_place.api.run(PATH)
    exact = run.column("loss")
    assert (exact.key, exact.match) == ("loss", "exact")
    fuzzy = run.column("LOSS_")
    assert (fuzzy.key, fuzzy.match) == ("loss_b", "fuzzy")
    assert [column.key for column in run.columns(search="loss")] == ["a_loss", "loss", "loss_b", "train/loss"]
    assert isinstance(run.column("nothing").error, NotFoundError)


def test_class_and_type_narrow_the_search(place: Place) -> None:
    run = place.api.run(PATH)
    assert not run.column("cpu").ok
    assert run.column("cpu", column_class="SYSTEM").column_class == "SYSTEM"
    assert run.column("cpu", column_class=None).key == "cpu"
    assert not run.column("generated_image").ok
    assert run.column("generated_image", column_type="IMAGE").column_type == "IMAGE"
    assert place.api.column(PATH, "generated_image").column_type == "IMAGE"


def test_every_field(place: Place) -> None:
    column = place.api.column(path=PATH, key="loss", column_type="FLOAT")
    with place.account.asking("list_columns"):
        assert (column.name, column.key, column.column_class, column.column_type) == (
            "loss",
            "loss",
            "CUSTOM",
            "FLOAT",
        )
        assert isinstance(column.created_at, int)
        assert (column.count, column.context, column.column_error, column.run_id) == (2000, {}, None, "abc123")
        assert column.json()["match"] == "exact"
        assert repr(column) == "Column('my-team/my-project/abc123', 'loss')"
    assert column.project_id == place.api.project("my-team/my-project").project_id


def test_listing_pages_and_counts(place: Place) -> None:
    run = place.api.run(PATH)
    assert [column.key for column in run.columns()] == ["acc", "cpu", "generated_image", "loss"]
    assert [column.key for column in run.columns(page=2, size=3)] == ["loss"]
    assert [column.key for column in run.columns(column_class="CUSTOM", column_type="FLOAT", all=True)] == [
        "acc",
        "loss",
    ]
    assert [column.key for column in run.columns(limit=1)] == ["acc"]
    columns = place.api.columns(PATH, search="O")
    with place.account.asking("list_columns"):
        assert columns.total == 1
        assert columns.total == 1
    assert run.columns(page=1, size=2).json()["pages"] == 2
    assert place.api.columns("my-team/my-project/nope").code == 404


def test_a_column_of_numbers_is_read(place: Place) -> None:
    column = place.api.run(PATH).column("loss")
    series = column.metric(sample=500).unwrap()
    assert isinstance(series, Series)
    assert len(series) <= 500
    assert (series.total, series.sampled) == (2000, True)
    whole = column.metric(all=True, ignore_timestamp=True).unwrap()
    assert isinstance(whole, Series)
    assert whole[0].keys() == {"step", "value"}
    assert len(column.metric(range_query={"tail": 3}).unwrap()) == 3
    listed = place.api.run(PATH).columns()[0]
    with place.account.asking("read_points"):
        assert len(listed.metric().unwrap()) == 100


def test_a_column_of_media_is_read(place: Place) -> None:
    column = place.api.run(PATH).column("generated_image", column_type="IMAGE")
    latest = column.metric(metric_type="MEDIA").unwrap()
    assert isinstance(latest, MediaSeries)
    assert latest.steps == [10]
    fifth = column.metric(media_step=5).unwrap()
    assert isinstance(fifth, MediaSeries)
    assert fifth[0].items[0].caption == "red"
    assert len(column.metric(all=True).unwrap()) == 2
    assert len(column.metric(media_step=7).unwrap()) == 0
    assert column.export_csv().ok is False


def test_a_column_is_exported(place: Place) -> None:
    result = place.api.run(PATH).column("acc").export_csv()
    assert result.ok
    link = result.unwrap()
    assert link["url"] == link.url
    assert {"url", "name", "size", "expires_at"} == set(link)
    lines = link.read().unwrap().decode().splitlines()
    assert lines[0] == "step,value,timestamp"
    assert [float(cell) for cell in lines[2].split(",")] == [1, 0.005, START + 1000]
    assert len(lines) == 101


def test_a_column_that_cannot_be_read_is_an_answer(place: Place) -> None:
    missing = place.api.run(PATH).column("nope")
    assert missing.metric().code == 404
    assert missing.export_csv().code == 404
    place.account.fail("list_columns", ServerError("down"))
    assert place.api.run(PATH).column("loss").metric().errmsg == "down"


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [
        (lambda run: run.column(""), ValueError, "key"),
        (lambda run: run.column(5), TypeError, "key"),
        (lambda run: run.column("loss", column_class="custom"), ValueError, "column_class"),
        (lambda run: run.column("loss", column_type="NUMBER"), ValueError, "column_type"),
        (lambda run: run.columns(column_class="X"), ValueError, "column_class"),
        (lambda run: run.columns(column_type=5), TypeError, "column_type"),
        (lambda run: run.columns(search=""), ValueError, "search"),
        (lambda run: run.columns(page=0), ValueError, "page"),
        (lambda run: run.columns(size=1001), ValueError, "size"),
        (lambda run: run.column("loss").metric(sample=0), ValueError, "sample"),
        (lambda run: run.column("loss").metric(metric_type="LOG"), ValueError, "metric_type"),
        (lambda run: run.column("loss").metric(media_step="x"), TypeError, "step"),
        (lambda run: run.column("loss").metric(ignore_timestamp=1), TypeError, "ignore_timestamp"),
    ],
)
def test_mistakes_are_named_before_any_request(place: Place, call: Any, error: type[Exception], name: str) -> None:
    with place.account.asking(), pytest.raises(error, match=name):
        call(place.api.run(PATH))


def test_a_column_of_another_type_is_said_to_be_there(place: Place) -> None:
    missing = place.api.run(PATH).column("generated_image")

    assert not missing.ok
    assert "'generated_image' is there with column_class='CUSTOM', column_type='IMAGE'" in missing.errmsg
    assert place.api.run(PATH).column("generated_image", column_type="IMAGE").ok
    assert "is there" not in place.api.run(PATH).column("nothing").errmsg


def test_keys_are_columns_under_the_names_of_swanlab(place: Place) -> None:
    run = place.api.run(PATH)
    assert [key.key for key in run.series()] == ["acc", "loss"]
    assert [key.key for key in run.series(search="LO")] == ["loss"]
    assert [(key.key, key.key_class) for key in run.series(metric_class="SYSTEM")] == [("cpu", "SYSTEM")]
    (image,) = place.api.series(PATH, "MEDIA")
    assert (image.key, image.metric_type) == ("generated_image", "MEDIA")
    assert isinstance(image.metric(media_step=5).unwrap(), MediaSeries)
    keys = run.series(search="acc")
    assert keys.total == 1
    assert keys.availability(["loss", "nothing", "generated_image"]) == {
        "loss": ["abc123"],
        "nothing": [],
        "generated_image": [],
    }
    assert {name: keys.json()[name] for name in ("keys", "metricType", "metricClass", "runId")} == {
        "keys": ["acc"],
        "metricType": "SCALAR",
        "metricClass": "CUSTOM",
        "runId": "abc123",
    }
    key = keys[0]
    assert (key.run_id, key.json()["key_class"], repr(key)) == ("abc123", "CUSTOM", f"Key({PATH!r}, 'acc')")
    series = key.metric(10, True, x_axis="loss").unwrap()
    assert isinstance(series, Series)
    assert set(series[0]) == {"step", "value", "index"}
    for arguments, name in (({"metric_type": "LOG"}, "metric_type"), ({"metric_class": "ALL"}, "metric_class")):
        with pytest.raises(ValueError, match=name):
            run.series(**arguments)  # type: ignore[arg-type]


def test_a_metric_lies_across_another(own_place: Place) -> None:
    own_place.world.add_points(
        "run_id_2",
        make_points("val", [3.0, 2.0, 1.0, 0.5]),
        make_points("epoch", [1.5, -1.0, 0.25], steps=[0, 1, 3]),
    )
    run, project = own_place.api.run("my-team/my-project/run_id_2"), own_place.api.project("my-team/my-project")
    with own_place.account.asking("read_points", "read_points"):
        sampled = run.metrics(["val"], x_axis="epoch").unwrap()
    assert [(point["index"], point["value"]) for point in sampled["val"]] == [(1.5, 3.0), (-1.0, 2.0), (0.25, 0.5)]
    assert (sampled.complete, sampled.total) == (True, 3)
    assert sampled.notes == ("1 point at whose step there is no 'epoch' left out",)
    assert sampled.json()["list"][0]["xAxis"] == {"type": "CUSTOM", "key": "epoch"}
    whole = run.metrics(["val"], all=True, x_axis="epoch").unwrap()
    assert [point["index"] for point in whole["val"]][:2] == [1.5, -1.0]
    assert math.isnan(whole["val"][2]["index"])
    assert (whole.notes, whole.columns[4:6]) == ((), ("index", "value"))
    assert whole.to_pandas()["index"].tolist()[3] == 0.25
    for range_query in ({"type": "custom", "start": -1.0, "end": 0.5}, ValueRange(start=-1, end=0.5)):
        part = project.metrics(["val"], ["run_id_2"], range_query=range_query, x_axis="epoch").unwrap()
        assert [point["step"] for point in part["run_id_2", "val"]] == [1, 3]
    assert [p["step"] for p in run.metrics(["val"], range_query={"start": 1, "head": 1}, x_axis="epoch")["val"]] == [1]
    timed = run.metrics(["val"], x_axis="relative_time", ignore_timestamp=True).unwrap()
    assert [point["index"] for point in timed["val"]] == [0.0, 1000.0, 2000.0, 3000.0]
    assert timed.json()["list"][0]["xAxis"] == {"type": "SYSTEM", "key": "relative_time"}
    assert run.metrics(["val"], x_axis="epok").unwrap().notes == (
        "the run has no points of 'epok', which x_axis names",
    )


@pytest.mark.parametrize(
    ("arguments", "kind", "name"),
    [
        ({"x_axis": ""}, ValueError, "x_axis"),
        ({"x_axis": 5}, TypeError, "x_axis"),
        ({"x_axis": "auto"}, ValueError, "x_axis"),
        ({"x_axis": "timestamp"}, ValueError, "x_axis"),
        ({"range_query": {"type": "custom", "start": 1}}, ValueError, "range_query"),
        ({"x_axis": "time", "range_query": {"type": "custom"}}, ValueError, "range_query"),
        ({"x_axis": "relative_time", "range_query": {"tail": 1}}, ValueError, "x_axis"),
    ],
)
def test_what_cannot_lie_across_is_told_before_any_request(
    place: Place, arguments: dict[str, Any], kind: type[Exception], name: str
) -> None:
    with place.account.asking(), pytest.raises(kind, match=f"^{name}:"):
        place.api.run(PATH).metrics(["loss"], **arguments)
