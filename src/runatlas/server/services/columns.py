"""The columns of a run."""

from __future__ import annotations

from typing import Any

from runatlas.errors import ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.page import Page
from runatlas.model.series import COLUMN_TYPES, ColumnQuery, ColumnRecord
from runatlas.model.text import check_text
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.series_walk import check_series, read_context
from runatlas.server.services.validation import check_choice
from runatlas.server.store.column import ColumnChoice, count_columns, list_columns
from runatlas.server.store.engine import Store

__all__ = ["Columns"]

_LISTING = "columns"


class Columns:
    """What series runs have."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_columns(self, caller: Caller, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        """List a run's columns by key, exact matches of ``query.key`` first.

        Raises:
            NotFoundError: There is no such run.
            ValidationError: The query is out of bounds.
        """
        check_page(query.page)
        check_series(None if query.key is None else (query.key,), query.column_class)
        check_choice(query.column_type, COLUMN_TYPES, "column_type")
        if query.search is not None:
            if not isinstance(query.search, str):
                raise ValidationError(f"search: expected text, got {type(query.search).__name__}")
            check_text(query.search, "search")
        page, after = query.page, None
        if page.cursor is not None:
            rank, key, context = read_cursor(page.cursor, _LISTING, ("int", "text", "text"))
            after = (rank, key, context)
        with self._store.read() as connection:
            run_pk = require_run(connection, caller, run, "read").id
            choice = ColumnChoice(run_pk, query.key, query.search, query.column_class, query.column_type)
            found = list_columns(connection, choice, after=after, offset=page.offset, limit=page.limit + 1)
            total = count_columns(connection, choice) if page.with_total else None
        return make_page(
            found, page.limit, item=_record, cursor=lambda row: write_cursor(_LISTING, row[:3]), total=total
        )


def _record(row: Any) -> ColumnRecord:
    _, key, context, name, column_class, column_type, created_at_ms, count, last_step = row
    return ColumnRecord(
        key=key,
        name=name or key,
        column_class=column_class,
        column_type=column_type,
        created_at_ms=created_at_ms,
        context=read_context(context),
        count=count,
        last_step=last_step,
    )
