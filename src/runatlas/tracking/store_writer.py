"""Sends what one run recorded to a backend: safe to repeat, and wherever the run was moved to."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import attrs

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotFoundError, NotSupportedError, RunAtlasError, ValidationError
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import SeriesPoints
from runatlas.tracking.entry import count_body, needs_of, payload_of
from runatlas.tracking.patch import patch_pieces
from runatlas.tracking.worker import describe

__all__ = [
    "OWN_WORKSPACE",
    "BatchPart",
    "BlobSource",
    "RunGoneError",
    "RunRefusedError",
    "Sent",
    "StoreWriter",
    "is_verdict",
]

T = TypeVar("T")

_FIELDS = ("points", "media", "logs", "artifacts")

_SEARCHES_MAX = 100
"""How often a series of a batch is cut to find the points of it that are refused."""

OWN_WORKSPACE = "~"
"""Stands for the caller's own workspace until the store has told its name."""

_WAY_OUT = "restore it (see 'runatlas api trash') and send the rest with 'runatlas sync', or drop that with --discard"

BlobSource = Callable[[str], "bytes | Path | None"]


class RunGoneError(NotFoundError):
    """The run was deleted while it was being written."""


class RunRefusedError(RunAtlasError):
    """The store does not take the run at all, which says nothing about what was recorded."""


def is_verdict(error: Exception) -> bool:
    """Tell whether the store itself says that it has applied nothing, and never will.

    Everything else is tried again: what a proxy answers, a store that is busy or full, a key that is not known.
    """
    return isinstance(error, (ValidationError, NotSupportedError)) and not error.is_foreign


@attrs.frozen
class Sent:
    """What became of something that was sent.

    Attributes:
        records: How many records the store has now.
        refused: How many it will never take.
        reason: Why.
    """

    records: int = 0
    refused: int = 0
    reason: str = ""


@attrs.frozen(eq=False)
class BatchPart:
    """A part of a batch that is refused as a whole: a half of it, or of that, down to what is refused by itself.

    Attributes:
        batch: What is to be sent: a part has a writer of its own, so that it is known when it is sent again.
        number: 1 for the whole batch, then those of its halves.
        origin: What the writers of the parts begin with; ``""`` for the whole batch, and if it has no writer.
        is_last: Whether it is not to be cut further.
    """

    batch: Batch
    number: int = 1
    origin: str = ""
    is_last: bool = False

    def halves(self, *, by_point: bool) -> tuple[BatchPart, ...]:
        """Cut it in two; what cannot be cut is tried once more.

        Args:
            by_point: Whether a series alone is cut, too.

        Returns:
            The parts, in their order; none if it was tried once more.
        """
        if self.is_last:
            return ()
        items = [(name, item) for name in _FIELDS for item in getattr(self.batch, name)]
        if len(items) > 1:
            middle = len(items) // 2
            return self._of(items[:middle], 0), self._of(items[middle:], 1)
        series = next(iter(self.batch.points), None)
        if by_point and series is not None and len(series.steps) > 1:
            middle = len(series.steps) // 2
            cut = (_slice(series, 0, middle), _slice(series, middle, len(series.steps)))
            return tuple(self._of([("points", part)], place) for place, part in enumerate(cut))
        return (attrs.evolve(self._of(items, 0), is_last=True),)

    def _of(self, items: Sequence[tuple[str, Any]], place: int) -> BatchPart:
        fields: dict[str, Any] = {name: tuple(item for kind, item in items if kind == name) for name in _FIELDS}
        number, origin = 2 * self.number + place, self.origin
        if self.batch.writer is not None:
            origin = origin or f"{self.batch.writer}.{self.batch.sequence}"
            fields |= {"writer": f"{origin}.{number}", "sequence": 1}
        return BatchPart(attrs.evolve(self.batch, columns=(), **fields), number, origin)


