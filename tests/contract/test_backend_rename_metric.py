"""What every backend does with metrics and media of runs that get another key: planned, all or nothing, taken back."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.recording import line, points

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, ValidationError
from runatlas.model.batch import Batch
from runatlas.model.data_cut import DataCut
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.model.series import ColumnQuery, Context, PointQuery, SummaryQuery
from runatlas.model.transfer import TransferDraft, TransferPlanRecord, TransferRecord
from runatlas.server.store.check import check_store

# A SwanLab server has no way to do any of this.
pytestmark = pytest.mark.parametrize("site", ["local", "native"], indirect=True)

VAL: Context = (("split", "val"),)
KEYS = ("a", "b", "c")
Content = dict[tuple[str, Context], Any]


def _run(site: Site, run_id: str, *series: Any, state: Any = "FINISHED", **parts: Any) -> RunPath:
    draft = RunDraft(ProjectPath(site.home, "demo"), id=run_id, state=state, create_project=True)
    path = site.inside.create_run(draft)[0].path
    site.inside.append(Batch(path, series, **parts))
    return path


def _select(path: RunPath | ProjectPath, *ids: str, **narrowed: Any) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None, **narrowed)


def _plan(site: Site, selection: RunSelection, old: str, new: str) -> TransferPlanRecord:
    return site.root.plan_transfer(TransferDraft("rename_metric", new, selection, metric=old))


def _rename(site: Site, selection: RunSelection, old: str, new: str) -> TransferRecord:
    return site.root.transfer(_plan(site, selection, old, new))


def _cut(site: Site, run: RunPath, cut: DataCut) -> str:
    return site.root.delete(site.root.plan_data_deletion(cut, run, force=True)).trash_id


def _content(site: Site, run: RunPath) -> Content:
    """All that is read of each series of a run."""
    backend, chosen = site.root, _select(run, run.run)
    found: Content = {
        (record.key, record.context): [attrs.evolve(record, key="", name=record.name.replace(record.key, ""))]
        for record in backend.list_columns(run, ColumnQuery(page=PageRequest(limit=100))).items
    }
    for summary in backend.read_summaries(SummaryQuery(chosen)).items:
        # Summaries that are put together again differ by what adding floats in another order does.
        told = [None if part is None else f"{part:.6g}" for part in (summary.avg, summary.std)]
        found[summary.key, summary.context] += [repr(attrs.evolve(summary, key="", avg=None, std=None)), told]
    block = backend.read_points(PointQuery(chosen))
    for part in block.series:
        held = slice(part.start, part.start + part.length)
        rows = [column.to_pylist()[held] for column in (block.steps, block.times_ms, block.values)]
        found[part.key, part.context].append(repr(rows))
    for record in backend.list_media(run, MediaQuery(tuple({key for key, _ in found}) or ("none",), all=True)).items:
        items = [(item.path, item.sha256) for item in record.items]
        found[record.key, record.context].append((record.step, items))
    return found


def _renamed(content: Content, old: str, new: str) -> Content:
    return {(new if key == old else key, context): held for (key, context), held in content.items()}


def _picture(site: Site, project: ProjectPath) -> MediaItem:
    blob = site.inside.put_blob(project, io.BytesIO(b"a picture"))
    return MediaItem("media/a.png", sha256=blob.sha256, size=blob.size, mime_type="image/png")


_VALUES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from((0.5, -1.0, 3.0, 1e9, math.nan, math.inf, -math.inf))),
    min_size=1,
    max_size=6,
)
_SERIES = st.dictionaries(st.tuples(st.sampled_from(KEYS), st.sampled_from(((), VAL))), _VALUES, min_size=1)
_CUT = st.builds(
    lambda keys, low, size: DataCut(tuple(keys), first_step=low, last_step=low + size),
    st.lists(st.sampled_from(KEYS), min_size=1, unique=True),
    st.integers(0, 9),
    st.integers(0, 9),
)


def test_all_is_read_under_the_new_key_and_comes_back_under_the_old_one(site: Site) -> None:
    """Whatever a run has, and whatever was cut out of it before or between: names change, and nothing else."""
    project = site.project()
    picture, count = _picture(site, project), iter(range(10**6))

    @settings(max_examples=examples(6), suppress_health_check=list(HealthCheck), deadline=None)
    @given(_SERIES, st.sampled_from((*KEYS, "img")), st.sampled_from((*KEYS, "new")), _CUT, st.booleans())
    def check(held: Any, old: str, new: str, cut: DataCut, is_cut_first: bool) -> None:
        series = [
            points(key, [(step, 10 + step, value, None) for step, value in rows], context=context)
            for (key, context), rows in held.items()
        ]
        run = _run(site, f"run-{next(count)}", *series, media=(MediaDraft("img", 3, (picture,), "IMAGE"),))
        whole = _content(site, run)
        entry = _cut(site, run, cut) if is_cut_first else ""
        before = _content(site, run)
        having = {context for key, context in before if key == old}
        taken = {context for content in (before, whole) for key, context in content if key == new} & having
        if not having or old == new:
            with pytest.raises((ConflictError, ValidationError), match=f"{old!r}|{new!r}"):
                _rename(site, _select(run, run.run), old, new)
            return
        plan = _plan(site, _select(run, run.run), old, new)
        assert (plan.total, bool(plan.refusal)) == (1, bool(taken))
        if taken:
            with pytest.raises(ConflictError, match=rf"{run}: {new!r}.*entry|{run}: it has {new!r}"):
                site.root.transfer(plan)
            assert _content(site, run) == before
            return
        done = site.root.transfer(plan)
        assert _content(site, run) == _renamed(before, old, new)
        if entry and having == {context for key, context in whole if key == old}:
            site.root.restore(entry)
            entry, before = "", whole
            assert _content(site, run) == _renamed(whole, old, new)
        site.root.undo_change(done.change_id)
        assert _content(site, run) == before
        if entry:
            site.root.restore(entry)
            assert _content(site, run) == whole

    check()
    assert list(check_store(site.services.store)) == []


class TestMany:
    """Three runs: one has the metric in two contexts, one in one, and one has it not."""

    @pytest.fixture
    def demo(self, site: Site) -> ProjectPath:
        _run(site, "run-0", line("los", 10), line("los", 3, context=VAL), line("other", 2))
        _run(site, "run-1", line("los", 4), line("loss", 4, context=VAL), state="RUNNING")
        return _run(site, "run-2", line("other", 2)).project_path

    def all(self, site: Site, demo: ProjectPath) -> dict[str, Content]:
        return {name: _content(site, demo.run(name)) for name in ("run-0", "run-1", "run-2")}

    def test_a_plan_tells_of_those_that_have_it(self, site: Site, demo: ProjectPath) -> None:
        before = self.all(site, demo)
        site.root.hold_policy(demo, "keep the best", Policy(older_than="30d", keep_best=("los:3",)))
        site.root.hold_policy(demo, "another", Policy(where="summary.loss < 1 and config.los2 == 1", keep_last=1))
        plan = _plan(site, _select(demo), "los", "loss")
        assert (plan.kind, plan.metric, plan.target, plan.refusal) == ("rename_metric", "los", "loss", None)
        assert [(item.path, item.target, item.points) for item in plan.items] == [
            (f"{demo}/run-1", f"{demo}/run-1", 4),
            (f"{demo}/run-0", f"{demo}/run-0", 13),
        ]
        running, policy = plan.notes
        assert running.startswith("1 of the runs are still running")
        assert "'keep the best'" in policy
        assert self.all(site, demo) == before

    def test_it_is_one_change_with_an_undo_and_one_of_that(self, site: Site, demo: ProjectPath) -> None:
        before = self.all(site, demo)
        site.clock.advance(1000)
        done = _rename(site, _select(demo), "los", "loss")
        after = self.all(site, demo)
        assert after == {name: _renamed(held, "los", "loss") for name, held in before.items()}
        assert site.root.get_run(demo.run("run-0")).updated_at_ms == site.clock()
        line = site.root.get_change(done.change_id)
        assert (line.kind, line.runs) == ("rename_metric", 2)
        assert line.what.startswith("renamed 'los' to 'loss' in 2 runs: ")
        told = site.root.list_changed_runs(done.change_id, PageRequest()).items
        assert [(run.before, run.after) for run in told] == [({"metric": "los"}, {"metric": "loss"})] * 2
        site.root.undo_change(done.change_id, dry_run=True)
        assert self.all(site, demo) == after
        undo = site.root.undo_change(done.change_id)
        assert self.all(site, demo) == before
        site.root.undo_change(undo.id)
        assert self.all(site, demo) == after
        with pytest.raises(ConflictError, match="taken back"):
            site.root.undo_change(undo.id)
        assert _plan(site, _select(demo), "none", "new").refusal is not None

    def test_who_has_the_new_key_there_stands_in_the_way_of_all(self, site: Site, demo: ProjectPath) -> None:
        site.inside.append(Batch(demo.run("run-1"), (line("loss", 1),)))
        before = self.all(site, demo)
        plan = _plan(site, _select(demo), "los", "loss")
        assert [bool(item.in_way) for item in plan.items] == [True, False]
        forged = attrs.evolve(plan, items=tuple(attrs.evolve(item, in_way="") for item in plan.items))
        for refused in (plan, forged):
            with pytest.raises(ConflictError, match=f"nothing was renamed: {demo}/run-1: it has 'loss' already"):
                site.root.transfer(refused)
        assert self.all(site, demo) == before

    @pytest.mark.parametrize(
        "change",
        [
            lambda site, run: site.root.delete_run(run),
            lambda site, run: site.root.update_runs(_select(run, run.run), RunPatch(project="other")),
            lambda site, run: site.root.update_runs(_select(run, run.run), RunPatch(protected=True)),
            lambda site, run: site.inside.append(Batch(run, (line("loss", 1),))),
            lambda site, run: _cut(site, run, DataCut(("los",))),
            lambda site, run: _rename(site, _select(run, run.run), "los", "elsewhere"),
        ],
        ids=("deleted", "moved", "protected", "new key recorded", "cut", "renamed"),
    )
    def test_a_plan_out_of_date_renames_nothing(
        self, site: Site, demo: ProjectPath, change: Callable[[Site, RunPath], object]
    ) -> None:
        site.project("other")
        plan = _plan(site, _select(demo), "los", "loss")
        change(site, demo.run("run-1"))
        before = _content(site, demo.run("run-0"))
        with pytest.raises(ConflictError, match=r"nothing was renamed: .*run-1"):
            site.root.transfer(plan)
        assert _content(site, demo.run("run-0")) == before

    def test_what_cannot_be_is_told(self, site: Site, demo: ProjectPath) -> None:
        site.root.update_runs(_select(demo, "run-0"), RunPatch(protected=True, protected_reason="the best"))
        with pytest.raises(ConflictError, match=r"run-0: it is protected \(the best\)"):
            _rename(site, _select(demo), "los", "loss")
        with pytest.raises(ConflictError, match="none of these runs has 'lss', did you mean 'loss'"):
            _rename(site, _select(demo), "lss", "x")
        with pytest.raises(NotFoundError, match="nobody"):
            _rename(site, _select(demo, "run-1", "nobody"), "los", "loss")
        plan = _plan(site, _select(demo, "run-1"), "los", "loss")
        for old, new in (("los", "los"), ("", "x"), ("los", ""), ("los", "x" * 1001), ("los", "a\x00b")):
            with pytest.raises(ValidationError):
                _plan(site, _select(demo), old, new)
            with pytest.raises(ValidationError):
                site.root.transfer(attrs.evolve(plan, metric=old, target=new))
        with pytest.raises(ValidationError, match="context"):
            _plan(site, _select(demo, "run-0"), "los", "€" * 799)
        with pytest.raises(ValidationError, match="runs"):
            site.root.plan_transfer(TransferDraft("rename_metric", "x", metric="los"))
        mistyped = _select(demo, filter=Comparison(Field("CONFIG", "nn"), "NEQ", "x"))
        assert "'nn'" in _plan(site, mistyped, "other", "others").notes[-1]
        assert _rename(site, _select(site.project("empty")), "los", "loss") == TransferRecord("rename_metric", "loss")

    def test_who_may_not_write_renames_nothing(self, site: Site, demo: ProjectPath) -> None:
        viewer, stranger = site.user("vic"), site.user("sam")
        site.root.set_member(site.home, "vic", "VIEWER")
        plan = _plan(site, _select(demo), "los", "loss")
        draft = TransferDraft("rename_metric", "loss", _select(demo), metric="los")
        for backend, error in ((viewer, PermissionDeniedError), (stranger, NotFoundError)):
            with pytest.raises(error):
                backend.plan_transfer(draft)
            with pytest.raises(error):
                backend.transfer(plan)
        assert ("los", ()) in _content(site, demo.run("run-1"))

    def test_a_process_that_goes_on_makes_the_old_key_anew(self, site: Site, demo: ProjectPath) -> None:
        run = demo.run("run-1")
        sent = Batch(run, (line("los", 2, start=10),), writer="w", sequence=1)
        site.inside.append(sent)
        done = _rename(site, _select(demo), "los", "loss")
        after = _content(site, run)
        assert not site.root.append(sent).applied
        assert _content(site, run) == after, "what was sent before is known under the new key"
        site.inside.append(attrs.evolve(sent, sequence=2))
        assert _content(site, run)["los", ()][0].count == 2
        with pytest.raises(ConflictError, match=rf"{run} \(it has 'los' already\)"):
            site.root.undo_change(done.change_id)
        entry = _cut(site, run, DataCut(("los",)))
        with pytest.raises(ConflictError, match=f"'los' was cut out of it and lies in the trash as entry {entry}"):
            site.root.undo_change(done.change_id)
        site.root.purge(trash_id=entry)
        site.root.undo_change(done.change_id)
        assert ("loss", ()) not in _content(site, run)

    def test_what_is_protected_or_cut_out_since_is_not_taken_back(self, site: Site, demo: ProjectPath) -> None:
        done = _rename(site, _select(demo), "los", "loss")
        run = demo.run("run-0")
        site.root.update_runs(_select(demo, "run-0"), RunPatch(protected=True))
        with pytest.raises(ConflictError, match=rf"{run} \(it is protected by now\)"):
            site.root.undo_change(done.change_id)
        site.root.update_runs(_select(demo, "run-0"), RunPatch(protected=False))
        entry = _cut(site, run, DataCut(("loss",)))
        before = self.all(site, demo)
        with pytest.raises(ConflictError, match=rf"{run} \(it has no 'loss'.* any more\)"):
            site.root.undo_change(done.change_id)
        assert self.all(site, demo) == before
        site.root.restore(entry)
        site.root.undo_change(done.change_id)
        assert {key for key, _ in _content(site, run)} == {"los", "other"}
