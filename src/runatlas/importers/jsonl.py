"""JSON lines, one run a line, to runs; ``docs/import-format.md`` describes the format.

A line is read at a time, however long the file. A file may be compressed with gzip; its first bytes tell, not its name.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import attrs

from runatlas.importers.imported_run import ImportedRun
from runatlas.importers.layout import MalformedRecordError, RecordLayout
from runatlas.importers.point import read_points
from runatlas.model.codec import dumps, loads

__all__ = ["BrokenLine", "JsonlFile", "RepeatedLine", "make_run_id"]

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@attrs.frozen
class BrokenLine:
    """A line that is no run, and why."""

    line: int
    reason: str


@attrs.frozen
class RepeatedLine:
    """A line whose id fields an earlier one has.

    Attributes:
        first: The earlier line.
        same: Whether the two lines are the same in all; if not, this one is a run of its own.
    """

    line: int
    first: int
    same: bool


class JsonlFile:
    """Reads a file line by line, once.

    Args:
        path: The file; a pipe will do.
        layout: Which field means what.

    Attributes:
        size: Of the file in bytes, once reading has begun; 0 for a pipe.
        position: How many of them are read.
    """

    def __init__(self, path: Path, layout: RecordLayout) -> None:
        self._path = path
        self._layout = layout
        self._seen: dict[tuple[str, str], list[tuple[int, bytes]]] = {}
        self.size = 0
        self.position = 0

    def read(self) -> Iterator[ImportedRun | BrokenLine | RepeatedLine]:
        """Yield what each line is; one that differs from an earlier one of its id fields yields that, and a run.

        Raises:
            OSError: The file cannot be opened.
        """
        number = 0
        with self._path.open("rb") as file:
            self.size, is_seekable = self._path.stat().st_size, file.seekable()
            try:
                for number, line in enumerate(_uncompressed(file), 1):
                    text = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
                    if is_seekable:
                        self.position = file.tell()
                    if text:
                        yield from self._read(number, text)
            except (EOFError, zlib.error, OSError) as error:
                yield BrokenLine(number + 1, f"the file breaks off or is damaged here: {error}")

    def _read(self, number: int, text: bytes) -> Iterator[ImportedRun | BrokenLine | RepeatedLine]:
        layout = self._layout
        try:
            record = _parse(text)
            project, title = layout.project_of(record)
            points = read_points(layout.required(record, layout.points_field), field=layout.points_field)
            name = layout.name_of(record)
            identity = layout.identity_of(record)
            config = layout.config_of(record)
        except ValueError as error:
            yield BrokenLine(number, str(error))
            return
        run_id = make_run_id(identity)
        earlier = self._earlier((project, run_id), number, text)
        if earlier:
            first = next((line for line, digest in earlier if digest == _digest(text)), None)
            yield RepeatedLine(number, first or earlier[0][0], same=first is not None)
            if first is not None:
                return
            run_id = make_run_id(identity, len(earlier))
        yield ImportedRun(
            source=self._path.name,
            line=number,
            project=project,
            project_title=title,
            id=run_id,
            name=name,
            labels=layout.labels_of(record),
            config=config,
            points=points,
            digest=points.digest(),
            size=len(text),
        )

    def _earlier(self, place: tuple[str, str], number: int, text: bytes) -> list[tuple[int, bytes]]:
        """Return the different lines of the same project and id, and remember this one."""
        lines = self._seen.setdefault(place, [])
        earlier, digest = list(lines), _digest(text)
        if all(digest != known for _, known in lines):
            lines.append((number, digest))
        return earlier


def _uncompressed(file: BufferedReader) -> Iterable[bytes]:
    return gzip.GzipFile(fileobj=file) if file.peek(len(_GZIP)).startswith(_GZIP) else file


def _parse(text: bytes) -> dict[str, Any]:
    try:
        record = loads(text)
    except UnicodeDecodeError as error:
        raise MalformedRecordError(f"this is not UTF-8: byte {error.start + 1} of the line") from None
    except json.JSONDecodeError as error:
        raise MalformedRecordError(f"this is not JSON: {error.msg} at character {error.pos + 1}") from None
    if not isinstance(record, dict):
        raise MalformedRecordError(f"expected an object with a run's fields, found {type(record).__name__}")
    if b"\\ud" in text.lower():
        _check_characters(record)
    return record


def _check_characters(record: dict[str, Any]) -> None:
    """Refuse halves of characters: JSON can escape them, but they are no text that can be stored."""
    try:
        dumps(record).encode()
    except UnicodeEncodeError as error:
        found = ascii(error.object[error.start])
        raise MalformedRecordError(f"this has a text with half a character in it ({found})") from None


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def make_run_id(identity: list[Any], occurrence: int = 0) -> str:
    """Derive a run's id from what tells it apart: the same today and in any later import.

    Args:
        identity: Pairs of field and value.
        occurrence: How many different lines before had the same.

    Returns:
        32 hexadecimal digits.

    Example:
        >>> make_run_id([["record", "SOAP"], ["run", "5bdc3988"]])
        'd0e188ba724af3c144b2bfa753a5af15'
    """
    text = dumps([*identity, occurrence] if occurrence else identity)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