class StoreWriter:
    """Sends what a run wrote. Used by one thread at a time.

    Attributes:
        record: The run as the store has it; ``None`` until it was reached.
        barred: Projects that the run was to be moved to and could not.

    Args:
        backend: Where to.
        draft: The run; its workspace may be ``OWN_WORKSPACE``.
        uploads: Takes bytes; the backend itself if left out.
        exists: Whether the run was made already, and so is looked for and not made.
    """

    def __init__(
        self, backend: Backend, draft: RunDraft, uploads: Backend | None = None, *, exists: bool = False
    ) -> None:
        self.backend = backend
        self._exists = exists
        self._uploads = uploads or backend
        self.record: RunRecord | None = None
        self.barred: set[str] = set()
        self._draft = draft
        self._stored: set[tuple[ProjectPath, str]] = set()
        self._files: dict[str, Path] = {}

    def close(self) -> None:
        """Release connections."""
        self.backend.close()
        self._uploads.close()

    def create(self) -> tuple[RunRecord, bool]:
        """Make the run, or find it, as the draft says.

        Returns:
            The run, and whether it is new.
        """
        self.record, created = self.backend.create_run(attrs.evolve(self._draft, project=self._project()))
        return self.record, created

    def find(self) -> RunRecord:
        """Find a run that was made before.

        Raises:
            RunGoneError: It is not there any more.
        """
        project, run_id = self._project(), str(self._draft.id)
        try:
            self.record = self.backend.get_run(RunPath(project.workspace, project.project, run_id))
        except NotFoundError as error:
            if error.is_foreign:
                raise
            found = self._search(RunSelection(project.workspace, ids=(run_id,)))
            if len(found) != 1:
                raise RunGoneError(f"run {project}/{run_id} was deleted; {_WAY_OUT}") from None
            self.record = found[0]
        return self.record

    def send(self, body: RunPatch | Batch, blobs: BlobSource) -> Sent:
        """Send one thing, and return when it is durable. The run is made first, if that was not done.

        Args:
            body: A patch or a batch.
            blobs: Where the bytes are that a batch refers to; ``None`` for those that the store has already.

        Raises:
            RunGoneError: The run was deleted.
            RunAtlasError: It was not taken; sending it again is safe.
        """
        if isinstance(body, RunPatch):
            return self._patch(body)
        if body.rewind is not None:
            return self._rewind(body)
        return self._append(BatchPart(body), blobs, iter(range(_SEARCHES_MAX)))

    def put(self, file: BinaryIO, path: Path) -> str:
        """Store a file's bytes; from ``path`` they are taken again if the run moves before something refers to them.

        Returns:
            Their sha256.
        """
        sha256 = self._on_run(partial(self._put_to, file))
        self._files[sha256] = path
        return sha256

    def _put_to(self, data: BinaryIO, run: RunPath) -> str:
        data.seek(0)
        sha256 = self._uploads.put_blob(run.project_path, data).sha256
        self._stored.add((run.project_path, sha256))
        return sha256

    def _file(self, sha256: str) -> Path | None:
        path = self._files.get(sha256)
        return path if path is not None and path.is_file() else None

    def _rewind(self, batch: Batch) -> Sent:
        """Go back to an earlier step, unless the store refuses that: what follows is kept all the same."""
        try:
            self._on_run(lambda path: self.backend.append(attrs.evolve(batch, run=path)))
        except RunAtlasError as error:
            if not is_verdict(error) and (not isinstance(error, ConflictError) or error.is_foreign):
                raise
            return Sent(refused=1, reason=f"the run was not rewound to step {batch.rewind}: {_told(error)}")
        return Sent()

    def _append(self, part: BatchPart, blobs: BlobSource, searches: Iterator[int]) -> Sent:
        """Append a batch; one that is refused as a whole is cut in halves, and each is tried."""
        try:
            self._on_run(partial(self._append_to, part.batch, blobs))
        except (RunAtlasError, TypeError, ValueError, RecursionError) as error:
            if not (is_verdict(error) or _is_unwritable(part.batch, error)):
                raise
            needed = needs_of(part.batch)
            # The store may have lost what it had: what nothing refers to is collected.
            self._stored = {stored for stored in self._stored if stored[1] not in needed}
            # What has no words there is refused without a request, so that it is worth looking for single points.
            by_point = isinstance(error, NotSupportedError) and next(searches, None) is not None
            told = [self._append(half, blobs, searches) for half in part.halves(by_point=by_point)]
            if not told:
                return Sent(refused=count_body(part.batch), reason=_told(error))
            reason = next((sent.reason for sent in reversed(told) if sent.refused), "")
            return Sent(sum(sent.records for sent in told), sum(sent.refused for sent in told), reason)
        return Sent(count_body(part.batch))

    def _append_to(self, batch: Batch, blobs: BlobSource, run: RunPath) -> None:
        """Append to the run where it is, behind what the batch refers to: a project takes no reference to what only
        another one has.
        """
        for sha256 in sorted(needs_of(batch)):
            found = None if (run.project_path, sha256) in self._stored else blobs(sha256) or self._file(sha256)
            if found is not None:
                with io.BytesIO(found) if isinstance(found, bytes) else found.open("rb") as file:
                    self._put_to(file, run)
        self.backend.append(attrs.evolve(batch, run=run))

    def _patch(self, patch: RunPatch) -> Sent:
        """Change the run; a change that its store refuses as a whole is made in parts."""
        try:
            self._change(patch)
        except (RunAtlasError, TypeError, ValueError, RecursionError) as error:
            if not (is_verdict(error) or _is_barred(patch, error) or _is_unwritable(patch, error)):
                raise
            parts = patch_pieces(patch)
            if not parts:
                if patch.project is not None:
                    self.barred.add(patch.project)
                return Sent(refused=1, reason=_told(error))
            told = [self._patch(part) for part in parts]
            reason = next((sent.reason for sent in told if sent.refused), "")
            return Sent(refused=sum(sent.refused for sent in told), reason=reason)
        return Sent()

    def _change(self, patch: RunPatch) -> None:
        if patch.project is not None:
            self._ensure_project(patch.project, patch.project_title or "")
        self._on_run(lambda path: self.backend.update_runs(_selection(path), attrs.evolve(patch, by_run=True)))
        if patch.project is not None and self.record is not None:
            self.barred.discard(patch.project)
            self.record = attrs.evolve(self.record, project=patch.project)

    def _ensure_project(self, name: str, title: str) -> None:
        workspace = self._on_run(lambda path: path.workspace)
        try:
            self.backend.create_project(ProjectDraft(name, workspace, title=title))
        except ConflictError as error:
            # It is there already, which is as well.
            if error.is_foreign:
                raise

    def _on_run(self, call: Callable[[RunPath], T]) -> T:
        """Do something with the run where it is; if it is not there, find where it was moved to."""
        record = self.record or self._reached()
        try:
            return call(record.path)
        except NotFoundError as error:
            if error.is_foreign:
                raise
            moved = self._search(RunSelection(record.workspace, ids=(record.cuid,)))
            if not moved:
                raise RunGoneError(f"run {record.path} was deleted while it was written; {_WAY_OUT}") from None
            self.record = moved[0]
            return call(self.record.path)

    def _reached(self) -> RunRecord:
        try:
            return self.find() if self._exists else self.create()[0]
        except (ValidationError, NotSupportedError) as error:
            raise RunRefusedError(f"the store does not take the run: {error.message}") from error

    def _project(self) -> ProjectPath:
        project = self._draft.project
        if project.workspace != OWN_WORKSPACE:
            return project
        return ProjectPath(self.backend.get_workspace().username, project.project)

    def _search(self, selection: RunSelection) -> tuple[RunRecord, ...]:
        try:
            return self.backend.list_runs(RunQuery(selection, parts=())).items
        except NotFoundError as error:
            if error.is_foreign:
                raise
            return ()


def _told(error: Exception) -> str:
    return error.message if isinstance(error, RunAtlasError) else describe(error)


def _is_barred(patch: RunPatch, error: Exception) -> bool:
    """Tell whether a run cannot be moved to a project, which has another one of its id: it stays where it is."""
    return patch.project is not None and isinstance(error, ConflictError) and not error.is_foreign


def _is_unwritable(body: RunPatch | Batch, error: Exception) -> bool:
    """Tell whether it is the body itself that cannot be written, and not something of the store that failed."""
    if isinstance(error, RunAtlasError):
        return False
    try:
        payload_of(body)
    except (TypeError, ValueError, RecursionError):
        return True
    return False


def _selection(path: RunPath) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids=(path.run,))


def _slice(series: SeriesPoints, start: int, end: int) -> SeriesPoints:
    return attrs.evolve(
        series,
        steps=series.steps.slice(start, end - start),
        values=series.values.slice(start, end - start),
        times_ms=series.times_ms.slice(start, end - start),
        epochs=None if series.epochs is None else series.epochs.slice(start, end - start),
        event_ids=None if series.event_ids is None else series.event_ids[start:end],
    )
