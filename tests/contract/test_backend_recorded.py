"""What every backend does with what runs recorded: appended once, read back as it was."""

from __future__ import annotations

import io
import math

import pytest
from support.backend import Site
from support.recording import line, points, rows_of

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.codec import make_context
from runatlas.model.ids import RunPath
from runatlas.model.log import LOG_LEVELS, LogDraft, LogQuery
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import RunDraft, RunSelection
from runatlas.model.series import ColumnDraft, ColumnQuery, PointQuery, SummaryQuery


@pytest.fixture
def run(site: Site) -> RunPath:
    """A run of the administrator's."""
    return site.root.create_run(RunDraft(site.project(), id="one"))[0].path


def _selection(*runs: RunPath) -> RunSelection:
    return RunSelection(runs[0].workspace, runs[0].project, tuple(run.run for run in runs))


class TestAppending:
    def test_a_batch_is_applied_with_all_it_has(self, site: Site, run: RunPath) -> None:
        blob = site.root.put_blob(run.project_path, io.BytesIO(b"data"))
        batch = Batch(
            run,
            (line("loss", 3), line("acc", 2)),
            media=(MediaDraft("text", 1, (MediaItem("media/t.txt", data={"text": "hi"}),), "TEXT"),),
            logs=(LogDraft("hello"), LogDraft("world", "ERROR")),
            columns=(ColumnDraft("later"),),
            artifacts=(ArtifactDraft("a/b.bin", blob.sha256, blob.size),),
        )
        record = site.root.append(batch)
        assert (record.applied, record.points, record.media, record.logs, record.artifacts) == (True, 5, 1, 2, 1)

    def test_a_repeated_sequence_is_applied_once(self, site: Site, run: RunPath) -> None:
        batch = Batch(run, (line("loss", 3),), writer="w", sequence=1)
        assert site.root.append(batch).applied
        assert not site.root.append(batch).applied
        other = Batch(run, (line("loss", 3, start=3),), writer="w", sequence=2)
        assert site.root.append(other).applied
        (found,) = rows_of(site.root.read_points(PointQuery(_selection(run)))).values()
        assert [row[0] for row in found] == list(range(6))

    def test_a_repeated_event_is_applied_once(self, site: Site, run: RunPath) -> None:
        rows = [(0, 0, 1.0, None), (1, 0, 2.0, None)]
        for _ in range(2):
            site.root.append(Batch(run, (points("loss", rows, event_ids=("a", "b")),)))
        (found,) = rows_of(site.root.read_points(PointQuery(_selection(run)))).values()
        assert found == rows

    def test_a_batch_out_of_bounds_applies_nothing(self, site: Site, run: RunPath) -> None:
        broken = MediaDraft("img", 0, (MediaItem("media/a.png", sha256="0" * 64, size=1),), "IMAGE")
        with pytest.raises(ValidationError):
            site.root.append(Batch(run, (line("loss", 3),), media=(broken,)))
        with pytest.raises(ValidationError):
            site.root.append(Batch(run, (line("", 3),)))
        assert site.root.list_columns(run, ColumnQuery()).items == ()

    def test_a_missing_run_is_not_found(self, site: Site, run: RunPath) -> None:
        with pytest.raises(NotFoundError):
            site.root.append(Batch(run.project_path.run("none"), (line("loss", 1),)))


