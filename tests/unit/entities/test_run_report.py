"""Reports of runs: what they say, the files that they become, and what a check finds."""

from __future__ import annotations

import csv
import io
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.page import check_html, check_page
from support.reported import Store, listed
from support.world import make_points

from runatlas import Api, all_but
from runatlas.entities.report_spec import ReportSpecError
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.codec import dumps, loads
from runatlas.model.run import RunDraft
from runatlas.reports.page import make_page


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("reported") / "store")
    yield made
    made.backend.close()


def test_a_report_says_what_is_missing_and_asks_a_few_times(store: Store) -> None:
    store.account.calls.clear()
    report = listed(store, filter="config.lr < 1", title="Five <runs>", text="One line.\nAnother.")
    assert store.account.calls.count("list_runs") <= 2
    assert [row["loss.min"] for row in report.table][:2] == [0.5, 0.25]
    assert report.notes == ("loss.min: missing in 1 of 5 runs", "loss.min: NaN or infinite in 1 of 5 runs")
    shown = check_html(report._repr_html_())
    assert "Five <runs>" in shown
    assert "Another." in shown
    assert "5 rows x 5 columns" in shown
    assert repr(report) == "<Report 'Five <runs>': 5 rows x 5 columns>"
    assert report.json()["rows"][2][-1] == "NaN"
    assert report.json()["facts"]["asked"] == "config.lr < 1; by name (asc)"


def test_a_mistyped_metric_of_a_report_is_told_with_what_is_near(store: Store) -> None:
    near = "no run here has a metric 'los', did you mean 'loss'?"
    assert near in store.runs().report(columns=["name", "los.min"]).unwrap().notes
    assert near in store.runs().report(stats=["los.min"], group_by="config.lr").unwrap().notes


def test_a_column_of_a_section_says_what_to_name(store: Store) -> None:
    before = store.api.run(f"{store.path}/a").config["seed"]
    store.set("a", "seed", {"torch": 1, "numpy": 2})
    try:
        told = "a section in 1 of 5 runs, which has no value; name a key in it, such as config.seed.numpy"
        made = store.runs().report(columns=["name", "config.seed", "config.seed.numpy"]).unwrap()
        assert made.notes == (f"config.seed: {told}", "config.seed.numpy: missing in 4 of 5 runs")
    finally:
        store.set("a", "seed", before)


def test_a_report_again_has_the_same_fingerprint_until_something_changes(store: Store) -> None:
    first = listed(store)
    assert listed(store, title="Another title").fingerprint == first.fingerprint
    assert listed(store, filter="name != 'a'").fingerprint != first.fingerprint
    store.set("a", "lr", 0.7)
    assert listed(store).fingerprint != first.fingerprint
    store.set("a", "lr", 0.1)
    assert listed(store).fingerprint == first.fingerprint


def test_groups_are_ordered_and_bounded_and_the_project_says_units_and_goals(store: Store) -> None:
    store.api.project(str(store.path)).define_metric("loss", goal="min", unit="nats").unwrap()
    report = (
        store.runs()
        .report(
            stats=[{"metric": "loss.min", "label": "lowest"}],
            group_by=all_but("seed", "note"),
            sort="-loss.min",
            limit=2,
        )
        .unwrap()
    )
    assert [row["loss.min"].center for row in report.table] == [0.375, 0.3]
    assert "the first 2 of 3 groups" in report.notes
    made = report.to_markdown()
    assert "| config.lr | runs | lowest (nats) |" in made
    assert "| 0.2 | 2 | **0.3 (n = 1)** |" in made
    assert "left out of loss.min, as NaN: 1 of 5 runs (c)" in made


def test_charts_stand_in_the_page(store: Store) -> None:
    charts = [
        {"kind": "scatter", "x": "config.lr", "y": "loss.min", "title": "<b> -- loss"},
        {"kind": "parallel", "keys": ["config.lr", "config.seed"], "result": "loss.min"},
        {"keys": ["loss"], "color": "config.lr"},
    ]
    report = listed(store, charts=charts)
    assert "<b> -- loss" in check_page(report.to_html())
    assert report.to_html().count("<svg") == 3
    shown = report._repr_html_()
    assert shown.count("<img") == 3
    assert check_html(shown).count("<b> -- loss") == 1
    with pytest.raises(ValueError, match=r"charts\[0\]: smooth: expected"):
        listed(store, charts=[{"keys": ["loss"], "smooth": -1}])


