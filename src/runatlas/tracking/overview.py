"""Overviews of a run and of what it tracked, in the form that matyan's client has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runatlas.backends.contract import Backend
from runatlas.model.ids import RunPath
from runatlas.model.page import each_item
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import ColumnQuery, ColumnRecord, ColumnType, SummaryQuery, SummaryRecord

__all__ = [
    "SEQUENCE_TYPES",
    "check_sequence_types",
    "column_type_of",
    "list_columns",
    "metric_traces",
    "object_traces",
    "read_summaries",
    "run_props",
]

SEQUENCE_TYPES: tuple[str, ...] = ("metric", "images", "figures", "texts", "audios", "distributions")
"""The kinds of sequences that can be asked for."""

_COLUMN_TYPES: Mapping[str, ColumnType] = {
    "images": "IMAGE",
    "figures": "FIGURE",
    "texts": "TEXT",
    "audios": "AUDIO",
    "distributions": "DISTRIBUTION",
}


def check_sequence_types(sequence_types: Any) -> tuple[str, ...]:
    """Return the kinds asked for; one alone, several, or none for all.

    Raises:
        TypeError: They are no strings.
        ValueError: There is no such kind.
    """
    asked = (sequence_types,) if isinstance(sequence_types, str) else tuple(sequence_types)
    for name in asked:
        if not isinstance(name, str):
            raise TypeError(f"sequence_types: expected strings, got {type(name).__name__}")
        if name not in SEQUENCE_TYPES:
            raise ValueError(f"sequence_types: {name!r} is none of {', '.join(SEQUENCE_TYPES)}")
    return asked or SEQUENCE_TYPES


def column_type_of(sequence_type: str) -> ColumnType:
    """Return the column type of a kind of objects."""
    return _COLUMN_TYPES[sequence_type]


def read_summaries(backend: Backend, selection: RunSelection) -> Iterator[SummaryRecord]:
    """Read what the scalar series of runs amount to, page by page."""
    return each_item(lambda page: backend.read_summaries(SummaryQuery(selection, median=False, page=page)))


def list_columns(backend: Backend, run: RunPath) -> Iterator[ColumnRecord]:
    """List everything that a run tracked, page by page."""
    return each_item(lambda page: backend.list_columns(run, ColumnQuery(page=page)))


def run_props(record: RunRecord) -> dict[str, Any]:
    """Return a run's own fields."""
    ended_ms = record.finished_at_ms
    return {
        "name": record.name,
        "description": record.description,
        "experiment": {"id": record.project_cuid or None, "name": record.project, "description": ""},
        "tags": [{"id": label, "name": label, "color": None, "description": ""} for label in record.labels],
        "creation_time": record.created_at_ms / 1000,
        "end_time": None if ended_ms is None else ended_ms / 1000,
        "archived": record.archived,
        "active": record.state in {"RUNNING", "OFFLINE"},
    }


def metric_traces(summaries: Iterable[SummaryRecord]) -> list[dict[str, Any]]:
    """Describe metrics: name, context, and how they stand."""
    return [
        {
            "name": item.key,
            "context": dict(item.context),
            "last_value": item.latest.value,
            "last_step": item.last_step,
            "first_step": item.first_step,
            "count": item.count,
            "min": None if item.min is None else item.min.value,
            "max": None if item.max is None else item.max.value,
        }
        for item in summaries
    ]


def object_traces(columns: Iterable[ColumnRecord], sequence_type: str) -> list[dict[str, Any]]:
    """Describe the sequences of one kind of objects: name, context, and how far they are."""
    wanted = column_type_of(sequence_type)
    return [
        {
            "name": item.key,
            "context": dict(item.context),
            "last_value": None,
            "last_step": item.last_step,
            "count": item.count,
        }
        for item in columns
        if item.column_type == wanted
    ]
