"""Tables and series go to other processes and back: whole, and without asking anybody."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest
from support.block import RUN, make_block, make_reading

from runatlas.model.run import RunRecord
from runatlas.model.series import SummaryRecord
from runatlas.response import ApiResponse
from runatlas.tables import RunTable
from runatlas.tables.metric import Reading, make_metric_table, make_run_metric_table
from runatlas.tables.statistic import Statistics

OTHER = ("c2", "two", "second run")
ROWS = [(0, 1.0), (1, math.nan), (1, -math.inf)]
COPIES: list[Callable[[Any], Any]] = [lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy, copy.copy]


def refuse() -> Iterable[SummaryRecord]:
    raise AssertionError("nobody asked for statistics")


def reading() -> Reading:
    block = make_block({(RUN, "loss"): ROWS, (RUN, "acc"): [(2, 0.9)], (OTHER, "loss"): [(0, 7.0)]})
    made = make_reading(block, keys=("loss", "acc", "nope"))
    return attrs.evolve(made, statistics=Statistics(refuse), project_id=str)


def columns(series: Any) -> list[str]:
    epochs = None if series.epochs is None else series.epochs.to_pylist()
    return [*map(repr, (series.steps.to_pylist(), series.values.to_pylist(), series.timestamps.to_pylist(), epochs))]


@pytest.mark.parametrize("make_copy", COPIES)
def test_a_table_of_many_runs_is_the_same_again(make_copy: Callable[[Any], Any]) -> None:
    table = make_metric_table(reading())
    again = make_copy(table)

    assert list(again) == list(table)
    assert (again.missing, again.total, again.complete, again.runs) == (
        table.missing,
        table.total,
        table.complete,
        table.runs,
    )
    for name, series in table.items():
        assert columns(again[name]) == columns(series)
    assert again.to_csv() == table.to_csv()


@pytest.mark.parametrize("make_copy", COPIES)
def test_a_table_of_one_run_and_its_answer_are_the_same_again(make_copy: Callable[[Any], Any]) -> None:
    block = make_block({(RUN, "loss"): ROWS})
    made = make_reading(block, keys=("loss", "nope"))
    table = make_run_metric_table(attrs.evolve(made, statistics=Statistics(refuse), project_id=str))
    again = make_copy(ApiResponse.success(table))

    assert again.ok
    assert list(again.data) == ["loss", "nope"]
    assert again.missing == ("nope",)
    assert columns(again["loss"]) == columns(table["loss"])


@pytest.mark.parametrize("make_copy", COPIES)
def test_a_series_and_a_wide_table_are_the_same_again(make_copy: Callable[[Any], Any]) -> None:
    table = make_metric_table(reading())
    series = make_copy(table["one", "loss"])
    wide = make_copy(table.wide())

    assert columns(series) == columns(table["one", "loss"])
    assert (series.label, series.run, series.run_name, series.total) == (
        "loss",
        "one",
        table["one", "loss"].run_name,
        3,
    )
    assert wide.to_csv() == table.wide().to_csv()
    assert wide.missing == table.wide().missing


def test_a_series_takes_its_own_points_along_and_not_its_tables() -> None:
    block = make_block({(RUN, "loss"): ROWS, (OTHER, "loss"): [(step, 0.5) for step in range(10_000)]})
    table = make_metric_table(attrs.evolve(make_reading(block, keys=("loss",)), statistics=Statistics(refuse)))

    assert len(pickle.dumps(table["one", "loss"])) < 5_000


def test_rows_of_runs_are_the_same_again() -> None:
    table = RunTable([RunRecord("w", "p", "r", "c", config={"a": {"b": [1]}}, summary={"loss": math.inf})])
    assert [make_copy(table).to_csv() for make_copy in COPIES] == [table.to_csv()] * 3


def test_a_worker_process_reads_them() -> None:
    program = (
        "import pickle, sys; t = pickle.load(sys.stdin.buffer); print(t['one', 'loss'].values.to_pylist(), len(t))"
    )
    table = make_metric_table(attrs.evolve(reading(), statistics=Statistics(list)))
    worker = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(table), capture_output=True, check=False, timeout=60
    )

    assert worker.stdout.decode().strip() == f"[1.0, nan, -inf] {len(table)}", worker.stderr.decode()
