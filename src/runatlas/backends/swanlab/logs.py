"""Lines of runs of a SwanLab server."""

from __future__ import annotations

from collections.abc import Iterator

from runatlas.backends.swanlab.client import SwanlabClient, at, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.links import Links
from runatlas.backends.swanlab.record import log_record
from runatlas.backends.swanlab.runs import Runs
from runatlas.model.ids import RunPath
from runatlas.model.log import LogPage, LogQuery, LogRecord
from runatlas.model.media import LinkRecord

__all__ = ["Logs"]

_LINES = 1000
"""How many lines these servers give at once."""


class Logs:
    """Reads lines, and lets the server write them to a file."""

    def __init__(self, client: SwanlabClient, runs: Runs, links: Links) -> None:
        self._client = client
        self._runs = runs
        self._links = links

    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        if query.tag is not None:
            raise unsupported("way to choose lines by their tag")
        record = self._runs.find(run)
        limit = min(query.limit, _LINES)
        address = at(
            "house", "metrics", "log",
            projectId=record.project_cuid, experimentId=record.cuid, size=limit, epoch=query.offset or "0",
            level=query.level, createdAt=record.created_at_ms // 1000,
        )  # fmt: skip
        keep = self._runs.keep_s(run)
        found = Document.read(self._client.get(address, scope=str(run.project_path), keep=keep), "log")
        lines = tuple(log_record(line) for line in found.objects("logs"))
        more = len(lines) >= limit
        return LogPage(lines, found.whole("count", len(lines)), lines[-1].line if more else None)

    def between(self, run: RunPath, first: int, last: int) -> Iterator[LogRecord]:
        """Yield the lines from one number to at least another."""
        offset: int | None = first - 1
        while offset is not None and offset < last:
            page = self.read_logs(run, LogQuery(offset, "DEBUG"))
            yield from page.logs
            offset = page.next_offset

    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        record = self._runs.find(run)
        body = {
            "projectId": record.project_cuid,
            "experimentId": record.cuid,
            "start": start,
            "rows": rows,
            "createdAt": record.created_at_ms // 1000,
        }
        given = self._client.write("POST", at("house", "metrics", "log", "export"), body)
        return self._links.to_file(Document.read(given, "export").text("cosKey"))
