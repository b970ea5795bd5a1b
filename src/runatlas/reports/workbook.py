"""A workbook of Excel that a stranger may have written: its cells, read within bounds; nothing in it is run.

A part that declares a document type, and so may have entities, is refused; what lies elsewhere is not looked up.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, TypeAlias
from xml.parsers import expat

from runatlas.errors import ValidationError

__all__ = ["EPOCH", "Sheet", "read_workbook"]

Sheet: TypeAlias = dict[int, dict[int, Any]]
"""Of each row the cells by their column, either counted from 1; what is empty is not there."""

_PARTS_MAX = 2000
_ROWS_MAX, _COLUMNS_MAX = 1_048_576, 16_384
_ENTRY = b"PK\x01\x02"
_PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_EXACT = 2**53
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
"""From where Excel counts days, for all from March 1900 on."""
_BOOLEANS = {"TRUE()": True, "FALSE()": False}
"""How some programs write a boolean: as a formula that has no other result."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, RuntimeError, ValueError)


def read_workbook(data: bytes, source: str, names: Collection[str], most: int) -> dict[str, Sheet]:
    """Read sheets of a workbook.

    Args:
        data: The file.
        source: What errors call it.
        names: The sheets that are read, of those that there are.
        most: How many bytes all that is read may have once it is unpacked.

    Returns:
        The sheets by their names: booleans, numbers and texts, and of a formula ``{"formula": …}``.

    Raises:
        ValidationError: It is damaged, is no workbook, or holds more.
    """
    if data.count(_ENTRY) > _PARTS_MAX:
        raise ValidationError(f"{source} has more than {_PARTS_MAX:,} parts, which no report has")
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _Parts(archive, most).sheets(names)
    except _DAMAGE as error:
        told = str(error) or "it is cut off"
        raise ValidationError(f"{source} cannot be read as a workbook of Excel: {told}") from error


