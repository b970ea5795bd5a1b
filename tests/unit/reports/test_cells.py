"""What the cells of CSV, Parquet and Excel hold is read back as it was written, and no file is read beyond a bound."""

from __future__ import annotations

import io
import math
import time
import zipfile
from contextlib import suppress
from datetime import datetime
from random import Random
from typing import Any

import arro3.io
import pytest
from arro3.core import Array, DataType, Table
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.errors import ValidationError
from runatlas.reports.cells import Cells, DataForm, as_kind, make_cells, read_cells
from runatlas.reports.sheet import write_sheet
from runatlas.tables.csv import write_csv

FORMS: tuple[DataForm, ...] = ("csv", "parquet", "xlsx")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["=1+1", "'=1", "@x", "007", "1.10", "NaN", "TRUE", "_x0041_", "a\r\nb", ' "a, b" ', "\x00\x1f\x7f", "x" * 200_000]
)
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Excel has no zones
TIMES = st.datetimes(min_value=datetime(1880, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001
ROWS = st.lists(
    st.tuples(
        TEXTS | st.none(),
        st.floats() | st.none(),
        st.integers(-(2**63), 2**63 - 1) | st.none(),
        st.booleans() | st.none(),
        TIMES | st.none(),
    ),
    min_size=1,
    max_size=4,
)


def made(rows: list[tuple[Any, ...]]) -> Table:
    """A table of a text, a number, a whole number, a boolean and a time each row."""
    texts, numbers, wholes, booleans, times = map(list, zip(*rows, strict=True))
    milliseconds = [None if each is None else round((each - EPOCH).total_seconds() * 1000) for each in times]
    return Table.from_pydict(
        {
            "=name": Array(texts, DataType.string()),
            "loss": Array(numbers, DataType.float64()),
            "seed": Array(wholes, DataType.int64()),
            "flag": Array(booleans, DataType.bool()),
            "begun": Array(milliseconds, DataType.int64()).cast(DataType.timestamp("ms", tz="UTC")),
        }
    )


def file_of(table: Table, form: DataForm, *, exact: bool = False) -> bytes:
    """The file that a table is written to."""
    file = io.BytesIO()
    if form == "csv":
        write_csv(table, file, exact=exact)
    elif form == "parquet":
        arro3.io.write_parquet(table, file)
    else:
        write_sheet(table, file, about={"title": "T"})
    return file.getvalue()


def fitted(cells: Cells, like: Cells, form: DataForm) -> list[list[Any]]:
    """The rows of a file, of which Excel leaves out the last ones if they are empty."""
    rows = [[as_kind(cell, kind, form) for cell, kind in zip(row, like.kinds, strict=True)] for row in cells.rows]
    return rows + [[None] * len(like.columns)] * (len(like.rows) - len(rows))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("exact", [False, True])
def test_what_is_written_is_read_back(form: DataForm, exact: bool) -> None:
    @settings(max_examples=examples(8 if form == "parquet" else 40), deadline=None)
    @given(ROWS)
    @example([("", math.nan, 2**53 + 1, None, datetime(1900, 1, 1)), (None, -0.0, 1, True, datetime(1900, 3, 1))])  # noqa: DTZ001
    @example([(None, None, None, None, None)])
    @example([("a", 5e-324, 0, False, None), ("b", 1.7976931348623157e308, 0, False, datetime(1899, 12, 31))])  # noqa: DTZ001
    def check(rows: list[tuple[Any, ...]]) -> None:
        table = made(rows)
        wanted = make_cells(table, form)
        found = read_cells(file_of(table, form, exact=exact), form, "file")
        assert found.columns == wanted.columns
        assert repr(fitted(found, wanted, form)) == repr(wanted.rows)

    check()


def test_a_spreadsheet_may_write_csv_in_its_own_way() -> None:
    table = made([("=1", 1e-7, 3, True, None), ("b", math.inf, None, None, None)])
    saved = b"\xef\xbb\xbf\"'=name\",loss,seed,flag,begun\r\n'=1,1.00E-07,3.0,TRUE,\r\nb,inf,,,\r\n"
    found, wanted = read_cells(saved, "csv", "file"), make_cells(table, "csv")
    assert found.columns == wanted.columns
    assert fitted(found, wanted, "csv") == wanted.rows


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a,b\n1\n", "row 2 has 1 cell, and the head 2"),
        (b'a,b\n1,"2\n', "row 2 is no CSV"),
        (b'a,b\n1,2"3\n', "row 2 is no CSV"),
        (b"a,b\n\xff,1\n", "is no UTF-8, .*; save it as CSV in UTF-8, with commas"),
        ("a,b\n".encode("utf-16"), "is no UTF-8, .*; save it as CSV in UTF-8, with commas"),
        (
            b'\xef\xbb\xbfname;loss\r\n"a;""b""";0,5\r\nb;1\r\n',
            "has semicolons between its cells; save it with commas",
        ),
        (b"name\tloss\na\t0,5\n", "has tabs between its cells; save it with commas between them, and with points in"),
    ],
)
def test_what_is_no_csv_is_told_with_its_row(data: bytes, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        read_cells(data, "csv", "file")


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
def test_a_damaged_file_is_told_or_read_and_nothing_else(form: DataForm) -> None:
    data = file_of(made([("a", 0.5, 1, True, datetime(2026, 1, 1))] * 3), form)  # noqa: DTZ001
    random = Random(7)
    with pytest.raises(ValidationError, match="cannot be read"):
        read_cells(data[: len(data) // 2], form, "file")
    for _ in range(examples(12 if form == "parquet" else 300)):
        changed = bytearray(data)
        for _ in range(random.randint(1, 6)):
            changed[random.randrange(4, len(data))] = random.randrange(256)
        for damaged in (bytes(changed), data[: random.randrange(4, len(data))]):
            with suppress(ValidationError):
                read_cells(damaged, form, "file")


def rezipped(data: bytes, **parts: bytes | None) -> bytes:
    """A workbook with other parts, named by the last piece of their name; ``None`` leaves one out."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            piece = name.rpartition("/")[2].partition(".")[0]
            content = parts.get(piece, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return file.getvalue()


SHEET = b'<worksheet xmlns="x"><sheetData>%s</sheetData></worksheet>'
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (place, b"&l%d;" % (place - 1) * 10) for place in range(1, 12))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"sheet1": b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]><x>&l11;</x>"}, "declares a document type"),
        ({"sheet1": b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'}, "declares a document type"),
        ({"sharedStrings": b" " * 200_000_000}, "holds more than a report that can be checked"),
        ({"sheet1": SHEET % b'<row r="1"><c r="A1" t="s"><v>99</v></c></row>'}, "a text that is not there"),
        ({"sheet1": SHEET % b'<row r="1"><c r="XFE1"><v>1</v></c></row>'}, "which no sheet has"),
        ({"sheet1": SHEET % b'<c r="A1"><v>1</v></c><c r="XFD1048576"><v>1</v></c>'}, "holds more cells"),
        ({"sheet1": SHEET % b'<c r="A1"><v>one</v></c>'}, "could not convert"),
        ({"sheet1": b"<worksheet>" * 100_000}, "no element found"),
        ({"workbook": None}, "it has no part 'xl/workbook.xml'; a program that opens it can save it as .xlsx"),
        ({"workbook": b"<workbook/>"}, "has no sheet 'report', on which the rows of a report are; name the sheet so"),
    ],
)
def test_a_workbook_that_is_a_trap_is_told_at_once(parts: dict[str, bytes | None], told: str) -> None:
    data = rezipped(file_of(made([("a", 0.5, 1, True, None)]), "xlsx"), **parts)
    begun = time.monotonic()
    with pytest.raises(ValidationError, match=told):
        read_cells(data, "xlsx", "file")
    assert time.monotonic() - begun < 20


def test_a_workbook_of_many_parts_is_not_opened() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for place in range(3000):
            archive.writestr(f"{place}", b"")
    with pytest.raises(ValidationError, match="more than 2,000 parts"):
        read_cells(file.getvalue(), "xlsx", "file")


def test_a_small_parquet_file_of_many_rows_is_told() -> None:
    file = io.BytesIO()
    arro3.io.write_parquet(Table.from_pydict({"a": Array([1] * 20_000_000, DataType.int64())}), file)
    assert len(file.getvalue()) < 10_000_000
    with pytest.raises(ValidationError, match="holds more cells than a report that can be checked"):
        read_cells(file.getvalue(), "parquet", "file")


def test_a_sheet_that_another_program_wrote_is_read() -> None:
    cells = (
        b'<row r="1"><c r="A1" t="inlineStr"><is><r><t>na</t></r><r><t>me</t></r></is></c>'
        b'<c t="str"><v>x_x0041_</v></c></row>'
        b'<row><c><f>1+1</f><v>2</v></c><c r="B2" t="b"><v>1</v></c></row><row r="4"><c r="B4"><v>1E-7</v></c></row>'
        b'<row r="5"><c t="b"><f aca="false">TRUE()</f><v>1</v></c><c t="b"><f>FALSE()</f><v>0</v></c></row>'
        b'<row r="6"><c t="d"><v>2026-01-02T06:00:00</v></c><c t="d"><v>12:30</v></c></row>'
    )
    data = rezipped(file_of(made([("a", 0.5, 1, True, None)]), "xlsx"), sheet1=SHEET % cells)
    found = read_cells(data, "xlsx", "file")
    assert found.columns == ("name", "xA")
    assert found.rows == [[{"formula": "1+1"}, True], [None, None], [None, 1e-7], [True, False], [46024.25, "12:30"]]
