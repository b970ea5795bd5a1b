"""Columns: by key, exact matches first, page by page."""

from __future__ import annotations

from typing import Any

import pytest
from support.recording import Recorder, line

from runatlas.errors import ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.page import Page, PageRequest
from runatlas.model.series import ColumnDraft, ColumnQuery, ColumnRecord


@pytest.fixture
def run(recorder: Recorder) -> RunPath:
    """A run with columns of every kind."""
    path = recorder.run()
    recorder.append(
        path,
        *(line(key, 2) for key in ("loss", "Loss_2", "train/loss", "ÄCC", "acc")),
        line("loss", 3, context=(("subset", "val"),)),
        line("cpu", 1, column_class="SYSTEM", column_type="BOOLEAN"),
        columns=(ColumnDraft("weird", name="the Loss"),),
        media=(MediaDraft("pic", 4, (MediaItem("a.txt", data={"text": "x"}),), "TEXT"),),
    )
    return path


def read(
    recorder: Recorder, run: RunPath, *, limit: int = 100, with_total: bool = False, **parts: Any
) -> Page[ColumnRecord]:
    query = ColumnQuery(**parts, page=PageRequest(limit=limit, with_total=with_total))
    return recorder.services.columns.list_columns(recorder.caller, run, query)


def keys(page: Page[ColumnRecord]) -> list[str]:
    return [column.key for column in page.items]


def test_columns_come_by_key_then_context(recorder: Recorder, run: RunPath) -> None:
    page = read(recorder, run, with_total=True)
    assert keys(page) == ["Loss_2", "acc", "cpu", "loss", "loss", "pic", "train/loss", "weird", "ÄCC"]
    assert [column.context for column in page.items if column.key == "loss"] == [(), (("subset", "val"),)]
    assert page.total == 9
    assert [(c.count, c.last_step) for c in page.items if c.key in {"pic", "weird", "acc"}] == [
        (2, 1),
        (1, 4),
        (0, None),
    ]


def test_a_search_looks_into_keys_and_names_without_case(recorder: Recorder, run: RunPath) -> None:
    assert keys(read(recorder, run, search="LOSS")) == ["Loss_2", "loss", "loss", "train/loss", "weird"]
    assert keys(read(recorder, run, search="äcc")) == ["ÄCC"]
    assert keys(read(recorder, run, search="_")) == ["Loss_2"]
    assert keys(read(recorder, run, search="%")) == []


def test_an_exact_key_comes_first(recorder: Recorder, run: RunPath) -> None:
    assert keys(read(recorder, run, key="loss")) == ["loss", "loss"]
    assert keys(read(recorder, run, key="los")) == []
    assert keys(read(recorder, run, key="loss", search="loss")) == ["loss", "loss", "Loss_2", "train/loss", "weird"]
    assert read(recorder, run, key="loss", search="acc", with_total=True).total == 3


def test_class_and_type_narrow(recorder: Recorder, run: RunPath) -> None:
    assert keys(read(recorder, run, column_class="SYSTEM")) == ["cpu"]
    assert keys(read(recorder, run, column_type="TEXT")) == ["pic"]
    assert keys(read(recorder, run, column_type="FLOAT", search="acc")) == ["acc"]


@pytest.mark.parametrize("parts", [{}, {"key": "loss", "search": "s"}])
def test_pages_give_every_column_once(recorder: Recorder, run: RunPath, parts: dict[str, Any]) -> None:
    whole = read(recorder, run, **parts).items
    found: list[ColumnRecord] = []
    cursor = None
    while True:
        query = ColumnQuery(**parts, page=PageRequest(limit=2, cursor=cursor))
        page = recorder.services.columns.list_columns(recorder.caller, run, query)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert tuple(found) == whole
    skipped = ColumnQuery(**parts, page=PageRequest(limit=2, offset=3))
    assert recorder.services.columns.list_columns(recorder.caller, run, skipped).items == whole[3:5]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"column_type": "INT"}, "column_type: 'INT' is none of"),
        ({"column_class": "X"}, "column_class: 'X' is none of"),
        ({"search": "\x00"}, "search: text must not have NUL"),
        ({"search": 5}, "search: expected text, got int"),
        ({"limit": 0}, "limit: a page has 1 to 1000"),
    ],
)
def test_a_query_out_of_bounds_is_refused(
    recorder: Recorder, run: RunPath, parts: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        read(recorder, run, **parts)
