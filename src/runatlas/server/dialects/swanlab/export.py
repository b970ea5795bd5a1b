"""Routes that make files of what runs recorded, and links to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.ids import RunPath
from runatlas.model.series import ColumnQuery
from runatlas.server.dialects.swanlab.body import answer, read_object
from runatlas.server.dialects.swanlab.column import all_columns
from runatlas.server.dialects.swanlab.record import wire_key
from runatlas.server.dialects.swanlab.reference import REFERENCES_MAX, Reference, base_keys, locate, read_references
from runatlas.server.services.exports import ExportColumn
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import INT64, text, texts, whole

__all__ = ["export_column", "export_columns", "export_log", "link_exports"]

_EXPORT = re.compile(r"exports/([0-9a-z]{21})\.(csv|log)")


def _export_columns(call: EndpointCall, wanted: list[tuple[RunPath, str, str]]) -> str:
    """Write keys of runs, each under its title, to a file; return the file's id."""
    keys = {run: {key for of, key, _ in wanted if of == run} for run, _, _ in wanted}
    found = {
        (run, wire_key(column.key, column.context)): column
        for run, names in keys.items()
        for base in base_keys(sorted(names))
        for column in all_columns(call, run, ColumnQuery(key=base))
    }
    columns = []
    for run, key, title in wanted:
        column = found.get((run, key))
        if column is None:
            columns.append(ExportColumn(run, key, title))
        else:
            columns.append(ExportColumn(run, column.key, title, column.context))
    return call.services.exports.export_columns(call.user, columns)


def export_column(call: EndpointCall) -> Answer:
    """Write one column to a file, and answer the link to it."""
    cuid, key = call.params["cuid"], call.value("key")
    if not key:
        raise ValidationError("key: which column?")
    run = locate(call, [cuid])[cuid]
    known = [column for base in base_keys([key]) for column in all_columns(call, run, ColumnQuery(key=base))]
    if not any(wire_key(column.key, column.context) == key and column.count for column in known):
        raise NotFoundError(f"run {run} has no scalar column {key!r}")
    file = _export_columns(call, [(run, key, key)])
    return answer({"url": call.services.exports.get_link(call.user, file).url})


def export_columns(call: EndpointCall) -> Answer:
    """Write columns side by side to a file, and answer its key."""
    columns: list[Reference] = read_references(read_object(call))
    runs = locate(call, [column.cuid for column in columns])
    wanted = [(runs[column.cuid], column.key, f"{column.name or column.cuid}-{column.key}") for column in columns]
    return answer({"cosKey": f"exports/{_export_columns(call, wanted)}.csv"})


def export_log(call: EndpointCall) -> Answer:
    """Write lines to a file, and answer its key."""
    body = {"start": 0, "rows": 500_000, **read_object(call)}
    cuid = text(body, "experimentId")
    start, rows = whole(body, "start", *INT64), whole(body, "rows", *INT64)
    link = call.services.exports.export_logs(call.user, locate(call, [cuid])[cuid], start=start, rows=rows)
    return answer({"cosKey": f"exports/{urlsplit(link.url).path.split('/')[4]}.log"})


def link_exports(call: EndpointCall) -> Answer:
    """Turn the keys of files into links."""
    urls = []
    for path in texts(read_object(call).get("paths"), "paths", REFERENCES_MAX):
        found = _EXPORT.fullmatch(path)
        if found is None:
            raise NotFoundError(f"there is no file {path!r}")
        urls.append(call.services.exports.get_link(call.user, found[1]).url)
    return answer({"urls": urls})
