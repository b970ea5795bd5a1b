"""Runs as files: the same as their table, whatever the pages, and whole after whatever interruption."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.place import Place

from runatlas.entities.run_export import FORMATS, ExportFormat, RunExport
from runatlas.errors import BusyError, ConnectionFailedError, NotFoundError, RunAtlasError, ValidationError
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunRecord
from runatlas.tables.run import RunTable

PROJECT = "my-team/my-project"


def make_record(number: int, config: dict[str, Any], summary: dict[str, float]) -> RunRecord:
    name, time_ms = f"r{number}", number * 1000
    return RunRecord(
        "ann", "demo", name, name, config=config, summary=summary, created_at_ms=time_ms, finished_at_ms=time_ms
    )


_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=4),
    st.lists(st.integers(), max_size=2),
)
_configs = st.dictionaries(st.sampled_from(["a", "b", "=c", "d.e"]), _values, max_size=4)
_summaries = st.dictionaries(st.sampled_from(["loss", "acc"]), st.floats(), max_size=2)
_records = st.lists(st.tuples(_configs, _summaries), max_size=9).map(
    lambda rows: [make_record(number, *row) for number, row in enumerate(rows)]
)


class Listing:
    """Pages of two runs; the cursors asked for are kept, and a page can fail."""

    def __init__(self, records: Sequence[RunRecord], failures: dict[int, BaseException] | None = None) -> None:
        self.records = records
        self.failures = failures or {}
        self.asked: list[str | None] = []

    def __call__(self, page: PageRequest) -> Page[RunRecord]:
        self.asked.append(page.cursor)
        start = int(page.cursor or 0)
        failure = self.failures.pop(start, None)
        if failure is not None:
            raise failure
        more = str(start + 2) if start + 2 < len(self.records) else None
        return Page(tuple(self.records[start : start + 2]), more, len(self.records) if page.with_total else None)


def export(
    path: Path,
    form: ExportFormat,
    read: Callable[[PageRequest], Page[RunRecord]],
    *,
    resume: bool = False,
    listing: str = "all",
) -> None:
    RunExport(path, form, exact=False, listing=listing).write(read, resume=resume, progress=False)


def rows_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


@given(records=_records)
def test_a_file_is_the_table(tmp_path_factory: pytest.TempPathFactory, records: list[RunRecord]) -> None:
    import polars as pl

    folder = tmp_path_factory.mktemp("export")
    table = RunTable(records)
    for form in FORMATS:
        export(folder / f"runs.{form}", form, Listing(records))
    assert (folder / "runs.csv").read_text() == table.to_csv()
    assert pl.read_parquet(folder / "runs.parquet").equals(table.to_polars(), null_equal=True)
    rows = rows_of(folder / "runs.jsonl")
    assert [row.keys() for row in rows] == [{n for n, v in row.items() if v is not None} for row in table.json()]
    for row, expected in zip(rows, table.json(), strict=True):
        for name, value in row.items():
            whole = float(value) if isinstance(expected[name], float) else value
            assert whole == expected[name] or (math.isnan(whole) and math.isnan(expected[name]))
    assert sorted(path.name for path in folder.iterdir()) == ["runs.csv", "runs.jsonl", "runs.parquet"]


RECORDS = [
    RunRecord("ann", "demo", f"r{n}", f"c{n}", config={"n": n}, summary={}, created_at_ms=n, finished_at_ms=n)
    for n in range(7)
]


def test_it_goes_on_wherever_it_was_cut_off(tmp_path: Path) -> None:
    path, part = tmp_path / "runs.csv", tmp_path / "runs.csv.part"
    with pytest.raises(KeyboardInterrupt):
        export(path, "csv", Listing(RECORDS, {6: KeyboardInterrupt()}))
    read = part.read_bytes()
    assert not path.exists()
    for size in range(0, len(read), 7):
        part.write_bytes(read[:size])
        listing = Listing(RECORDS)
        export(path, "csv", listing, resume=True)
        assert path.read_text() == RunTable(RECORDS).to_csv()
        whole_pages = [line for line in read[:size].splitlines(keepends=True) if line[:1] + line[-1:] == b"[\n"]
        assert len(listing.asked) == 4 - len(whole_pages)
        assert not part.exists()
    part.write_bytes(read)
    anew = Listing(RECORDS)
    export(path, "csv", anew)
    assert anew.asked == [None, "2", "4", "6"]


def test_it_goes_on_behind_what_is_whole_of_a_damaged_file(tmp_path: Path) -> None:
    path, part = tmp_path / "runs.csv", tmp_path / "runs.csv.part"
    with pytest.raises(KeyboardInterrupt):
        export(path, "csv", Listing(RECORDS, {6: KeyboardInterrupt()}))
    lines = part.read_bytes().splitlines(keepends=True)
    for place in range(1, len(lines)):
        for damaged in (b"\0" * 9 + b"\n", b"{}\n", b"[1]\n", b"[9,null,true]\n", b"[x\n"):
            part.write_bytes(b"".join((*lines[:place], damaged, *lines[place + 1 :])))
            listing = Listing(RECORDS)
            export(path, "csv", listing, resume=True)
            assert path.read_text() == RunTable(RECORDS).to_csv()
            assert listing.asked[0] == (None, "2", "4")[(place - 1) // 3]


def test_it_does_not_go_on_with_the_runs_of_another_listing(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    full: dict[int, BaseException] = {6: KeyboardInterrupt()}
    with pytest.raises(KeyboardInterrupt):
        export(path, "csv", Listing(RECORDS, full), listing="others")
    part = tmp_path / "runs.csv.part"
    part.write_bytes(part.read_bytes().replace(b'[6,"6",false]', b"[6,null,true]"))  # all of them were read
    kept = part.read_bytes()
    with pytest.raises(ValidationError, match="has runs of another filter or order"):
        export(path, "csv", Listing(RECORDS), resume=True)
    assert (part.read_bytes(), path.exists()) == (kept, False)
    export(path, "csv", Listing([]), resume=True, listing="others")
    assert path.read_text() == RunTable(RECORDS[:6]).to_csv()


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("pipe.csv")
    for name in ("folder.csv", "pipe.csv", "link.csv"):
        with pytest.raises(FileExistsError, match="is no file"):
            export(tmp_path / name, "csv", Listing(RECORDS))
    assert not list(tmp_path.glob("*.part"))
    (tmp_path / "to_file.csv").symlink_to("file.csv")
    export(tmp_path / "to_file.csv", "csv", Listing(RECORDS))
    assert (tmp_path / "to_file.csv").is_symlink()
    assert (tmp_path / "file.csv").read_text() == RunTable(RECORDS).to_csv()


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            ConnectionFailedError("the line is cut"),
            "the line is cut; 4 runs are kept: exporting again with resume goes on",
        ),
        (ValidationError("cursor: 'x'"), "has runs of another filter or order: give the same ones, or begin anew"),
    ],
)
def test_a_failure_says_how_to_go_on(tmp_path: Path, failure: RunAtlasError, told: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("before")
    with pytest.raises(type(failure)) as caught:
        export(path, "csv", Listing(RECORDS, {4: failure}))
    assert told in caught.value.message
    assert path.read_text() == "before"
    listing = Listing(RECORDS)
    export(path, "csv", listing, resume=True)
    assert (path.read_text(), listing.asked) == (RunTable(RECORDS).to_csv(), ["4", "6"])


def test_what_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        export(tmp_path / "runs.csv", "csv", Listing(RECORDS, {0: NotFoundError("no such project")}))
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    part = tmp_path / "runs.csv.part"
    part.write_text("a download")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="is not of an export"):
            export(tmp_path / "runs.csv", "csv", Listing(RECORDS), resume=resume)
    assert part.read_text() == "a download"


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.touch(0o600)
    export(path, "csv", Listing(RECORDS))
    assert (path.stat().st_mode & 0o777, path.stat().st_size > 0) == (0o600, True)


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"

    def read(page: PageRequest) -> Page[RunRecord]:
        with pytest.raises(BusyError):
            export(path, "csv", Listing(RECORDS))
        return Listing(RECORDS)(page)

    export(path, "csv", read)
    assert path.read_text() == RunTable(RECORDS).to_csv()


def test_runs_are_exported_as_they_are_listed(place: Place, tmp_path: Path) -> None:
    runs = place.api.runs(PROJECT, order="name")
    told: list[tuple[int, int]] = []
    with place.account.asking("list_runs"):
        assert runs.export(tmp_path / "runs.jsonl", progress=lambda *said: told.append(said)).unwrap()
    assert [row["run"] for row in rows_of(tmp_path / "runs.jsonl")] == [run.id for run in runs]
    assert told == [(4, 4)]
    few = runs[1:3].export(tmp_path / "few.csv").unwrap()
    assert Path(few).read_text() == runs[1:3].table().unwrap().to_csv()
    assert isinstance(place.api.runs("my-team/nothing").export(tmp_path / "none.csv").error, NotFoundError)
    for wrong in ("runs.xls", "runs"):
        with pytest.raises(ValueError, match="name the format"):
            runs.export(tmp_path / wrong)
    with pytest.raises(ValueError, match="expected one of csv, parquet, jsonl, got 'xls'"):
        runs.export("x", format="xls")  # type: ignore[arg-type]
