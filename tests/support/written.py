"""What a store holds of a batch that came to it by another protocol."""

from __future__ import annotations

from typing import Any

from support.recording import rows_of, same_rows

from runatlas.backends.contract import Backend
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.log import LogQuery, LogRecord
from runatlas.model.media import MediaQuery
from runatlas.model.page import PageRequest, each_item
from runatlas.model.run import RunSelection
from runatlas.model.series import ColumnQuery, PointQuery, SeriesPoints

__all__ = ["check_written"]

_SYSTEM = "__swanlab__."


def check_written(store: Backend, batch: Batch, told: AppendRecord) -> None:
    """Check that a batch is there, whole."""
    if told.applied:
        counts = (sum(len(series.steps) for series in batch.points), len(batch.media))
        assert (told.points, told.media) == counts
        assert (told.logs, told.artifacts) == (len(batch.logs), len(batch.artifacts))
    _check_points(store, batch)
    _check_columns(store, batch)
    _check_media(store, batch)
    _check_logs(store, batch)
    _check_artifacts(store, batch)


def _key(named: Any) -> str:
    has_prefix = named.column_class == "CUSTOM" or named.key.startswith(_SYSTEM)
    return str(named.key if has_prefix else _SYSTEM + named.key)


def _check_points(store: Backend, batch: Batch) -> None:
    if not batch.points:
        return
    selection = RunSelection(batch.run.workspace, batch.run.project, (batch.run.run,))
    found = {key: rows for (_, key, _), rows in rows_of(store.read_points(PointQuery(selection, context=()))).items()}
    for series in batch.points:
        wanted = _rows(series)
        steps = {row[0] for row in wanted}
        assert same_rows([row for row in found.get(_key(series), []) if row[0] in steps], wanted), series.key


def _rows(series: SeriesPoints) -> list[Any]:
    columns = (series.steps, series.times_ms, series.values)
    return sorted((*row, None) for row in zip(*(column.to_pylist() for column in columns), strict=True))


def _check_columns(store: Backend, batch: Batch) -> None:
    found = {column.key: column for column in each_item(lambda page: store.list_columns(batch.run, _columns(page)))}
    for column in batch.columns:
        held = found[_key(column)]
        assert held.column_class == column.column_class
        assert column.name in {"", held.name}
    for series in batch.points:
        if len(series.steps):
            held = found[_key(series)]
            assert (held.column_class, held.column_type) == (series.column_class, series.column_type)
    for draft in batch.media:
        assert found[draft.key].column_type == draft.column_type


def _columns(page: PageRequest) -> ColumnQuery:
    return ColumnQuery(page=page)


def _check_media(store: Backend, batch: Batch) -> None:
    if not batch.media:
        return
    keys = tuple({draft.key for draft in batch.media})
    found = {(item.key, item.step): item for item in store.list_media(batch.run, MediaQuery(keys, all=True)).items}
    for draft in batch.media:
        held = found[draft.key, draft.step]
        assert draft.time_ms in {0, held.time_ms}
        assert [(item.path, item.caption) for item in held.items] == [(item.path, item.caption) for item in draft.items]
        for item, wanted in zip(held.items, draft.items, strict=True):
            assert (item.sha256, item.data) == (wanted.sha256, wanted.data)


def _check_logs(store: Backend, batch: Batch) -> None:
    if not batch.logs:
        return
    found: list[LogRecord] = []
    offset: int | None = 0
    while offset is not None:
        page = store.read_logs(batch.run, LogQuery(offset, "DEBUG"))
        found += page.logs
        offset = page.next_offset
    held = {(line.level, line.message, line.line) for line in found}
    unnumbered = {line[:2] for line in held}
    for line in batch.logs:
        if line.is_open:  # that protocol has no words for lines in the making
            continue
        if line.line is None:
            assert (line.level, line.message) in unnumbered
        else:
            assert (line.level, line.message, line.line) in held


def _check_artifacts(store: Backend, batch: Batch) -> None:
    if not batch.artifacts:
        return
    found = {item.name: item for item in each_item(lambda page: store.list_artifacts(batch.run, page))}
    for draft in {draft.name: draft for draft in batch.artifacts}.values():
        assert (found[draft.name].sha256, found[draft.name].mime_type) == (draft.sha256, draft.mime_type)
