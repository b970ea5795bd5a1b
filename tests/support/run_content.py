"""What a run recorded, in plain forms that tests compare."""

from __future__ import annotations

from typing import Any

from runatlas import Experiment

__all__ = ["log_lines", "points", "series_keys"]


def points(run: Experiment, key: str, context: dict[str, Any] | None = None) -> list[tuple[int, float]]:
    """Every ``(step, value)`` of a series, by step."""
    table = run.metrics([key], all=True, context=context or {}).unwrap()
    if key in table.missing:
        return []
    found = next(series for series in table.values() if series.key == key and series.context == (context or {}))
    return list(zip(found.steps.to_pylist(), found.values.to_pylist(), strict=True))


def series_keys(run: Experiment) -> list[str]:
    """The keys of everything that was recorded."""
    return sorted(column.key for column in run.columns(all=True))


def log_lines(run: Experiment, level: str = "DEBUG") -> list[str]:
    """The text of every line."""
    return [line.message for line in run.logs(level=level, all=True).unwrap().lines]  # type: ignore[arg-type]
