"""Appending to runs of a SwanLab server."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO

import attrs
from cachetools import LRUCache

from runatlas.backends.swanlab.client import SwanlabClient, at, unsupported
from runatlas.backends.swanlab.document import Document
from runatlas.backends.swanlab.line import Part
from runatlas.backends.swanlab.logs import Logs
from runatlas.backends.swanlab.media import Media
from runatlas.backends.swanlab.projects import Projects
from runatlas.backends.swanlab.runs import Runs
from runatlas.backends.swanlab.series import LastSteps, Series
from runatlas.backends.swanlab.staging import StagedBlob, Staging, staging_of
from runatlas.backends.swanlab.submission import Submission, line_record, make_submission, split, time_text
from runatlas.backends.swanlab.upload import send_files, send_media
from runatlas.errors import ApiStatusError, NotFoundError, ValidationError
from runatlas.model.batch import AppendRecord, Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft, LogRecord
from runatlas.model.media import BlobRecord
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import PointQuery
from runatlas.process.fork import ProcessLock

__all__ = ["Progress", "Recording", "now_ms"]

_TOO_LARGE = 413
_RECORDS = 10_000
"""How many records one request carries, as SwanLab's own tracker sends them."""

_COLUMNS = 3000
_WRITERS = 1000
_KEYS = 100_000
_RUNS = 64


@attrs.define(eq=False)
class Progress:
    """What is known here of a run that is written to.

    Attributes:
        announced: Keys whose columns the server knows.
        applied: The last sequence of each writer.
        numbered: The line before the first one of batches that were begun, by writer and sequence.
    """

    run: RunRecord
    lock: ProcessLock = attrs.field(factory=ProcessLock)
    announced: LRUCache[str, bool] = attrs.field(factory=lambda: LRUCache(_KEYS))
    applied: LRUCache[str, int] = attrs.field(factory=lambda: LRUCache(_WRITERS))
    numbered: LRUCache[tuple[str, int], int] = attrs.field(factory=lambda: LRUCache(_WRITERS))


