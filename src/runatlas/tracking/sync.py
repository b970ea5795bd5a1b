"""Sends what runs left in their spools."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Protocol

import attrs

from runatlas.backends.contract import Backend
from runatlas.errors import ResponseFormatError, RunAtlasError, StoreError, StoreMissingError
from runatlas.model import codec
from runatlas.model.batch import Batch
from runatlas.model.run import RunDraft
from runatlas.settings import ConnectionSettings, resolve
from runatlas.tracking.entry import Head, body_of
from runatlas.tracking.spool import SpoolLeft, find_spools
from runatlas.tracking.spool_frame import Damage, Frame
from runatlas.tracking.store_writer import RunGoneError, StoreWriter
from runatlas.tracking.target import SPOOL_NAME, opener_of
from runatlas.tracking.worker import describe

__all__ = ["LeftSpool", "SyncReport", "collect_spools", "send_earlier", "spooled_steps", "sync"]

_log = logging.getLogger(__name__)


@attrs.frozen
class SyncReport:
    """What became of one spool.

    Attributes:
        spool: The file.
        run: The run's id; ``""`` if the file does not tell.
        sent: How many records the store has now that were not known to be there.
        refused: How many it will never take.
        damaged: How many stretches of the file hold no whole record; what was in them is lost.
        is_live: Whether the run's process still writes: then the file stays, and is read on the next time.
        is_done: Whether nothing is left to send.
        problem: Why something is left, was refused or is damaged.
    """

    spool: Path
    run: str = ""
    sent: int = 0
    refused: int = 0
    damaged: int = 0
    is_live: bool = False
    is_done: bool = False
    problem: str = ""


def sync(
    directory: Path,
    target: ConnectionSettings | None = None,
    *,
    discard: bool = False,
    only: Callable[[SpoolLeft], bool] | None = None,
) -> Iterator[SyncReport]:
    """Send what lies in the spools of a directory. Sending it twice changes nothing.

    Args:
        directory: A store's directory, or one that holds spools itself.
        target: Where to; ``None`` sends each to where its run belongs.
        discard: Whether spools of runs that were deleted are deleted too.
        only: Which spools; ``None`` for all.

    Returns:
        A report of each spool, as it is done.

    Raises:
        StoreError: The place where spools lie is a link.
    """
    place = directory / SPOOL_NAME
    if place.is_symlink():
        raise StoreError(f"{place} is a link; name the directory that it leads to, if what lies there is to be sent")
    backends: dict[tuple[str, bool], Backend] = {}
    with ExitStack() as stack:
        found = find_spools(place if place.is_dir() else directory)
        for left in found if only is None else filter(only, found):
            try:
                if left.drop_blank():
                    continue
            except OSError as error:
                yield SyncReport(left.path, problem=describe(error))
                continue

            def opened(head: Head, left: SpoolLeft = left, *, create: bool) -> Backend:
                settings = target or _settings_of(head, left)
                key = (settings.location, create)
                if key not in backends:
                    backend = opener_of(settings, purpose="upload", create=create)()
                    backends[key] = stack.enter_context(closing(backend))
                return backends[key]

            yield _Sending(left, discard=discard).run(opened)


def _settings_of(head: Head, left: SpoolLeft) -> ConnectionSettings:
    if head.host is not None:
        return resolve(host=head.host, is_told=True)
    return resolve(directory=left.path.parent.parent if left.path.parent.name == SPOOL_NAME else left.path.parent)


@attrs.frozen
class LeftSpool:
    """A spool whose process has ended.

    Attributes:
        records: How many records it has that the store is not known to have, damaged stretches included.
        bytes: Of its files.
    """

    path: Path
    records: int
    bytes: int


def collect_spools(directory: Path, *, dry_run: bool = False) -> list[LeftSpool]:
    """Remove the spools of ended processes that have nothing left to send, and tell of all those of ended ones.

    Args:
        directory: A store's directory.
        dry_run: Whether to remove none.
    """
    found = []
    for left in find_spools(directory / SPOOL_NAME):
        # What cannot be locked or read may be another's; 'runatlas sync' tells of it.
        with suppress(OSError, ValueError):
            if not left.acquire():
                continue
            try:
                if not left.is_live:
                    records, size = _unsent(left), left.size()
                    found.append(LeftSpool(left.path, records, size))
                    if not (records or dry_run):
                        left.remove()
            finally:
                left.release()
    return found


def _unsent(left: SpoolLeft) -> int:
    """Count what a spool has that is not known to be in the store; one that tells no run has all to be looked at."""
    known, count, is_told = left.sent(), 0, False
    for item in left.frames():
        if isinstance(item, Damage) or (item.kind in {"patch", "batch"} and item.sequence > known):
            count += 1
        is_told = is_told or (isinstance(item, Frame) and item.kind == "create")
    return count if is_told and known >= 0 else count + 1


def send_earlier(directory: Path, draft: RunDraft, target: ConnectionSettings) -> None:
    """Send what earlier processes of a run left in their spools: the store has to have it before a rewind.

    Args:
        directory: Where the spools lie.
        draft: The run.
        target: Where to.
    """

    def is_earlier(left: SpoolLeft) -> bool:
        with suppress(OSError, ValueError, RunAtlasError):
            head = _head_of(left) if left.is_orphan else None
            return head is not None and (head.host, _name_of(head.draft)) == (target.host, _name_of(draft))
        return False

    for report in sync(directory, target, only=is_earlier):
        if report.problem and not report.is_done:
            _log.warning("%s could not be sent: %s; 'runatlas sync' tries it again", report.spool, report.problem)


def spooled_steps(directory: Path, draft: RunDraft, host: str | None) -> dict[tuple[str, str], int]:
    """Return where the automatic steps of a run go on, for all that lies in spools and is not in a store yet.

    Args:
        directory: Where the spools lie.
        draft: The run.
        host: The server that it belongs to; ``None`` for a directory.

    Returns:
        The step after the last of each series, by key and canonical context text.
    """
    following: dict[tuple[str, str], int] = {}
    for left in find_spools(directory):
        for series, step in _steps_of(left, draft, host):
            following[series] = max(following.get(series, step + 1), step + 1)
    return following


def _name_of(draft: RunDraft) -> tuple[str, str | None]:
    return draft.project.project, draft.id


def _head_of(left: SpoolLeft) -> Head | None:
    """Read which run it is; the beginning is there twice."""
    for item in left.frames():
        if isinstance(item, Frame) and item.kind == "create":
            body = body_of(item)
            return body if isinstance(body, Head) else None
    return None


def _steps_of(left: SpoolLeft, draft: RunDraft, host: str | None) -> Iterator[tuple[tuple[str, str], int]]:
    """Read the last steps of each batch, if it is the run's spool."""
    try:
        head = _head_of(left)
        if head is None or (head.host, _name_of(head.draft)) != (host, _name_of(draft)):
            return
        for item in left.frames():
            body = body_of(item) if isinstance(item, Frame) and item.kind == "batch" else None
            if isinstance(body, Batch):
                for series in body.points:
                    if len(series.steps):
                        yield (series.key, codec.context_text(series.context)), max(series.steps.to_pylist())
                for media in body.media:
                    yield (media.key, codec.context_text(media.context)), media.step
    except (OSError, ValueError, RunAtlasError):
        # What cannot be read, or is gone by now, is what 'runatlas sync' tells of.
        return


