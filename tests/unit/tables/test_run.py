"""Tables of runs: one row each, typed columns."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.account import UserRef
from runatlas.model.run import RunRecord
from runatlas.model.run_value import flatten
from runatlas.tables.run import RunTable

CREATED = 1_767_323_045_678


def record(run_id: str, config: dict[str, object], summary: dict[str, float], **fields: object) -> RunRecord:
    return RunRecord(
        "ann",
        "demo",
        run_id,
        f"c-{run_id}",
        config=config,
        summary=summary,
        created_at_ms=CREATED,
        **fields,  # type: ignore[arg-type]
    )


RECORDS = [
    record("a", {"lr": 0.1, "net": {"depth": 2, "act": "relu"}, "seed": 1}, {"loss": 0.5}, finished_at_ms=CREATED + 5),
    record("b", {"lr": 1, "net": {"depth": 3}, "sizes": [1, 2]}, {"acc": math.nan}, user=UserRef("ann")),
    record("c", {"lr": 0.01, "seed": "x", "amp": True}, {}, labels=("base", "v2")),
]


def test_rows_have_every_column() -> None:
    table = RunTable(RECORDS)
    assert len(table) == 3
    assert table.columns[:5] == ("run", "name", "state", "group", "job_type")
    assert table.columns[-8:] == (
        "config.amp",
        "config.lr",
        "config.net.act",
        "config.net.depth",
        "config.seed",
        "config.sizes",
        "summary.acc",
        "summary.loss",
    )
    assert table[0]["config.net.act"] == "relu"
    assert table[1]["config.net.act"] is None
    assert table[1]["config.sizes"] == [1, 2]
    assert table[1]["user"] == "ann"
    assert [row["run"] for row in table[1:]] == ["b", "c"]
    assert table.column("summary.loss") == [0.5, None, None]
    assert (table.complete, table.sampled, table.total, table.failures, table.missing) == (True, False, 3, (), ())
    with pytest.raises(KeyError, match=r"'config.net.ac', did you mean 'config.net.act'\?"):
        table.column("config.net.ac")


def test_a_duration_ends_with_the_run_with_its_last_word_or_now() -> None:
    heard = record("d", {}, {}, state="CRASHED", heartbeat_at_ms=CREATED + 1500)
    table = RunTable([*RECORDS[:2], heard, record("e", {}, {}, state="OFFLINE")])
    ended, running, silent, unknown = table.column("duration")

    assert (ended, silent, unknown) == (0.005, 1.5, None)
    assert running > 1_000_000
    assert table[1]["duration"] == table.to_arrow()["duration"].to_pylist()[1] == running


def test_arrow_columns_have_one_type_each() -> None:
    arrow = RunTable(RECORDS).to_arrow()
    assert arrow["config.lr"].to_pylist() == [0.1, 1.0, 0.01]
    assert arrow["config.net.depth"].to_pylist() == [2, 3, None]
    assert arrow["config.seed"].to_pylist() == ["1", None, '"x"']
    assert arrow["config.sizes"].to_pylist() == [None, "[1,2]", None]
    assert arrow["config.amp"].to_pylist() == [None, None, True]
    assert arrow["labels"].to_pylist() == ["[]", "[]", '["base","v2"]']
    assert arrow["created_at"].to_pylist()[0].isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert arrow["summary.acc"].to_pylist()[0] is None
    assert math.isnan(arrow["summary.acc"].to_pylist()[1])


def test_pandas_keeps_values_as_they_are() -> None:
    import pandas as pd

    frame = RunTable(RECORDS).to_pandas()
    assert frame["config.lr"].dtype == "float64"
    assert frame["config.net.depth"].dtype == "Int64"
    assert frame["config.seed"].tolist()[2] == "x"
    assert frame["config.sizes"].tolist()[1] == [1, 2]
    assert frame["labels"].tolist()[2] == ["base", "v2"]
    assert frame["created_at"][0] == pd.Timestamp("2026-01-02T03:04:05.678Z")
    assert frame["finished_at"].isna().tolist() == [False, True, True]
    assert frame["summary.loss"].dtype == "float64"


def test_numbers_beyond_64_bits_survive() -> None:
    table = RunTable([record("a", {"seed": 2**70}, {}), record("b", {"seed": 1}, {})])
    assert table[0]["config.seed"] == 2**70
    assert table.to_arrow()["config.seed"].to_pylist() == [str(2**70), "1"]
    assert table.to_pandas()["config.seed"].tolist() == [2**70, 1]


def test_whole_numbers_that_a_float_cannot_hold_survive_beside_floats() -> None:
    table = RunTable([record("a", {"seed": 2**60 + 1}, {}), record("b", {"seed": 0.5}, {})])
    assert table.to_arrow()["config.seed"].to_pylist() == [str(2**60 + 1), "0.5"]
    assert table.to_pandas()["config.seed"].tolist() == [2**60 + 1, 0.5]


def test_a_table_of_no_runs_is_a_table() -> None:
    table = RunTable([])
    assert len(table) == 0
    assert table.to_pandas().shape == (0, len(table.columns))
    assert table.to_csv().startswith("run,name,state")
    assert table.json() == []


def test_csv_of_runs_reads_back() -> None:
    text = RunTable(RECORDS).to_csv()
    assert text.count("\n") == 4
    assert '"[""base"",""v2""]"' in text


leaves = st.one_of(st.none(), st.integers(), st.just("text"), st.lists(st.integers(), max_size=2))
names = st.text("ab/_", min_size=1, max_size=3)


@given(
    st.dictionaries(
        names,
        st.recursive(leaves, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=8),
        max_size=4,
    )
)
def test_flattening_loses_nothing(nested: dict[str, object]) -> None:
    def build(pairs: dict[str, object]) -> dict[str, object]:
        root: dict[str, object] = {}
        for name, value in pairs.items():
            *path, last = name.split(".")
            place = root
            for part in path:
                place = place.setdefault(part, {})  # type: ignore[assignment]
            place[last] = value
        return root

    assert build(dict(flatten(nested))) == nested


@given(
    st.lists(
        st.one_of(
            st.none(), st.booleans(), st.integers(-(2**80), 2**80), st.floats(), st.text(), st.lists(st.integers())
        )
    )
)
def test_every_mixture_of_config_values_makes_a_table(values: list[object]) -> None:
    records = [record(str(index), {"x": value}, {}) for index, value in enumerate(values)]
    table = RunTable(records)
    assert table.to_arrow().num_rows == len(values)
    frame = table.to_pandas()
    assert len(frame) == len(values)
    if values:
        assert repr(table.column("config.x")) == repr(values)
