"""A batch whose lines are set apart loses none to another program that numbers its lines alike."""

from __future__ import annotations

import pytest
from support.recording import Recorder

from runatlas.model.ids import RunPath
from runatlas.model.log import LogDraft, LogQuery


def lines(name: str, *numbers: int, time_ms: int = 1000) -> tuple[LogDraft, ...]:
    return tuple(LogDraft(f"{name} {number}", line=number, time_ms=time_ms + number) for number in numbers)


def read(recorder: Recorder, run: RunPath) -> list[str]:
    page = recorder.services.logs.read_logs(recorder.caller, run, LogQuery(level="DEBUG"))
    return [line.message for line in page.logs]


def append(recorder: Recorder, run: RunPath, *drafts: LogDraft) -> None:
    recorder.append(run, logs=drafts, lines_apart=True)


def test_programs_that_number_alike_keep_their_lines(recorder: Recorder) -> None:
    run = recorder.run()
    append(recorder, run, *lines("a", 1, 2, 3))
    append(recorder, run, *lines("b", 2, 3, 4))
    append(recorder, run, *lines("c", 3))
    append(recorder, run, *lines("a", 4))
    assert read(recorder, run) == ["a 1", "a 2", "b 2", "a 3", "b 3", "c 3", "b 4", "a 4"]


def test_what_is_sent_again_is_there_once(recorder: Recorder) -> None:
    run = recorder.run()
    for _ in range(2):
        append(recorder, run, *lines("a", 1, 2, 3))
        append(recorder, run, *lines("b", 1, 2, 3))
    append(recorder, run, *lines("b", 3, 4), *lines("b", 3))
    assert read(recorder, run) == ["a 1", "b 1", "a 2", "b 2", "a 3", "b 3", "b 4"]


def test_lines_that_say_the_same_at_other_times_are_two(recorder: Recorder) -> None:
    run = recorder.run()
    append(recorder, run, *lines("a", 1), *lines("a", 1, time_ms=5000))
    assert read(recorder, run) == ["a 1", "a 1"]


def test_a_line_without_a_time_is_known_by_what_it_says(recorder: Recorder) -> None:
    run = recorder.run()
    for _ in range(2):
        append(recorder, run, LogDraft("a", line=1), LogDraft("b", line=1))
    assert read(recorder, run) == ["a", "b"]


@pytest.mark.parametrize("number", [None, 9])
def test_the_last_line_of_all_streams_is_told(recorder: Recorder, number: int | None) -> None:
    run = recorder.run()
    append(recorder, run, *lines("a", 1, 2), LogDraft("more", line=number))
    append(recorder, run, *lines("b", 2, 12))
    append(recorder, run, *lines("c", 2, 11))
    logs = recorder.services.logs
    assert logs.last_line(recorder.caller, run, None) == 12
    assert logs.last_line(recorder.caller, run, "2") == 2
