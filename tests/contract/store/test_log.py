"""Log lines: numbered by stream, replaced by number, read page by page."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.database import Place
from support.examples import examples
from support.recording import Recorder

from runatlas.errors import ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.log import LOG_LEVELS, LogDraft, LogPage, LogQuery, LogRecord


@pytest.fixture(scope="module")
def shared(new_location: Place) -> Any:
    """One store for all examples of a test."""
    services = new_location().services()
    yield Recorder.of(services)
    services.close()


def read(recorder: Recorder, run: RunPath, **parts: Any) -> LogPage:
    return recorder.services.logs.read_logs(recorder.caller, run, LogQuery(**parts))


def test_a_line_keeps_all_it_had(recorder: Recorder) -> None:
    run = recorder.run()
    draft = LogDraft(
        "hello\nthere", "ERROR", time_ms=5, tag="record", fields={"a": [1, float("inf")], "b": {"c": None}}
    )
    recorder.append(run, logs=(draft,))
    (found,) = read(recorder, run).logs
    assert found == LogRecord(1, "ERROR", "hello\nthere", 5, "record", draft.fields)


def test_a_line_without_a_time_gets_the_time_it_came(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, logs=(LogDraft("hello"),))
    assert read(recorder, run).logs[0].time_ms == recorder.services.store.clock()


def test_lines_are_numbered_stream_by_stream_and_a_number_replaces(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, logs=(LogDraft("a"), LogDraft("b"), LogDraft("r", tag="record"), LogDraft("e", line=5)))
    recorder.append(
        run, logs=(LogDraft("c"), LogDraft("B", line=2), LogDraft("s", tag="record"), LogDraft("S", line=2))
    )
    assert [(line.line, line.tag, line.message) for line in read(recorder, run).logs] == [
        (1, "", "a"),
        (1, "record", "r"),
        (2, "", "S"),
        (2, "record", "s"),
        (5, "", "e"),
        (6, "", "c"),
    ]


def test_what_no_database_holds_as_text_is_marked(recorder: Recorder) -> None:
    run = recorder.run()
    recorder.append(run, logs=(LogDraft("a\x00b\ud800c\tü\n"),))
    assert read(recorder, run).logs[0].message == "a\ufffdb\ufffdc\tü\n"


@pytest.mark.parametrize("limit", range(1, 9))
def test_a_page_does_not_end_within_a_number(recorder: Recorder, limit: int) -> None:
    run = recorder.run()
    recorder.append(run, logs=tuple(LogDraft("x", tag=tag) for tag in ("", "a", "b") for _ in range(3)))
    found: list[tuple[int, str]] = []
    offset: int | None = 0
    while offset is not None:
        page = read(recorder, run, limit=limit, offset=offset)
        found += [(line.line, line.tag) for line in page.logs]
        offset = page.next_offset
    assert found == [(number, tag) for number in (1, 2, 3) for tag in ("", "a", "b")]


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "record", "x"]), st.sampled_from(LOG_LEVELS), st.none() | st.integers(1, 8)),
        min_size=4,
        max_size=30,
    ),
    st.sampled_from(["DEBUG", "DEBUG", "WARN"]),
    st.sampled_from([None, None, ""]),
    st.integers(1, 6),
)
def test_pages_give_every_line_once(
    shared: Recorder, drafts: list[Any], level: Any, tag: str | None, limit: int
) -> None:
    run = shared.run()
    kept: dict[tuple[int, str], tuple[str, str]] = {}
    for number, (stream, given_level, line) in enumerate(drafts):
        shared.append(run, logs=(LogDraft(str(number), given_level, line=line, tag=stream),))
        taken = line or max((found for found, of in kept if of == stream), default=0) + 1
        kept[taken, stream] = (given_level, str(number))
    expected = [
        (line, stream, message)
        for (line, stream), (given_level, message) in sorted(kept.items())
        if LOG_LEVELS.index(given_level) >= LOG_LEVELS.index(level) and tag in (None, stream)
    ]
    found: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        page = read(shared, run, level=level, tag=tag, limit=limit, offset=offset)
        assert page.count == len(expected)
        assert len(page.logs) <= max(limit, 3)
        found += [(line.line, line.tag, line.message) for line in page.logs]
        offset = page.next_offset
    assert found == expected


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"level": "LOUD"}, "level: 'LOUD' is none of"),
        ({"limit": 0}, "limit: a page has 1 to"),
        ({"offset": 2**63}, "offset: .* is out of bounds"),
        ({"tag": "\x00"}, "tag: text must not have NUL"),
    ],
)
def test_a_query_out_of_bounds_is_refused(recorder: Recorder, parts: dict[str, Any], sentence: str) -> None:
    run = recorder.run()
    with pytest.raises(ValidationError, match=sentence):
        read(recorder, run, **parts)
