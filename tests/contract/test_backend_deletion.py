"""What every backend does with deletion: planned, all or nothing, undone, and in the end for good."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.recording import line

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import ProjectPath
from runatlas.model.media import MediaDraft, MediaItem
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery, ProjectRecord
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.trash import DeletionPlanRecord

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project with four runs that hold something."""
    project = site.project()
    for number in range(4):
        _fill(site, project, f"run-{number}", b"shared" if number < 2 else b"own %d" % number)
    return project


def _fill(site: Site, project: ProjectPath, run_id: str, data: bytes) -> None:
    run, _ = site.inside.create_run(RunDraft(project, id=run_id, state="FINISHED", labels=("x",), config={"n": run_id}))
    blob = site.inside.put_blob(project, io.BytesIO(data))
    picture = MediaItem("media/a.png", sha256=blob.sha256, size=blob.size, mime_type="image/png")
    site.inside.append(
        Batch(
            run.path,
            (line("loss", 10),),
            media=(MediaDraft("img", 0, (picture,), "IMAGE"),),
            artifacts=(ArtifactDraft("weights.bin", blob.sha256, blob.size),),
        )
    )


def _select(path: ProjectPath, *ids: str, **narrowed: Any) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None, **narrowed)


def _delete(site: Site, path: ProjectPath, *ids: str) -> str:
    return site.root.delete(site.root.plan_run_deletion(_select(path, *ids))).trash_id


def _everything(site: Site) -> tuple[tuple[ProjectRecord, ...], tuple[RunRecord, ...]]:
    """All that is to be seen, but for when projects were touched."""
    projects = site.root.list_projects(ProjectQuery(sort="name")).items
    query = RunQuery(RunSelection(site.home), parts=("config", "summary", "profile"))
    runs = site.root.list_runs(query).items
    return tuple(attrs.evolve(project, updated_at_ms=0) for project in projects), runs


