"""What others wrote is text in every format of a report, whatever it is."""

from __future__ import annotations

import base64
import html
import io
import math
import re
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import attrs
import pytest
from arro3.core import Array, DataType, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.page import check_html, check_page

from runatlas.display.markup import Html
from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.reports.content import ROWS_SHOWN, Cell, Column, Content, Row, cells, sealed
from runatlas.reports.document import make_latex, make_markdown, put_between
from runatlas.reports.page import make_page, show_content
from runatlas.reports.seal import find_seals, make_seal
from runatlas.reports.sheet import write_sheet
from runatlas.statistics.estimate import Estimate, estimate
from runatlas.terminal import printable

HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            "--> <script>alert(1)</script>",
            "</style></title><b>",
            "a | b \\| c",
            "`x` **b** [l](http://x.y) <!-- runatlas:end results -->",
            "https://example.com www.example.com :smile: $x$ #1",
            "\\input{/etc/passwd} % & # _ ^ ~ {} $",
            "[0.5em] * -- `` '' \"",
            "=cmd|'/C calc'!A0",
            "\n| x |\n\u202e",
            f"% runatlas-report:1 {'0' * 64} AAAA",
            f"\n<!-- runatlas-report:1 {'0' * 64} AAAA -->\n",
        ]
    ),
)
NUMBERS = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.none())


def content(*texts: str, numbers: tuple[Any, ...] = (0.5,)) -> Content:
    """A report that says these texts everywhere, and a number each row."""
    columns = (Column("name", texts[0]), Column("loss", "loss", goal="min"))
    rows = tuple(Row(str(place), text, (text, numbers[place % len(numbers)])) for place, text in enumerate(texts))
    return Content(
        texts[0] or "-",
        texts[-1],
        columns,
        rows,
        {"asked": texts[0]},
        tuple(texts[:1]),
        (),
        {"spec": {"title": texts[0]}},
    )


def squeezed(text: str) -> str:
    return " ".join(text.split())


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=4), NUMBERS)
def test_a_page_is_valid_and_says_each_text(texts: list[str], number: Any) -> None:
    page = make_page(content(*texts, numbers=(number,)))
    said = squeezed(check_page(page))
    for row in cells(content(*texts)):
        assert squeezed(row[0].text) in said
    ((seal, altered),) = find_seals(page, "page")
    assert not altered
    assert [values[0] for _, _, values in seal.rows] == list(map(sealed, texts))
    check_html(show_content(content(*texts, numbers=(number,))).text)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_a_table_of_markdown_has_each_text_in_its_cell(texts: list[str]) -> None:
    made = make_markdown(content(*texts))
    lines = made.split("\n")
    table = [line for line in lines if line.startswith("| ")][2:]
    for line, row in zip(table, cells(content(*texts)), strict=True):
        held = re.split(r"(?<!\\)(?:\\\\)*\|", line.replace("\\\\", "\0"))
        assert len(held) == 4, line
        assert re.sub(r"\\(.)", r"\1", held[1][1:-1]).replace("\0", "\\") == row[0].text
        for mark in ("`", "<", "*", "_", "[", "://", "www.e"):
            assert mark not in re.sub(r"\\.", "", held[1]), line
    assert [line for line in lines if "<!--" in re.sub(r"\\.", "", line)] == [lines[-2]]
    assert not find_seals(made, "text")[0][1]


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_a_table_of_latex_sets_each_text(texts: list[str]) -> None:
    made = make_latex(content(*texts))
    body = made.partition("\\midrule\n")[2].partition("\n    \\bottomrule")[0].split("\n")
    for line, row in zip(body, cells(content(*texts)), strict=True):
        first = re.split(r"(?<!\\) & ", line)[0].strip()
        assert line.endswith(" \\\\")
        assert latex_text(first) == row[0].text.strip()
    assert not find_seals(made, "text")[0][1]


def latex_text(source: str) -> str:
    """Read what LaTeX sets of a text: nothing in it is a command of ours, an option or a ligature."""
    known = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textasciigrave": "`",
        "textquotesingle": "'",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
        "ldots": "…",
    }
    said = ""
    place = 0
    token = re.compile(
        r"\\([a-z]+)\{\}|\\([{}$&#%_])|\{([\[\]*])\}|-(\{\})|\$\\(pm|infty)\$|(--)|([^\\{}$&#%_^~`'<>|\[\]*-])"
    )
    while place < len(source):
        found = token.match(source, place)
        assert found, source[place:]
        if found[1]:
            said += known[found[1]]
        elif found[5]:
            said += {"pm": "±", "infty": "∞"}[found[5]]
        else:
            said += found[2] or found[3] or ("-" if found[4] else "\N{EN DASH}" if found[6] else found[7])
        place = found.end()
    return said


EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - Excel has no zones
TIMES = st.datetimes(min_value=datetime(1950, 1, 1))  # noqa: DTZ001
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=examples(30), deadline=None)
@given(
    st.lists(
        st.tuples(
            HOSTILE | TEXTS,
            st.floats() | st.none(),
            st.datetimes(min_value=__import__("datetime").datetime(1950, 1, 1)) | st.none(),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_sheet_has_texts_exact_numbers_and_times_of_utc(rows: list[tuple[str, float | None, Any]]) -> None:
    rows = [(text.encode(errors="backslashreplace").decode(), number, time) for text, number, time in rows]
    milliseconds = [None if time is None else round((time - EPOCH).total_seconds() * 1000) for _, _, time in rows]
    table = Table.from_pydict(
        {
            "=name": Array([text for text, _, _ in rows], DataType.string()),
            "loss": Array([number for _, number, _ in rows], DataType.float64()),
            "created_at": Array(milliseconds, DataType.int64()).cast(DataType.timestamp("ms", tz="UTC")),
        }
    )
    file = io.BytesIO()
    write_sheet(table, file, about={"title": "=1+1", "asked": "=2"})
    head, *body = read_sheet(file)
    assert head == ["=name", "loss", "created_at (UTC)"]
    for (text, number, _), time, held in zip(rows, milliseconds, body, strict=True):
        assert (held[0] or "") == text
        if number is None:
            assert held[1] is None
        elif math.isfinite(number):
            assert held[1] == number
        else:
            assert held[1] == {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(number)]
        assert held[2] is None if time is None else abs(float(held[2]) - (time / 86_400_000 + 25569)) < 1e-8


def test_a_column_of_a_sheet_is_as_wide_as_its_head_and_its_texts() -> None:
    table = Table.from_pydict(
        {
            "x": Array([0.5], DataType.float64()),
            "config.model.attention.width": Array([8], DataType.int64()),
            "name": Array(["narrow-lr0.003-seed1-again"], DataType.string()),
            "seed": Array([2**60], DataType.int64()),
            "note": Array(["n" * 1000], DataType.string()),
            "created_at": Array([0], DataType.int64()).cast(DataType.timestamp("ms", tz="UTC")),
        }
    )
    file = io.BytesIO()
    write_sheet(table, file, about={})
    with zipfile.ZipFile(file) as archive:
        columns = ET.fromstring(archive.read("xl/worksheets/sheet1.xml"))[3]
    widths = [int(float(column.attrib["width"])) for column in columns]
    longest = "config.model.attention.width", "narrow-lr0.003-seed1-again", str(2**60)
    assert widths == [14, *(len(text) + 2 for text in longest), 50, 24]


def read_sheet(file: io.BytesIO) -> list[list[Any]]:
    """Read the first sheet as Excel does; a formula anywhere is a mistake."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(file) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert all(b"<f>" not in data for name, data in held.items() if "sheet" in name)
    strings = [
        "".join(part.text or "" for part in item.iter(f"{space}t"))
        for item in ET.fromstring(held["xl/sharedStrings.xml"])
    ]
    rows = []
    for row in ET.fromstring(held["xl/worksheets/sheet1.xml"]).iter(f"{space}row"):
        found: list[Any] = [None] * 3
        for cell in row:
            number = cell.find(f"{space}v")
            if number is not None and number.text is not None:
                is_text = cell.get("t") == "s"
                value = unescaped(strings[int(number.text)]) if is_text else float(number.text)
                found["ABC".index(cell.attrib["r"][0])] = value
        rows.append(found)
    return rows


def unescaped(text: str) -> str:
    """Read letters that Excel writes by their number."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def test_the_best_and_what_cannot_be_told_from_it_is_marked_in_each_format() -> None:
    found: list[Any] = [
        estimate([0.2, 0.3, 0.25]),
        estimate([0.24, 0.28]),
        estimate([0.9, 0.91]),
        Estimate((), None, None, None),
    ]
    rows = tuple(Row(str(place), f"r{place}", (value,)) for place, value in enumerate(found))
    made = Content("T", "", (Column("loss", "loss", goal="min"),), rows, {})
    marks = [row[0].is_best for row in cells(made)]
    assert marks == [True, True, False, False]
    assert (
        make_page(made).count("<strong>")
        == make_markdown(made).count("| **")
        == make_latex(made).count("\\textbf{")
        == 2
    )
    assert "\\textbf{0.25 $\\pm$ 0.12 (n = 3)}" in make_latex(made)
    higher = Content("T", "", (Column("acc", "acc", goal="max"),), rows, {})
    assert [row[0].is_best for row in cells(higher)] == [False, False, True, False]


def test_the_best_may_be_a_whole_number_beyond_all_floats() -> None:
    rows = tuple(Row(str(place), "", (value,)) for place, value in enumerate((10**400, 1.0, math.inf)))
    made = Content("T", "", (Column("x", "x", goal="max"),), rows, {})
    assert [row[0].is_best for row in cells(made)] == [True, False, False]


def test_one_rule_writes_numbers_in_all_formats() -> None:
    values: tuple[Any, ...] = (0.123456789, math.nan, math.inf, None, 10**30, True, [1, 2])
    rows = tuple(Row(str(place), "", (value, value)) for place, value in enumerate(values))
    made = Content("T", "", (Column("x", "x"), Column("y", "y", digits=2)), rows, {})
    shown = [[cell.text for cell in row] for row in cells(made)]
    assert shown[:4] == [["0.123457", "0.12"], ["NaN", "NaN"], ["∞", "∞"], ["\N{EN DASH}", "\N{EN DASH}"]]
    assert shown[5:] == [["True", "True"], ["[1, 2]", "[1, 2]"]]
    assert Cell("0.123457", is_number=True) == cells(made)[0][0]
    huge = Row("h", "", (1e308, -1e308))
    assert [cell.text for cell in cells(attrs.evolve(made, rows=(huge,)))[0]] == ["1e+308", "-1.00e+308"]
    spread = Row("s", "", (None, estimate([1e16, 1e15])))
    assert cells(attrs.evolve(made, rows=(spread,)))[0][1].text.startswith("5500000000000000.00 ± 5.7")
    assert "| 0.123457 | 0.12 |" in make_markdown(made)
    assert "0.123457 & 0.12 \\\\" in make_latex(made)


def test_a_long_report_shows_its_first_rows_and_says_so() -> None:
    rows = tuple(Row(str(number), f"run-{number}", (number,)) for number in range(ROWS_SHOWN + 5))
    made = Content("T", "", (Column("x", "x"),), rows, {})
    for text in (make_page(made), make_markdown(made), make_latex(made)):
        assert "the first 1,000 of 1,005 rows; CSV, Parquet and Excel have all" in html.unescape(text)
        assert find_seals(text, "text")[0][0].total == ROWS_SHOWN + 5
        assert "1003" not in re.sub(r"runatlas-report\S+ \S+ \S+", "", text)


@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_a_file_with_any_letter_changed_is_no_longer_whole(data: st.DataObject) -> None:
    write = data.draw(st.sampled_from([make_page, make_markdown, make_latex]))
    text = write(content("a", "b", numbers=(0.25, 0.5)))
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("0a x<"))
    changed = f"{text[:place]}{letter}{text[place + 1 :]}"
    if changed == text:
        return
    try:
        seals = find_seals(changed, "text")
    except ValidationError:
        return
    ((_, altered),) = seals
    assert altered
    line = text.count("\n", 0, place) + 1
    if "\n" not in text[place]:
        assert f"line {line} was" in altered[0].told or "what it carries" in altered[0].told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("", "is no report"),
        ("AAAA", "damaged"),
        ("x" * 100, "damaged"),
        ("eNpLBAAAYgBi", "damaged"),
    ],
)
def test_what_is_no_report_is_told(data: str, told: str) -> None:
    text = f"<!-- runatlas-report:1 {'0' * 64} {data} -->" if data else "# Notes"
    with pytest.raises(ValidationError, match=told):
        find_seals(text, "notes.md")