class TestPoints:
    def test_points_come_back_by_run_key_and_context(self, site: Site, run: RunPath) -> None:
        other = site.root.create_run(RunDraft(run.project_path, id="two", name="Two"))[0].path
        context = make_context({"split": "val"})
        special = [(3, 1, math.inf, 7), (1, 2, -0.5, None), (3, 3, 2.0, None)]
        site.root.append(Batch(run, (points("loss", special), line("loss", 2, context=context), line("acc", 1))))
        site.root.append(Batch(other, (line("loss", 1),)))
        selection = RunSelection(run.workspace, run.project, ("two", "none", "one"))
        block = site.root.read_points(PointQuery(selection, keys=("loss", "acc")))
        assert [(item[1], item[2]) for item in block.runs] == [("two", "Two"), ("one", "")]
        assert (block.missing, block.next_cursor, block.failures) == (("none",), None, ())
        assert rows_of(block) == {
            ("two", "loss", ()): [(0, 0, 0.0, None)],
            ("one", "loss", ()): [special[1], special[0], special[2]],
            ("one", "loss", context): [(0, 0, 0.0, None), (1, 1000, 1.0, None)],
            ("one", "acc", ()): [(0, 0, 0.0, None)],
        }
        only = site.root.read_points(PointQuery(selection, keys=("loss",), context=context))
        assert set(rows_of(only)) == {("one", "loss", context)}

    def test_ranges_and_samples_say_what_was_left_out(self, site: Site, run: RunPath) -> None:
        site.root.append(Batch(run, (line("loss", 100),)))
        selection = _selection(run)
        block = site.root.read_points(PointQuery(selection, range=RangeQuery(start=10, end=49, tail=5)))
        assert [row[0] for row in next(iter(rows_of(block).values()))] == [45, 46, 47, 48, 49]
        assert block.series[0].total == 40
        block = site.root.read_points(PointQuery(selection, sample=10))
        assert (block.series[0].length, block.series[0].total) == (10, 100)

    def test_blocks_continue_where_the_last_one_ended(self, site: Site, run: RunPath) -> None:
        site.root.append(Batch(run, tuple(line(f"m{number}", 50) for number in range(5))))
        whole = rows_of(site.root.read_points(PointQuery(_selection(run))))
        found: dict[object, list[object]] = {}
        cursor = None
        while True:
            block = site.root.read_points(PointQuery(_selection(run), cursor=cursor, point_limit=60))
            for key, rows in rows_of(block).items():
                found.setdefault(key, []).extend(rows)
            cursor = block.next_cursor
            if cursor is None:
                break
        assert found == whole

    def test_summaries_tell_what_series_amount_to(self, site: Site, run: RunPath) -> None:
        site.root.append(Batch(run, (points("loss", [(2, 5, 1.0, None), (1, 6, 3.0, None), (1, 7, math.nan, None)]),)))
        (found,) = site.root.read_summaries(SummaryQuery(_selection(run))).items
        assert (found.key, found.count, found.first_step, found.last_step) == ("loss", 3, 1, 2)
        assert (found.latest.value, found.latest.step, found.avg, found.median) == (1.0, 2, 2.0, 2.0)
        assert found.min is not None
        assert found.max is not None
        assert (found.min.value, found.min.step, found.max.value, found.max.step) == (1.0, 2, 3.0, 1)


def test_columns_are_listed_and_searched(site: Site, run: RunPath) -> None:
    # A SwanLab server knows the machine's own columns by this beginning.
    gpu = "__swanlab__.gpu"
    site.root.append(Batch(run, (line("train/loss", 2), line("acc", 1), line(gpu, 1, column_class="SYSTEM"))))
    page = site.root.list_columns(run, ColumnQuery(page=PageRequest(with_total=True)))
    assert [(item.key, item.count) for item in page.items] == [(gpu, 1), ("acc", 1), ("train/loss", 2)]
    assert page.total == 3
    assert [item.key for item in site.root.list_columns(run, ColumnQuery(search="LOSS")).items] == ["train/loss"]
    assert [item.key for item in site.root.list_columns(run, ColumnQuery(column_class="SYSTEM")).items] == [gpu]
    assert [item.key for item in site.root.list_columns(run, ColumnQuery(key="acc")).items] == ["acc"]


def test_media_come_with_links_that_work(site: Site, run: RunPath) -> None:
    blob = site.root.put_blob(run.project_path, io.BytesIO(b"a picture"))
    assert blob.size == 9
    assert site.root.put_blob(run.project_path, io.BytesIO(b"a picture")) == blob
    item = MediaItem("media/a.png", sha256=blob.sha256, size=9, mime_type="image/png", caption="é", meta={"width": 1})
    site.root.append(Batch(run, media=(MediaDraft("img", 1, (item,), "IMAGE"), MediaDraft("img", 4, (item,), "IMAGE"))))
    page = site.root.list_media(run, MediaQuery())
    assert page.steps == (1, 4)
    (record,) = page.items
    assert (record.key, record.step, record.items[0].caption, record.items[0].meta) == ("img", 4, "é", {"width": 1})
    assert b"".join(site.root.open_link(record.items[0].url or "")) == b"a picture"
    assert b"".join(site.root.open_link(record.items[0].url or "", start=2)) == b"picture"
    assert len(site.root.list_media(run, MediaQuery(all=True)).items) == 2