def test_a_check_draws_the_charts_of_a_page_again_and_names_the_one_that_changed(tmp_path: Path) -> None:
    own = Store(tmp_path / "store")
    charts = [
        {"kind": "scatter", "x": "config.lr", "y": "loss.min", "title": "kept"},
        {"kind": "parallel", "keys": ["config.lr", "config.seed"], "result": "loss.min"},
        {"keys": ["loss"], "color": "config.lr", "title": "course"},
        {"keys": ["loss"], "band": "minmax", "color": "config.seed"},
    ]
    report = listed(own, charts=charts)
    page, text = Path(report.to_html(tmp_path / "page.html")), Path(report.to_markdown(tmp_path / "text.md"))
    assert own.told(page) == own.told(text) == []
    own.backend.append(Batch(own.path.run("a"), points=(make_points("loss", [0.5, 0.75]),)))
    assert own.told(page) == ["chart 3, 'course', would show other values now", "chart 4 would show other values now"]
    assert own.told(text) == []  # which has none of them
    odd = loads(dumps(report.content.origin).replace('"minmax"', '"smallest"'))
    page.write_text(make_page(attrs.evolve(report.content, origin=odd)))
    refused = own.api.check_report(page)
    assert "page.html: charts[3]: band" in refused.errmsg
    own.backend.close()


def test_every_format_becomes_a_file_or_none(store: Store, tmp_path: Path) -> None:
    report = listed(store)
    assert list(csv.reader(io.StringIO(report.to_csv())))[1] == ["a", "0.1", "0", "'=1+0", "0.5"]
    writers = (report.to_html, report.to_markdown, report.to_latex, report.to_csv, report.to_parquet, report.to_xlsx)
    for write in writers:
        place = tmp_path / f"{write.__name__}.file"
        if write in writers[:3]:
            place.write_text("a paper")
            with pytest.raises(ValidationError, match="is no report, and would be lost"):
                write(place)
            assert place.read_text() == "a paper"
            place.write_text("")
            write(place)  # which may be written anew
        else:
            place.write_text("old")
        place.chmod(0o640)
        assert write(place) == str(place)
        assert place.stat().st_size > 100
        assert stat.S_IMODE(place.stat().st_mode) == 0o640
        with pytest.raises(FileExistsError, match="is no file"):
            write("/dev/null")
        with pytest.raises(FileNotFoundError):
            write(tmp_path / "none" / "x")
    assert Path("/dev/null").is_char_device()
    assert {path.name for path in tmp_path.iterdir()} == {f"{write.__name__}.file" for write in writers}


def test_a_report_names_its_store_and_not_where_it_lies(store: Store) -> None:
    page, place = listed(store).to_html(), Path(store.backend.location)
    assert place.name in page
    assert str(place.parent) not in page


def test_markdown_goes_between_its_markers_and_nowhere_else(store: Store, tmp_path: Path) -> None:
    report, readme = listed(store), tmp_path / "README.md"
    readme.write_bytes(b"# T\r\n<!-- runatlas:begin a -->\r\nold\r\n<!-- runatlas:end a -->\r\nend\r\n")
    with pytest.raises(ValidationError, match="holds other things around the markers a"):
        report.to_markdown(readme)
    for _ in range(2):
        report.to_markdown(readme, name="a")
        text = readme.read_bytes()
        assert text.startswith(b"# T\r\n<!-- runatlas:begin a -->\r\n### Report\r\n")
        assert text.endswith(b" -->\r\n<!-- runatlas:end a -->\r\nend\r\n")
        assert text.count(b"\n") == text.count(b"\r\n")
    assert store.told(readme) == []
    readme.write_bytes(readme.read_bytes().replace(b"\r\n", b"\n").replace(b"| a | 0.1 |", b"| a | 0.2 |"))
    (told,) = store.told(readme)
    assert told == "a, config.lr: the file was altered after it was written: it said 0.1, and says 0.2"
    altered = tmp_path / "altered"
    for made, old, new in ((report.to_html(), ">0.1<", ">0.2<"), (report.to_latex(), " & 0.1 & ", " & 0.2 & ")):
        altered.write_text(made.replace(old, new, 1))
        assert store.told(altered) == [told]
    altered.write_text(report.to_html().replace(">Report<", ">Other<", 1))
    assert store.told(altered) == ["line 6 was altered after it was written, and reads 'Other'"]
    for name, wrong in (("b", "one line '<!-- runatlas:begin b -->'.* markers named a$"), ("a b", "expected letters")):
        with pytest.raises(ValueError, match=wrong):
            report.to_markdown(readme, name=name)


