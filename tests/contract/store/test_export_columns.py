"""Columns side by side in one file, and what is found by a cuid alone."""

from __future__ import annotations

import math

import pytest
from support.recording import Recorder, line, points

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.log import LogDraft
from runatlas.server.services.exports import ExportColumn


def written(recorder: Recorder, *columns: ExportColumn) -> str:
    exports = recorder.services.exports
    link = exports.get_link(recorder.caller, exports.export_columns(recorder.caller, columns))
    return b"".join(recorder.services.links.open_link(recorder.caller, link.url)).decode()


def test_columns_of_runs_lie_side_by_side(recorder: Recorder) -> None:
    first, second = recorder.run(), recorder.run()
    recorder.append(first, points("loss", [(0, 10, 1.0, None), (2, 20, math.nan, None), (2, 21, 0.5, None)]))
    recorder.append(second, points("loss", [(1, 30, -math.inf, None)], context=(("s", "val"),)))
    text = written(
        recorder,
        ExportColumn(first, "loss", "a,b"),
        ExportColumn(second, "nothing", "none"),
        ExportColumn(second, "loss", "c", (("s", "val"),)),
    )
    assert text.splitlines() == [
        'step,"a,b_step","a,b_timestamp",none_step,none_timestamp,c_step,c_timestamp',
        "0,1,10,,,,",
        "1,,,,,-Infinity,30",
        "2,0.5,21,,,,",
    ]


def test_a_long_column_comes_out_whole(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 120_001), line("sparse", 2, start=60_000))
    rows = written(recorder, ExportColumn(run, "loss", "loss"), ExportColumn(run, "sparse", "sparse")).splitlines()
    assert len(rows) == 120_002
    assert rows[60_001] == "60000,60000,60000000,60000,60000000"
    assert rows[-1] == "120000,120000,120000000,,"


def test_nothing_to_export_is_told(recorder: Recorder) -> None:
    run = recorder.run()
    assert written(recorder, ExportColumn(run, "loss", "loss")) == "step,loss_step,loss_timestamp\n"
    with pytest.raises(ValidationError, match="columns"):
        recorder.services.exports.export_columns(recorder.caller, [])


def test_runs_are_found_by_cuid_in_any_project(recorder: Recorder) -> None:
    runs = [recorder.run("a"), Recorder.of(recorder.services, "other").run("b")]
    cuids = [recorder.services.runs.get_run(recorder.caller, run).cuid for run in runs]
    assert recorder.services.runs.locate_runs(recorder.caller, cuids) == dict(zip(cuids, runs, strict=True))
    with pytest.raises(NotFoundError, match="no run 'a'"):
        recorder.services.runs.locate_runs(recorder.caller, ["a"])


def test_the_last_line_of_a_stream_is_told(recorder: Recorder) -> None:
    run = recorder.run()
    assert recorder.services.logs.last_line(recorder.caller, run) == 0
    recorder.append(run, logs=(LogDraft("x", line=7), LogDraft("y", tag="record"), LogDraft("z", line=3)))
    assert recorder.services.logs.last_line(recorder.caller, run) == 7
