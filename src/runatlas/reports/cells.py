"""What the cells of a report hold that is data: CSV, Parquet or Excel, as it is written and as it is read back.

What is read back is what a stranger may have written: it is bounded, and is data.
"""

from __future__ import annotations

import hashlib
import math
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Literal, TypeAlias

import arro3.io
import attrs
from arro3.core import DataType, Table

from runatlas.errors import ValidationError
from runatlas.model.codec import encode_json
from runatlas.model.instant import iso_text, parse_iso, to_milliseconds
from runatlas.reports.content import Content, sealed
from runatlas.reports.seal import UNPACKED_MAX, Altered, pack, unpack
from runatlas.reports.sheet import ABOUT, REPORT, SEAL, head_of, sheet_cell
from runatlas.reports.workbook import EPOCH, Sheet, read_workbook
from runatlas.tables.csv import number_of, plain_cell
from runatlas.terminal import counted, printable

__all__ = [
    "DATA_MAX",
    "PARQUET_KEY",
    "Cells",
    "DataForm",
    "TableSeal",
    "about_text",
    "as_kind",
    "digest_of",
    "held_cell",
    "is_kept",
    "kept_digest",
    "make_cells",
    "make_table_seal",
    "pack_table",
    "read_cells",
    "unpack_table",
]

DataForm: TypeAlias = Literal["csv", "parquet", "xlsx"]
Kind: TypeAlias = Literal["number", "bool", "time", "text"]

PARQUET_KEY = "runatlas-report"
"""What the seal is called in the metadata of a Parquet file."""

DATA_MAX = 4 * UNPACKED_MAX
"""How large the cells of a file may be once they are unpacked, and what it carries to be checked by."""

_CELLS_MAX = 10_000_000
_READ_SECONDS = 120
_EXACT = 2**53
_NAME = 200
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_LAST_MS = to_milliseconds(datetime.max.replace(tzinfo=UTC))
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")

_READ_PARQUET = """
import sys
sys.path[:] = sys.argv[2:]
import io
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
except (ImportError, ValueError):
    pass
import arro3.core, arro3.io
reader = arro3.io.read_parquet(io.BytesIO(sys.stdin.buffer.read()))
schema, batches, left = reader.schema, [], int(sys.argv[1])
for batch in reader:
    left -= batch.nbytes + 8 * batch.num_rows * max(1, batch.num_columns)
    if left < 0:
        sys.exit(3)
    for place in range(batch.num_columns):
        batch.column(place).to_pylist()
    batches.append(batch)
arro3.io.write_ipc_stream(arro3.core.RecordBatchReader.from_batches(schema, batches), sys.stdout.buffer)
"""
"""A damaged file ends the process that reads it; so does one that unpacks to more than there is room for."""


