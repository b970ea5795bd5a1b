"""A SwanLab server as a backend: everything it can do, and a clear word on what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from runatlas.backends.base import Backend
from runatlas.backends.http.cache import AnswerCache
from runatlas.backends.http.lifetime import RunStates
from runatlas.backends.http.link import open_link
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.operation import Operation, complete
from runatlas.backends.swanlab.client import SwanlabClient, at
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.record import log_record, media_item
from runatlas.backends.swanlab.refusal import unsupported
from runatlas.backends.swanlab.run_writing import SwanlabRunWriting
from runatlas.backends.swanlab.session import SwanlabSession
from runatlas.backends.swanlab.snapshot import Snapshots
from runatlas.errors import (
    ResponseFormatError,
)
from runatlas.model.ids import RunPath
from runatlas.model.log import LogPage, LogQuery
from runatlas.model.media import LinkRecord, MediaPage, MediaQuery, MediaRecord
from runatlas.model.page import each_item
from runatlas.model.run import RunRecord
from runatlas.model.series import MEDIA_TYPES, ColumnQuery, ColumnRecord
from runatlas.settings import ConnectionSettings

__all__ = ["SwanlabBackend"]

_LINES = 1000
"""How many lines these servers give at once."""


class SwanlabBackend(SwanlabRunWriting):
    """A SwanLab server, in the cloud or self-hosted. Making one makes no request.

    What the server has no request for raises ``NotSupportedError``. Filters and orders that its rules cannot say are
    applied here, to runs that are read whole. A deletion is for good: these servers keep no trash.
    """

    def __init__(
        self, host: str, key: str | None = None, *, policy: RetryPolicy | None = None, cache: bool = True
    ) -> None:
        """Describe the server.

        Args:
            host: ``scheme://name[:port]``; ``/api`` behind it, as SwanLab's own settings have it, is left out.
            key: An API key.
            policy: When to try again; its clock also ages what is kept.
            cache: Whether reads may be answered from memory for a while.
        """
        super().__init__()
        policy = policy or RetryPolicy()
        session = SwanlabSession(host.rstrip("/").removesuffix("/api"), key, policy=policy)
        self._client = SwanlabClient(session, AnswerCache(clock=policy.clock) if cache else None)
        self._states = RunStates(clock=policy.clock, wall_clock=policy.now)
        self._snapshots = Snapshots(clock=policy.clock)
        self._lists = Snapshots(clock=policy.clock)
        self._summed = Snapshots(clock=policy.clock)

    @classmethod
    def from_settings(cls, settings: ConnectionSettings) -> SwanlabBackend:
        """Make one of settings that name a host."""
        return cls(
            str(settings.host), settings.key, policy=RetryPolicy(total_s=settings.timeout_s), cache=settings.cache
        )

    @property
    def location(self) -> str:
        """The server's URL."""
        return self._client.session.host

    @property
    def web_url(self) -> str:
        """The server's URL."""
        return self._client.session.host

    def close(self) -> None:
        self._client.session.close()
        self._staging = None

    def forget(self, path: str | None = None) -> None:
        self._states.forget()
        self._client.forget("/".join((path or "").removeprefix("/").split("/")[:2]))

    def answers(self) -> bool:
        """Ask the server whether it is one of SwanLab's; needs no key."""
        return self._client.session.is_there()

    # -- media and files ----------------------------------------------------------------------------------------

    def list_media(self, run: RunPath, query: MediaQuery) -> MediaPage:
        record = self._get(run)
        kinds = {column.key: column for column in self._media_columns(run)}
        keys = [key for key in (kinds if query.keys is None else query.keys) if key in kinds]
        if not keys:
            return MediaPage((), ())
        columns = [{"experimentId": record.cuid, "key": key, "createdAt": record.created_at_ms // 1000} for key in keys]
        body = {"projectId": record.project_cuid, "columns": columns}
        given = self._client.query(at("house", "metrics", "f_media"), body, scope=str(run.project_path))
        found = [
            (kinds[series.text("key")], entry)
            for series in Document.each(given, "media")
            for entry in series.objects("metrics")
        ]
        steps = tuple(sorted({entry.whole("index") for _, entry in found}))
        return MediaPage(tuple(self._linked(record, _chosen(found, query))), steps)

    def _media_columns(self, run: RunPath) -> Iterator[ColumnRecord]:
        columns = each_item(lambda page: self.list_columns(run, ColumnQuery(page=page)))
        return (column for column in columns if column.column_type in MEDIA_TYPES)

    def _linked(self, run: RunRecord, entries: list[tuple[ColumnRecord, Document]]) -> Iterator[MediaRecord]:
        """Make records of entries, with links to all their objects, which one request gives."""
        paths = list(dict.fromkeys(path for _, entry in entries for path in entry.texts("data")))
        urls: dict[str, str] = {}
        if paths:
            body = {"prefix": f"{run.project_cuid}/{run.cuid}", "paths": paths}
            given = self._client.query(at("resources", "presigned", "get"), body, keep=0)
            told = Document.read(given, "links").texts("urls")
            if told and len(told) != len(paths):
                raise ResponseFormatError(f"links.urls: expected {len(paths)} links, got {len(told)}")
            urls = dict(zip(paths, told, strict=False))
        for column, entry in entries:
            captions = _captions(entry)
            items = [
                media_item(path, captions[place] if place < len(captions) else "", urls.get(path, ""))
                for place, path in enumerate(entry.texts("data"))
            ]
            yield MediaRecord(column.key, entry.whole("index"), tuple(items), column.column_type)

    def open_link(self, link: str, *, start: int = 0) -> Iterator[bytes]:
        return open_link(self._client.session, link, start)

    # -- lines --------------------------------------------------------------------------------------------------

    def read_logs(self, run: RunPath, query: LogQuery) -> LogPage:
        if query.tag is not None:
            raise unsupported("way to choose lines by their tag")
        record = self._get(run)
        limit = min(query.limit, _LINES)
        address = at(
            "house", "metrics", "log",
            projectId=record.project_cuid, experimentId=record.cuid, size=limit, epoch=query.offset or "0",
            level=query.level, createdAt=record.created_at_ms // 1000,
        )  # fmt: skip
        keep = self._states.keep_run(run)
        found = Document.read(self._client.get(address, scope=str(run.project_path), keep=keep), "log")
        lines = tuple(log_record(line) for line in found.objects("logs"))
        more = len(lines) >= limit
        return LogPage(lines, found.whole("count", len(lines)), lines[-1].line if more else None)

    def export_logs(self, run: RunPath, *, start: int, rows: int) -> LinkRecord:
        record = self._get(run)
        body = {
            "projectId": record.project_cuid,
            "experimentId": record.cuid,
            "start": start,
            "rows": rows,
            "createdAt": record.created_at_ms // 1000,
        }
        given = self._client.write("POST", at("house", "metrics", "log", "export"), body)
        return self._file_link(Document.read(given, "export").text("cosKey"))


_LACKING = {
    "update_user": ("way to change an account from outside", "change it on its pages"),
    "update_workspace": ("way to change a workspace from outside", "change it on its pages"),
    "set_member": ("way to change a workspace's members from outside", "change them on its pages"),
    "update_project": ("way to change a project from outside", "change it on its pages"),
    "create_key": ("way to make a key from outside", "make it on its pages"),
    "list_keys": ("list of keys from outside", "see its pages"),
    "revoke_key": ("way to revoke a key from outside", "revoke it on its pages"),
    "list_artifacts": ("list of a run's saved files", ""),
    "trash": ("trash", "what is deleted there is gone"),
    "folders": ("folders", ""),
    "annotations": ("notes on runs", ""),
    "catalog": ("catalog of metrics with their counts", "list the run's columns"),
    "ingestion_keys": ("keys for one run", ""),
    "registry": ("registry of models", ""),
}
"""What these servers do not have, and what to do instead; by the operation, or by the service of all of a kind."""


def _refuse(item: Operation) -> Callable[..., Any] | None:
    """Make the method of an operation that these servers have no request for."""
    lacking = _LACKING.get(item.name) or _LACKING.get(item.service)
    if lacking is None:
        return None

    def refuse(_: SwanlabBackend, *__: Any, **___: Any) -> Any:
        raise unsupported(*lacking)

    return refuse


complete(SwanlabBackend, Backend, _refuse)


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
