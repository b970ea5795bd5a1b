"""The runs that an address asks for as a file, and all that is known of one of them."""

from __future__ import annotations

import secrets
import tempfile
import threading
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, Literal, cast

import attrs

from runatlas.errors import RateLimitedError, ValidationError
from runatlas.model.codec import decode_json, encode_json
from runatlas.model.filter_language import FilterSyntaxError
from runatlas.model.page import PAGE_LIMIT, each_item
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.server.pages.page import project_path, run_path
from runatlas.server.pages.run_list import asked_query
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import Download, content_disposition
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.tables.run import RunColumns, RunTable, write_runs

__all__ = ["csv_file", "parquet_file", "record_file"]

_PIECE = 1 << 18
_PATIENCE_S = 5.0
_places = threading.BoundedSemaphore(2)
"""A file of many runs takes half a minute of a thread, and room on the disk."""


def csv_file(call: EndpointCall) -> Download:
    """Return the runs as CSV: every config and every metric's last value; no text is a formula."""
    return _made(call, "csv", "text/csv")


def parquet_file(call: EndpointCall) -> Download:
    """Return the runs as Parquet."""
    return _made(call, "parquet", "application/vnd.apache.parquet")


def record_file(call: EndpointCall) -> Answer:
    """Return all that is known of a run as JSON, however much it is."""
    run = call.services.runs.get_run(call.user, run_path(call))
    return Answer(encode_json(run), headers={"content-disposition": content_disposition(f"{run.cuid}.json")})


def _made(call: EndpointCall, form: Literal["csv", "parquet"], media_type: str) -> Download:
    path = project_path(call)
    call.services.projects.get_project(call.user, path)
    try:
        query = asked_query(call, RunSelection(path.workspace, path.project))
    except FilterSyntaxError as error:
        raise ValidationError(str(error)) from error
    if not _places.acquire(timeout=_PATIENCE_S):
        raise RateLimitedError("other files of runs are being made; try again in a moment")
    try:
        file = _filled(call, query, form)
    finally:
        _places.release()
    size = file.tell()
    return Download(lambda start, stop: _pieces(file, start, stop), size, f"{path.project}.{form}", media_type, _tag())


def _filled(call: EndpointCall, query: RunQuery, form: Literal["csv", "parquet"]) -> BinaryIO:
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - it goes with the answer
    # What all runs have together is known when the last one was read, and they may be many.
    with tempfile.TemporaryFile() as spool:
        columns, now_ms = RunColumns(), call.services.store.clock()
        for records in _read(call, query):
            columns.add(RunTable(records, now_ms=now_ms))
            spool.writelines(encode_json(record) + b"\n" for record in records)
        spool.seek(0)
        write_runs(_tables(cast(BinaryIO, spool), now_ms), columns, file, form)
    return file


def _read(call: EndpointCall, query: RunQuery) -> Iterator[tuple[RunRecord, ...]]:
    runs = each_item(
        lambda request: call.services.runs.list_runs(call.user, attrs.evolve(query, page=request)), limit=PAGE_LIMIT
    )
    while portion := tuple(islice(runs, PAGE_LIMIT)):
        yield portion


def _tables(spool: BinaryIO, now_ms: int) -> Iterator[RunTable]:
    while lines := tuple(islice(spool, PAGE_LIMIT)):
        yield RunTable([decode_json(line, RunRecord) for line in lines], now_ms=now_ms)


def _pieces(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while piece := file.read(min(_PIECE, stop - file.tell())):
        yield piece


def _tag() -> str:
    """Make a mark of its own for each: the runs may be others the next time."""
    return secrets.token_hex(8)
