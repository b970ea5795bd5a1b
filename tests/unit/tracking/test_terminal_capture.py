from __future__ import annotations

import io
import logging
import sys
import time

import pytest

from runatlas.tracking.terminal_capture import TerminalCapture
from runatlas.tracking.terminal_text import Line


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def replace_streams(monkeypatch: pytest.MonkeyPatch) -> tuple[io.BytesIO, io.BytesIO]:
    out, err = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, write_through=True))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(err, write_through=True))
    return out, err


def test_both_streams_are_copied_and_still_written(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = replace_streams(monkeypatch)
    capture = TerminalCapture()
    capture.start()
    print("one")
    print("two", file=sys.stderr)
    print("half", end="")

    assert texts(capture.take()) == ["one", "two"]
    capture.stop()
    print(" more")
    assert texts(capture.take(final=True)) == ["half"]
    assert (out.getvalue(), err.getvalue()) == (b"one\nhalf more\n", b"two\n")


def test_lines_of_both_streams_come_in_one_order_each_with_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_streams(monkeypatch)
    capture = TerminalCapture()
    capture.start()
    for number in range(4):
        print(f"line {number}", file=(sys.stdout, sys.stderr)[number % 2])
        before = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == before:
            continue
    print("10%\r20%", end="", file=sys.stderr)
    print()
    lines = capture.take(final=True)
    capture.stop()

    assert texts(lines) == ["line 0", "line 1", "line 2", "line 3", "", "20%"]
    times = [line.time_ms for line in lines]
    assert times[:4] == sorted(set(times[:4]))
    assert times[-1] <= time.time_ns() // 1_000_000


def test_the_streams_are_left_as_they_were_found(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_streams(monkeypatch)
    before = dict(vars(sys.stdout)), sys.stdout
    capture = TerminalCapture()
    capture.start()
    capture.stop()

    assert (dict(vars(sys.stdout)), sys.stdout) == before


def test_a_write_that_somebody_else_had_put_there_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_streams(monkeypatch)
    heard: list[str] = []
    monkeypatch.setattr(sys.stdout, "write", heard.append)
    own = vars(sys.stdout)["write"]
    capture = TerminalCapture()
    capture.start()
    print("x")
    capture.stop()

    assert vars(sys.stdout)["write"] is own
    assert heard == ["x", "\n"]
    assert texts(capture.take(final=True)) == ["x"]


def test_captures_nest_and_end_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_streams(monkeypatch)
    before = dict(vars(sys.stdout))
    first, second = TerminalCapture(), TerminalCapture()
    first.start()
    second.start()
    print("both")
    first.stop()
    print("only the second")
    second.stop()
    print("nobody")

    assert texts(first.take(final=True)) == ["both"]
    assert texts(second.take(final=True)) == ["both", "only the second"]
    assert dict(vars(sys.stdout)) == before


def test_a_logging_handler_made_before_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_streams(monkeypatch)
    logger = logging.getLogger("captured")
    logger.propagate = False
    logger.addHandler(logging.StreamHandler())
    capture = TerminalCapture()
    capture.start()
    logger.warning("told")
    capture.stop()

    assert texts(capture.take()) == ["told"]


def test_a_process_without_a_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    capture = TerminalCapture()
    capture.start()
    capture.stop()

    assert texts(capture.take(final=True)) == []
