"""What is appended is there, once, and nothing of a refused batch is."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import pytest
from arro3.core import Array
from support.database import Location
from support.recording import Recorder, line, points, rows_of

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft, LogQuery
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.series import ColumnDraft, ColumnQuery, PointQuery, SeriesPoints, SummaryQuery

NAN, INF = math.nan, math.inf


def read(recorder: Recorder, run: RunPath, **parts: Any) -> dict[Any, Any]:
    query = PointQuery(recorder.selection(run), **parts)
    return {
        (key, context): rows
        for (_, key, context), rows in rows_of(recorder.services.points.read_points(recorder.caller, query)).items()
    }


def columns(recorder: Recorder, run: RunPath) -> dict[Any, Any]:
    page = recorder.services.columns.list_columns(recorder.caller, run, ColumnQuery())
    return {(column.key, column.context): column for column in page.items}


def test_points_come_back_as_they_went_in(recorder: Recorder) -> None:
    run = recorder.run()
    rows = [(0, 10, 1.5, None), (1, 20, NAN, 3), (2, 30, -INF, None), (2, 31, -0.0, 4), (2**62, 2**40, 5e-324, None)]
    answer = recorder.append(run, points("loss", rows), points("loss", rows[:1], context=(("subset", "val"),)))
    assert answer == AppendRecord(applied=True, points=6)
    found = read(recorder, run)
    assert str(found["loss", ()]) == str(rows)
    assert found["loss", (("subset", "val"),)] == rows[:1]


def test_points_of_one_step_keep_the_order_of_their_arrival(recorder: Recorder) -> None:
    run = recorder.run()
    for value in range(5):
        recorder.append(run, points("loss", [(7, 0, float(value), None), (value, 0, float(value), None)]))
    assert [value for step, _, value, _ in read(recorder, run)["loss", ()] if step == 7] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_series_named_twice_in_a_batch_is_one_series(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 2), line("loss", 2, start=2))
    assert [row[0] for row in read(recorder, run)["loss", ()]] == [0, 1, 2, 3]


def test_a_context_is_the_same_in_any_order(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, line("loss", 1, context=(("b", 1), ("a", "x"))))
    recorder.append(run, line("loss", 1, start=1, context=(("a", "x"), ("b", 1))))
    assert list(read(recorder, run)) == [("loss", (("a", "x"), ("b", 1)))]


def test_a_repeated_batch_is_applied_once(recorder: Recorder) -> None:
    run = recorder.run()
    answers = [recorder.append(run, line("loss", 1, start=n), writer="w", sequence=n) for n in (1, 2, 2, 1)]
    assert [answer.applied for answer in answers] == [True, True, False, False]
    assert answers[-1] == AppendRecord(applied=False)
    assert [row[0] for row in read(recorder, run)["loss", ()]] == [1, 2]
    assert recorder.append(run, line("loss", 1, start=3), writer="other", sequence=1).applied


def test_an_event_id_is_applied_once_a_run_and_the_first_content_wins(recorder: Recorder) -> None:
    run, other = recorder.run(), recorder.run()
    first = recorder.append(
        run,
        points("loss", [(0, 0, 1.0, None), (1, 0, 2.0, None), (0, 0, 9.0, None)], event_ids=("a", "b", "a")),
        points("acc", [(0, 0, 3.0, None)], event_ids=("b",)),
    )
    again = recorder.append(run, points("loss", [(5, 0, 5.0, None), (6, 0, 6.0, None)], event_ids=("b", "c")))
    assert (first.points, again.points) == (2, 1)
    assert [row[2] for row in read(recorder, run)["loss", ()]] == [1.0, 2.0, 6.0]
    assert recorder.append(other, points("loss", [(0, 0, 1.0, None)], event_ids=("a",))).points == 1


def test_a_batch_of_known_events_only_changes_nothing(recorder: Recorder) -> None:
    run = recorder.run()
    batch = points("loss", [(0, 0, 1.0, None)], event_ids=("a",))
    recorder.append(run, batch)
    assert recorder.append(run, batch) == AppendRecord(applied=True, points=0)
    assert columns(recorder, run)["loss", ()].count == 1


def test_announced_columns_have_no_points_yet(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, columns=(ColumnDraft("loss", name="Loss", column_class="SYSTEM"), ColumnDraft("pic", "IMAGE")))
    found = columns(recorder, run)
    assert [(column.key, column.name, column.column_type, column.count) for column in found.values()] == [
        ("loss", "Loss", "FLOAT", 0),
        ("pic", "pic", "IMAGE", 0),
    ]
    assert read(recorder, run) == {}
    recorder.append(run, line("loss", 3))
    loss = columns(recorder, run)["loss", ()]
    assert (loss.name, loss.column_class, loss.count, loss.last_step) == ("Loss", "SYSTEM", 3, 2)


def test_a_key_keeps_the_kind_of_its_data(recorder: Recorder) -> None:
    run = recorder.run()
    text = MediaItem("media/text/a.txt", data={"text": "hello"})
    recorder.append(run, line("flag", 1, column_type="BOOLEAN"), media=(MediaDraft("note", 0, (text,), "TEXT"),))
    recorder.append(run, line("flag", 1, start=1))
    assert columns(recorder, run)["flag", ()].column_type == "FLOAT"
    with pytest.raises(ValidationError, match="'note' holds TEXT data; FLOAT data needs another key"):
        recorder.append(run, line("note", 1))
    with pytest.raises(ValidationError, match="'flag' holds FLOAT data"):
        recorder.append(run, media=(MediaDraft("flag", 0, (text,), "TEXT"),))


def test_appending_shows_that_the_run_is_alive(recorder: Recorder, location: Location) -> None:
    run = recorder.run()
    location.clock.advance(5000)
    recorder.append(run, line("loss", 1))
    record = recorder.services.runs.get_run(recorder.caller, run)
    assert record.heartbeat_at_ms == record.updated_at_ms == location.clock()


def test_nothing_of_a_refused_batch_is_applied(recorder: Recorder) -> None:
    run = recorder.run()
    lost = ArtifactDraft("weights.pt", "0" * 64, 3)
    with pytest.raises(ValidationError, match="there is no blob 0000"):
        recorder.append(run, line("loss", 3), logs=(LogDraft("hello"),), artifacts=(lost,), writer="w", sequence=1)
    assert columns(recorder, run) == {}
    assert recorder.services.logs.read_logs(recorder.caller, run, LogQuery()).count == 0
    assert recorder.append(run, line("loss", 3), writer="w", sequence=1).applied


def test_a_run_that_is_not_there_cannot_be_appended_to(recorder: Recorder) -> None:
    run = recorder.run("here")
    with pytest.raises(NotFoundError, match="no run 'gone'"):
        recorder.append(RunPath(run.workspace, run.project, "gone"), line("loss", 1))


def series(**parts: Any) -> SeriesPoints:
    known: dict[str, Any] = {
        "key": "k",
        "steps": Array(np.array([1])),
        "values": Array(np.array([1.0])),
        "times_ms": Array(np.array([1])),
    }
    return SeriesPoints(**{**known, **parts})


def media(**parts: Any) -> MediaDraft:
    item = MediaItem("a.png", data={"text": "x"})
    return MediaDraft(**{"key": "k", "step": 0, "items": (item,), "column_type": "TEXT", **parts})


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"points": (series(key=""),)}, "key: expected 1 to 1000 characters"),
        ({"points": (series(key="a" * 1001),)}, "key: expected 1 to 1000 characters"),
        ({"points": (series(key="ü" * 1000, context=(("a", "ü" * 400),)),)}, "has at most 2400 bytes"),
        ({"points": (series(key="a\x00"),)}, "key: text must not have NUL"),
        ({"points": (series(key="a\nb"),)}, "key: 'a\\\\nb' must not have control characters"),
        ({"points": (series(key="\ud800"),)}, "key: text must not have lone surrogates"),
        ({"points": (series(context=(("a", [1]),)),)}, "context: 'a' must map text to text"),
        ({"points": (series(column_type="IMAGE"),)}, "'k' of type IMAGE cannot have points"),
        ({"points": (series(column_type="INT"),)}, "column_type: 'INT' is none of FLOAT"),
        ({"points": (series(column_class="X"),)}, "column_class: 'X' is none of"),
        ({"points": (series(values=Array(np.array([1.0, 2.0]))),)}, "the columns of 'k' differ in length"),
        ({"points": (series(values=Array(np.array([1]))),)}, "values of 'k' must be a column of"),
        ({"points": (series(steps=Array(np.array([1.0]))),)}, "steps of 'k' must be a column of"),
        ({"points": (series(epochs=Array(np.array([-(2**63)]))),)}, "epochs of 'k' must be above"),
        ({"points": (series(event_ids=("a", "b")),)}, "the columns of 'k' differ in length"),
        ({"points": (series(event_ids=("",)),)}, "event_ids of 'k': expected 1 to 200 characters"),
        ({"columns": (ColumnDraft("k", name="\x00"),)}, "name of 'k': text must not have NUL"),
        ({"writer": "w"}, "writer, sequence: give both or neither"),
        ({"writer": "w" * 101, "sequence": 1}, "writer: expected 1 to 100 characters"),
        ({"logs": (LogDraft("x", level="LOUD"),)}, "level: 'LOUD' is none of DEBUG"),  # type: ignore[arg-type]
        ({"logs": (LogDraft("x", line=-1),)}, "line: -1 is out of bounds"),
        ({"logs": (LogDraft("x", tag="t" * 21),)}, "tag: expected 0 to 20 characters"),
        ({"logs": (LogDraft("x", fields={"a": object()}),)}, "fields: Object of type object"),
        ({"artifacts": (ArtifactDraft("../x", "0" * 64, 1),)}, "'../x' is not a path inside a run"),
        ({"artifacts": (ArtifactDraft("x", "0" * 63, 1),)}, "expected 64 lower-case hexadecimal digits"),
        ({"artifacts": (ArtifactDraft("x", "0" * 64, 1, "a b"),)}, "'a b' is no media type"),
        ({"media": (media(step=2**63),)}, "step of media 'k'"),
        ({"media": (media(column_type="FLOAT"),)}, "media 'k': 'FLOAT' is none of IMAGE"),
        ({"media": (media(items=()),)}, "items of media 'k': expected 1 to 1000, got 0"),
        ({"media": (media(items=(MediaItem("a.png"),)),)}, "give either sha256 or data"),
        ({"media": (media(items=(MediaItem("/etc/passwd", data={}),)),)}, "is not a path inside a run"),
        ({"media": (media(items=(MediaItem("a.png", sha256="0" * 64),)),)}, "there is no blob 0000"),
    ],
)
def test_what_is_out_of_bounds_is_refused(recorder: Recorder, parts: dict[str, Any], sentence: str) -> None:
    run = recorder.run()
    with pytest.raises(ValidationError, match=sentence):
        recorder.services.recording.append(recorder.caller, Batch(run, **parts))
    assert columns(recorder, run) == {}


def test_every_part_of_a_batch_is_counted(recorder: Recorder) -> None:
    run = recorder.run()
    blob = recorder.services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(b"abc"))
    answer = recorder.append(
        run,
        line("loss", 3),
        media=(media(key="note"), media(key="note", step=1)),
        logs=(LogDraft("one"),),
        artifacts=(ArtifactDraft("a.bin", blob.sha256, 0),),
    )
    assert answer == AppendRecord(applied=True, points=3, media=2, logs=1, artifacts=1)
    (artifact,) = recorder.services.artifacts.list_artifacts(recorder.caller, run, PageRequest()).items
    assert (artifact.name, artifact.size, artifact.sha256) == ("a.bin", 3, blob.sha256)
    page = recorder.services.media.list_media(recorder.caller, run, MediaQuery(all=True))
    assert [record.step for record in page.items] == [0, 1]
    summaries = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(recorder.selection(run)))
    assert [summary.key for summary in summaries.items] == ["loss"]
