"""Reports that are data: a check of CSV, Parquet and Excel names what was altered in them and what no longer holds."""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import arro3.io
import attrs
import polars as pl
import pytest
from arro3.core import Array, DataType, Table
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.reported import COLUMNS, Store, listed
from support.world import make_points

from runatlas.entities.report import Report
from runatlas.entities.report_spec import ReportSpec
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.run import RunDraft
from runatlas.reports.sheet import write_sheet

FORMS = ["csv", "parquet", "xlsx"]
SEALED = ["parquet", "xlsx"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("tabled") / "store")
    yield made
    made.backend.close()


def written(report: Report, form: str, directory: Path) -> Path:
    """The file of a report."""
    return Path(getattr(report, f"to_{form}")(directory / f"report.{form}"))


def spec_of(report: Report, store: Store, form: str = "csv") -> ReportSpec | None:
    """The spec that a check of a format needs."""
    return attrs.evolve(report.spec, project=str(store.path)) if form == "csv" else None


def edit(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change rows of a Parquet file as a program does that keeps what else it holds."""
    table = arro3.io.read_parquet(path).read_all()
    columns = {name: table[name].to_pylist() for name in table.column_names}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    change(rows)
    made: dict[str, Any] = {name: Array([row[name] for row in rows], table[name].type) for name in columns}
    told = {key.decode(): said.decode() for key, said in table.schema.metadata.items()}
    arro3.io.write_parquet(Table.from_pydict(made), path, key_value_metadata=told)


def edit_sheet(path: Path, old: str, new: str, part: str = "xl/worksheets/sheet1.xml") -> None:
    """Change a text in a part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in held[part], held[part]
    held[part] = held[part].replace(old.encode(), new.encode(), 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)


def save_anew(path: Path) -> None:
    """Save a workbook as LibreOffice does, by way of its own format: 15 digits, hundredths of a second, plain lines."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name).decode() for name in archive.namelist()}
    sheet = held["xl/worksheets/sheet1.xml"]
    sheet = re.sub(r'(<c r="\w+">)<v>(.*?)</v>', lambda found: f"{found[1]}<v>{float(found[2]):.15g}</v>", sheet)
    sheet = re.sub(r'(<c r="\w+" s="2">)<v>(.*?)</v>', lambda found: f"{found[1]}<v>{hundredths(found[2])}</v>", sheet)
    sheet = sheet.replace('t="b"><v>1</v>', 't="b"><f>TRUE()</f><v>1</v>')
    sheet = sheet.replace('t="b"><v>0</v>', 't="b"><f>FALSE()</f><v>0</v>')
    held["xl/worksheets/sheet1.xml"] = sheet
    held["xl/sharedStrings.xml"] = held["xl/sharedStrings.xml"].replace("_x000D_", "").replace("_x0007_", "")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in held.items():
            archive.writestr(name, data)


def hundredths(days: str) -> float:
    """A time of Excel to the hundredth of a second."""
    return round(float(days) * 8_640_000) / 8_640_000


@pytest.mark.parametrize("form", FORMS)
def test_a_table_holds_whatever_is_in_it(store: Store, tmp_path: Path, form: str) -> None:
    odd = {"a": "=1+1", "b": "'=1", "c": 'a, "b"\r\n c', "d": "x" * 200_000, "e": "007"}
    for name, text in odd.items():
        store.set(name, "odd", text)
        store.set(name, "flag", name == "a")
    store.set("a", "mixed", 0.1)
    store.set("b", "mixed", "=2")
    store.set("c", "list", [1, None])
    extra = ["config.odd", "config.flag", "config.mixed", "config.list", "created_at", "duration", "state"]
    report = store.runs().report(columns=[*COLUMNS, *extra], sort="name").unwrap()
    path = written(report, form, tmp_path)
    check = store.api.check_report(path, spec_of(report, store, form)).unwrap()
    assert (check.differences, check.checked) == ((), 60)
    again = attrs.evolve(report.spec, project=str(store.path))
    assert store.told(path, again) == []
    store.set("a", "flag", False)
    assert store.told(path, again) == ["a, config.flag: says True, is False"]
    store.set("a", "flag", True)
    if form == "csv":
        report.to_csv(path, exact=True)
        assert store.told(path, again) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_groups_names_each_number_that_changed(store: Store, tmp_path: Path, form: str) -> None:
    report = store.runs().report(stats="loss.min", group_by="config.lr", spread="sd", sort="-loss.min").unwrap()
    path, spec = written(report, form, tmp_path), spec_of(report, store, form)
    assert store.told(path, spec) == []
    store.set("b", "lr", 0.7)
    try:
        told = store.told(path, spec)
    finally:
        store.set("b", "lr", 0.1)
    was = "says" if form == "csv" else "was"
    assert told[:3] == [
        f"config.lr=0.1, runs: {was} 2, is 1",
        f"config.lr=0.1, loss.min: {was} 0.375, is 0.5",
        f"config.lr=0.1, loss.min.low: {was} 0.1982233047033631, is nothing",
    ]
    assert f"config.lr=0.1, loss.min.values: {was} '[0.25,0.5]', is '[0.5]'" in told
    assert told[-1].startswith(("config.lr=0.7: the row is new", "the order of its rows", "its rows are in another"))


CHANGES = st.tuples(st.sampled_from("abde"), st.sampled_from(["lr", "seed", "note"])).flatmap(
    lambda place: st.tuples(
        st.just(place[0]), st.just(place[1]), st.floats() | st.integers(-9, 9) | st.text("ab=|<", max_size=4)
    )
)


@pytest.mark.parametrize("form", FORMS)
def test_a_check_names_just_the_one_cell_that_changed(store: Store, tmp_path: Path, form: str) -> None:
    report = listed(store)
    path, spec = written(report, form, tmp_path), spec_of(report, store, form)
    assert store.told(path, spec) == []
    held = {run.id: dict(run.config) for run in store.runs()}

    @settings(max_examples=examples(6), deadline=None)
    @given(CHANGES)
    @example(("a", "lr", math.nextafter(0.1, 1)))
    @example(("b", "lr", "b"))
    @example(("b", "note", 1.5))
    @example(("d", "lr", math.nan))
    @example(("b", "seed", 1.0))
    def change(made: tuple[str, str, Any]) -> None:
        name, key, value = made
        was = held[name][key]
        store.set(name, key, value)
        try:
            found = store.api.check_report(path, spec).unwrap().differences
            is_same = value == was and isinstance(value, str) == isinstance(was, str)
            assert [(item.row, item.column) for item in found] == ([] if is_same else [(name, f"config.{key}")])
            assert is_same or str(found[0].was) == str(was)
        finally:
            store.set(name, key, was)

    change()


@pytest.mark.parametrize("form", SEALED)
def test_a_cell_that_was_altered_is_told_from_a_number_that_no_longer_holds(
    store: Store, tmp_path: Path, form: str
) -> None:
    path = written(listed(store), form, tmp_path)
    if form == "parquet":
        edit(path, lambda rows: rows[1].update({"config.lr": 0.2}))
    else:
        edit_sheet(path, '<c r="B3"><v>0.1</v></c>', '<c r="B3"><v>0.2</v></c>')
    altered = "b, config.lr: the file was altered after it was written: it said 0.1, and says 0.2"
    assert store.told(path) == [altered]
    store.set("a", "lr", 0.3)
    store.set("d", "seed", 5)
    try:
        assert store.told(path) == ["a, config.lr: was 0.1, is 0.3", altered, "d, config.seed: was 1, is 5"]
        store.set("b", "seed", 9)
        assert store.told(path)[1:4] == [
            "b: the file was altered after it was written, and the runs have changed since",
            "b, config.lr: says 0.2, is 0.1",
            "b, config.seed: says 1, is 9",
        ]
    finally:
        for name, key, value in (("a", "lr", 0.1), ("d", "seed", 1), ("b", "seed", 1)):
            store.set(name, key, value)


def test_rows_that_were_put_in_taken_out_or_sorted_are_told(store: Store, tmp_path: Path) -> None:
    altered = "the file was altered after it was written"
    path = written(listed(store), "parquet", tmp_path)
    edit(path, lambda rows: rows.reverse())
    assert store.told(path) == [f"{altered}: its rows are in another order"]
    path = written(listed(store), "parquet", tmp_path)
    edit(path, lambda rows: rows.pop(1))
    assert store.told(path) == [f"b: {altered}: the row was taken out, or is another one"]
    path = written(listed(store), "parquet", tmp_path)
    edit(path, lambda rows: rows.append({**rows[0], "name": "f"}))
    assert store.told(path) == [f"row 6: {altered}: the row was put in, or is another one"]
    path = written(listed(store), "xlsx", tmp_path)
    edit_sheet(path, '<row r="4"', '<row r="9"')
    assert store.told(path) == []  # whose cells say themselves where they are


def test_columns_that_were_renamed_or_put_in_are_told(store: Store, tmp_path: Path) -> None:
    path = written(listed(store), "xlsx", tmp_path)
    edit_sheet(path, '<c r="E2"><v>0.5</v></c>', '<c r="E2"><v>0.5</v></c><c r="F2"><v>7</v></c><c r="H2"><v>7</v></c>')
    altered = "the file was altered after it was written: its columns"
    assert store.told(path) == [f"{altered} have one without a head too"]
    path = written(listed(store), "xlsx", tmp_path)
    edit_sheet(path, "<t>config.lr</t>", "<t>rate</t>", "xl/sharedStrings.xml")
    assert store.told(path)[0] == f"{altered} lack 'config.lr' and have 'rate' too"
    edit_sheet(path, "<t>rate</t>", "<t>name</t>", "xl/sharedStrings.xml")
    assert store.told(path)[0] == f"{altered} lack 'config.lr'"
    frame = pl.read_csv(written(listed(store), "csv", tmp_path))
    frame.select(reversed(frame.columns)).write_csv(path.with_suffix(".csv"))
    told = "held against the report's, its columns are in another order, or one is there twice"
    assert store.told(path.with_suffix(".csv"), spec_of(listed(store), store)) == [told]


def test_a_formula_is_no_text_that_begins_as_one(store: Store, tmp_path: Path) -> None:
    path = written(listed(store), "xlsx", tmp_path)
    assert store.told(path) == []
    edit_sheet(path, '<c r="E3"><v>0.25</v></c>', '<c r="E3"><f>SUM(E2)/2</f><v>0.25</v></c>')
    told = "b, loss.min: the file was altered after it was written: it said 0.25, and says the formula =SUM(E2)/2"
    assert store.told(path) == [told]


def test_what_stands_beside_the_rows_of_a_workbook_is_checked_too(store: Store, tmp_path: Path) -> None:
    path = written(listed(store, title="Rates"), "xlsx", tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("xl/workbook.xml").count(b'state="veryHidden"') == 1
    edit_sheet(path, "<t>Rates</t>", "<t>Prices</t>", "xl/sharedStrings.xml")
    told = "the sheet 'about': line 1 was altered after it was written, and reads 'title: Prices'"
    assert store.told(path) == [told]


def test_a_workbook_that_a_spreadsheet_saved_anew_holds_as_far_as_one_can(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    odd = {"a": 1 / 3, "b": 0.1 + 0.2, "c": 2**53, "d": 1e15 + 0.5, "e": 123456789.12345679}
    for place, (name, number) in enumerate(odd.items()):
        store.set(name, "odd", number)
        store.set(name, "flag", name < "c")
        store.set(name, "text", f"a\r\n\x07b{place}")
        store.set(name, "day", f"2026-99-99T00:00:00.00{place}Z")
    extra = ["created_at", "config.odd", "config.flag", "config.text", "config.day"]
    report = store.runs().report(columns=[*COLUMNS, *extra], sort="name").unwrap()
    path, spec = written(report, "xlsx", tmp_path), spec_of(report, store)
    whole = path.read_bytes()
    save_anew(path)
    assert path.read_bytes() != whole
    assert (store.told(path), store.told(path, spec)) == ([], [])

    edit_sheet(path, '<c r="B3"><v>0.1</v></c>', '<c r="B3"><v>0.2</v></c>')
    assert store.told(path) == ["b, config.lr: the file was altered after it was written: it said 0.1, and says 0.2"]
    assert store.told(path, spec) == ["b, config.lr: says 0.2, is 0.1"]
    edit_sheet(path, "<t>2026-99-99T00:00:00.001Z</t>", "<t>2026-99-99T00:00:00.009Z</t>", "xl/sharedStrings.xml")
    assert store.told(path)[-1].endswith("said '2026-99-99T00:00:00.001Z', and says '2026-99-99T00:00:00.009Z'")
    edit_sheet(path, "<v>0.333333333333333</v>", "<v>0.333333333333334</v>")
    assert store.told(path)[0].endswith("it said 0.3333333333333333, and says 0.333333333333334")

    path.write_bytes(whole)
    store.set("a", "odd", math.nextafter(1 / 3, 1))
    assert store.told(path) == ["a, config.odd: was 0.3333333333333333, is 0.33333333333333337"]
    save_anew(path)
    store.set("a", "odd", 0.5)
    assert store.told(path) == ["a, config.odd: was 0.333333333333333, is 0.5"]
    with zipfile.ZipFile(path) as archive:
        held = archive.read("xl/worksheets/sheet1.xml").decode()
    edit_sheet(path, held, re.sub(r'r="([A-Z])2"', r'r="\g<1>9"', held))
    order = "the file was altered after it was written: its rows are in another order"
    assert store.told(path) == [order, "a, config.odd: was 0.333333333333333, is 0.5"]
    store.backend.close()


def test_groups_of_a_workbook_that_a_spreadsheet_saved_anew_are_told_by_what_it_keeps(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name in "abde":
        store.set(name, "lr", 0.1 + 0.2 if name < "c" else 1 / 3)
        store.set(name, "flag", name < "c")
    report = store.runs().report(stats="loss.min", group_by=["config.lr", "config.flag"], spread="sd").unwrap()
    path, spec = written(report, "xlsx", tmp_path), spec_of(report, store)
    save_anew(path)
    assert (store.told(path), store.told(path, spec)) == ([], [])
    edit_sheet(path, "<v>0.375</v>", "<v>0.475</v>")
    (told,) = store.told(path, spec)
    assert told.endswith("loss.min: says 0.475, is 0.375")
    store.backend.close()


def test_a_workbook_of_excel_97_is_told_as_one(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "report.xls"
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504)
    told = f"{path} is a workbook of Excel 97, or has a password; save it as .xlsx without one"
    for spec in (None, spec_of(listed(store), store)):
        assert store.api.check_report(path, spec).errmsg == told


def test_the_last_time_that_there_is_can_be_altered_too(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.backend.create_run(RunDraft(store.path, id="z", name="z", state="FINISHED", created_at_ms=253402300799999))
    report = store.runs().report(columns=["created_at"], filter="name == 'z'").unwrap()
    path = written(report, "xlsx", tmp_path)
    edit_sheet(path, "<v>2958465.", "<v>2958464.")
    (told,) = store.told(path)
    assert told.endswith("it said '9999-12-31T23:59:59.999Z', and says '9999-12-30T23:59:59.999Z'")
    store.backend.close()


def test_an_infinite_number_is_one_however_a_workbook_writes_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.set("a", "lr", -math.inf)
    path = written(listed(store), "xlsx", tmp_path)
    edit_sheet(path, "<t>-Infinity</t>", "<t>-inf</t>", "xl/sharedStrings.xml")
    assert store.told(path) == []
    edit_sheet(path, "<t>-inf</t>", "<t>inf</t>", "xl/sharedStrings.xml")
    assert store.told(path)[0].startswith("a, config.lr: the file was altered")
    store.backend.close()


def test_an_empty_last_row_is_a_row(store: Store, tmp_path: Path) -> None:
    for form in FORMS:
        report = store.runs().report(columns=["config.none", "loss.min"], sort="name").unwrap()
        path, spec = written(report, form, tmp_path), spec_of(report, store, form)
        assert store.told(path, spec) == []
        store.backend.append(Batch(store.path.run("e"), points=(make_points("loss2", [0.5]),)))
        assert store.told(path, spec) == []


@pytest.mark.parametrize("form", ["html", *SEALED])
def test_runs_that_come_and_go_are_named(store: Store, tmp_path: Path, form: str) -> None:
    path = written(listed(store, filter="state == 'FINISHED'"), form, tmp_path)
    store.backend.create_run(RunDraft(store.path, id="aa", name="aa", state="FINISHED"))
    assert store.told(path) == ["aa: the row is new"]
    store.api.run(f"{store.path}/aa").delete(commit=True)
    entry = store.api.run(f"{store.path}/a").delete(commit=True).unwrap()
    assert store.told(path) == ["a: the row is gone"]
    entry.restore().unwrap()
    assert store.told(path) == []


def test_a_table_that_was_saved_anew_without_its_seal_says_what_to_do(store: Store, tmp_path: Path) -> None:
    report = listed(store)
    spec = spec_of(report, store)
    parquet, xlsx = written(report, "parquet", tmp_path), written(report, "xlsx", tmp_path)
    pl.read_parquet(parquet).write_parquet(parquet)
    with xlsx.open("wb") as file:
        write_sheet(report.table.to_arrow(), file, about={"title": "T"})
    for path in (parquet, xlsx):
        found = store.api.check_report(path)
        assert found.errmsg == (
            f"{path} carries nothing to check it by (a program that saved it anew may have left it out); say the spec "
            "that it was made of: runatlas report SPEC --check FILE, or check_report(path, spec=…)"
        )
        assert store.told(path, spec) == []
    store.set("a", "lr", 0.3)
    try:
        for path in (parquet, xlsx):
            assert store.told(path, spec) == ["a, config.lr: says 0.1, is 0.3"]
    finally:
        store.set("a", "lr", 0.1)


def test_csv_is_checked_with_its_spec_and_says_so(store: Store, tmp_path: Path) -> None:
    report = listed(store)
    path, spec = written(report, "csv", tmp_path), spec_of(report, store)
    found = store.api.check_report(path)
    assert found.errmsg == (
        f"{path} carries nothing to check it by (CSV has no place for it); say the spec that it was made of: "
        "runatlas report SPEC --check FILE, or check_report(path, spec=…)"
    )
    with pytest.raises(ValueError, match="spec: it names no project; add project = 'workspace/name' to it"):
        store.api.check_report(path, report.spec)
    page = report.to_html(tmp_path / "page.html")
    refused = store.api.check_report(page, spec)
    assert refused.errmsg == f"{page} carries the spec that it was made of: check it without another one"
    head, *rows = path.read_text().splitlines()
    for lines, told in (
        ([head, *reversed(rows)], ["its rows are in another order than the report's"]),
        ([head, *rows[1:]], ["a: the row is new, or was taken out of the file"]),
        ([head, *rows, "f,1.0,0,,"], ["row 7: the report has no such row now: 'f', 1, 0"]),
        ([head, rows[0].replace("0.5", "0.75"), *rows[1:]], ["a, loss.min: says 0.75, is 0.5"]),
        ([head, rows[0].replace("0.5", "5E-1"), *rows[1:]], []),
        ([head, rows[0].replace("0.5", "half"), *rows[1:]], ["a, loss.min: says 'half', is 0.5"]),
    ):
        path.write_text("\n".join(lines))
        assert store.told(path, spec) == told
    path.write_text("\n".join(line.replace("config.lr", "rate") for line in [head, *rows]))
    assert store.told(path, spec) == ["held against the report's, its columns lack 'config.lr' and have 'rate' too"]
    path.write_text("x,y\n1,2\n")
    refused = store.api.check_report(path, spec)
    assert refused.errmsg == (
        f"{path} has no column of this report: they are x, y, and the report's name, config.lr, config.seed"
    )


def test_rows_that_nothing_tells_apart_are_held_against_those_at_their_place(store: Store, tmp_path: Path) -> None:
    report = store.runs().report(columns=["config.lr", "config.seed"], sort="name").unwrap()
    path, spec = written(report, "csv", tmp_path), spec_of(report, store)
    assert store.told(path, spec) == []
    store.set("d", "seed", 5)
    try:
        assert store.told(path, spec) == ["d, config.seed: says 1, is 5"]
    finally:
        store.set("d", "seed", 1)


@pytest.mark.parametrize("form", SEALED)
def test_a_table_that_is_damaged_is_told(store: Store, tmp_path: Path, form: str) -> None:
    path = written(listed(store), form, tmp_path)
    data = path.read_bytes()
    for damaged in (data[:4], data[: len(data) // 2], data[:-1], data[:8] + b"\0" * 2000 + data[2008:]):
        path.write_bytes(damaged)
        found = store.api.check_report(path)
        assert not found.ok
        assert found.errmsg.startswith(f"{path} ")


def test_a_seal_that_was_altered_is_told(store: Store, tmp_path: Path) -> None:
    report = listed(store)
    path = written(report, "parquet", tmp_path)
    table = report.table.to_arrow()
    seal = arro3.io.read_parquet(path).schema.metadata[b"runatlas-report"].decode()
    version, digest, data = seal.split(" ")
    for wrong, told in (
        (f"{version} {digest} {data[:-40]}", "what it carries to check it by is damaged"),
        (f"{version}\n{digest}", "what it carries to check it by is damaged"),
        (f"runatlas-report:2 {digest} {data}", "is a report of another version of RunAtlas"),
    ):
        arro3.io.write_parquet(table, path, key_value_metadata={"runatlas-report": wrong})
        assert told in store.api.check_report(path).errmsg
    arro3.io.write_parquet(table, path, key_value_metadata={"runatlas-report": f"{version} {'0' * 64} {data}"})
    assert store.told(path) == ["what it carries to check it by was altered"]


def test_a_table_that_is_too_large_is_not_read(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "large.parquet"
    with path.open("wb") as file:
        file.write(b"PAR1")
        file.truncate(64 * 1024 * 1024 + 1)
    with pytest.raises(ValidationError, match="larger than a report that can be checked"):
        store.api.check_report(path).unwrap()
    buffer = io.BytesIO()
    arro3.io.write_parquet(Table.from_pydict({"a": Array([1] * 20_000_000, DataType.int64())}), buffer)
    path.write_bytes(buffer.getvalue())
    assert store.api.check_report(path).errmsg == f"{path} holds more cells than a report that can be checked"
