"""What all tables share."""

from __future__ import annotations

import sys

import pytest
from arro3.core import Table
from support.block import RUN, make_block, make_reading

from runatlas.tables.frame import load_extra
from runatlas.tables.metric import make_run_metric_table


def test_an_extra_that_is_missing_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0)]})))
    for name in ("pandas", "polars", "matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'runatlas\[notebook\]'") as caught:
        table.to_pandas()
    assert caught.value.name == "pandas"
    with pytest.raises(ImportError, match="pip install polars"):
        table.to_polars()
    with pytest.raises(ImportError, match=r"plot\(\) needs matplotlib"):
        table.plot()


def test_an_extra_that_is_there_is_loaded() -> None:
    assert load_extra("json", "this").dumps([]) == "[]"


def test_anything_that_speaks_arrow_takes_a_table() -> None:
    table = make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0), (1, 2.0)]})))
    assert Table.from_arrow(table).num_rows == 2
