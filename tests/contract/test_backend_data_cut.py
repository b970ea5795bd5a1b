"""What every backend does with data that is cut out of runs: planned, all or nothing, and given back as it was."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update
from support.backend import Site
from support.examples import examples
from support.recording import Row, line, points, rows_of, same_rows

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.change import ChangeQuery
from runatlas.model.data_cut import DataCut
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.model.series import ColumnQuery, Context, PointQuery, SummaryQuery, SummaryRecord
from runatlas.model.transfer import TransferDraft
from runatlas.model.trash import DeletionPlanRecord, PlannedItem
from runatlas.server.store.check import check_store
from runatlas.server.store.merging import merge_series
from runatlas.server.store.schema import chunks, series
from runatlas.server.store.statement import rows

Key = tuple[str, str, Context]


pytestmark = pytest.mark.parametrize("site", ["local", "native"], indirect=True)


def _run(site: Site, run_id: str = "run", project: str = "demo") -> RunPath:
    draft = RunDraft(ProjectPath(site.home, project), id=run_id, state="FINISHED", create_project=True)
    return site.inside.create_run(draft)[0].path


def _select(path: ProjectPath | RunPath, *ids: str, **narrowed: Any) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None, **narrowed)


def _cut(site: Site, run: RunPath, cut: DataCut) -> str:
    return site.root.delete(site.root.plan_data_deletion(cut, run)).trash_id


def _points(site: Site, *runs: RunPath) -> dict[Key, list[Row]]:
    selection = _select(runs[0], *(run.run for run in runs))
    return rows_of(site.inside.read_points(PointQuery(selection)))


def _summaries(site: Site, run: RunPath) -> dict[tuple[str, Context], SummaryRecord]:
    page = site.inside.read_summaries(SummaryQuery(_select(run, run.run), median=True, page=PageRequest(limit=1000)))
    return {(record.key, record.context): record for record in page.items}


def _picture(site: Site, project: ProjectPath, data: bytes) -> MediaItem:
    blob = site.inside.put_blob(project, io.BytesIO(data))
    return MediaItem(f"media/{blob.sha256[:6]}.png", sha256=blob.sha256, size=blob.size, mime_type="image/png")


def _media(site: Site, run: RunPath) -> dict[tuple[str, int], list[str | None]]:
    page = site.inside.list_media(run, MediaQuery(all=True))
    return {(entry.key, entry.step): [item.sha256 for item in entry.items] for entry in page.items}


def _files(site: Site, run: RunPath) -> list[str]:
    return [file.name for file in site.inside.list_artifacts(run, PageRequest()).items]


def _columns(site: Site, run: RunPath) -> tuple[Any, ...]:
    return site.inside.list_columns(run, ColumnQuery(page=PageRequest(limit=1000))).items


def _merge(site: Site) -> None:
    with site.services.store.read() as connection:
        series_ids = [key for (key,) in rows(connection, select(series.c.id))]
    for series_id in series_ids:
        merge_series(site.services.store, series_id)


def _is_sound(site: Site) -> bool:
    return not list(check_store(site.services.store))


# -- the law -------------------------------------------------------------------------------------------------------

_CONTEXTS: tuple[Context, ...] = ((), (("split", "val"),))
_VALUES = st.one_of(
    st.integers(-5, 5).map(float), st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf, -math.inf])
)
_BATCH = st.lists(
    st.tuples(st.sampled_from(["loss", "acc"]), st.sampled_from(_CONTEXTS), st.integers(-3, 12), _VALUES), max_size=12
)
_MEDIA = st.lists(st.tuples(st.sampled_from(["img", "note"]), st.integers(-3, 12), st.integers(0, 3)), max_size=6)
_STEP = st.none() | st.integers(-4, 13)


def _bounded(cut: DataCut, steps: tuple[int | None, int | None]) -> DataCut:
    first, last = steps if None in steps else sorted(step for step in steps if step is not None)
    return attrs.evolve(cut, first_step=first, last_step=last)


_SOME_KEYS = st.none() | st.sampled_from([("loss",), ("acc", "loss")])
_CUTS = st.one_of(
    st.builds(
        lambda metrics, media, steps: _bounded(DataCut(metrics, media), steps),
        _SOME_KEYS | st.just(()),
        st.none() | st.sampled_from([(), ("img",), ("img", "note")]),
        st.tuples(_STEP, _STEP),
    ).filter(lambda cut: cut.metrics != () or cut.media != ()),
    st.builds(lambda metrics, thin: DataCut(metrics, thin=thin), _SOME_KEYS, st.integers(0, 6)),
)


def _goes(cut: DataCut, key: str, rows: Sequence[Row]) -> set[int]:
    """Work out in plain Python at which steps a series of points is cut."""
    if cut.metrics is not None and key not in cut.metrics:
        return set()
    steps = sorted({row[0] for row in rows})
    if cut.thin is None:
        return {step for step in steps if cut.low <= step <= cut.high}
    if len(steps) <= cut.thin + 4:
        return set()
    kept = {steps[round(place * (len(steps) - 1) / (cut.thin + 1))] for place in range(cut.thin + 2)}
    known = [(row[2], row[0]) for row in rows if not math.isnan(row[2])]
    if known:
        kept |= {min(known)[1], min((-value, step) for value, step in known)[1]}
    return set(steps) - kept


def _same_points(left: dict[Key, list[Row]], right: dict[Key, list[Row]]) -> bool:
    return left.keys() == right.keys() and all(same_rows(rows, right[key]) for key, rows in left.items())


def _same_summaries(
    left: dict[tuple[str, Context], SummaryRecord], right: dict[tuple[str, Context], SummaryRecord]
) -> bool:
    close = [(getattr(left[key], name), getattr(right[key], name)) for key in left for name in ("avg", "std")]
    exact = [{key: repr(attrs.evolve(one, avg=None, std=None)) for key, one in side.items()} for side in (left, right)]
    return exact[0] == exact[1] and all(a == pytest.approx(b, nan_ok=True, abs=1e-6) for a, b in close)


def test_what_is_cut_is_what_a_filter_takes_and_comes_back_as_it_was(site: Site) -> None:
    project = site.project()
    pictures = [_picture(site, project, b"picture %d" % number) for number in range(4)]
    count = iter(range(10**6))

    @settings(max_examples=examples(12), suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(_BATCH, min_size=1, max_size=6), _MEDIA, _CUTS, st.booleans())
    def check(batches: list[list[Any]], media: list[Any], cut: DataCut, goes_on: bool) -> None:
        run = _run(site, f"run-{next(count)}")
        for number, batch in enumerate(batches):
            made: dict[tuple[str, Context], list[Row]] = {}
            for place, (key, context, step, value) in enumerate(batch):
                made.setdefault((key, context), []).append((step, number * 100 + place, value, step % 3 or None))
            site.inside.append(
                Batch(run, tuple(points(key, rows, context=context) for (key, context), rows in made.items()))
            )
        for key, step, picture in media:
            site.inside.append(Batch(run, media=(MediaDraft(key, step, (pictures[picture],), "IMAGE"),)))
        before, sums, shown = _points(site, run), _summaries(site, run), _media(site, run)
        columns = _columns(site, run)

        plan = site.root.plan_data_deletion(cut, run, force=True)
        entry = site.root.delete(plan).trash_id
        cut_steps = {key: _goes(cut, key[1], rows) for key, rows in before.items()}
        left = {key: [row for row in rows if row[0] not in cut_steps[key]] for key, rows in before.items()}
        assert _same_points(_points(site, run), {key: rows for key, rows in left.items() if rows})
        keeps = {
            (key, step)
            for key, step in shown
            if (cut.media is not None and key not in cut.media) or not cut.low <= step <= cut.high
        }
        assert _media(site, run) == {place: shown[place] for place in keeps}
        taken = sum(map(len, before.values())) - sum(map(len, left.values()))
        assert (plan.points, plan.media) == (taken, len(shown) - len(keeps))
        assert bool(plan.items) == bool(entry) == bool(taken or len(shown) > len(keeps))

        more = [(20 + step, step, float(step), None) for step in range(2)]
        if goes_on:
            site.inside.append(Batch(run, (points("loss", more),)))
        if entry:
            site.root.restore(entry)
        back = _points(site, run)
        if goes_on:
            own = (run.run, "loss", ())
            assert same_rows(back[own][-2:], more)
            rest = {**back, own: back[own][:-2]}
            assert _same_points({key: rows for key, rows in rest.items() if rows}, before)
        else:
            assert _same_points(back, before)
            assert _same_summaries(_summaries(site, run), sums)
            assert _columns(site, run) == columns
        assert _media(site, run) == shown

    check()
    assert _is_sound(site)
    assert site.root.list_trash(None, PageRequest()).items == ()


# -- planning ------------------------------------------------------------------------------------------------------


def _filled(site: Site, *names: str) -> list[RunPath]:
    runs = [_run(site, name) for name in names]
    for run in runs:
        project = run.project_path
        weights, notes = (_picture(site, project, text + run.run.encode()) for text in (b"weights ", b"notes "))
        shared = _picture(site, project, b"shared")
        site.inside.append(
            Batch(
                run,
                (line("loss", 20), line("acc", 20), line("loss", 20, context=(("split", "val"),))),
                media=tuple(MediaDraft("img", step, (shared if step else weights,), "IMAGE") for step in range(3)),
                artifacts=tuple(
                    ArtifactDraft(name, str(item.sha256), item.size)
                    for name, item in (("weights.bin", weights), ("notes.txt", notes), ("shared.bin", shared))
                ),
            )
        )
    return runs


class TestPlanning:
    def test_it_tells_what_would_be_cut_and_changes_nothing(self, site: Site) -> None:
        one, other = _filled(site, "one", "other")
        empty = _run(site, "empty")
        before = [_points(site, one, other), _files(site, one), site.root.get_run(one)]
        plan = site.root.plan_data_deletion(DataCut(("loss",), first_step=15), _select(one))
        assert (plan.kind, plan.cut, plan.whole) == ("data", DataCut(("loss",), first_step=15), False)
        assert {item.path for item in plan.items} == {str(one), str(other)}, f"{empty} has nothing of it"
        assert [(item.points, item.files) for item in plan.items] == [(10, 0)] * 2
        assert (plan.points, plan.media, plan.artifacts) == (20, 0, 0)
        assert [_points(site, one, other), _files(site, one), site.root.get_run(one)] == before

    def test_only_files_that_nothing_else_needs_are_freed(self, site: Site) -> None:
        one, other = _filled(site, "one", "other")
        plan = site.root.plan_data_deletion(DataCut(artifacts=("notes.txt", "weights.bin", "shared.bin")), one)
        assert (plan.artifacts, plan.items[0].files) == (3, 3)
        assert plan.bytes == len(b"notes one"), "its media need the others"
        both = DataCut(media=("img",), artifacts=("weights.bin",))
        assert site.root.plan_data_deletion(both, one).bytes == len(b"weights one"), (
            "the other run needs what is shared"
        )
        both = DataCut(media=("img",), artifacts=("weights.bin", "shared.bin"))
        freed = site.root.plan_data_deletion(both, _select(one)).bytes
        assert freed == len(b"weights one") + len(b"weights other") + len(b"shared")
        assert site.root.get_run(other).path == other

    def test_a_key_that_no_run_has_stops_it(self, site: Site) -> None:
        (one,) = _filled(site, "one")
        plan = site.root.plan_data_deletion(DataCut(("lss", "loss"), ("image",), ("wieghts.bin",)), _select(one))
        assert [note.partition(" has ")[2] for note in plan.notes] == [
            "the metric 'lss', did you mean 'loss'?",
            "the media 'image', did you mean 'img'?",
            "the file 'wieghts.bin', did you mean 'weights.bin'?",
        ]
        with pytest.raises(ConflictError, match="did you mean 'loss'"):
            site.root.delete(plan)
        forced = site.root.plan_data_deletion(DataCut(("lss", "loss")), _select(one), force=True)
        assert site.root.delete(forced).runs == 1

    def test_guarded_runs_are_kept(self, site: Site) -> None:
        one, other = _filled(site, "one", "other")
        site.root.update_runs(_select(one, "one"), RunPatch(pin=True))
        site.root.update_runs(_select(other, "other"), RunPatch(protected=True, protected_reason="the best"))
        cut = DataCut(("loss",))
        plan = site.root.plan_data_deletion(cut, _select(one))
        assert (plan.items, sorted(item.reason for item in plan.kept)) == ((), ["pinned", "protected: the best"])
        forced = site.root.plan_data_deletion(cut, _select(one), force=True)
        assert [item.path for item in forced.items] == [str(one)]
        assert site.root.delete(site.root.plan_data_deletion(cut, one)).runs == 1, "it was named itself"
        with pytest.raises(ConflictError, match="the best"):
            site.root.delete(site.root.plan_data_deletion(cut, other, force=True))

    @pytest.mark.parametrize(
        "cut",
        [
            DataCut(),
            DataCut(("",)),
            DataCut(("a\0",)),
            DataCut(("loss",), first_step=3, last_step=2),
            DataCut(("loss",), thin=-1),
            DataCut(media=("img",), thin=3),
            DataCut(("loss",), thin=3, first_step=1),
            DataCut(tuple(map(str, range(10_001)))),
        ],
    )
    def test_what_says_nothing_or_too_much_is_refused(self, site: Site, cut: DataCut) -> None:
        run = _run(site)
        with pytest.raises(ValidationError):
            site.root.plan_data_deletion(cut, run)
        item = PlannedItem(str(run), site.root.get_run(run).cuid, "", "FINISHED", 0)
        with pytest.raises(ValidationError):
            site.root.delete(DeletionPlanRecord("data", (item,), cut=cut))
        for kind, given_cut in (("runs", DataCut(("loss",))), ("data", None)):
            with pytest.raises(ValidationError, match="cut"):
                site.root.delete(DeletionPlanRecord(kind, (), cut=given_cut))  # type: ignore[arg-type]

    def test_what_is_not_there_is_not_found(self, site: Site) -> None:
        run = _run(site)
        cut = DataCut(("loss",))
        with pytest.raises(NotFoundError):
            site.root.plan_data_deletion(cut, RunSelection(site.home, "nowhere"))
        plan = site.root.plan_data_deletion(cut, attrs.evolve(run, run="none"))
        assert plan.missing == ("none",)
        with pytest.raises(NotFoundError, match="none"):
            site.root.delete(plan)


# -- applying ------------------------------------------------------------------------------------------------------


def _more_points(site: Site, run: RunPath) -> None:
    site.inside.append(Batch(run, (line("loss", 1, start=30),)))


def _more_media(site: Site, run: RunPath) -> None:
    text = MediaItem("a.txt", data={"text": "x"}, mime_type="text/plain")
    site.inside.append(Batch(run, media=(MediaDraft("img", 9, (text,), "IMAGE"),)))


def _protected(site: Site, run: RunPath) -> None:
    site.root.update_runs(_select(run, run.run), RunPatch(protected=True))


def _deleted(site: Site, run: RunPath) -> None:
    site.root.delete_run(run)


class TestCutting:
    @pytest.mark.parametrize("change", [_more_points, _more_media, _protected, _deleted])
    def test_a_plan_out_of_date_takes_nothing(self, site: Site, change: Callable[[Site, RunPath], None]) -> None:
        one, other = _filled(site, "one", "other")
        plan = site.root.plan_data_deletion(DataCut(None, None, first_step=2), _select(one))
        change(site, one)
        before = _points(site, other), _media(site, other)
        with pytest.raises(ConflictError, match=r"one|there are 3 and 0"):
            site.root.delete(plan)
        assert (_points(site, other), _media(site, other)) == before
        assert _is_sound(site)

    def test_what_a_run_records_elsewhere_does_no_harm(self, site: Site) -> None:
        (one,) = _filled(site, "one")
        plan = site.root.plan_data_deletion(DataCut(("loss",), last_step=4), one)
        _more_points(site, one)
        assert site.root.delete(plan).runs == 1
        assert [row[0] for row in _points(site, one)["one", "loss", ()]] == [*range(5, 20), 30]

    def test_a_run_goes_on_where_it_was_rewound(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        _cut(site, run, DataCut(None, None, first_step=10))
        site.inside.append(Batch(run, (line("loss", 10, start=10, value=lambda _: 1.0),)))
        rows = _points(site, run)["run", "loss", ()]
        assert [row[0] for row in rows] == list(range(20))
        summary = _summaries(site, run)["loss", ()]
        assert summary.count == 20
        assert summary.avg == pytest.approx((45 + 10) / 20)
        assert len(_points(site, run)["run", "acc", ()]) == 10

    def test_a_batch_may_go_back_to_a_step_first(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        again = line("loss", 5, start=10, value=lambda _: 1.0)
        batch = Batch(run, (again,), writer="w", sequence=1, rewind=9)
        assert site.root.append(batch).applied
        assert not site.root.append(batch).applied
        assert [row[0] for row in _points(site, run)["run", "loss", ()]] == list(range(15))
        (entry,) = site.root.list_trash(None, PageRequest()).items
        assert (entry.kind, entry.runs, entry.deleted_by) == ("data", 1, site.home)
        change = site.root.list_changes(ChangeQuery(path=str(run), page=PageRequest())).items[0]
        assert (change.kind, change.trash_id) == ("cut", entry.id)
        assert change.what == f"cut all metrics and media from step 10 on out of 1 run: {run}"
        assert site.root.append(Batch(run, rewind=14)).applied
        assert len(site.root.list_trash(None, PageRequest()).items) == 1, "there was nothing to cut"
        site.root.update_runs(_select(run, "run"), RunPatch(protected=True))
        before = _points(site, run)
        with pytest.raises(ConflictError, match="protected"):
            site.root.append(Batch(run, (line("loss", 1, start=30),), rewind=3))
        assert _points(site, run) == before
        for last in (2**63 - 1, -(2**63)):
            with pytest.raises(ValidationError, match="rewind"):
                site.root.append(Batch(run, rewind=last))
        assert _is_sound(site)

    def test_damaged_points_are_not_parted_and_are_named(self, site: Site) -> None:
        run = _run(site)
        for start in (0, 10, 20):
            site.inside.append(Batch(run, (line("loss", 10, start=start),)))
        with site.services.store.write() as connection:
            number, data = rows(connection, select(chunks.c.id, chunks.c.data).order_by(chunks.c.id))[1]
            damaged = bytes(data[:-1]) + bytes([data[-1] ^ 1])
            connection.execute(update(chunks).where(chunks.c.id == number).values(data=damaged))
        said = f"'loss' of {run} cannot be parted: the chunk is damaged"
        for cut in (DataCut(("loss",), first_step=15), DataCut(None, thin=2)):
            with pytest.raises(ConflictError, match=said):
                site.root.plan_data_deletion(cut, run)
        with pytest.raises(ConflictError, match=said):
            _cut(site, run, DataCut(("loss",), first_step=25))
        with pytest.raises(ConflictError, match=said):
            site.root.append(Batch(run, (line("acc", 1),), rewind=25))
        assert site.root.list_trash(None, PageRequest()).items == ()
        entry = _cut(site, run, DataCut(("loss",)))
        site.root.append(Batch(run, (line("loss", 1, start=15),)))
        with pytest.raises(ConflictError, match="'loss' are damaged, and cannot be held against"):
            site.root.restore(entry)
        _cut(site, run, DataCut(("loss",)))
        site.root.restore(entry)
        assert site.root.get_usage().points == 31

    def test_metrics_of_the_system_count_steps_of_their_own(self, site: Site) -> None:
        run = _run(site)
        site.inside.append(Batch(run, (line("loss", 5), line("__sys__", 5, column_class="SYSTEM"))))
        _cut(site, run, DataCut(None, None, first_step=2))
        assert {key: len(rows) for (_, key, _), rows in _points(site, run).items()} == {"loss": 2, "__sys__": 5}

    def test_a_repeated_delivery_adds_nothing(self, site: Site) -> None:
        run = _run(site)
        batch = Batch(run, (line("loss", 5),), writer="w", sequence=1)
        site.root.append(batch)
        _cut(site, run, DataCut(("loss",)))
        assert not site.root.append(batch).applied
        assert _points(site, run) == {}

    def test_data_is_cut_of_many_runs_at_once(self, site: Site) -> None:
        runs = _filled(site, "one", "two", "three")
        before = {run: (_points(site, run), _media(site, run), _files(site, run)) for run in runs}
        cut = DataCut(None, None, ("notes.txt", "weights.bin"), first_step=1)
        entry = site.root.delete(site.root.plan_data_deletion(cut, _select(runs[0]))).trash_id
        for run in runs:
            assert all(len(rows) == 1 for rows in _points(site, run).values())
            assert (list(_media(site, run)), _files(site, run)) == ([("img", 0)], ["shared.bin"])
        assert _is_sound(site)
        site.root.restore_runs(entry, ("two",))
        assert (_points(site, runs[1]), _media(site, runs[1]), _files(site, runs[1])) == before[runs[1]]
        assert _files(site, runs[0]) == ["shared.bin"]
        site.root.restore(entry)
        assert {run: (_points(site, run), _media(site, run), _files(site, run)) for run in runs} == before
        assert _is_sound(site)

    def test_merged_points_are_cut_and_come_back(self, site: Site) -> None:
        run = _run(site)
        for step in range(80):
            site.inside.append(Batch(run, (points("loss", [(step // 2, step, float(step), None)]),)))
        _merge(site)
        before = _points(site, run)
        entry = _cut(site, run, DataCut(("loss",), first_step=3, last_step=30))
        for step in range(80, 130):
            site.inside.append(Batch(run, (points("loss", [(step, step, float(step), None)]),)))
        _merge(site)
        site.root.restore(entry)
        rows = _points(site, run)["run", "loss", ()]
        assert same_rows([row for row in rows if row[0] < 80], before["run", "loss", ()])
        assert len(rows) == 130
        assert _is_sound(site)


# -- the trash -----------------------------------------------------------------------------------------------------


class TestTrash:
    def test_it_lists_what_was_cut_by_run(self, site: Site) -> None:
        one, other = _filled(site, "one", "other")
        record = site.root.delete(site.root.plan_data_deletion(DataCut(("loss",)), _select(one)))
        assert (record.kind, record.runs) == ("data", 2)
        (entry,) = site.root.list_trash(None, PageRequest()).items
        assert (entry.id, entry.kind, entry.runs, entry.project) == (record.trash_id, "data", 2, "demo")
        listed = site.root.list_trashed_runs(entry.id, PageRequest()).items
        assert {(item.path, item.cuid) for item in listed} == {
            (str(path), site.root.get_run(path).cuid) for path in (one, other)
        }
        assert site.root.restore_runs(entry.id, (listed[0].cuid,)).runs == 1
        with pytest.raises(NotFoundError):
            site.root.restore_runs(entry.id, (listed[0].cuid,))

    def test_runs_in_it_are_not_counted_for_what_was_cut(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        before = site.root.get_usage()
        space = site.root.read_space(str(run), "metric").total
        entry = _cut(site, run, DataCut(("loss",)))
        assert attrs.evolve(site.root.get_usage(), database_bytes=0) == attrs.evolve(before, database_bytes=0)
        now = site.root.read_space(str(run), "metric").total
        assert (now.points, now.trashed_runs) == (20, 0)
        assert now.point_bytes + now.trashed_bytes == space.point_bytes
        assert now.trashed_bytes > 0
        freed = site.root.purge(trash_id=entry)
        assert (freed.entries, freed.runs, freed.points, freed.point_bytes) == (1, 0, 40, now.trashed_bytes)
        after = site.root.read_space(str(run), "metric").total
        assert (after.point_bytes, after.trashed_bytes) == (now.point_bytes, 0)
        assert site.root.get_usage().points == 20
        assert _is_sound(site)

    def test_purging_frees_files_as_planned(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        site.clock.advance(2 * 24 * 3600 * 1000)
        plan = site.root.plan_data_deletion(DataCut(media=("img",), artifacts=("notes.txt", "weights.bin")), run)
        entry = site.root.delete(plan).trash_id
        assert site.root.get_usage().blobs == 3
        assert site.root.purge(trash_id=entry).bytes == plan.bytes == len(b"notes run") + len(b"weights run")
        assert site.root.get_usage().blobs == 1
        (left,) = site.root.list_artifacts(run, PageRequest()).items
        assert b"".join(site.root.open_link(left.url or "")) == b"shared"

    def test_files_that_came_back_are_needed_again(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        entry = _cut(site, run, DataCut(media=("img",), artifacts=("notes.txt", "weights.bin", "shared.bin")))
        site.clock.advance(2 * 24 * 3600 * 1000)
        site.root.restore(entry)
        site.root.purge(expired_only=False)
        contents = {
            file.name: b"".join(site.root.open_link(file.url or ""))
            for file in site.root.list_artifacts(run, PageRequest()).items
        }
        assert contents == {"notes.txt": b"notes run", "shared.bin": b"shared", "weights.bin": b"weights run"}

    @pytest.mark.parametrize(
        ("cut", "again", "why"),
        [
            (DataCut(("loss",), first_step=5), Batch(RunPath("x", "x", "x"), (line("loss", 1, start=7),)), "step 7"),
            (DataCut(("acc",)), Batch(RunPath("x", "x", "x"), (line("acc", 9),)), "step 0 and 8 more"),
            (
                DataCut(("loss",)),
                Batch(
                    RunPath("x", "x", "x"),
                    media=(MediaDraft("loss", 0, (MediaItem("a", data={"text": "x"}),), "TEXT"),),
                ),
                "of type TEXT",
            ),
            (
                DataCut(media=("img",), first_step=1),
                Batch(
                    RunPath("x", "x", "x"),
                    media=(MediaDraft("img", 1, (MediaItem("a", data={"text": "x"}),), "IMAGE"),),
                ),
                "'img' of run 'run' .recorded again at step 1",
            ),
        ],
    )
    def test_what_was_recorded_again_is_in_the_way(self, site: Site, cut: DataCut, again: Batch, why: str) -> None:
        (run,) = _filled(site, "run")
        entry = _cut(site, run, cut)
        site.inside.append(attrs.evolve(again, run=run))
        before = _points(site, run), _media(site, run)
        with pytest.raises(ConflictError, match=why):
            site.root.restore(entry)
        assert (_points(site, run), _media(site, run)) == before

    def test_a_file_of_the_same_name_is_in_the_way(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        entry = _cut(site, run, DataCut(artifacts=("notes.txt",)))
        again = _picture(site, run.project_path, b"other notes")
        site.inside.append(Batch(run, artifacts=(ArtifactDraft("notes.txt", str(again.sha256), again.size),)))
        with pytest.raises(ConflictError, match=r"file 'notes\.txt' of run 'run'"):
            site.root.restore(entry)
        _cut(site, run, DataCut(artifacts=("notes.txt",)))
        site.root.restore(entry)
        (found,) = (file for file in site.root.list_artifacts(run, PageRequest()).items if file.name == "notes.txt")
        assert found.sha256 == hashlib.sha256(b"notes run").hexdigest()

    def test_cuts_of_one_series_come_back_in_any_order(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        before, sums, columns = _points(site, run), _summaries(site, run), _columns(site, run)
        entries = [
            _cut(site, run, DataCut(("loss",), first_step=3, last_step=5)),
            _cut(site, run, DataCut(("loss",), first_step=12)),
            _cut(site, run, DataCut(("loss",))),
        ]
        assert {key for _, key, _ in _points(site, run)} == {"acc"}
        for entry in (entries[1], entries[0], entries[2]):
            site.root.restore(entry)
            assert _is_sound(site)
        assert _points(site, run) == before
        assert _same_summaries(_summaries(site, run), sums)
        assert _columns(site, run) == columns

    def test_a_run_in_the_trash_waits_for_its_run(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        before = _points(site, run)
        entry = _cut(site, run, DataCut(("loss",)))
        deletion = site.root.delete_run(run).trash_id
        with pytest.raises(ConflictError, match="itself in the trash"):
            site.root.restore(entry)
        site.inside.create_run(RunDraft(run.project_path, id="run"))
        with pytest.raises(ConflictError, match="itself in the trash"):
            site.root.restore(entry)
        site.root.delete_run(run)
        site.root.restore(deletion)
        site.root.restore(entry)
        assert _points(site, run) == before

    def test_what_was_cut_of_a_run_that_is_gone_says_so(self, site: Site) -> None:
        run, _ = _filled(site, "run", "other")
        entry = _cut(site, run, DataCut(("loss",)))
        site.root.purge(trash_id=site.root.delete_run(run).trash_id)
        with pytest.raises(ConflictError, match="gone for good"):
            site.root.restore(entry)
        assert _is_sound(site)
        assert site.root.purge(trash_id=entry).points == 40
        (noted, _) = site.root.list_changes(ChangeQuery(kind="purge")).items
        assert noted.what == f"purged what was cut out of 1 run of deletion {entry}"

    def test_it_goes_and_comes_with_the_project(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        before = _points(site, run)
        entry = _cut(site, run, DataCut(("loss",)))
        project = site.root.delete_project(run.project_path).trash_id
        with pytest.raises(ConflictError, match="project 'demo', itself in the trash"):
            site.root.restore(entry)
        site.root.restore(project)
        site.root.restore(entry)
        assert _points(site, run) == before
        entry = _cut(site, run, DataCut(("loss",)))
        site.root.purge(trash_id=site.root.delete_project(run.project_path).trash_id)
        assert site.root.list_trash(None, PageRequest()).items == ()
        usage = site.root.get_usage()
        assert (usage.points, usage.trashed_runs) == (0, 0)

    @pytest.mark.parametrize("planned", [True, False])
    def test_it_follows_a_run_that_is_moved(self, site: Site, planned: bool) -> None:
        (run,) = _filled(site, "run")
        before = site.root.read_points(PointQuery(_select(run, "run"))).values.to_pylist()
        entry = _cut(site, run, DataCut(("loss",)))
        other = site.project("other")
        if planned:
            draft = TransferDraft("move", str(other), runs=_select(run, "run"))
            site.root.transfer(site.root.plan_transfer(draft))
        else:
            site.root.update_runs(_select(run, "run"), RunPatch(project="other"))
        site.root.purge(trash_id=site.root.delete_project(run.project_path).trash_id)
        assert [item.path for item in site.root.list_trashed_runs(entry, PageRequest()).items] == [f"{other}/run"]
        site.root.restore(entry)
        assert site.root.read_points(PointQuery(_select(other, "run"))).values.to_pylist() == before

    def test_only_who_may_write_cuts_and_restores(self, site: Site) -> None:
        (run,) = _filled(site, "run")
        entry = _cut(site, run, DataCut(("loss",)))
        stranger = site.user("ann")
        with pytest.raises(NotFoundError):
            stranger.plan_data_deletion(DataCut(("acc",)), run)
        with pytest.raises(NotFoundError):
            stranger.delete(site.root.plan_data_deletion(DataCut(("acc",)), run))
        with pytest.raises(NotFoundError):
            stranger.restore(entry)
