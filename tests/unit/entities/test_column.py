"""Columns: found exactly or by part of the name, read, exported."""

from __future__ import annotations

from typing import Any

import pytest
from support.place import Place
from support.world import START, make_points

from runatlas.entities.media import MediaSeries
from runatlas.errors import NotFoundError, ServerError
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
