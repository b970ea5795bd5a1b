"""What runs of a SwanLab server recorded as numbers: columns, points and summaries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from typing import Any

import attrs

from runatlas.backends.http.cache import MOVING_S
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.swanlab.client import SwanlabClient, at, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.line import Line, Part, cut_line, make_block, read_csv, read_points
from runatlas.backends.swanlab.links import Links
from runatlas.backends.swanlab.record import column_class, column_record
from runatlas.backends.swanlab.runs import Runs, missing_of
from runatlas.backends.swanlab.snapshot import Snapshots
from runatlas.errors import NotFoundError
from runatlas.model.ids import RunPath
from runatlas.model.media import LinkRecord
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunRecord
from runatlas.model.series import (
    SAMPLE_MAX,
    ColumnQuery,
    ColumnRecord,
    PointBlock,
    PointQuery,
    SummaryQuery,
    SummaryRecord,
)

__all__ = ["LastSteps", "Series"]

_COLUMNS = 16
"""How many series these servers give in one answer; their own clients ask for no more."""

_AT_ONCE = 4
_Wanted = tuple[RunRecord, "str | None"]
"""A run, and a key of it; no key for a run that has none."""


@attrs.frozen
class LastSteps:
    """How far a run got.

    Attributes:
        line: The number of its last line, 0 when it has none.
        scalar, media: The last step of each key.
    """

    line: int
    scalar: dict[str, int]
    media: dict[str, int]


class Series:
    """Reads columns, points and summaries."""

    def __init__(self, client: SwanlabClient, runs: Runs, links: Links, policy: RetryPolicy) -> None:
        self._client = client
        self._runs = runs
        self._links = links
        self._lists: Snapshots[_Wanted] = Snapshots(clock=policy.clock)
        self._summed: Snapshots[SummaryRecord] = Snapshots(clock=policy.clock)

    def list_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        found = self._listed_columns(run, query)
        told = self.last_steps(self._runs.find(run)) if found.items else LastSteps(0, {}, {})
        last = {**told.media, **told.scalar}
        return attrs.evolve(found, items=tuple(attrs.evolve(c, last_step=last.get(c.key)) for c in found.items))

    def _listed_columns(self, run: RunPath, query: ColumnQuery) -> Page[ColumnRecord]:
        cuid = self._runs.find(run).cuid
        search = query.search or query.key

        def address(number: int, size: int) -> str:
            narrowed = {"search": search, "class": query.column_class, "type": query.column_type}
            return at("experiment", cuid, "column", page=number, size=size, **narrowed)

        if query.key is None or query.search is not None:
            return self._client.page(query.page, address, column_record, scope=str(run.project_path))
        first = self._client.page(PageRequest(), address, column_record, scope=str(run.project_path))
        exact = tuple(column for column in first.items if column.key == query.key)
        return Page(exact, None, len(exact) if query.page.with_total else None)

    def last_steps(self, run: RunRecord, keep: float = MOVING_S) -> LastSteps:
        """Tell how far a run got."""
        created = run.created_at_ms // 1000
        address = at("house", "metrics", "summaries", run.project_cuid, run.cuid, all="True", createdAt=created)
        given = self._client.get(address, scope=str(run.project_path), keep=keep)
        told = Document.read(given, "last steps")
        scalar, media = (
            {item.text("key"): item.whole("step") for item in told.objects(section)} for section in ("scalar", "media")
        )
        return LastSteps(max((item.whole("step") for item in told.objects("log")), default=0), scalar, media)

    # -- points -------------------------------------------------------------------------------------------------

    def read_points(self, query: PointQuery) -> PointBlock:
        if query.context:
            raise unsupported("contexts of series")
        if query.sample is not None and query.range is not None:
            raise unsupported("samples of a range")
        question = attrs.evolve(query, cursor=None)
        missing: list[str] = []
        runs: dict[str, tuple[str, str, str]] = {}
        parts: list[Part] = []
        cursor = query.cursor
        while True:
            page = PageRequest(limit=_COLUMNS * _AT_ONCE, cursor=cursor)
            wanted, cursor, _ = self._lists.page(question, page, lambda: self._wanted(query, missing))
            runs |= {run.cuid: (run.cuid, run.id, run.name) for run, _ in wanted}
            parts += self.read(wanted, query)
            if cursor is None or sum(len(part.line.steps) for part in parts) >= query.point_limit:
                return make_block(runs.values(), parts, tuple(missing), cursor)

    def _wanted(self, query: PointQuery, missing: list[str]) -> list[_Wanted]:
        """List the series of a query, with a ``None`` for a run that has none; note the ids that are no runs."""
        runs = self._runs.select(query.selection)
        missing += missing_of(runs, query.selection)
        found = self._runs.summaries(runs, None) if query.keys is None else {}
        wanted: list[_Wanted] = []
        for run in runs:
            keys = sorted(found.get(run.cuid, ())) if query.keys is None else dict.fromkeys(query.keys)
            chosen = [key for key in keys if query.column_class in {None, column_class(key)}]
            wanted += [(run, key) for key in chosen or (None,)]
        return wanted

    def read(self, wanted: Sequence[_Wanted], query: PointQuery) -> Iterator[Part]:
        """Read series, several requests at a time; those without points are left out."""
        groups = list(_groups(wanted))

        def read(group: Sequence[tuple[RunRecord, str]]) -> list[Line]:
            return self._read_whole(group) if query.sample is None else self._read_sampled(group, query.sample)

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for group, lines in zip(groups, threads.map(read, groups), strict=True):
                for (run, key), line in zip(group, lines, strict=True):
                    cut, total = cut_line(line, query.range)
                    # As many points as asked for: there may be more.
                    is_whole = query.sample is None or total < min(query.sample, SAMPLE_MAX)
                    if len(line.steps):
                        yield Part(run.cuid, key, cut, total if is_whole else None)

    def _read_sampled(self, group: Sequence[tuple[RunRecord, str]], sample: int) -> list[Line]:
        body = {"xType": "step", "range": [0, 0], "num": min(sample, SAMPLE_MAX), **_columns(group)}
        given = self._client.query(at("house", "metrics", "scalar"), body, scope=str(group[0][0].project_path))
        found = {(item.text("experimentId", ""), item.text("key")): item for item in Document.each(given, "lines")}
        return [read_points(found.get((run.cuid, key)) or found.get(("", key))) for run, key in group]

    def _read_whole(self, group: Sequence[tuple[RunRecord, str]]) -> list[Line]:
        link = self._export(group)
        return read_csv(b"".join(self._links.open_link(link.url)), len(group))

    # -- files --------------------------------------------------------------------------------------------------

    def _export(self, group: Sequence[tuple[RunRecord, str]]) -> LinkRecord:
        """Let the server write series side by side to a file."""
        given = self._client.write("POST", at("house", "metrics", "scalar", "export"), _columns(group))
        return self._links.to_file(Document.read(given, "export").text("cosKey"))

    def export_csv(self, run: RunPath, key: str) -> LinkRecord:
        record = self._runs.find(run)
        if key not in self._runs.summaries([record], (key,)).get(record.cuid, {}):
            raise NotFoundError(f"run {run} has no scalar column {key!r}")
        return self._export([(record, key)])

    # -- summaries ----------------------------------------------------------------------------------------------

    def read_summaries(self, query: SummaryQuery) -> Page[SummaryRecord]:
        def load() -> list[SummaryRecord]:
            runs = self._runs.select(query.selection)
            for name in missing_of(runs, query.selection):
                raise NotFoundError(f"there is no run {name!r}")
            found = self._runs.summaries(runs, query.keys)
            return [
                item if query.median else attrs.evolve(item, median=None)
                for run in runs
                for _, item in sorted(found.get(run.cuid, {}).items())
                if query.column_class in {None, item.column_class}
            ]

        question = attrs.evolve(query, page=PageRequest())
        items, cursor, total = self._summed.page(question, query.page, load)
        return Page(tuple(items), cursor, total if query.page.with_total else None)


def _columns(group: Sequence[tuple[RunRecord, str]]) -> dict[str, Any]:
    """Name series of one project to a query; the newest servers want a run's time, in seconds, as a lower bound."""
    columns = [
        {
            "experimentName": run.cuid,
            "experimentId": run.cuid,
            "key": key,
            "createdAt": run.created_at_ms // 1000,
        }
        for run, key in group
    ]
    return {"projectId": group[0][0].project_cuid, "columns": columns}


def _groups(wanted: Iterable[_Wanted]) -> Iterator[list[tuple[RunRecord, str]]]:
    """Cut series into what one request names: some of one project."""
    named = ((run, key) for run, key in wanted if key is not None)
    for _, of_project in groupby(named, key=lambda item: item[0].project_cuid):
        while group := list(islice(of_project, _COLUMNS)):
            yield group