class TestPlanning:
    def test_a_plan_tells_what_would_go(self, site: Site, demo: ProjectPath) -> None:
        before = _everything(site)
        plan = site.root.plan_run_deletion(_select(demo, "run-2", "none", "run-0", "run-1"))
        assert [item.path for item in plan.items] == [str(demo.run(name)) for name in ("run-2", "run-0", "run-1")]
        assert (plan.kind, plan.total, plan.missing, plan.project) == ("runs", 3, ("none",), None)
        assert (plan.points, plan.media, plan.artifacts) == (30, 3, 3)
        stored = [(item.bytes or 0) - size for item, size in zip(plan.items, (5, 6, 6), strict=True)]
        if site.is_exact:
            assert [(item.points, item.files) for item in plan.items] == [(10, 1)] * 3
            assert min(stored) > 0
            assert plan.bytes == sum(stored) + len(b"shared") + len(b"own 2")
        assert plan.items[0].state == "FINISHED"
        assert plan.items[0].cuid == site.root.get_run(demo.run("run-2")).cuid
        assert _everything(site) == before

    def test_only_what_nothing_else_needs_is_freed(self, site: Site, demo: ProjectPath) -> None:
        plan = site.root.plan_run_deletion(_select(demo, "run-0", "run-3"))
        if site.is_exact:
            points = sum((item.bytes or 0) - size for item, size in zip(plan.items, (6, 5), strict=True))
            assert plan.bytes == points + len(b"own 3"), "run-1 needs the file of run-0 too"
        site.root.delete(plan)
        plan = site.root.plan_run_deletion(_select(demo, "run-1"))
        if site.is_exact:
            assert plan.bytes == (plan.items[0].bytes or 0) - len(b"shared"), "the trash needs it"

    def test_filters_choose_what_would_go(self, site: Site, demo: ProjectPath) -> None:
        wanted = Comparison(Field("CONFIG", "n"), "IN", ("run-1", "run-3"))
        plan = site.root.plan_run_deletion(_select(demo, filter=wanted))
        assert {item.path for item in plan.items} == {str(demo.run("run-1")), str(demo.run("run-3"))}
        assert site.root.plan_run_deletion(_select(demo, "run-1", search="run-2")).items == ()

    def test_a_project_goes_with_all_its_runs(self, site: Site, demo: ProjectPath) -> None:
        plan = site.root.plan_project_deletion(demo)
        assert (plan.kind, plan.total, plan.project, plan.points) == ("project", 4, str(demo), 40)

    def test_what_is_not_there_is_not_found(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(NotFoundError):
            site.root.plan_project_deletion(ProjectPath(site.home, "nowhere"))
        with pytest.raises(NotFoundError):
            site.root.plan_run_deletion(RunSelection(site.home, "nowhere"))


class TestDeleting:
    def test_deleted_runs_are_nowhere(self, site: Site, demo: ProjectPath) -> None:
        record = site.root.delete(site.root.plan_run_deletion(_select(demo, "run-1", "run-2")))
        assert (record.kind, record.runs, record.project) == ("runs", 2, None)
        assert record.expires_at_ms == site.clock() + 30 * DAY_MS
        assert site.root.count_runs(_select(demo)) == 2
        for call in (
            lambda: site.root.get_run(demo.run("run-1")),
            lambda: site.root.append(Batch(demo.run("run-1"), (line("loss", 1),))),
            lambda: site.root.update_runs(_select(demo, "run-1"), RunPatch(name="x")),
        ):
            with pytest.raises(NotFoundError):
                call()
        count = site.root.get_project(demo).count
        assert count is not None
        assert count.experiments == 2

    def test_names_and_ids_are_free_at_once(self, site: Site, demo: ProjectPath) -> None:
        old = site.root.get_run(demo.run("run-1"))
        _delete(site, demo, "run-1")
        new, created = site.root.create_run(RunDraft(demo, id="run-1", state="FINISHED"))
        assert created
        assert new.cuid != old.cuid
        site.root.delete(site.root.plan_project_deletion(demo))
        assert site.root.create_project(ProjectDraft("demo")).count is not None
        assert site.root.count_runs(_select(demo)) == 0

    def test_at_once_is_as_planned(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(NotFoundError, match="nope"):
            site.root.delete_runs(_select(demo, "run-0", "nope"))
        deleted = site.root.delete_runs(_select(demo, "run-0", "run-1"))
        assert (deleted.kind, deleted.runs) == ("runs", 2)
        wanted = Comparison(Field("CONFIG", "n"), "EQ", "run-2")
        assert site.root.delete_runs(_select(demo, filter=wanted)).runs == 1
        left = site.root.list_runs(RunQuery(_select(demo))).items
        assert [run.id for run in left] == ["run-3"]
        gone = site.root.delete_project(demo)
        assert (gone.kind, gone.runs, gone.project) == ("project", 1, str(demo))
        with pytest.raises(NotFoundError):
            site.root.delete_project(demo)

    def test_missing_ids_stop_everything(self, site: Site, demo: ProjectPath) -> None:
        before = _everything(site)
        with pytest.raises(NotFoundError, match="none"):
            _delete(site, demo, "run-1", "none")
        assert _everything(site) == before
        assert site.root.list_trash(None, PageRequest()).items == ()

    def test_a_missing_id_is_named_without_an_empty_place(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(NotFoundError) as caught:
            _delete(site, demo, "none")
        assert caught.value.message == "there is no run 'none'"

    @pytest.mark.parametrize(
        "change",
        [
            lambda site, demo: _delete(site, demo, "run-2"),
            lambda site, demo: site.root.update_runs(_select(demo, "run-2"), RunPatch(project="other")),
            lambda site, demo: site.root.update_project(demo, ProjectPatch(name="renamed")),
        ],
        ids=("deleted", "moved", "renamed"),
    )
    def test_a_plan_out_of_date_takes_nothing(
        self, site: Site, demo: ProjectPath, change: Callable[[Site, ProjectPath], object]
    ) -> None:
        site.project("other")
        plan = site.root.plan_run_deletion(_select(demo, "run-1", "run-2"))
        change(site, demo)
        before = _everything(site)
        with pytest.raises((ConflictError, NotFoundError)):
            site.root.delete(plan)
        assert _everything(site) == before

    @pytest.mark.parametrize("more", [True, False])
    def test_a_project_that_changed_is_kept(self, site: Site, demo: ProjectPath, more: bool) -> None:
        plan = site.root.plan_project_deletion(demo)
        if more:
            site.inside.create_run(RunDraft(demo))
        else:
            _delete(site, demo, "run-1")
        with pytest.raises(ConflictError):
            site.root.delete(plan)
        assert site.root.get_project(demo).path == demo

    def test_a_plan_works_once(self, site: Site, demo: ProjectPath) -> None:
        plan = site.root.plan_run_deletion(_select(demo, "run-1"))
        site.root.delete(plan)
        with pytest.raises(ConflictError):
            site.root.delete(plan)
        assert len(site.root.list_trash(None, PageRequest()).items) == 1

    def test_a_forged_plan_takes_nothing(self, site: Site, demo: ProjectPath) -> None:
        other = site.user("ann").create_project(ProjectDraft("hers")).path
        hers, _ = site.user("ann").create_run(RunDraft(other, id="run-1"))
        plan = site.root.plan_run_deletion(_select(demo, "run-1"))
        forged = attrs.evolve(plan, items=(attrs.evolve(plan.items[0], cuid=hers.cuid),))
        with pytest.raises(ConflictError):
            site.root.delete(forged)
        doubled = attrs.evolve(plan, items=plan.items * 2)
        with pytest.raises(ConflictError):
            site.root.delete(doubled)
        for path in ("nonsense", "a/b/c/d", f"{site.home}/demo/"):
            with pytest.raises((ValidationError, ConflictError)):
                site.root.delete(attrs.evolve(plan, items=(attrs.evolve(plan.items[0], path=path),)))
        with pytest.raises(ValidationError, match="names the project, and no other does"):
            site.root.delete(attrs.evolve(plan, project=str(other)))
        assert site.root.count_runs(_select(demo)) == 4

    def test_an_empty_plan_deletes_nothing(self, site: Site, demo: ProjectPath) -> None:
        plan = site.root.plan_run_deletion(RunSelection(site.home, "demo", ()))
        assert plan == DeletionPlanRecord("runs", ())
        record = site.root.delete(plan)
        assert (record.trash_id, record.runs, record.expires_at_ms) == ("", 0, None)
        assert site.root.list_trash(None, PageRequest()).items == ()

    def test_runs_of_several_projects_go_together(self, site: Site, demo: ProjectPath) -> None:
        other = site.project("other")
        _fill(site, other, "run-1", b"x")
        before = _everything(site)
        plan = site.root.plan_run_deletion(RunSelection(site.home, ids=("run-1",)))
        assert plan.total == 2
        record = site.root.delete(plan)
        (entry,) = site.root.list_trash(site.home, PageRequest()).items
        assert (entry.id, entry.project, entry.runs) == (record.trash_id, "", 2)
        site.root.restore(record.trash_id)
        assert _everything(site) == before


class TestTrash:
    def test_it_lists_deletions_newest_first(self, site: Site, demo: ProjectPath) -> None:
        first = _delete(site, demo, "run-1")
        site.clock.advance(1000)
        second = site.root.delete(site.root.plan_project_deletion(demo)).trash_id
        page = site.root.list_trash(None, PageRequest(limit=1, with_total=True))
        assert page.total == 2
        (entry,) = page.items
        assert (entry.id, entry.kind, entry.workspace, entry.project, entry.runs) == (
            *(second, "project", site.home, "demo", 3),
        )
        assert (entry.deleted_at_ms, entry.expires_at_ms, entry.deleted_by) == (
            *(site.clock(), site.clock() + 30 * DAY_MS, site.home),
        )
        rest = site.root.list_trash(None, PageRequest(cursor=page.next_cursor))
        assert [item.id for item in rest.items] == [first]
        assert rest.next_cursor is None
        with pytest.raises(NotFoundError):
            site.root.list_trash("nobody", PageRequest())

    def test_restoring_what_is_not_there(self, site: Site) -> None:
        with pytest.raises(NotFoundError):
            site.root.restore("none")

    def test_a_taken_id_keeps_runs_in_the_trash(self, site: Site, demo: ProjectPath) -> None:
        entry = _delete(site, demo, "run-1", "run-2")
        site.inside.create_run(RunDraft(demo, id="run-2"))
        before = _everything(site)
        with pytest.raises(ConflictError, match="run-2"):
            site.root.restore(entry)
        assert _everything(site) == before
        site.root.update_runs(_select(demo, "run-2"), RunPatch(project=site.project("other").project))
        site.root.restore(entry)
        assert site.root.count_runs(_select(demo)) == 4
        with pytest.raises(NotFoundError):
            site.root.restore(entry)

    def test_its_runs_are_listed_page_by_page(self, site: Site, demo: ProjectPath) -> None:
        entry = _delete(site, demo, "run-1", "run-2", "run-3")
        first = site.root.list_trashed_runs(entry, PageRequest(limit=2, with_total=True))
        rest = site.root.list_trashed_runs(entry, PageRequest(limit=2, cursor=first.next_cursor))
        assert first.total == 3
        assert rest.next_cursor is None
        assert {item.path for item in (*first.items, *rest.items)} == {f"{demo}/run-{n}" for n in (1, 2, 3)}
        with pytest.raises(NotFoundError):
            site.root.list_trashed_runs("none", PageRequest())

    def test_runs_come_back_alone(self, site: Site, demo: ProjectPath) -> None:
        before = _everything(site)
        entry = _delete(site, demo, "run-1", "run-2", "run-3")
        cuid = next(
            item.cuid for item in site.root.list_trashed_runs(entry, PageRequest()).items if "run-3" in item.path
        )
        with pytest.raises(NotFoundError, match="none"):
            site.root.restore_runs(entry, ("run-1", "none"))
        assert site.root.list_trash(None, PageRequest()).items[0].runs == 3
        assert site.root.restore_runs(entry, ("run-1", cuid)).runs == 2
        assert site.root.list_trash(None, PageRequest()).items[0].runs == 1
        assert [item.path for item in site.root.list_trashed_runs(entry, PageRequest()).items] == [f"{demo}/run-2"]
        with pytest.raises(NotFoundError):
            site.root.restore_runs(entry, (cuid,))
        assert site.root.restore_runs(entry, ("run-2",)).runs == 1
        assert _everything(site) == before
        with pytest.raises(NotFoundError):
            site.root.restore(entry)

    def test_a_run_alone_waits_for_its_id_and_its_project(self, site: Site, demo: ProjectPath) -> None:
        entry = _delete(site, demo, "run-1", "run-2")
        site.inside.create_run(RunDraft(demo, id="run-2", state="FINISHED"))
        with pytest.raises(ConflictError, match="run-2"):
            site.root.restore_runs(entry, ("run-2",))
        assert site.root.restore_runs(entry, ("run-1",)).runs == 1
        project = site.root.delete(site.root.plan_project_deletion(demo)).trash_id
        with pytest.raises(ConflictError, match="itself in the trash"):
            site.root.restore_runs(project, ("run-1",))
        assert site.root.restore(project).runs >= 2

    def test_a_taken_name_keeps_a_project_in_the_trash(self, site: Site, demo: ProjectPath) -> None:
        entry = site.root.delete(site.root.plan_project_deletion(demo)).trash_id
        site.project("demo")
        with pytest.raises(ConflictError, match="demo"):
            site.root.restore(entry)
        site.root.update_project(demo, ProjectPatch(name="newer"))
        restored = site.root.restore(entry)
        assert (restored.id, restored.kind, restored.project) == (entry, "project", "demo")
        assert site.root.count_runs(_select(demo)) == 4

    def test_runs_return_only_to_a_project_that_is_there(self, site: Site, demo: ProjectPath) -> None:
        runs = _delete(site, demo, "run-1")
        project = site.root.delete(site.root.plan_project_deletion(demo)).trash_id
        with pytest.raises(ConflictError):
            site.root.restore(runs)
        site.root.restore(project)
        assert site.root.count_runs(_select(demo)) == 3
        site.root.restore(runs)
        assert site.root.count_runs(_select(demo)) == 4


def test_deleting_and_restoring_changes_nothing(site: Site) -> None:
    """Whatever is deleted, in whatever steps, is all back once it is restored, in whatever order."""
    for name in ("a", "b"):
        path = site.project(name)
        for number in range(3):
            _fill(site, path, f"run-{number}", b"%d" % number)
    before = _everything(site)
    choices = st.lists(st.tuples(st.sampled_from("ab"), st.sets(st.integers(0, 3), min_size=1)), max_size=4)

    @settings(max_examples=examples(12), suppress_health_check=list(HealthCheck))
    @given(choices, st.integers(0, 99))
    def check(steps: list[tuple[str, set[int]]], seed: int) -> None:
        entries = []
        for name, numbers in steps:
            path = ProjectPath(site.home, name)
            there = {
                run.id for run in site.root.list_runs(RunQuery(RunSelection(site.home))).items if run.project == name
            }
            if name not in {project.name for project in site.root.list_projects(ProjectQuery()).items}:
                continue
            if 3 in numbers:
                entries.append(site.root.delete(site.root.plan_project_deletion(path)).trash_id)
            elif ids := sorted(there & {f"run-{number}" for number in numbers}):
                entries.append(_delete(site, path, *ids))
        random.Random(seed).shuffle(entries)
        while entries:
            entry = entries.pop(0)
            try:
                site.root.restore(entry)
            except ConflictError:
                entries.append(entry)
        assert _everything(site) == before
        assert site.root.list_trash(None, PageRequest()).items == ()

    check()


class TestPurging:
    def test_what_expired_goes_for_good(self, site: Site, demo: ProjectPath) -> None:
        entry = _delete(site, demo, "run-0", "run-2")
        assert site.root.purge().entries == 0
        site.clock.advance(30 * DAY_MS)
        planned = site.root.purge(dry_run=True)
        assert (planned.entries, planned.runs, planned.points) == (1, 2, 20)
        assert (planned.blobs, planned.bytes, planned.dry_run) == (1, len(b"own 2"), True)
        assert len(site.root.list_trash(None, PageRequest()).items) == 1
        done = site.root.purge()
        assert None not in (planned.bytes_before, done.bytes_before, done.bytes_after)
        measured = {"bytes_before": done.bytes_before, "bytes_after": done.bytes_after}
        assert attrs.asdict(done) == {**attrs.asdict(planned), "dry_run": False, **measured}
        assert site.root.purge().entries == 0
        with pytest.raises(NotFoundError):
            site.root.restore(entry)
        usage = site.root.get_usage()
        assert (usage.runs, usage.trashed_runs, usage.points, usage.blobs) == (2, 0, 20, 2)
        assert site.root.list_artifacts(demo.run("run-1"), PageRequest()).items[0].size == len(b"shared")

    def test_one_entry_goes_when_asked(self, site: Site, demo: ProjectPath) -> None:
        first, second = _delete(site, demo, "run-0"), _delete(site, demo, "run-1")
        record = site.root.purge(trash_id=first)
        assert (record.entries, record.runs, record.blobs) == (1, 1, 0)
        assert [entry.id for entry in site.root.list_trash(None, PageRequest()).items] == [second]
        with pytest.raises(NotFoundError):
            site.root.purge(trash_id=first)

    def test_everything_goes_when_asked(self, site: Site, demo: ProjectPath) -> None:
        _delete(site, demo, "run-0")
        site.root.delete(site.root.plan_project_deletion(demo))
        site.clock.advance(2 * DAY_MS)
        record = site.root.purge(expired_only=False)
        assert (record.entries, record.runs, record.points, record.blobs) == (2, 4, 40, 3)
        usage = site.root.get_usage()
        assert (usage.projects, usage.runs, usage.trashed_runs, usage.points, usage.blobs) == (0, 0, 0, 0, 0)

    def test_a_project_takes_its_deleted_runs_along(self, site: Site, demo: ProjectPath) -> None:
        _delete(site, demo, "run-0")
        project = site.root.delete(site.root.plan_project_deletion(demo)).trash_id
        assert site.root.purge(trash_id=project).runs == 4
        assert site.root.list_trash(None, PageRequest()).items == ()

    def test_blobs_that_may_still_be_needed_stay(self, site: Site, demo: ProjectPath) -> None:
        entry = _delete(site, demo, "run-2")
        site.clock.advance(DAY_MS + 1)
        blob = site.inside.put_blob(demo, io.BytesIO(b"own 2"))
        record = site.root.purge(trash_id=entry)
        assert record.blobs == 0
        site.inside.append(Batch(demo.run("run-3"), artifacts=(ArtifactDraft("again.bin", blob.sha256, blob.size),)))
        (found, _) = site.root.list_artifacts(demo.run("run-3"), PageRequest()).items
        assert b"".join(site.root.open_link(found.url or "")) == b"own 2"
