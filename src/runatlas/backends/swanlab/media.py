"""Media of runs of a SwanLab server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runatlas.backends.swanlab.client import SwanlabClient, at
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.links import Links
from runatlas.backends.swanlab.record import media_item
from runatlas.backends.swanlab.runs import Runs
from runatlas.backends.swanlab.series import Series
from runatlas.model.ids import RunPath
from runatlas.model.media import MediaPage, MediaQuery, MediaRecord
from runatlas.model.page import each_item
from runatlas.model.run import RunRecord
from runatlas.model.series import MEDIA_TYPES, ColumnQuery, ColumnRecord

__all__ = ["Media"]


class Media:
    """Reads media, with links to their objects."""

    def __init__(self, client: SwanlabClient, runs: Runs, series: Series, links: Links) -> None:
        self._client = client
        self._runs = runs
        self._series = series
        self._links = links

    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        record = self._runs.find(run)
        kinds = {column.key: column for column in self._columns(run)}
        keys = [key for key in (kinds if query.keys is None else query.keys) if key in kinds]
        if not keys:
            return MediaPage((), ())
        found = [
            (kinds[series.text("key")], entry)
            for series in self.read(record, keys)
            for entry in series.objects("metrics")
        ]
        steps = tuple(sorted({entry.whole("index") for _, entry in found}))
        return MediaPage(tuple(self._linked(record, _chosen(found, query))), steps)

    def read(self, run: RunRecord, keys: Iterable[str]) -> list[Document]:
        """Read all entries of some keys, a document a key."""
        columns = [{"experimentId": run.cuid, "key": key, "createdAt": run.created_at_ms // 1000} for key in keys]
        body = {"projectId": run.project_cuid, "columns": columns}
        given = self._client.query(at("house", "metrics", "f_media"), body, scope=str(run.project_path))
        return Document.each(given, "media")

    def _columns(self, run: RunPath) -> Iterator[ColumnRecord]:
        columns = each_item(lambda page: self._series.list_columns(run, ColumnQuery(page=page)))
        return (column for column in columns if column.column_type in MEDIA_TYPES)

    def _linked(self, run: RunRecord, entries: list[tuple[ColumnRecord, Document]]) -> Iterator[MediaRecord]:
        """Make records of entries, with links to all their objects, which one request gives."""
        paths = list(dict.fromkeys(path for _, entry in entries for path in entry.texts("data")))
        urls = self._links.to_media(f"{run.project_cuid}/{run.cuid}", paths)
        for column, entry in entries:
            captions = _captions(entry)
            items = [
                media_item(path, captions[place] if place < len(captions) else "", urls.get(path, ""))
                for place, path in enumerate(entry.texts("data"))
            ]
            yield MediaRecord(column.key, entry.whole("index"), tuple(items), column.column_type)


def _chosen(found: list[tuple[ColumnRecord, Document]], query: MediaQuery) -> list[tuple[ColumnRecord, Document]]:
    """Take the entries of a step; without one, the latest of each key."""
    if query.all:
        return found
    if query.step is not None:
        return [(column, entry) for column, entry in found if entry.whole("index") == query.step]
    latest = {column.key: (column, entry) for column, entry in sorted(found, key=lambda item: item[1].whole("index"))}
    return [latest[key] for key in dict.fromkeys(column.key for column, _ in found)]


def _captions(entry: Document) -> list[str]:
    """Read captions; a file without one may have null."""
    return [item.get("caption") or "" if isinstance(item, dict) else "" for item in entry.plain.get("more") or ()]