class _Parts:
    """The parts of a workbook, of which all together are read no further than to a bound."""

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive = archive
        self._left = most

    def sheets(self, names: Collection[str]) -> dict[str, Sheet]:
        """Read the sheets that have one of these names."""
        book, targets = _Book(), _Targets()
        _parse(self._read("xl/workbook.xml"), book)
        _parse(self._read("xl/_rels/workbook.xml.rels"), targets)
        texts = _Texts()
        if targets.texts:
            _parse(self._read(targets.texts), texts)
        found: dict[str, Sheet] = {}
        for name, told in book.sheets:
            if name in names and name not in found and told in targets.places:
                reader = _Cells(texts.found)
                _parse(self._read(targets.places[told]), reader)
                found[name] = reader.found
        return found

    def _read(self, name: str) -> bytes:
        try:
            told = self._archive.getinfo(name)
        except KeyError:
            raise ValueError(f"it has no part {name!r}; a program that opens it can save it as .xlsx") from None
        if told.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} or told.flag_bits & 1:
            raise ValueError(f"its part {name!r} is encrypted, or packed as Excel does not pack")
        with self._archive.open(told) as file:
            data = file.read(self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("it holds more than a report that can be checked")
        return data


class _Reader:
    """Takes the elements of a part as they come."""

    said: list[str] | None = None
    """The text of the element that is read; ``None`` in those whose text is not asked for."""

    def start(self, name: str, told: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str, said: str) -> None:
        """An element ends, whose text was asked for or was not."""


class _Book(_Reader):
    """The names of the sheets, and by what their parts are told."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str]] = []

    def start(self, name: str, told: Mapping[str, str]) -> None:
        if name == "sheet":
            self.sheets.append((told.get("name", ""), told.get("id", "")))


class _Targets(_Reader):
    """Where the parts lie that the workbook names; none of them elsewhere."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.texts = ""

    def start(self, name: str, told: Mapping[str, str]) -> None:
        if name != "Relationship" or told.get("TargetMode") == "External":
            return
        target = told.get("Target", "")
        place = target[1:] if target.startswith("/") else f"xl/{target}"
        self.places[told.get("Id", "")] = place
        if told.get("Type", "").endswith("/sharedStrings"):
            self.texts = place


class _Texts(_Reader):
    """The texts that cells share; how a text is to be pronounced is none of it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._is_aside = False

    def start(self, name: str, told: Mapping[str, str]) -> None:  # noqa: ARG002 - what is told is of no matter
        if name == "t" and not self._is_aside:
            self.said = []
        elif name == "si":
            self._parts = []
        elif name == "rPh":
            self._is_aside = True

    def end(self, name: str, said: str) -> None:
        if name == "t":
            self._parts.append(said)
        elif name == "si":
            self.found.append(_unescaped("".join(self._parts)))
        elif name == "rPh":
            self._is_aside = False


class _Cells(_Reader):
    """The cells of a sheet."""

    def __init__(self, texts: list[str]) -> None:
        self.found: Sheet = {}
        self._texts = texts
        self._line = self._place = 0
        self._kind = ""
        self._formula: str | None = None
        self._parts: list[str] = []

    def start(self, name: str, told: Mapping[str, str]) -> None:
        if name in {"v", "t", "f"}:
            self.said = []
        elif name == "row":
            self._line, self._place = _number(told.get("r", ""), self._line + 1), 0
        elif name == "c":
            self._kind, self._formula, self._parts = told.get("t", "n"), None, []
            self._place += 1
            if place := _PLACE.fullmatch(told.get("r", "")):
                self._place, self._line = _column(place[1]), int(place[2])
            if self._line > _ROWS_MAX or self._place > _COLUMNS_MAX:
                raise ValueError(f"it has a cell in row {self._line:,}, column {self._place:,}, which no sheet has")

    def end(self, name: str, said: str) -> None:
        if name == "f":
            self._formula = said
        elif name in {"v", "t"}:
            self._parts.append(said)
        elif name == "c":
            held: Any = self._held("".join(self._parts))
            if self._formula is not None:
                held = _BOOLEANS.get(self._formula, {"formula": self._formula})
            if held is not None:
                self.found.setdefault(self._line, {})[self._place] = held

    def _held(self, said: str) -> Any:
        """Return what the cell holds; nothing for a text that is empty."""
        if not said:
            return None
        if self._kind == "s":
            number = _number(said, len(self._texts))
            if number >= len(self._texts):
                raise ValueError(f"a cell in row {self._line:,} holds a text that is not there")
            return self._texts[number] or None
        if self._kind == "b":
            return said == "1"
        if self._kind == "d":
            return _days(said)
        return _value(said) if self._kind == "n" else _unescaped(said)


def _value(said: str) -> int | float:
    value = float(said)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def _days(said: str) -> float | str:
    """Return the number of days that a time of ISO 8601 is for Excel, as which most programs write it."""
    try:
        return (datetime.fromisoformat(said.removesuffix("Z")).replace(tzinfo=UTC) - EPOCH) / timedelta(days=1)
    except ValueError:
        return said


def _number(said: str, otherwise: int) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else otherwise


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _unescaped(text: str) -> str:
    """Return a text with the letters in it that Excel writes by their numbers."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _parse(data: bytes, reader: _Reader) -> None:
    """Hand the elements of a part to a reader, by their names without namespaces."""
    parser = expat.ParserCreate("utf-8", " ")
    parser.buffer_text = True

    def start(name: str, told: dict[str, str]) -> None:
        reader.start(_local(name), {_local(each): said for each, said in told.items()})

    def text(said: str) -> None:
        if reader.said is not None:
            reader.said.append(said)

    def end(name: str) -> None:
        said, reader.said = "".join(reader.said or ()), None
        reader.end(_local(name), said)

    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(data, True)


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _refuse(*_: object) -> None:
    raise ValueError("a part of it declares a document type, which Excel never does")
