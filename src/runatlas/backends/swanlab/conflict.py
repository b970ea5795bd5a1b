"""What a run has already of what is to be appended: the same again does no harm, anything else would be lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from runatlas.backends.swanlab.client import unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.line import Part
from runatlas.backends.swanlab.submission import time_text
from runatlas.model.log import LogDraft, LogRecord

__all__ = ["check_lines", "check_media", "check_points"]


def check_points(records: Iterable[Mapping[str, Any]], held: Iterable[Part]) -> None:
    """Check that points of steps that series have are the same points.

    Raises:
        NotSupportedError: One is another: these servers keep one a step.
    """
    known = {
        (part.key, step): (value, time_ms)
        for part in held
        for step, value, time_ms in zip(*(column.to_pylist() for column in part.line), strict=True)
    }
    for record in records:
        found = known.get((record["key"], record["index"]))
        if found is not None and not _is_same(record, *found):
            raise unsupported(
                "second point of a step", f"{record['key']!r} has one of step {record['index']}, which stays"
            )


def _is_same(record: Mapping[str, Any], value: float, time_ms: int) -> bool:
    given = float(record["data"])
    # Some servers know one word for all that is not finite.
    return record["create_time"] == time_text(time_ms) and (
        given == value or not (math.isfinite(given) or math.isfinite(value))
    )


def check_media(records: Iterable[Mapping[str, Any]], held: Iterable[Document]) -> None:
    """Check that media of steps that series have are the same media.

    Raises:
        NotSupportedError: Some are others.
    """
    known = {
        (series.text("key"), entry.whole("index")): list(entry.texts("data"))
        for series in held
        for entry in series.objects("metrics")
    }
    for record in records:
        if known.get((record["key"], record["index"]), record["data"]) != record["data"]:
            raise unsupported(
                "way to replace media", f"{record['key']!r} has some of step {record['index']}, which stay"
            )


def check_lines(lines: Mapping[int, LogDraft], held: Iterable[LogRecord]) -> None:
    """Check that lines of numbers that a run has are the same lines.

    Raises:
        NotSupportedError: One is another.
    """
    for record in held:
        line = lines.get(record.line)
        if line is not None and (line.message, line.level) != (record.message, record.level):
            raise unsupported("way to replace a line", f"there is a line {record.line}, which stays")