def test_markdown_that_a_formatter_set_out_anew_holds(store: Store, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- runatlas:begin a -->\n<!-- runatlas:end a -->\n")
    store.set("e", "note", "a_b")
    listed(store).to_markdown(readme, name="a")
    assert "a\\_b" in readme.read_text()
    lines = []
    for line in readme.read_text().split("\n"):
        if line.startswith("| ---"):
            lines.append("| " + " | ".join(rule.replace("---", "-" * 20) for rule in line[2:-2].split(" | ")) + " |")
        elif line.startswith("|"):
            lines.append("| " + " | ".join(f"{cell:>21}" for cell in line[2:-2].split(" | ")) + " |")
        else:
            lines.append(f"\n{line}")
    readme.write_text("\n".join(lines).replace("a\\_b", "a_b"))
    assert store.told(readme) == []
    assert f"| {0.1:>21} |" in readme.read_text()
    readme.write_text(readme.read_text().replace(f"| {0.1:>21} |", f"| {0.2:>21} |", 1))
    assert store.told(readme) == ["a, config.lr: the file was altered after it was written: it said 0.1, and says 0.2"]
    readme.write_text(readme.read_text().replace("### Report", "### Other"))
    assert store.told(readme)[0] == "line 4 was altered after it was written, and reads '### Other'"
    store.set("e", "note", "=1+4")


def test_of_long_values_a_check_says_that_they_changed(store: Store, tmp_path: Path) -> None:
    store.set("a", "note", "x" * 1000)
    path = listed(store).to_html(tmp_path / "long.html")
    store.set("a", "note", "y" * 1000)
    assert store.told(path) == ["a, config.note: was a long value, is another one"]
    store.set("a", "note", "=1+0")
    assert store.told(path) == ["a, config.note: was a long value, is '=1+0'"]


def test_a_file_may_have_several_reports(store: Store, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("".join(f"<!-- runatlas:begin {name} -->\n<!-- runatlas:end {name} -->\n" for name in "ab"))
    listed(store).to_markdown(notes, name="a")
    store.runs().report(stats="loss.min").unwrap().to_markdown(notes, name="b")
    assert store.told(notes) == []
    store.set("d", "seed", 7)
    assert store.told(notes) == ["d, config.seed: was 1, is 7"]
    store.set("d", "seed", 1)


CHANGES = st.tuples(st.sampled_from("abde"), st.sampled_from(["lr", "seed", "note"])).flatmap(
    lambda place: st.tuples(
        st.just(place[0]), st.just(place[1]), st.floats() | st.integers(-9, 9) | st.text("ab=|<", max_size=4)
    )
)


@pytest.mark.parametrize("suffix", ["html", "markdown", "latex"])
def test_a_check_names_just_the_one_value_that_changed(store: Store, tmp_path: Path, suffix: str) -> None:
    path = Path(getattr(listed(store), f"to_{suffix}")(tmp_path / suffix))
    assert store.told(path) == []
    held = {run.id: dict(run.config) for run in store.runs()}

    @settings(max_examples=examples(12), deadline=None)
    @given(CHANGES)
    @example(("a", "lr", math.nextafter(0.1, 1)))
    @example(("b", "seed", 1.0))
    def change(made: tuple[str, str, Any]) -> None:
        name, key, value = made
        was = held[name][key]
        store.set(name, key, value)
        try:
            found = store.api.check_report(path).unwrap()
            is_same = type(value) is type(was) and value == was
            assert [(item.row, item.column) for item in found.differences] == (
                [] if is_same else [(name, f"config.{key}")]
            )
            assert is_same or found.differences[0].was == was
        finally:
            store.set(name, key, was)

    change()


def test_a_check_shows_the_file_and_what_it_found(store: Store, tmp_path: Path) -> None:
    listed(store).to_html(tmp_path / "report.html")
    shown = check_html(store.api.check_report(tmp_path / "report.html").unwrap()._repr_html_())
    assert "".join(shown.split()) == "report.html·holds·25valueschecked"


def test_a_part_of_a_listing_is_the_same_runs_later(store: Store, tmp_path: Path) -> None:
    chosen = store.runs()[:2]
    path = chosen.report(columns=["name"]).unwrap().to_html(tmp_path / "two.html")
    store.backend.create_run(RunDraft(store.path, id="newer", state="FINISHED"))
    assert store.told(path) == []
    store.api.run(f"{store.path}/newer").delete(commit=True)


def test_what_a_spec_and_a_caller_say_must_agree(store: Store, tmp_path: Path) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text('columns = ["name"]\nproject = "other/one"\n')
    with pytest.raises(ValueError, match="the spec is of other/one, and these runs are not"):
        store.runs().report(spec)
    spec.write_text(f'columns = ["name"]\nproject = "{store.path}"\n')
    assert store.runs().report(store.runs().report(spec).unwrap().spec).unwrap().spec.project == str(store.path)
    with pytest.raises(TypeError, match="give a spec or options, not both; it has title"):
        store.runs().report(spec, title="x")
    with pytest.raises(ReportSpecError, match=r"nothing\.toml"):
        store.runs().report(_written(tmp_path / "nothing.toml"))
    with pytest.raises(OSError, match="No such file"):
        store.runs().report(tmp_path / "none.toml")


def _written(path: Path) -> Path:
    path.write_text("x = 1")
    return path


def test_a_file_that_is_no_report_is_told(store: Store, tmp_path: Path) -> None:
    notes = _written(tmp_path / "notes.md")
    found = store.api.check_report(notes)
    assert "is no report" in found.errmsg
    with pytest.raises(OSError, match="it is a link, a pipe"):
        store.api.check_report("/dev/zero")
    path = Path(listed(store).to_markdown(tmp_path / "moved.md"))
    other = Api(tmp_path / "other")
    assert not other.check_report(path).ok
    check_html(store.api.check_report(path).unwrap()._repr_html_())
