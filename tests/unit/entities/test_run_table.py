"""Runs and other listings in the tools that people use: whole, with every column, or with an error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from arro3.core import RecordBatchReader, Table
from support.place import Place

from runatlas.entities.run_table import Snapshot
from runatlas.errors import RequestError
from runatlas.model.run import RunRecord
from runatlas.tables.run import RunTable

PROJECT, RUN = "my-team/my-project", "my-team/my-project/abc123"


def test_every_tool_takes_runs_as_they_are(place: Place) -> None:
    import duckdb
    import polars as pl

    runs = place.api.runs(PROJECT, "state != 'RUNNING'", order="name")
    expected = runs.table().unwrap().to_arrow()
    assert Table(runs) == expected
    assert pl.DataFrame(runs).equals(pl.DataFrame(expected))
    assert duckdb.execute('select run, "config.lr" from runs where "config.net.depth" = 18').fetchall() == [
        ("abc123", 0.01)
    ]
    assert runs.to_polars().equals(pl.DataFrame(expected))
    assert runs.to_pandas()["config.lr"].tolist()[0] == 0.01


def test_a_query_reads_runs_once_and_the_next_one_anew(place: Place) -> None:
    import duckdb
    import polars as pl

    chosen = place.api.runs(PROJECT)[:3]
    with place.account.asking("list_runs"):
        assert len(duckdb.execute("from chosen").fetchall()) == len(chosen)
    bare = place.api.project(PROJECT).runs_get()
    with place.account.asking("list_runs"):
        assert len(duckdb.execute("from bare").fetchall()) == 4
    with place.account.asking("list_runs"):
        assert pl.DataFrame(bare)["config.lr"].drop_nulls().sort().to_list() == [0.001, 0.01, 0.1]


def test_a_column_that_only_the_last_page_has_is_there_from_the_first() -> None:
    records = [RunRecord("w", "p", f"r{place}", f"c{place}", config={"lr": place}) for place in range(2500)]
    records[-1] = RunRecord("w", "p", "last", "c", config={"lr": 0.5, "late": [1]}, summary={"loss": math.nan})
    snapshot = Snapshot(iter(records))
    reader = snapshot.stream(lambda: None)
    other = snapshot.stream(lambda: None)
    batches = [reader.read_next_batch(), *list(other), *list(reader)]
    assert [batch.num_rows for batch in batches] == [1000, 1000, 1000, 500, 1000, 500]
    table = Table.from_batches([batches[0], *batches[4:]])
    expected = RunTable(records, now_ms=snapshot._now_ms)
    assert table.schema == expected.to_arrow().schema
    assert repr(table.to_struct_array().to_pylist()) == repr(expected.to_arrow().to_struct_array().to_pylist())


def _polars(runs: Any) -> Any:
    import polars as pl

    return pl.DataFrame(runs)


@pytest.mark.parametrize("take", [Table, _polars, RecordBatchReader.from_stream])
def test_runs_that_cannot_be_read_are_an_error_and_no_short_table(place: Place, take: Callable[[Any], Any]) -> None:
    place.account.fail("list_runs", RequestError("the network is down"))
    with pytest.raises(RequestError, match="the network is down"):
        take(place.api.runs(PROJECT))
    failed = place.api.run(f"{PROJECT}/none").metrics(["loss"])
    with pytest.raises(Exception, match="there is no run"):
        take(failed)
    with pytest.raises(TypeError, match="which is no table"):
        take(place.api.run(RUN).summary())


def test_whatever_has_rows_is_a_table(place: Place) -> None:
    api = place.api
    kinds: dict[Any, list[str]] = {
        api.runs(PROJECT).groups("config.lr"): ["config.lr", "runs"],
        api.projects(): ["project_id", "name"],
        api.run(RUN).columns(): ["name", "key", "column_class"],
        api.runs(PROJECT).delete(): ["action", "run"],
    }
    for item, names in kinds.items():
        table = item.to_arrow()
        assert table.column_names[: len(names)] == names
        assert table.num_rows == len(item.to_pandas()) == len(item.to_polars()) == len(_polars(item))
        assert item.to_csv().startswith(",".join(names))
    assert api.projects().to_pandas()["name"].tolist() == ["my-project"]
    lines = api.run(RUN).logs().to_pandas()  # type: ignore[attr-defined]
    assert (lines["line"].tolist()[:2], lines["level"].tolist()[:2]) == ([1, 3], ["INFO", "WARN"])
    assert lines["time"][0].isoformat() == "2024-05-15T10:40:00+00:00"
    assert list(api.run(RUN).logs(ignore_timestamp=True).unwrap().to_arrow().column_names)[-1] == "tag"
    assert Table(api.run(RUN).metrics(["loss"])).num_rows == 1500
