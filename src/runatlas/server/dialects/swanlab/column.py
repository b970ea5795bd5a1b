"""Routes of columns: announcing and listing them."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.ids import RunPath
from runatlas.model.page import Page, each_item
from runatlas.model.project import ProjectPatch
from runatlas.model.series import COLUMN_CLASSES, COLUMN_TYPES, ColumnClass, ColumnDraft, ColumnQuery, ColumnRecord
from runatlas.server.dialects.swanlab.body import answer, listed, page_request, project_path, read_json, read_object
from runatlas.server.dialects.swanlab.ingestion import SYSTEM_PREFIX
from runatlas.server.dialects.swanlab.record import column_object
from runatlas.server.dialects.swanlab.reference import locate
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import objects, text

__all__ = ["add_columns", "add_series", "all_columns", "list_columns"]

_COLUMNS_MAX = 10_000


def add_columns(call: EndpointCall) -> Answer:
    """Announce columns of a run; those of a type that we do not know come with their data."""
    given = objects(read_json(call), "the body", _COLUMNS_MAX)
    drafts = tuple(draft for item in given if (draft := _draft(item)) is not None)
    cuid = call.params["cuid"]
    call.services.recording.append(call.user, Batch(locate(call, [cuid])[cuid], columns=drafts))
    return answer({})


def _draft(item: dict[str, Any]) -> ColumnDraft | None:
    key, wanted = text(item, "key"), text(item, "type")
    name = text(item, "name", "")
    for known in COLUMN_TYPES:
        if known == wanted:
            return ColumnDraft(key, known, _class(item, key), "" if name == key else name)
    return None


def _class(item: dict[str, Any], key: str) -> ColumnClass:
    system = text(item, "class", "CUSTOM") == "SYSTEM" or key.startswith(SYSTEM_PREFIX)
    return "SYSTEM" if system else "CUSTOM"


def add_series(call: EndpointCall) -> Answer:
    """Take what is said of the keys of a project; each run's columns come with its data."""
    for item in objects(read_object(call).get("series"), "series", _COLUMNS_MAX):
        text(item, "key")
        text(item, "type")
    call.services.projects.update_project(call.user, project_path(call), ProjectPatch())
    return answer({})


def list_columns(call: EndpointCall) -> Answer:
    """List a run's columns, exact matches of the search first; ``all`` is what the oldest clients ask for."""
    cuid = call.params["cuid"]
    run = locate(call, [cuid])[cuid]
    search = call.value("search") or None
    query = ColumnQuery(search, search, _wanted_class(call.value("class")))
    wanted = call.value("type") or None
    if wanted is not None:
        known = next((kind for kind in COLUMN_TYPES if kind == wanted), None)
        if known is None:
            return listed([], Page(()), page_request(call))
        query = attrs.evolve(query, column_type=known)
    if (call.value("all") or "").lower() == "true":
        found = all_columns(call, run, query)
        total = len(found)
        return answer({"list": [column_object(item) for item in found], "total": total, "pages": 1, "size": total})
    request = page_request(call)
    page = call.services.columns.list_columns(call.user, run, attrs.evolve(query, page=request))
    return listed([column_object(column) for column in page.items], page, request)


def _wanted_class(wanted: str | None) -> ColumnClass | None:
    if not wanted:
        return None
    for known in COLUMN_CLASSES:
        if known == wanted:
            return known
    raise ValidationError("class: expected CUSTOM or SYSTEM")


def all_columns(call: EndpointCall, run: RunPath, query: ColumnQuery) -> list[ColumnRecord]:
    """Read all columns of a run."""
    columns = call.services.columns
    return list(each_item(lambda page: columns.list_columns(call.user, run, attrs.evolve(query, page=page))))
