"""What a report carries so that it can be checked: what it was read from and its numbers, as text that nothing runs.

It is JSON, compressed and written in the letters of base64 only, so that nothing in it ends a comment or is taken for
markup, whatever a run is called. What is read back is what a stranger may have written: it is bounded, and is data.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import attrs

from runatlas.errors import ResponseFormatError, ValidationError, shortened
from runatlas.model.codec import decode, dumps, loads
from runatlas.reports.content import ROWS_SHOWN, Content, sealed

__all__ = [
    "FILE_MAX",
    "UNPACKED_MAX",
    "Altered",
    "Seal",
    "find_seals",
    "holds_seal",
    "is_sealed",
    "make_seal",
    "marked_lines",
    "pack",
    "unpack",
    "with_seal",
]

FILE_MAX, UNPACKED_MAX = 64 * 1024 * 1024, 32 * 1024 * 1024
"""How large a file may be that is checked, and what all of its reports carry together."""

VERSION = 1
_TOLD = 20
_MARK = "runatlas-report:1"
_SEALED = re.compile(
    r"^(?:<!-- |% )(?P<seal>runatlas-report:(?P<version>\d{1,9}) (?P<digest>[0-9a-f]{64}) (?P<data>[A-Za-z0-9+/=]*))"
    r"(?: -->)?\r?$",
    re.MULTILINE,
)
"""A comment that has a line of its own, as nothing has that others wrote."""
_MARKER = re.compile(r"<!-- runatlas:(?P<side>begin|end) (?P<name>[\w.-]{1,100}) -->(?:\r?\n)?")
_SEALS_MAX = 100
_TAG = re.compile(r"<[^>]*>")
_BAR = re.compile(r"(?<!\\)\|")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{}~])")
"""What Markdown takes for a letter either way or not: a program may leave the backslash out where it is not needed."""
_RULE, _DASHES = re.compile(r"[-:|]+"), re.compile(r"-{3,}")
_DAMAGED = "what it carries to check it by is damaged"


class _Kept(Protocol):
    @property
    def lines(self) -> tuple[str, ...]:
        """What each line around it is told by."""


K = TypeVar("K", bound=_Kept)


@attrs.frozen
class Altered:
    """What is not as it was written.

    Attributes:
        told: What and where, in words.
        mark: What the line was told by; ``""`` if it is no single line.
        line: What the line says now.
    """

    told: str
    mark: str = ""
    line: str = ""


@attrs.frozen
class Seal:
    """What a report says of itself.

    Attributes:
        origin: What it takes to read it again.
        made_at: When it was read.
        columns: What its columns are called.
        rows: Of each row that is shown its key, its name and its values.
        total: How many rows there are.
        fingerprint: Of all that was read.
        lines: What each line around it is told by.
        drawn: Of each chart in the file its title, and what changes with the values that it shows.
    """

    origin: dict[str, Any]
    made_at: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Any, ...]], ...]
    total: int
    fingerprint: str
    lines: tuple[str, ...] = ()
    drawn: tuple[tuple[str, str], ...] = ()


def make_seal(content: Content) -> Seal:
    """Return what is kept of a report's content."""
    return Seal(
        origin=dict(content.origin),
        made_at=content.facts.get("made", ""),
        columns=tuple(column.name for column in content.columns),
        rows=tuple((row.key, row.name, tuple(map(sealed, row.values))) for row in content.shown),
        total=len(content.rows),
        fingerprint=content.fingerprint,
    )


def pack(kept: Mapping[str, Any], text: str) -> str:
    """Return what is kept of a report as a seal: a line that holds letters, digits and ``+/=:-`` only.

    Args:
        kept: What is kept, as plain values.
        text: What stands around the seal, whose lines it tells by their marks.
    """
    told = dumps({**kept, "lines": _marks(text)}).encode(errors="surrogatepass")
    data = base64.b64encode(zlib.compress(told)).decode()
    return f"{_MARK} {_digest(text, data)} {data}"


def with_seal(seal: Seal, before: str, after: str) -> str:
    """Return a document with its seal between two parts of it.

    Args:
        seal: What is kept of the report.
        before: What comes before, up to where the line of a comment begins.
        after: What follows, from where that comment ends.
    """
    return f"{before}{pack(attrs.asdict(seal), before + after)}{after}"


def _digest(text: str, data: str) -> str:
    """Return what changes with any letter of a document; how its lines end and are set out does not count."""
    plain = "\n".join(_bare(line) for _, line in _lines(text))
    return hashlib.sha256(f"{plain}\0{data}".encode(errors="surrogatepass")).hexdigest()


def _marks(text: str) -> tuple[str, ...]:
    bare = (_bare(line).encode(errors="surrogatepass") for _, line in _lines(text))
    return tuple(hashlib.sha256(line).hexdigest()[:8] for line in bare)


