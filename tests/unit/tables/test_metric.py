"""Tables of points: names, completeness, and the ways out."""

from __future__ import annotations

import math
from pathlib import Path

import arro3.io
import pytest
from support.block import RUN, make_block, make_reading, make_summary

from runatlas.model.series import ReadFailure
from runatlas.response import ApiResponse
from runatlas.tables import MetricTable
from runatlas.tables.metric import make_metric_table, make_run_metric_table

OTHER = ("c2", "two", "second run")
ROWS = [(0, 1.0), (1, math.nan), (1, 0.5)]


def one_run() -> MetricTable[str]:
    block = make_block({(RUN, "loss"): ROWS, (RUN, "acc"): [(2, 0.9)]})
    return make_run_metric_table(make_reading(block, keys=("loss", "acc")))


def two_runs() -> MetricTable[tuple[str, str]]:
    block = make_block({(RUN, "loss"): ROWS, (OTHER, "loss"): [(0, 7.0)]})
    return make_metric_table(make_reading(block, keys=("loss",)))


def test_series_of_one_run_go_by_key() -> None:
    table = one_run()
    assert list(table) == ["loss", "acc"]
    assert len(table) == 2
    assert "loss" in table
    assert table["acc"][0]["value"] == 0.9
    assert table.complete
    assert not table.sampled
    assert table.total == 4
    with pytest.raises(KeyError, match=r"^'f1'$"):
        table["f1"]
    with pytest.raises(KeyError, match=r"'los', did you mean 'loss'\?"):
        table["los"]


def test_series_of_many_runs_go_by_run_and_key() -> None:
    table = two_runs()
    assert list(table) == [("one", "loss"), ("two", "loss")]
    assert table["two", "loss"][0]["value"] == 7.0
    assert table["two", "loss"].run_name == "second run"
    assert [run[1] for run in table.runs] == ["one", "two"]
    assert table._ipython_key_completions_() == [("one", "loss"), ("two", "loss")]
    assert ApiResponse.success(one_run())._ipython_key_completions_() == ["loss", "acc"]


def test_runs_that_share_an_id_are_two_and_go_by_their_cuids() -> None:
    twin = ("c2", "one", "of another project")
    first, second = make_block({(RUN, "loss"): ROWS}), make_block({(twin, "loss"): [(0, 7.0)]})
    for reading in (make_reading(first, second), make_reading(make_block({(RUN, "loss"): ROWS, (twin, "loss"): ROWS}))):
        table = make_metric_table(reading)
        assert list(table) == [(RUN[0], "loss"), ("c2", "loss")]
        assert [item.run for item in table.series] == [RUN[0], "c2"]
        assert table.num_rows == table.to_arrow().num_rows == sum(map(len, table.series))
        assert set(table.to_arrow()["run"].to_pylist()) == {RUN[0], "c2"}
        assert len(table.wide().columns) == 3
        with pytest.raises(KeyError, match=f"'one' is the id of several runs.*{RUN[0]}, c2"):
            table["one", "loss"]


def test_a_metric_that_is_not_there_is_an_empty_series_and_missing() -> None:
    block = make_block({(RUN, "loss"): ROWS})
    table = make_run_metric_table(make_reading(block, keys=("nope", "loss")))
    assert table.missing == ("nope",)
    assert "no points of 'nope'" in repr(table)
    assert table.notes == ("the run has no nope",)
    several = make_metric_table(make_reading(block, make_block({}, runs=(OTHER,)), keys=("loss", "nope")))
    assert several.notes == ("1 of 2 runs has no loss", "none of 2 runs has nope")
    assert "none of 2 runs has nope" in several._repr_html_()
    assert list(table["nope"]) == []
    assert table["nope"].total == 0
    assert table["nope"].min is None
    assert table.complete


def test_a_run_without_the_metric_is_missing_it_and_others_are_not() -> None:
    block = make_block({(RUN, "loss"): ROWS}, runs=[OTHER])
    table = make_metric_table(make_reading(block, keys=("loss",)))
    assert table.missing == (("two", "loss"),)
    assert "no points" not in repr(table)  # of a metric that another run has
    assert len(table["two", "loss"]) == 0
    assert table.num_rows == 3


def test_runs_that_are_gone_make_it_incomplete() -> None:
    block = make_block({(RUN, "loss"): ROWS}, missing=("gone",), failures=(ReadFailure("two", "loss", "damaged"),))
    table = make_metric_table(make_reading(block, keys=("loss",)))
    assert not table.complete
    assert table.missing_runs == ("gone",)
    assert [(failure.path, failure.reason) for failure in table.failures] == [
        ("two", "damaged"),
        ("gone", "there is no such run"),
    ]


def test_sampling_is_told() -> None:
    block = make_block({(RUN, "loss"): ROWS}, totals={"loss": 100})
    table = make_run_metric_table(make_reading(block, keys=("loss",), sample=3, requested_sample=5000))
    assert table.sampled
    assert not table.complete
    assert table.total == 100
    assert table["loss"].sampled
    assert "5000" in table.notes[0]
    assert "1500" in table.notes[0]


def test_what_head_or_tail_cut_is_not_sampled() -> None:
    block = make_block({(RUN, "loss"): ROWS}, totals={"loss": 100})
    table = make_run_metric_table(make_reading(block, keys=("loss",)))
    assert not table.sampled
    assert table.complete
    assert table.notes == ()


def test_series_with_contexts_are_kept_apart() -> None:
    plain = make_block({(RUN, "loss"): [(0, 1.0)]})
    train = make_block({(RUN, "loss"): [(0, 2.0)]}, context={"subset": "train"})
    both = make_run_metric_table(make_reading(plain, train))
    assert list(both) == ["loss", 'loss{"subset":"train"}']
    assert both["loss"][0]["value"] == 1.0
    assert both['loss{"subset":"train"}'].context == {"subset": "train"}
    assert both.columns == ("run", "name", "key", "context", "step", "value", "timestamp")
    alone = make_run_metric_table(make_reading(train))
    assert alone["loss"][0]["value"] == 2.0