def test_logs_are_read_and_exported(site: Site, run: RunPath) -> None:
    drafts = tuple(LogDraft(f"line {number} é", LOG_LEVELS[number % 4], time_ms=number) for number in range(8))
    site.root.append(Batch(run, logs=drafts))
    page = site.root.read_logs(run, LogQuery(level="WARN", limit=3))
    assert [(item.line, item.level) for item in page.logs] == [(3, "WARN"), (4, "ERROR"), (7, "WARN")]
    assert page.count == 4
    rest = site.root.read_logs(run, LogQuery(level="WARN", offset=page.next_offset or 0))
    assert [item.message for item in rest.logs] == ["line 7 é"]
    link = site.root.export_logs(run, start=1, rows=2)
    assert b"".join(site.root.open_link(link.url)).decode().count("line") == 2


def test_a_line_in_the_making_is_one_line_and_always_behind_the_last(site: Site, run: RunPath) -> None:
    def append(sequence: int, *lines: LogDraft) -> list[tuple[int, str]]:
        site.root.append(Batch(run, logs=lines, writer="w", sequence=sequence))
        return [(found.line, found.message) for found in site.root.read_logs(run, LogQuery(tag="")).logs]

    def drawn(text: str, key: str = "w.1", *, is_open: bool = True) -> LogDraft:
        return LogDraft(text, time_ms=5, key=key, is_open=is_open)

    if not site.is_exact:  # these servers replace no line: it comes when it is finished
        assert append(1, LogDraft("first"), drawn("10%")) == append(2, drawn("20%")) == [(1, "first")]
        assert append(3, drawn("100%", is_open=False), drawn("10%")) == [(1, "first"), (2, "100%")]
        return
    assert append(1, LogDraft("first"), drawn("10%"), drawn("other", "w.2")) == [(1, "first"), (2, "10%"), (3, "other")]
    assert append(2, drawn("20%")) == [(1, "first"), (3, "other"), (4, "20%")]
    again = append(2, drawn("20%"))
    assert again == append(3, LogDraft("said", tag="record")) == [(1, "first"), (3, "other"), (4, "20%")]
    # Who reads on from where he was sees what became of it.
    assert append(4, drawn("30%"))[-1] == (5, "30%")
    assert [found.message for found in site.root.read_logs(run, LogQuery(offset=4, tag="")).logs] == ["30%"]
    done = [(1, "first"), (3, "other"), (6, "between"), (7, "100%")]
    assert append(5, drawn("40%"), LogDraft("between"), drawn("100%", is_open=False)) == done
    assert append(6, drawn("10%")) == [*done, (8, "10%")]
    assert site.root.read_logs(run, LogQuery()).count == 6


@pytest.mark.parametrize(
    "draft", [LogDraft("x", is_open=True), LogDraft("x", line=1, key="k"), LogDraft("x", key="k" * 101, is_open=True)]
)
def test_a_line_in_the_making_is_checked(site: Site, run: RunPath, draft: LogDraft) -> None:
    with pytest.raises(ValidationError, match="key"):
        site.root.append(Batch(run, logs=(draft,)))


def test_a_column_is_exported(site: Site, run: RunPath) -> None:
    site.root.append(Batch(run, (points("loss", [(1, 5, 0.5, None), (2, 6, math.nan, None)]),)))
    link = site.root.export_csv(run, "loss")
    text = b"".join(site.root.open_link(link.url)).decode()
    assert text.splitlines()[0] == "step,value,timestamp"
    assert text.splitlines()[1] == "1,0.5,5"
    with pytest.raises(NotFoundError):
        site.root.export_csv(run, "none")


def test_artifacts_are_listed_by_name(site: Site, run: RunPath) -> None:
    blob = site.root.put_blob(run.project_path, io.BytesIO(b"weights"))
    drafts = tuple(ArtifactDraft(name, blob.sha256, blob.size) for name in ("b/x.bin", "a.bin", "c"))
    site.root.append(Batch(run, artifacts=drafts))
    page = site.root.list_artifacts(run, PageRequest(limit=2, with_total=True))
    assert [item.name for item in page.items] == ["a.bin", "b/x.bin"]
    assert page.total == 3
    rest = site.root.list_artifacts(run, PageRequest(cursor=page.next_cursor))
    assert [(item.name, item.size) for item in rest.items] == [("c", 7)]
    assert b"".join(site.root.open_link(rest.items[0].url or "")) == b"weights"


def test_no_other_link_opens_anything(site: Site, run: RunPath) -> None:
    outside = "file:" + "///etc/hostname"
    for link in ("", "nonsense", outside, f"{site.root.web_url}/../../etc/hostname", f"{site.root.web_url}/x"):
        with pytest.raises((NotFoundError, ValueError)):
            list(site.root.open_link(link))