@attrs.frozen
class Cells:
    """The cells of a file.

    Attributes:
        columns: What stands above them.
        rows: ``None``, booleans, numbers and texts each; of a formula ``{"formula": …}``.
        kinds: What each column holds; empty if nobody has said.
        seal: What the file carries to be checked by; ``""`` if nothing.
        around: What else it says, of which the seal tells whether it was altered.
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]
    kinds: tuple[Kind, ...] = ()
    seal: str = ""
    around: str = ""


@attrs.frozen
class TableSeal:
    """What a file of data says of the report that it holds.

    Attributes:
        origin: What it takes to read it again; charts are not in it.
        columns: What stands above its cells.
        keys: What tells each row from all others.
        names: What people call each row.
        digests: What changes with any cell of each row.
        kept: What changes with what a spreadsheet keeps of each row that saves it anew.
        lines: What each line of what else it says is told by.
    """

    origin: dict[str, Any]
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    digests: tuple[str, ...]
    kept: tuple[str, ...]
    lines: tuple[str, ...] = ()


def make_table_seal(content: Content, cells: Cells) -> TableSeal:
    """Return what is kept of a report in a file of its data.

    Args:
        content: What it says.
        cells: The cells of the file, a row each of its rows.
    """
    spec = {name: said for name, said in content.origin.get("spec", {}).items() if name != "charts"}
    return TableSeal(
        origin={**content.origin, "spec": spec},
        columns=cells.columns,
        keys=tuple(sealed(row.key) for row in content.rows),
        names=tuple(row.name[:_NAME] for row in content.rows),
        digests=tuple(map(digest_of, cells.rows)),
        kept=tuple(map(kept_digest, cells.rows)),
    )


def pack_table(seal: TableSeal, around: str = "") -> str:
    """Return a seal as a line of letters, digits and ``+/=:-``.

    Args:
        seal: What is kept.
        around: What else the file says.
    """
    return pack(attrs.asdict(seal), around)


def unpack_table(cells: Cells, source: str) -> tuple[TableSeal, tuple[Altered, ...]]:
    """Read the seal of a file, and what is not as it was written of what else the file says.

    Raises:
        ValidationError: It cannot be read.
    """
    seal, altered, _ = unpack(cells.seal, cells.around, source, TableSeal, most=DATA_MAX)
    if not len(seal.keys) == len(seal.names) == len(seal.digests) == len(seal.kept):
        raise ValidationError(f"{source}: what it carries to check it by is damaged (a row is told by half)")
    return seal, altered


def digest_of(row: Sequence[Any]) -> str:
    """Return what changes with any cell of a row."""
    return hashlib.sha256(encode_json(list(row))).hexdigest()[:16]


# -- as a spreadsheet saves it anew ----------------------------------------------------------------------------------


def kept_digest(row: Sequence[Any]) -> str:
    """Return what changes with a row, but not with what a spreadsheet may take from it.

    It has fewer digits than a spreadsheet, and times to the minute: what is rounded twice is seldom another one.
    """
    return digest_of([_coarse(cell) for cell in row])


def _coarse(cell: Any) -> Any:
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(f"{cell:.12g}")
    if not isinstance(cell, str):
        return cell
    return cell[:16] if _TIME.fullmatch(cell) else _printed(cell)


def is_kept(cell: Any, value: Any, kind: Kind) -> bool:
    """Tell whether a cell is what a spreadsheet keeps of a value.

    That is 15 or 16 digits of a number, hundredths of a second, and the letters of a text that are printed.

    Args:
        cell: A cell of a workbook.
        value: What was, or would be, written to it.
        kind: What its column holds.

    Example:
        >>> is_kept(0.3, 0.1 + 0.2, "number"), is_kept(0.3001, 0.1 + 0.2, "number")
        (True, False)
    """
    if isinstance(cell, str) and isinstance(value, str):
        if kind != "time":
            return _printed(cell) == _printed(value)
        time_ms = to_milliseconds(parse_iso(value))
        return cell in {iso_text(time_ms // 10 * 10), iso_text(min(-(-time_ms // 10) * 10, _LAST_MS))}
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in (cell, value)):
        return False
    return any(cell == float(f"{value:.{digits}g}") for digits in (15, 16))


def _printed(text: str) -> str | None:
    """Return a text without the letters that spreadsheets leave out, and nothing for none."""
    return _UNPRINTED.sub("", text) or None


# -- as it is written ---------------------------------------------------------------------------------------------


def make_cells(table: Table, form: DataForm) -> Cells:
    """Return what the cells of a file hold that a table is written to.

    Args:
        table: The rows.
        form: The format.
    """
    kinds = tuple(_kind(table.column(place).type) for place in range(table.num_columns))
    columns = [[held_cell(value, form) for value in column.to_pylist()] for column in table.columns]
    heads = (_head(name, kind, form) for name, kind in zip(table.column_names, kinds, strict=True))
    return Cells(tuple(heads), list(map(list, zip(*columns, strict=True))), kinds)


def _kind(type_: DataType) -> Kind:
    is_time: bool = DataType.is_timestamp(type_)
    if is_time:
        return "time"
    if type_ == DataType.bool():
        return "bool"
    return "number" if type_ in (DataType.float64(), DataType.int64()) else "text"


def _head(name: str, kind: Kind, form: DataForm) -> str:
    if form == "xlsx":
        return head_of(name, is_time=kind == "time")
    return _bare(plain_cell(name)) if form == "csv" else name


def held_cell(value: Any, form: DataForm) -> Any:
    """Return what a cell holds of a value, as ``read_cells`` reads it: a time as ISO 8601 text.

    Args:
        value: A plain value, or a time.
        form: The format.
    """
    if form == "xlsx":
        value = sheet_cell(value)
    if isinstance(value, datetime):
        return iso_text(to_milliseconds(value if value.tzinfo else value.replace(tzinfo=UTC)))
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, str):
        return value if form == "parquet" else (_bare(value) if form == "csv" else value) or None
    return value if value is None or isinstance(value, (bool, int)) else repr(value)


def _bare(text: str) -> str:
    """Return a text of CSV without the apostrophe that keeps a spreadsheet from running it."""
    return text[1:] if text[:1] == "'" and plain_cell(text[1:]) == text else text


# -- as it is read ------------------------------------------------------------------------------------------------


def read_cells(data: bytes, form: DataForm, source: str) -> Cells:
    """Read the cells of a file.

    Args:
        data: The file.
        form: Its format.
        source: What errors call it.

    Raises:
        ValidationError: It is damaged, or holds more than a report does.
    """
    return {"csv": _read_csv, "parquet": _read_parquet, "xlsx": _read_xlsx}[form](data, source)


def as_kind(cell: Any, kind: Kind, form: DataForm) -> Any:
    """Return a cell as what its column holds: CSV has texts only, and Excel numbers for times.

    Args:
        cell: What was read.
        kind: What the column holds.
        form: The format.
    """
    if form == "xlsx" and kind == "time" and isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return _time_text(cell)
    if form == "xlsx" and kind == "number" and isinstance(cell, str):
        found = number_of(cell)
        return cell if found is None or math.isfinite(found) else held_cell(found, form)
    if form == "csv" and isinstance(cell, str):
        if kind == "bool":
            return {"true": True, "false": False}.get(cell.casefold(), cell)
        if kind == "number" and (found := number_of(cell)) is not None:
            return held_cell(found, form)
    return cell


def _time_text(days: float) -> Any:
    """Return the time that Excel means by a number of days, to the millisecond; other numbers as they are."""
    try:
        return iso_text(to_milliseconds(EPOCH + timedelta(milliseconds=round(days * 86_400_000))))
    except OverflowError:
        return days


def _read_csv(data: bytes, source: str) -> Cells:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        told = "is no UTF-8, and so no CSV that 'runatlas report' wrote; save it as CSV in UTF-8, with commas"
        raise ValidationError(f"{source} {told}") from None
    if between := _separator(text):
        told = f"has {between} between its cells; save it with commas between them, and with points in numbers"
        raise ValidationError(f"{source} {told}")
    rows = _csv_rows(text, source)
    head = tuple(map(_bare, rows[0])) if rows else ()
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise ValidationError(
                f"{source}: row {line} has {counted(len(row), 'cell')}, and the head {len(head):,}; "
                "CSV that 'runatlas report' wrote has one each column, with commas between them"
            )
    return Cells(head, [[_bare(cell) or None for cell in row] for row in rows[1:]])


def _separator(text: str) -> str | None:
    """Return what stands between the cells if it is no comma, which is so where a comma begins the decimals."""
    head, *lines = text.splitlines() or [""]
    for letter, name in ((";", "semicolons"), ("\t", "tabs")):
        count = head.count(letter)
        if count > head.count(",") and any(line.count(letter) == count for line in lines):
            return name
    return None


_CSV_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r\n|\n|\r|\Z)')
"""A cell and what ends it; the module ``csv`` takes no cell of more than 131,072 characters."""


def _csv_rows(text: str, source: str) -> list[list[str]]:
    rows: list[list[str]] = []
    row: list[str] = []
    place, count = 0, 0
    while place < len(text) or row:
        found = _CSV_CELL.match(text, place)
        if found is None:
            raise ValidationError(f"{source}: row {len(rows) + 1} is no CSV: a quotation mark in it stands alone")
        place = found.end()
        row.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        count += 1
        if count > _CELLS_MAX:
            raise _too_large(source)
        if found[3] != ",":
            rows.append(row)
            row = []
    return rows


def _read_parquet(data: bytes, source: str) -> Cells:
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, with our own program
            [sys.executable, "-I", "-c", _READ_PARQUET, str(DATA_MAX), *sys.path],
            input=data,
            capture_output=True,
            check=False,
            timeout=_READ_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise ValidationError(f"{source} takes longer to read than a report does") from None
    if done.returncode == 3:
        raise _too_large(source)
    if done.returncode != 0:
        raise ValidationError(f"{source} cannot be read: it is damaged, cut off, or no table of a report")
    table = arro3.io.read_ipc_stream(BytesIO(done.stdout)).read_all()
    seal = table.schema.metadata.get(PARQUET_KEY.encode(), b"")
    return attrs.evolve(make_cells(table, "parquet"), kinds=(), seal=seal.decode(errors="replace"))


def _read_xlsx(data: bytes, source: str) -> Cells:
    book = read_workbook(data, source, (REPORT, ABOUT, SEAL), DATA_MAX)
    if REPORT not in book:
        raise ValidationError(f"{source} has no sheet {REPORT!r}, on which the rows of a report are; name the sheet so")
    width = max((max(row, default=0) for row in book[REPORT].values()), default=0)
    height = max(book[REPORT], default=0)
    if width * height > _CELLS_MAX:
        raise _too_large(source)
    rows = [[book[REPORT].get(line, {}).get(place) for place in range(1, width + 1)] for line in range(1, height + 1)]
    head = tuple("" if cell is None else str(cell) for cell in rows[0]) if rows else ()
    seal = "".join(str(cell) for _, row in sorted(book.get(SEAL, {}).items()) for cell in row.values())
    return Cells(head, rows[1:], seal=seal, around=about_text(_pairs(book.get(ABOUT, {}))))


def _pairs(sheet: Sheet) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each row of the sheet that says what is to be known of a report."""
    for _, row in sorted(sheet.items()):
        name, said = ("" if row.get(place) is None else str(row[place]) for place in (1, 2))
        yield name, said


def about_text(told: Iterable[tuple[str, str]]) -> str:
    """Return what the sheet says that tells what is to be known of a report, a line each row.

    Args:
        told: The name and the text of each row.
    """
    return "\n".join(printable(f"{name}: {said}") for name, said in told)


def _too_large(source: str) -> ValidationError:
    return ValidationError(f"{source} holds more cells than a report that can be checked")