_STORE_GONE = (
    "the store that had the run is gone; put it back and send the rest with 'runatlas sync', or drop that with "
    "--discard"
)


class _Opener(Protocol):
    """Opens where a spool belongs."""

    def __call__(self, head: Head, *, create: bool) -> Backend: ...


class _Sending:
    """The sending of one spool."""

    def __init__(self, left: SpoolLeft, *, discard: bool) -> None:
        self._left = left
        self._discard = discard
        self._report = SyncReport(left.path)

    def run(self, open_backend: _Opener) -> SyncReport:
        """Send what the store does not have, and delete the file if that is all of it."""
        left = self._left
        if not left.acquire():
            self._note(problem="somebody else is sending it just now")
            return self._report
        try:
            self._note(is_live=left.is_live)
            self._send_all(open_backend)
            if self._report.is_done and not left.is_live:
                left.remove()
        except (RunGoneError, StoreMissingError) as error:
            self._note(problem=error.message if isinstance(error, RunGoneError) else _STORE_GONE)
            if self._discard and not left.is_live:
                left.remove()
                self._note(is_done=True)
        except (RunAtlasError, OSError, ValueError) as error:
            self._note(problem=describe(error))
        finally:
            left.release()
        return self._report

    def _send_all(self, open_backend: _Opener) -> None:
        left = self._left
        # What a run writes meanwhile is for the next time: it may write faster than this sends.
        end = left.path.stat().st_size
        head = _head_of(left)
        if head is None:
            raise ValueError("it does not tell which run it is of; its beginning is damaged")
        self._note(run=str(head.draft.id))
        known = left.sent()
        # A store that had the run and is gone is not made anew, empty.
        writer = StoreWriter(open_backend(head, create=known < 0), head.draft, exists=known >= 0)
        if known < 0:
            writer.create()
        reached = max(known, 0)
        try:
            for item in left.frames():
                if left.is_live and item.offset >= end:
                    break
                if isinstance(item, Damage):
                    if left.is_live:
                        # Most likely a write that goes on; what comes after must not overtake it.
                        break
                    self._note_damage(item)
                elif item.kind in {"patch", "batch"} and item.sequence > known:
                    self._send(writer, item)
                    reached = item.sequence
        finally:
            left.note_sent(reached)
        self._note(is_done=True)

    def _send(self, writer: StoreWriter, frame: Frame) -> None:
        try:
            body = body_of(frame)
        except (ResponseFormatError, ValueError) as error:
            self._note(damaged=self._report.damaged + 1, problem=describe(error))
            return
        if isinstance(body, Head):
            return
        sent = writer.send(body, self._left.blob)
        self._note(sent=self._report.sent + sent.records)
        if sent.refused:
            self._note(refused=self._report.refused + sent.refused, problem=sent.reason)

    def _note_damage(self, damage: Damage) -> None:
        what = "the last record was cut off" if damage.at_end else f"{damage.length} bytes hold no record"
        self._note(damaged=self._report.damaged + 1, problem=f"at byte {damage.offset}: {what}")

    def _note(self, **changes: Any) -> None:
        self._report = attrs.evolve(self._report, **changes)
