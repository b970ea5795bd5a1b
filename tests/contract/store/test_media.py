"""Media: at a step of a series, replaced by step, with links; and the blobs that they keep."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
from sqlalchemy import select
from support.recording import Recorder

from runatlas.errors import ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaDraft, MediaItem, MediaPage, MediaQuery
from runatlas.model.series import ColumnQuery, Context, PointQuery, SummaryQuery
from runatlas.server.store.schema import blob_refs


def image(recorder: Recorder, content: bytes, caption: str = "") -> MediaItem:
    blob = recorder.services.recording.put_blob(recorder.caller, recorder.project, io.BytesIO(content))
    return MediaItem(f"media/image/{blob.sha256[:8]}.png", blob.sha256, 0, "image/png", caption)


def draft(key: str, step: int, *items: MediaItem, context: Context = (), **parts: Any) -> MediaDraft:
    return MediaDraft(key, step, items, "IMAGE", context, **parts)


def read(recorder: Recorder, run: RunPath, **parts: Any) -> MediaPage:
    return recorder.services.media.list_media(recorder.caller, run, MediaQuery(**parts))


def steps(page: MediaPage) -> list[tuple[str, int]]:
    return [(record.key, record.step) for record in page.items]


def test_an_object_keeps_all_it_had_and_gets_its_size_and_a_link(recorder: Recorder) -> None:
    run = recorder.run()
    item = MediaItem("media/x.json", data={"bins": [1, math.inf], "n": None}, caption="ü", meta={"width": 3})
    recorder.append(run, media=(draft("pic", 7, image(recorder, b"abc", "cat"), item, epoch=2, time_ms=5),))
    (record,) = read(recorder, run).items
    assert (record.step, record.epoch, record.time_ms, record.column_type) == (7, 2, 5, "IMAGE")
    first, second = record.items
    assert (first.caption, first.size, first.mime_type) == ("cat", 3, "image/png")
    assert b"".join(recorder.services.links.open_link(recorder.caller, first.url or "")) == b"abc"
    assert second == item


def test_the_latest_step_of_each_series_comes_or_one_or_all(recorder: Recorder) -> None:
    run = recorder.run()
    item = MediaItem("a.txt", data={"text": "x"})
    recorder.append(run, media=(draft("b", 1, item), draft("b", 5, item), draft("a", 3, item)))
    recorder.append(run, media=(draft("b", 2, item), draft("a", 9, item, context=(("x", 1),))))
    assert steps(read(recorder, run)) == [("a", 3), ("a", 9), ("b", 5)]
    assert steps(read(recorder, run, step=2)) == [("b", 2)]
    assert steps(read(recorder, run, step=4)) == []
    assert steps(read(recorder, run, all=True, keys=("b",))) == [("b", 1), ("b", 2), ("b", 5)]
    assert read(recorder, run).steps == (1, 2, 3, 5, 9)
    assert read(recorder, run, keys=("a",)).steps == (3, 9)
    assert read(recorder, run, keys=()) == MediaPage((), ())


def test_a_repeated_step_replaces_and_counts_once(recorder: Recorder) -> None:
    run = recorder.run()
    first, second = image(recorder, b"1"), image(recorder, b"2")
    recorder.append(run, media=(draft("pic", 0, first), draft("pic", 1, first)))
    recorder.append(run, media=(draft("pic", 1, second), draft("pic", 2, first), draft("pic", 2, second)))
    page = read(recorder, run, all=True)
    assert [[item.sha256 for item in record.items] for record in page.items] == [
        [first.sha256],
        [second.sha256],
        [second.sha256],
    ]
    (column,) = recorder.services.columns.list_columns(recorder.caller, run, ColumnQuery()).items
    assert (column.count, column.last_step, column.column_type) == (3, 2, "IMAGE")


def test_a_blob_is_needed_as_long_as_something_names_it(recorder: Recorder) -> None:
    run = recorder.run()
    first, second = image(recorder, b"1"), image(recorder, b"2")

    def needed() -> set[str]:
        with recorder.services.store.read() as connection:
            return set(connection.scalars(select(blob_refs.c.sha256)))

    recorder.append(run, media=(draft("pic", 0, first), draft("pic", 1, first)))
    recorder.append(run, media=(draft("pic", 0, second),))
    assert needed() == {first.sha256, second.sha256}
    recorder.append(run, media=(draft("pic", 1, second),))
    assert needed() == {second.sha256}


def test_media_are_no_points(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, media=(draft("pic", 0, MediaItem("a.txt", data={"text": "x"})),))
    selection = recorder.selection(run)
    assert recorder.services.points.read_points(recorder.caller, PointQuery(selection)).series == ()
    assert recorder.services.points.read_summaries(recorder.caller, SummaryQuery(selection)).items == ()
    record = recorder.services.runs.get_run(recorder.caller, run)
    assert record.summary == {}


def test_a_query_out_of_bounds_is_refused(recorder: Recorder) -> None:
    run = recorder.run()
    with pytest.raises(ValidationError, match="step: give a step, or all of them"):
        read(recorder, run, step=1, all=True)
    with pytest.raises(ValidationError, match="out of bounds"):
        read(recorder, run, step=2**63)