def marked_lines(text: str) -> dict[str, str]:
    """Return the lines of a document by what a seal tells them by."""
    return dict(zip(_marks(text), (line for _, line in _lines(text)), strict=True))


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the lines of a document that are not empty, with their numbers from 0 on."""
    return [(number, line) for number, line in enumerate(text.replace("\r\n", "\n").split("\n")) if line]


def _bare(line: str) -> str:
    """Return a line, of a table of Markdown without what a program sets out anew: spaces, dashes, backslashes."""
    if not line.startswith("|"):
        return line
    bare = "|".join(_ESCAPED.sub(r"\1", part.strip(" \t")) for part in _BAR.split(line))
    return _DASHES.sub("---", bare) if _RULE.fullmatch(bare) else bare


def _altered(was: Sequence[str], text: str, first: int) -> Iterator[Altered]:
    """Say which lines are not as they were; of lines that came or went from where to where."""
    now, lines = _marks(text), _lines(text)
    if len(now) == len(was):
        differing = [place for place, (old, new) in enumerate(zip(was, now, strict=True)) if old != new]
        for place in differing[:_TOLD]:
            number, line = lines[place]
            shown = shortened(" ".join(_TAG.sub(" ", line).split()) or line)
            told = f"line {first + number} was altered after it was written, and reads {shown!r}"
            yield Altered(told, was[place], line)
        if len(differing) > _TOLD:
            yield Altered(f"{len(differing) - _TOLD:,} more lines were altered")
        if not differing:
            yield Altered("what it carries to check it by was altered")
        return
    start = next((number for (number, _), old, new in zip(lines, was, now, strict=False) if old != new), 0)
    change = f"{len(now) - len(was):+,} lines" if abs(len(now) - len(was)) > 1 else f"{len(now) - len(was):+,} line"
    yield Altered(f"from line {first + start} on it was altered after it was written ({change})")


def find_seals(text: str, source: str) -> list[tuple[Seal, tuple[Altered, ...]]]:
    """Read the seals of a document: of each report that is between markers, else the one of the whole file.

    Args:
        text: The document.
        source: What errors call it.

    Returns:
        Each with what around it is not as it was written.

    Raises:
        ValidationError: It has none, or one that cannot be read.
    """
    left, found = UNPACKED_MAX, []
    for first, part in _parts(text):
        unpacked = _find_seal(part, source, first, left)
        if unpacked is not None:
            seal, altered, size = unpacked
            left -= size
            found.append((seal, altered))
        if len(found) > _SEALS_MAX:
            raise ValidationError(f"{source} holds more than {_SEALS_MAX} reports")
    if not found:
        raise ValidationError(
            f"{source} is no report: it holds nothing that 'runatlas report' left to check it by; "
            "all that it wrote but CSV does, and CSV is checked with the spec that it was made of"
        )
    return found


def holds_seal(path: Path) -> bool:
    """Whether a file is, or holds, a document of a report that can be checked."""
    with path.open("rb") as file:
        return is_sealed(file.read(FILE_MAX))


def is_sealed(data: bytes) -> bool:
    """Whether a document is, or holds, a report that can be checked."""
    return _SEALED.search(data.decode(errors="replace")) is not None


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Yield what stands between the markers of a document, with the number of its first line; without any all of it."""
    name, start, line, seen, is_marked = "", 0, 1, 0, False
    for found in _MARKER.finditer(text):
        if found["side"] == "begin":
            line += text.count("\n", seen, found.end())
            name, start, seen = found["name"], found.end(), found.end()
        elif found["name"] == name:
            is_marked = True
            yield line, text[start : found.start()]
            name = ""
    if not is_marked:
        yield 1, text


def _find_seal(text: str, source: str, first: int, most: int) -> tuple[Seal, tuple[Altered, ...], int] | None:
    """Read the seal of a part of a document that begins at a line, as ``unpack`` does; ``None`` if it has none."""
    found = list(_SEALED.finditer(text))
    if not found:
        return None
    if len(found) > 1:
        raise ValidationError(f"{source} holds {len(found)} reports in one; keep each in a file or between markers")
    (match,) = found
    around = text[: match.start("seal")] + text[match.end("seal") :]
    seal, altered, size = unpack(match["seal"], around, source, Seal, first=first, most=most)
    if len(seal.rows) > ROWS_SHOWN:
        told = f"it has {len(seal.rows):,} rows, of which a report shows {ROWS_SHOWN:,} at the most"
        raise ValidationError(f"{source}: {_DAMAGED} ({told})")
    return seal, altered, size


def unpack(
    seal: str, text: str, source: str, kind: type[K], *, first: int = 1, most: int = UNPACKED_MAX
) -> tuple[K, tuple[Altered, ...], int]:
    """Read what ``pack`` wrote.

    Args:
        seal: The line.
        text: What stands around it now.
        source: What errors call it.
        kind: What was kept.
        first: The number of the first line around it.
        most: How large what is kept may be, in bytes.

    Returns:
        What was kept, what is not as it was written, and the size of what was kept.

    Raises:
        ValidationError: It cannot be read.
    """
    match = _SEALED.fullmatch(f"% {seal}")
    if match is None:
        raise ValidationError(f"{source}: {_DAMAGED} (it is cut off, or something else)")
    if int(match["version"]) != VERSION:
        raise ValidationError(f"{source} is a report of another version of RunAtlas, which this one cannot check")
    try:
        plain = _unpacked(match["data"], most)
        kept = decode(loads(plain), kind, strict=True)
    except (ResponseFormatError, ValueError, TypeError, zlib.error, binascii.Error) as error:
        raise ValidationError(f"{source}: {_DAMAGED} ({error})") from error
    is_whole = match["digest"] == _digest(text, match["data"])
    return kept, () if is_whole else tuple(_altered(kept.lines, text, first)), len(plain)


def _unpacked(data: str, most: int) -> bytes:
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(base64.b64decode(data, validate=True), max(1, most))  # 0 would be no bound
    if not unpacking.eof:
        raise ValueError("it is cut off, or larger than a report is")
    return plain