def test_a_report_that_unpacks_to_more_than_a_report_is_refused() -> None:
    data = base64.b64encode(zlib.compress(b" " * (65 * 1024 * 1024))).decode()
    with pytest.raises(ValidationError, match="larger than a report is"):
        find_seals(f"% runatlas-report:1 {'0' * 64} {data}", "bomb")


def test_a_report_of_more_rows_than_one_shows_is_refused() -> None:
    forged = {**attrs.asdict(make_seal(content("a"))), "rows": [["", "", []]] * (ROWS_SHOWN + 1)}
    data = base64.b64encode(zlib.compress(dumps(forged).encode())).decode()
    with pytest.raises(ValidationError, match="it has 1,001 rows, of which a report shows 1,000 at the most"):
        find_seals(f"% runatlas-report:1 {'0' * 64} {data}", "forged")


def test_a_shown_text_is_what_a_terminal_may_show() -> None:
    made = content("a\x1b[2J\u202e")
    assert printable("a\x1b[2J\u202e") in make_latex(made).replace("\\textbackslash{}", "\\").replace("{[}", "[")
    assert isinstance(show_content(made), Html)


def test_many_markers_and_many_reports_are_read_in_one_go() -> None:
    text = "<!-- runatlas:begin a -->\n" * 200_000
    with pytest.raises(ValidationError, match="is no report"):
        find_seals(text, "markers")
    one = f"<!-- runatlas:begin a -->\n{make_markdown(content('a'))}<!-- runatlas:end a -->\n"
    assert len(find_seals(one * 3, "three")) == 3
    with pytest.raises(ValidationError, match="more than 100 reports"):
        find_seals(one * 101, "many")


def test_who_writes_into_one_file_at_once_loses_nobodys_report(tmp_path: Path) -> None:
    readme, names = tmp_path / "README.md", [f"part{place}" for place in range(8)]
    readme.write_text("".join(f"<!-- runatlas:begin {each} -->\n<!-- runatlas:end {each} -->\n" for each in names))
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda each: put_between(readme, each, f"the report {each}\n"), names))
    assert [each for each in names if f"the report {each}\n" not in readme.read_text()] == []
    assert list(tmp_path.iterdir()) == [readme]
