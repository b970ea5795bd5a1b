"""``runatlas report``: a file for a spec, and exit codes that tell scripts whether one still holds."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.page import check_page
from support.world import make_points

from runatlas.backends.local import LocalBackend
from runatlas.cli.main import main
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft, RunPatch, RunSelection

PROJECT = ProjectPath("team", "vision")
SPEC = """
title = "Seeds"
project = "team/vision"
stats = ["loss.min"]
group_by = "config.lr"
spread = "sd"
charts = [{ keys = ["loss"], color = "config.lr" }]
"""


class Place:
    """A store of four runs, and a directory of files."""

    def __init__(self, directory: Path) -> None:
        self.store, self.files = directory / "store", directory
        self.spec = directory / "seeds.toml"
        self.spec.write_text(SPEC)
        self.backend = LocalBackend(self.store)
        self.backend.create_workspace("team")
        for seed in range(4):
            config = {"lr": 0.1 * (1 + seed % 2)}
            draft = RunDraft(PROJECT, id=f"s{seed}", config=config, state="FINISHED", create_project=True)
            self.backend.create_run(draft)
            self.backend.append(Batch(PROJECT.run(f"s{seed}"), points=(make_points("loss", [1.0, 0.5 / (1 + seed)]),)))

    def call(self, *words: Any) -> Result:
        """Run ``runatlas report``."""
        return CliRunner().invoke(main, ["report", *map(str, words), "--dir", str(self.store)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("reports"))
    yield made
    made.backend.close()


def test_a_spec_becomes_a_file_of_each_format(place: Place) -> None:
    starts = {
        "html": b"<!DOCTYPE html>",
        "md": b"### Seeds",
        "tex": b"% needs",
        "csv": b"config.lr,runs,loss.min",
        "parquet": b"PAR1",
        "xlsx": b"PK",
    }
    for suffix, start in starts.items():
        output = place.files / f"seeds.{suffix}"
        result = place.call(place.spec, "-o", output)
        assert (result.exit_code, result.stdout) == (0, ""), result.output
        assert result.stderr == f"wrote {output}: <Report 'Seeds': 2 rows x 3 columns>\n"
        assert output.read_bytes().startswith(start)
    assert "<svg" in (place.files / "seeds.html").read_text()
    check_page((place.files / "seeds.html").read_text())
    assert place.call(place.spec, "--format", "csv").stdout == (place.files / "seeds.csv").read_text()
    assert [row[0] for row in json.loads(place.call(place.spec, "--json").stdout)["rows"]] == [0.1, 0.2]


def test_a_check_exits_with_1_and_names_what_no_longer_holds(place: Place) -> None:
    page = place.files / "checked.html"
    place.call(place.spec, "-o", page)
    result = place.call("--check", page)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"{page}: everything holds; 6 values computed again\n"
    chosen = RunSelection("team", "vision", ids=("s0",))
    place.backend.update_runs(chosen, RunPatch(state="CRASHED"))
    try:
        result = place.call("--check", page)
        assert (result.exit_code, result.stderr) == (1, f"{page}: 1 difference; 6 values computed again\n")
        assert result.stdout == "config.lr=0.1, loss.min: was 0.3 ± 0.2 (n = 2), is 0.166667 (n = 1)\n"
        told = json.loads(place.call("--check", page, "--json").stdout)
        assert (told["holds"], told["differences"][0]["column"]) == (False, "loss.min")
    finally:
        place.backend.update_runs(chosen, RunPatch(state="FINISHED"))


@pytest.mark.parametrize("form", ["csv", "parquet", "xlsx"])
def test_a_check_of_data_names_each_number_and_csv_takes_its_spec(place: Place, form: str) -> None:
    output = place.files / f"checked.{form}"
    place.call(place.spec, "-o", output)
    words = [place.spec, "--check", output] if form == "csv" else ["--check", output]
    result = place.call(*words)
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    assert result.stderr == f"{output}: everything holds; 18 values computed again\n"
    assert place.call(place.spec, "--check", output, "--project", "team/vision").exit_code == 0
    chosen = RunSelection("team", "vision", ids=("s0",))
    place.backend.update_runs(chosen, RunPatch(state="CRASHED"))
    try:
        result = place.call(*words)
    finally:
        place.backend.update_runs(chosen, RunPatch(state="FINISHED"))
    was = "says" if form == "csv" else "was"
    assert result.exit_code == 1
    assert f"config.lr=0.1, loss.min: {was} 0.3333333333333333, is 0.16666666666666666\n" in result.stdout
    assert f"config.lr=0.1, loss.min.n: {was} 2, is 1\n" in result.stdout
    assert f"config.lr=0.1, left_out: {was} nothing, is 's0: CRASHED'\n" in result.stdout


def test_what_cannot_be_done_is_told(place: Place) -> None:
    wrong, notes = place.files / "wrong.toml", place.files / "NOTES.md"
    wrong.write_text('columns = ["name", { field = "loss", digits = "x" }]\nlimt = 3\nproject = "team/vision"\n')
    nowhere = place.files / "nowhere.toml"
    nowhere.write_text('columns = ["name"]\n')
    notes.write_text("# Notes\n")
    marks = [
        "<!-- runatlas:begin a -->",
        "<!-- runatlas:begin b -->",
        "<!-- runatlas:end b -->",
        "<!-- runatlas:end a -->",
    ]
    nested, loop = place.files / "nested.md", place.files / "loop.md"
    nested.write_text("\n".join(marks))
    loop.symlink_to("loop.md")
    for form in ("html", "csv", "parquet", "xlsx"):
        place.call(place.spec, "-o", place.files / f"seeds.{form}")
        (place.files / f"cut.{form}").write_bytes((place.files / f"seeds.{form}").read_bytes()[:500])
    cases: list[tuple[list[Any], int, str]] = [
        ([wrong], 2, f"{wrong}: there is no 'limt', did you mean 'limit'?"),
        ([wrong], 2, f"{wrong}: columns[1].digits: expected a whole number, got str"),
        ([nowhere], 2, "names no project; add project = 'workspace/name' to it, or give --project"),
        ([nowhere, "--project", "team/visio"], 1, "the store that was looked at is"),
        ([place.spec, "-o", place.files / "x.doc"], 2, "'x.doc' ends in none of html, md, latex, csv, parquet, xlsx"),
        ([place.spec, "--format", "xlsx"], 2, "xlsx is no text; give --output"),
        ([place.spec, "--name", "a"], 2, "--name goes with --format md and --output"),
        ([place.spec, "-o", notes, "--name", "a"], 1, "NOTES.md needs one line '<!-- runatlas:begin a -->'"),
        ([place.spec, "-o", nested, "--name", "a"], 1, f"{marks[1]!r} stands between the markers a, and would be lost"),
        ([place.spec, "-o", loop], 1, "loop.md (Too many levels of symbolic links)"),
        ([place.spec, "-o", "/dev/null", "--format", "md"], 1, "/dev/null (it is no file, and would be replaced"),
        (["--check", "/dev/null"], 1, "/dev/null (it is a link, a pipe or something else that is no file)"),
        (["--check", notes], 1, "is no report"),
        (["--check", "/dev/null"], 1, "cannot open /dev/null"),
        (["--check", notes, "--format", "md"], 2, "--check takes a report, and writes none"),
        (["--check", notes, "--project", "team/vision"], 2, "--project goes with a SPEC"),
        ([], 2, "name the SPEC of a report, or a report after --check"),
        (["--check", place.files / "seeds.csv"], 1, "runatlas report SPEC --check FILE"),
        ([nowhere, "--check", place.files / "seeds.csv"], 2, "names no project"),
        ([place.spec, "--check", place.files / "seeds.html"], 1, "check it without another one"),
        (
            [place.spec, "--check", notes],
            1,
            "NOTES.md has no column of this report: they are # Notes, and the report's",
        ),
        (["--check", place.files / "cut.parquet"], 1, "cut.parquet cannot be read: it is damaged, cut off"),
        (["--check", place.files / "cut.xlsx"], 1, "cut.xlsx cannot be read as a workbook of Excel: File is not a zip"),
    ]
    for words, code, told in cases:
        result = place.call(*words)
        assert told in result.stderr.replace("\n       ", " "), result.output
        assert result.exit_code == code, result.output
    assert (notes.read_text(), nested.read_text()) == ("# Notes\n", "\n".join(marks))
    assert place.call(nowhere, "--project", "team/vision", "--format", "md").exit_code == 0


def test_a_report_is_checked_where_links_lead(place: Place) -> None:
    link = place.files / "linked.md"
    link.symlink_to("led.md")
    assert place.call(place.spec, "-o", link).exit_code == 0
    assert link.is_symlink()
    assert place.call("--check", link).exit_code == 0


def test_a_full_disk_leaves_the_file_that_was_there(place: Place) -> None:
    output = place.files / "kept.csv"
    output.write_text("kept\n")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, limit[1]))
    try:
        result = place.call(place.spec, "-o", output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert (result.exit_code, result.stderr) == (1, "Error: not all of it could be written (File too large)\n")
    assert output.read_text() == "kept\n"
    assert not list(place.files.glob(".kept*"))