@attrs.define(eq=False)
class Recording:
    """Appends to runs.

    A batch is several requests. Files go first, so that a batch that broke off can be sent again: what the server has
    of it then does no harm.
    """

    _client: SwanlabClient
    _projects: Projects
    _runs: Runs
    _series: Series
    _media: Media
    _logs: Logs
    _staging: Staging | None = attrs.field(default=None, init=False)
    _progress: LRUCache[RunPath, Progress] = attrs.field(factory=lambda: LRUCache(_RUNS), init=False)
    _progress_lock: ProcessLock = attrs.field(factory=ProcessLock, init=False)

    def close(self) -> None:
        """Let go of bytes that no batch has named."""
        self._staging = None

    # -- bytes --------------------------------------------------------------------------------------------------

    def put_blob(self, project: ProjectPath, data: BinaryIO) -> BlobRecord:
        self._projects.check_writer(project)
        blob = self._staged().put(data)
        return BlobRecord(blob.sha256, blob.size)

    def _staged(self) -> Staging:
        # Held, so that it is there as long as this is open.
        self._staging = found = staging_of(self._client.session.host)
        return found

    def _blobs(self, hashes: Iterable[str]) -> dict[str, StagedBlob]:
        found = {}
        for sha256 in sorted(hashes):
            blob = self._staged().find(sha256)
            if blob is None:
                raise ValidationError(f"sha256: there is no blob {sha256}; store it before what refers to it")
            found[sha256] = blob
        return found

    # -- batches ------------------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> AppendRecord:
        made = make_submission(batch, now_ms())
        blobs = self._blobs(made.hashes)
        progress, is_fresh = self.progress_of(batch.run)
        try:
            with progress.lock:
                return self._append(made, blobs, progress)
        except NotFoundError:
            with self._progress_lock:
                self._progress.pop(batch.run, None)
            if is_fresh:
                raise
        # It is gone; another run may have its id by now.
        return self.append(batch)

    def progress_of(self, path: RunPath) -> tuple[Progress, bool]:
        """Return what is known of a run that is written to, and whether the server was asked for it just now."""
        with self._progress_lock:
            known = self._progress.get(path)
        if known is not None:
            return known, False
        self._client.forget(str(path.project_path))
        run = self._runs.find(path)
        with self._progress_lock:
            return self._progress.setdefault(path, Progress(run)), True

    def _append(self, made: Submission, blobs: Mapping[str, StagedBlob], progress: Progress) -> AppendRecord:
        batch, run = made.batch, progress.run
        if _is_repeat(batch, progress):
            return AppendRecord(applied=False)
        told = self._series.last_steps(run, keep=0)
        self._check_unsaid(made, run, told)
        lines = self._numbered(batch, progress, told)
        scope = str(run.project_path)
        send_media(self._client, run.cuid, made.contents, blobs)
        files = send_files(self._client, run.cuid, batch.artifacts, blobs)
        self._announce(made, progress, told)
        for kind, records in (("scalar", made.scalars), ("media", made.media), ("log", lines)):
            self._post(run, kind, records)
        files.complete(self._client, scope)
        if batch.writer is not None and batch.sequence is not None:
            progress.applied[batch.writer] = batch.sequence
        for blob in blobs.values():
            self._staged().spend(blob)
        return AppendRecord(True, len(made.scalars), len(batch.media), len(batch.logs), len(batch.artifacts))

    def _announce(self, made: Submission, progress: Progress, told: LastSteps) -> None:
        known = {*told.scalar, *told.media, *progress.announced} - {column.key for column in made.batch.columns}
        columns = [column for key, column in made.columns.items() if key not in known]
        for part in split(columns, _COLUMNS):
            address = at("experiment", progress.run.cuid, "columns")
            self._client.write("POST", address, part, scope=str(progress.run.project_path))
        progress.announced.update({column["key"]: True for column in columns})

    def _post(self, run: RunRecord, kind: str, records: list[dict[str, Any]]) -> None:
        for part in split(records, _RECORDS):
            self._post_part(run, kind, part)

    def _post_part(self, run: RunRecord, kind: str, part: Sequence[dict[str, Any]]) -> None:
        """Send records in one request, or in smaller ones where something on the way finds that too large."""
        body = {"type": kind, "projectId": run.project_cuid, "experimentId": run.cuid, "metrics": part}
        try:
            self._client.write("POST", at("house", "metrics"), body, scope=str(run.project_path))
        except ApiStatusError as error:
            if error.code != _TOO_LARGE or len(part) == 1:
                raise
            for half in (part[: len(part) // 2], part[len(part) // 2 :]):
                self._post_part(run, kind, half)

    # -- what is there already ----------------------------------------------------------------------------------

    def _check_unsaid(self, made: Submission, run: RunRecord, told: LastSteps) -> None:
        """Refuse what the server would leave out without a word, for it has something in that place."""
        media = {record["key"] for record in made.media}
        for key in made.steps:
            if key in (told.scalar if key in media else told.media):
                raise ValidationError(f"key: {key!r} holds data of another type; this data needs another key")
        late = _not_after(made.steps, told.scalar)
        if late:
            query = PointQuery(RunSelection(run.workspace, run.project))
            check_points(made.scalars, self._series.read([(run, key) for key in late], query))
        late = _not_after(made.steps, told.media)
        if late:
            check_media(made.media, self._media.read(run, late))

    def _numbered(self, batch: Batch, progress: Progress, told: LastSteps) -> list[dict[str, Any]]:
        """Number lines: those without a number come after the last, the same again when a batch is sent again.

        These servers replace no line: one in the making comes when it is finished.
        """
        logs = [line for line in batch.logs if not line.is_open]
        if not logs:
            return []
        begin = told.line
        if batch.writer is not None and batch.sequence is not None:
            begin = progress.numbered.setdefault((batch.writer, batch.sequence), begin)
        numbers: dict[int, LogDraft] = {}
        last = begin
        for line in logs:
            number = last + 1 if line.line is None else line.line
            if number < 1 or number in numbers:
                raise unsupported("line 0" if number < 1 else "way to replace a line")
            numbers[number] = line
            last = max(last, number)
        again = {n: line for n, line in numbers.items() if line.line is not None and n <= told.line}
        if again:
            check_lines(again, self._logs.between(progress.run.path, min(again), max(again)))
        return [line_record(line, number, now_ms()) for number, line in numbers.items()]


def _is_repeat(batch: Batch, progress: Progress) -> bool:
    if batch.writer is None or batch.sequence is None:
        return False
    return batch.sequence <= progress.applied.get(batch.writer, batch.sequence - 1)


def _not_after(steps: Mapping[str, list[int]], last: Mapping[str, int]) -> list[str]:
    """Return the keys that have steps up to their last one."""
    return [key for key, found in steps.items() if found and key in last and min(found) <= last[key]]


def now_ms() -> int:
    """Return the time."""
    return int(time.time() * 1000)


def check_points(records: Iterable[Mapping[str, Any]], held: Iterable[Part]) -> None:
    """Check that points of steps that series have are the same points.

    Raises:
        NotSupportedError: One is another: these servers keep one a step.
    """
    known = {
        (part.key, step): (value, time_ms)
        for part in held
        for step, value, time_ms in zip(*(column.to_pylist() for column in part.line), strict=True)
    }
    for record in records:
        found = known.get((record["key"], record["index"]))
        if found is not None and not _is_same(record, *found):
            raise unsupported(
                "second point of a step", f"{record['key']!r} has one of step {record['index']}, which stays"
            )


def _is_same(record: Mapping[str, Any], value: float, time_ms: int) -> bool:
    given = float(record["data"])
    # Some servers know one word for all that is not finite.
    return record["create_time"] == time_text(time_ms) and (
        given == value or not (math.isfinite(given) or math.isfinite(value))
    )


def check_media(records: Iterable[Mapping[str, Any]], held: Iterable[Document]) -> None:
    """Check that media of steps that series have are the same media.

    Raises:
        NotSupportedError: Some are others.
    """
    known = {
        (series.text("key"), entry.whole("index")): list(entry.texts("data"))
        for series in held
        for entry in series.objects("metrics")
    }
    for record in records:
        if known.get((record["key"], record["index"]), record["data"]) != record["data"]:
            raise unsupported(
                "way to replace media", f"{record['key']!r} has some of step {record['index']}, which stay"
            )


def check_lines(lines: Mapping[int, LogDraft], held: Iterable[LogRecord]) -> None:
    """Check that lines of numbers that a run has are the same lines.

    Raises:
        NotSupportedError: One is another.
    """
    for record in held:
        line = lines.get(record.line)
        if line is not None and (line.message, line.level) != (record.message, record.level):
            raise unsupported("way to replace a line", f"there is a line {record.line}, which stays")
