"""The whole import of a file: read, write, and say what became of every line."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from runatlas.backends.contract import Backend
from runatlas.importers.imported_run import ImportedRun
from runatlas.importers.jsonl import BrokenLine, JsonlFile, RepeatedLine
from runatlas.importers.layout import RecordLayout
from runatlas.importers.recorder import TOGETHER, TOGETHER_BYTES, Recorder, Refusal
from runatlas.importers.report import ImportReport, LineNote
from runatlas.process.garbage_collector import collector_paused

__all__ = ["import_jsonl"]


def import_jsonl(
    backend: Backend,
    path: Path,
    layout: RecordLayout,
    *,
    workspace: str | None = None,
    on_note: Callable[[LineNote], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import a file of JSON lines, one run a line; doing it again adds nothing.

    Args:
        backend: Where to.
        path: The file, compressed with gzip or not.
        layout: Which field means what.
        workspace: The workspace; ``None`` is the caller's own.
        on_note: Told of each line that something is wrong with, in their order, once those before are in the store.
        on_progress: Told after each line how many bytes of the file are read, and of how many.

    Returns:
        What was done. A line that is broken, or that the store refuses, is noted and the rest goes on.

    Raises:
        OSError: The file cannot be read.
        RunAtlasError: The store cannot be reached or written; importing again completes what was begun.
    """
    file = JsonlFile(path, layout)
    recorder = Recorder(backend, workspace)
    report = ImportReport(recorder.workspace)
    waiting: list[ImportedRun] = []
    size = 0

    def tell(notes: Iterable[LineNote]) -> None:
        for note in notes:
            report.notes.append(note)
            if on_note is not None:
                on_note(note)

    with collector_paused():
        for item in file.read():
            if isinstance(item, ImportedRun):
                waiting.append(item)
                size += item.size
            elif isinstance(item, RepeatedLine):
                (report.repeated if item.same else report.twins).append(item.line)
            if isinstance(item, BrokenLine) or len(waiting) >= TOGETHER or size >= TOGETHER_BYTES:
                tell(_write(waiting, recorder, report))
                waiting, size = [], 0
                gc.collect(1)  # of what was made for them, only cycles are there yet
            if isinstance(item, BrokenLine):
                tell([LineNote(item.line, item.reason)])
            if on_progress is not None:
                on_progress(file.position, file.size)
        tell(_write(waiting, recorder, report))
    return report


def _write(runs: Sequence[ImportedRun], recorder: Recorder, report: ImportReport) -> Iterator[LineNote]:
    if not runs:
        return
    for run, outcome in zip(runs, recorder.record(runs), strict=True):
        yield from _odd_values(run)
        if isinstance(outcome, Refusal):
            yield LineNote(run.line, outcome.reason)
        else:
            report.count(run, outcome)


def _odd_values(run: ImportedRun) -> Iterator[LineNote]:
    for (key, kind), count in run.points.left_out.items():
        # Null is how JSON says that there is no value; anything else is one that a series cannot hold.
        yield LineNote(run.line, f"{count} values of {key!r} are {kind} and left out", lost=kind != "null")
    for key, count in run.points.rounded.items():
        yield LineNote(run.line, f"{count} values of {key!r} have more digits than a float and are rounded")