def test_a_key_that_means_several_series_says_which() -> None:
    train = make_block({(RUN, "loss"): [(0, 2.0)]}, context={"subset": "train"})
    val = make_block({(RUN, "loss"): [(0, 3.0)]}, context={"subset": "val"})
    table = make_run_metric_table(make_reading(train, val))
    with pytest.raises(KeyError, match=r"is several series: .*train.*val"):
        table["loss"]
    runs = [make_block({((f"c{place}", f"r{place}", "n"), "loss"): [(0, 1.0)]}) for place in range(9)]
    with pytest.raises(KeyError, match=r"is several series: \('r0', 'loss'\).* and 4 more"):
        make_metric_table(make_reading(*runs))["loss"]  # type: ignore[index]


def test_pandas_has_one_row_a_point() -> None:
    import pandas as pd

    frame = two_runs().to_pandas()
    assert list(frame.columns) == ["run", "name", "key", "step", "value", "timestamp"]
    assert frame["run"].tolist() == ["one", "one", "one", "two"]
    assert frame["step"].tolist() == [0, 1, 1, 0]
    assert math.isnan(frame["value"][1])
    assert frame["timestamp"][1] == pd.Timestamp("1970-01-01T00:00:01Z")
    assert str(frame["timestamp"].dt.tz) == "UTC"


def test_polars_takes_it_too() -> None:
    frame = two_runs().to_polars()
    assert frame.columns == ["run", "name", "key", "step", "value", "timestamp"]
    assert frame["value"].to_list()[-1] == 7.0


def test_epochs_are_a_column_when_any_point_has_one() -> None:
    import pandas as pd

    with_epochs = make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)]}, epochs=[1, None])
    without = make_block({(OTHER, "loss"): [(0, 3.0)]})
    table = make_metric_table(make_reading(with_epochs, without))
    assert table.columns[-1] == "epoch"
    assert table.to_arrow()["epoch"].to_pylist() == [1, None, None]
    assert table.to_pandas()["epoch"].tolist() == [1, pd.NA, pd.NA]
    epochs = table["one", "loss"].epochs
    assert epochs is not None
    assert epochs.to_pylist() == [1, None]
    assert table["two", "loss"].epochs is None


def test_csv_and_parquet_hold_every_row(tmp_path: Path) -> None:
    table = one_run()
    lines = table.to_csv().splitlines()
    assert lines[0] == "run,name,key,step,value,timestamp"
    assert lines[2] == "one,first run,loss,1,NaN,1970-01-01T00:00:01.000Z"
    assert len(lines) == 5
    assert table.to_csv(tmp_path / "points.csv") == str(tmp_path / "points.csv")
    assert (tmp_path / "points.csv").read_text() == table.to_csv()
    written = table.to_parquet(tmp_path / "points.parquet")
    assert arro3.io.read_parquet(written).read_all().num_rows == 4


def test_wide_has_one_row_a_step_and_tells_missing_from_nan() -> None:
    wide = one_run().wide()
    assert wide.columns == ("step", "loss", "acc")
    arrow = wide.to_arrow()
    assert arrow["step"].to_pylist() == [0, 1, 2]
    assert arrow["loss"].to_pylist() == [1.0, 0.5, None]
    assert arrow["acc"].to_pylist() == [None, None, 0.9]
    assert two_runs().wide().columns == ("step", "one/loss", "two/loss")
    assert wide.complete


def test_html_is_escaped_and_says_how_much_is_left_out() -> None:
    run = ("c3", "three", "third")
    block = make_block({(run, "<script>"): [(step, 1.0) for step in range(50)]}, totals={"<script>": 999})
    table = make_run_metric_table(make_reading(block, sample=50))
    page = table._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<tr>") == 2
    assert "sampled from 999" in page
    assert "50 rows" in repr(table)


def test_json_has_the_documented_form() -> None:
    plain = one_run().json()
    assert plain["keys"] == ["loss", "acc"]
    assert plain["metricType"] == "SCALAR"
    assert plain["projectId"] == "p1"
    assert plain["experimentId"] == "c1"
    assert [item["key"] for item in plain["list"]] == ["loss", "acc"]
    assert plain["list"][1]["metrics"] == [{"step": 2, "value": 0.9, "timestamp": 2000}]
    assert (plain["complete"], plain["sampled"], plain["total"]) == (True, False, 4)
    many = two_runs().json()
    assert many["experimentIds"] == ["c1", "c2"]
    assert [item["run"] for item in many["list"]] == ["one", "two"]


def test_statistics_belong_to_the_right_run() -> None:
    block = make_block({(RUN, "loss"): [(0, 1.0)], (OTHER, "loss"): [(0, 7.0)]})
    summaries = [make_summary("c2", "loss", [(0, 7.0)]), make_summary("c1", "loss", [(0, 1.0)])]
    table = make_metric_table(make_reading(block, load=lambda: summaries))
    assert table["one", "loss"].avg == 1.0
    assert table["two", "loss"].avg == 7.0


def test_a_table_of_nothing_is_a_table() -> None:
    table = make_metric_table(make_reading(make_block({}), keys=("loss",)))
    assert len(table) == 0
    assert table.num_rows == 0
    assert table.complete
    assert table.to_pandas().empty
    assert table.to_csv().splitlines() == ["run,name,key,step,value,timestamp"]
    assert "0 rows" in table._repr_html_()
    assert table.wide().num_rows == 0
