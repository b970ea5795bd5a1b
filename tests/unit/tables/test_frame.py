"""What all tables share."""

from __future__ import annotations

import csv
import io
import sys

import pytest
from arro3.core import Table
from support.block import RUN, make_block, make_reading

from runatlas.extra import load_extra
from runatlas.model.run import RunRecord
from runatlas.model.run_group import RunGroupRecord
from runatlas.tables import MetricTable, RunTable
from runatlas.tables.metric import make_run_metric_table
from runatlas.tables.run_group import RunGroupTable
from runatlas.tables.value import ValueTable


def test_an_extra_that_is_missing_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0)]})))
    for name in ("pandas", "polars", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'runatlas\[notebook\]'") as caught:
        table.to_pandas()
    assert caught.value.name == "pandas"
    with pytest.raises(ImportError, match=r"pip install 'runatlas\[polars\]'"):
        table.to_polars()
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib"):
        table.plot()


def test_an_extra_that_is_there_is_loaded() -> None:
    assert load_extra("json", "this").dumps([]) == "[]"


def test_anything_that_speaks_arrow_takes_a_table() -> None:
    table = make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)]})))
    assert Table.from_arrow(table).num_rows == 2


HOSTILE = ("=1+1", "+cmd", "-2+3", "@SUM(A1)", "\ttab", "\rreturn", "\uff1dfull", "-")
PLAIN = ("-1.5", "+1e-3", "-Infinity", "-.5", "adam", "", "a=b", "NaN")


def test_no_cell_of_a_csv_is_run_by_a_spreadsheet() -> None:
    texts = [*HOSTILE, *PLAIN]
    records = [
        RunRecord("w", "p", f"r{place}", "c", name=text, config={"opt": text, "=key": -1.5, "list": [text]})
        for place, text in enumerate(texts)
    ]
    table = RunTable(records)
    rows = list(csv.reader(io.StringIO(table.to_csv(), newline="")))
    exact = list(csv.reader(io.StringIO(table.to_csv(exact=True), newline="")))

    name, option = rows[0].index("name"), rows[0].index("config.opt")
    assert [row[name] for row in rows[1:]] == [f"'{text}" for text in HOSTILE] + list(PLAIN)
    assert [row[option] for row in rows[1:]] == [row[name] for row in rows[1:]]
    assert [row[name] for row in exact[1:]] == texts
    assert {row[rows[0].index("config.=key")] for row in rows[1:]} == {"-1.5"}


def test_names_of_columns_and_of_metrics_are_cells_too() -> None:
    table = make_run_metric_table(make_reading(make_block({(("c", "r", "=run"), "=loss"): [(-1, -0.5)]})))

    assert table.to_csv().splitlines() == [
        "run,name,key,step,value,timestamp",
        f"r,'=run,'=loss,-1,-0.5,{_time(table)}",
    ]
    assert table.to_csv(exact=True).splitlines()[1].startswith("r,=run,=loss,-1,-0.5,")
    assert table.wide().to_csv().splitlines() == ["step,'=loss", "-1,-0.5"]


def _time(table: MetricTable[str]) -> str:
    return table.to_csv().splitlines()[1].rpartition(",")[2]


def test_a_page_shows_the_first_rows_and_makes_no_more_of_a_table() -> None:
    values = ValueTable({"value": ["text"] * 10 + [1]})
    assert "text" in values._repr_html_()
    assert "&quot;" not in values._repr_html_()
    records = [RunGroupRecord((place,), 1, {"FINISHED" if place < 10 else "CRASHED": 1}, 0, 0) for place in range(11)]
    groups = RunGroupTable(["config.x"], records, [[place] for place in range(11)])
    assert groups.columns == ("config.x", "runs", "crashed", "finished", "first_created_at", "last_created_at")
    assert (groups.num_rows, len(groups.to_pandas())) == (11, 11)
    assert "1 more row" in groups._repr_html_()
