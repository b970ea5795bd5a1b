"""Updates that are planned: what a plan tells, that just this is done, and what refuses it; and labels of many runs."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from contract.test_backend_changes import NAMES, PATCHES, demo
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import REACHES, Site
from support.examples import examples

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, ValidationError
from runatlas.model.change import PlannedUpdate, UpdatePlanRecord
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RUN_PARTS, Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection

__all__ = ["demo"]

pytestmark = pytest.mark.parametrize("site", [name for name in REACHES if name != "swanlab"], indirect=True)


def _select(path: ProjectPath, *ids: str) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None)


def _runs(site: Site) -> list[RunRecord]:
    return [_find(site, name) for name in NAMES]


def _find(site: Site, name: str) -> RunRecord:
    (run,) = site.root.list_runs(RunQuery(RunSelection(site.home, ids=(name,)), parts=RUN_PARTS)).items
    return run


def _plan(site: Site, path: ProjectPath, *ids: str, **fields: Any) -> UpdatePlanRecord:
    return site.root.plan_update(_select(path, *ids), RunPatch(**fields))


class TestPlans:
    @settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(patch=PATCHES, chosen=st.lists(st.sampled_from(NAMES), min_size=1, unique=True), said=st.booleans())
    def test_what_a_plan_tells_is_what_is_done(
        self, site: Site, demo: ProjectPath, patch: RunPatch, chosen: list[str], said: bool
    ) -> None:
        before = _runs(site)
        held = {frozenset(run.labels) for run in before if run.id in chosen}
        plan = site.root.plan_update(_select(demo, *chosen), attrs.evolve(patch, replace_labels=said))
        assert ([item.path for item in plan.items], plan.total) == (
            [str(demo.run(name)) for name in chosen],
            len(chosen),
        )
        assert len(plan.sample) == plan.differ
        assert bool(plan.refusal) == (not said and patch.labels is not None and len(held) > 1)
        if plan.refusal:
            with pytest.raises(ConflictError, match=r"labels_added=… .* or replace_labels=True"):
                site.root.apply_update(plan)
            assert _runs(site) == before
            return
        assert _runs(site) == before
        done = site.root.apply_update(plan)
        assert (done.updated, bool(done.change_id)) == (plan.total, plan.differ > 0)
        if done.change_id:
            changed = site.root.list_changed_runs(done.change_id, PageRequest()).items
            assert [_told(run) for run in changed] == sorted(
                map(_told, plan.sample), key=lambda run: NAMES.index(run[0])
            )
            assert site.root.get_change(done.change_id).kind in {"update", "move", "protect", "unprotect"}
            site.root.undo_change(done.change_id)
        assert [attrs.evolve(run, updated_at_ms=0) for run in _runs(site)] == [
            attrs.evolve(run, updated_at_ms=0) for run in before
        ]

    def test_what_it_shows_and_was_changed_meanwhile_refuses_it_with_names(self, site: Site, demo: ProjectPath) -> None:
        plan = _plan(site, demo, group="h", config={"net.depth": 5}, state="ABORTED")
        site.root.update_runs(_select(demo, "one"), RunPatch(name="elsewhere", config={"lr": 7}, heartbeat_at_ms=1))
        site.clock.advance(5000)
        site.root.undo_change(site.root.apply_update(plan).change_id)
        for other in ({"group": "x"}, {"group": "h"}, {"config": {"net.depth": 4}}):
            change = site.root.update_runs(_select(demo, "one", "three"), RunPatch(**other)).change_id
            before = _runs(site)
            with pytest.raises(ConflictError, match=f"not as it was when it was planned: {demo}/three, {demo}/one$"):
                site.root.apply_update(plan)
            assert _runs(site) == before
            site.root.undo_change(change)
        assert site.root.apply_update(plan).updated == 3
        with pytest.raises(ConflictError, match="not as it was"):
            site.root.apply_update(plan)

    def test_what_came_later_is_no_part_of_it_and_what_went_refuses_it(self, site: Site, demo: ProjectPath) -> None:
        plan = _plan(site, demo, name="x")
        site.inside.create_run(RunDraft(demo, id="later", name="later"))
        change = site.root.apply_update(plan).change_id
        assert _find(site, "later").name == "later"
        site.root.undo_change(change)
        site.root.update_runs(_select(demo, "two"), RunPatch(project="other"))
        entry = site.root.delete_runs(_select(demo, "one"), force=True).trash_id
        with pytest.raises(ConflictError, match=f"no longer there: {demo}/one, {demo}/two$"):
            site.root.apply_update(attrs.evolve(plan, items=tuple(sorted(plan.items, key=lambda item: item.path))))
        site.root.restore(entry)
        site.root.update_project(demo, ProjectPatch(name="away"))
        with pytest.raises(NotFoundError, match=f"there is no project {demo}"):
            site.root.apply_update(plan)
        assert _find(site, "three").name != "x"

    def test_what_is_missing_or_mistyped_is_told(self, site: Site, demo: ProjectPath) -> None:
        plan = _plan(site, demo, "one", "nothing", name="x")
        assert (plan.missing, plan.total) == (("nothing",), 1)
        with pytest.raises(NotFoundError, match="nothing"):
            site.root.apply_update(plan)
        wanted = Comparison(Field("CONFIG", "lrr"), "NEQ", 1)
        noted = site.root.plan_update(RunSelection(demo.workspace, demo.project, filter=wanted), RunPatch(name="x"))
        assert (noted.total, noted.notes) == (3, ("no run here has a config 'lrr', did you mean 'lr'?",))
        assert site.root.apply_update(noted).updated == 3
        nobody = site.root.plan_update(RunSelection(demo.workspace, demo.project, ids=()), RunPatch(name="x"))
        assert (nobody.total, site.root.apply_update(nobody).updated) == (0, 0)

    def test_of_many_the_first_are_shown(self, site: Site) -> None:
        project = site.project("many")
        for number in range(12):
            site.inside.create_run(RunDraft(project, id=f"r{number:02}", group="g" if number else ""))
        plan = _plan(site, project, group="g", job_type="j")
        assert (plan.total, plan.differ, len(plan.sample)) == (12, 12, 10)
        assert _plan(site, project, group="g").differ == 1

    def test_what_cannot_be_planned_is_refused(self, site: Site, demo: ProjectPath) -> None:
        plan = _plan(site, demo, name="x")
        for fields, error in (
            ({"labels": ("",)}, ValidationError),
            ({"profile": Profile({"x": 1})}, ValidationError),
            ({"metadata": {"x": 1}}, ValidationError),
            ({"folder_id": "none"}, NotFoundError),
            ({"project": "nowhere"}, NotFoundError),
        ):
            with pytest.raises(error):
                _plan(site, demo, **fields)
            with pytest.raises(error):
                site.root.update_runs(_select(demo), RunPatch(**fields))
            with pytest.raises((error, ConflictError)):
                site.root.apply_update(attrs.evolve(plan, patch=RunPatch(**fields)))
        with pytest.raises(NotFoundError):
            _plan(site, ProjectPath(site.home, "nowhere"), name="x")

    def test_it_reaches_nothing_that_the_caller_may_not_change(self, site: Site, demo: ProjectPath) -> None:
        plan = _plan(site, demo, name="x")
        guest = site.user("guest")
        own = guest.create_project(ProjectDraft("own")).path
        guest.create_run(RunDraft(own, id="one"))
        mine = guest.plan_update(_select(own), RunPatch(name="y"))
        for call in (lambda: guest.plan_update(_select(demo), plan.patch), lambda: guest.apply_update(plan)):
            with pytest.raises(NotFoundError):
                call()
        forged = attrs.evolve(mine, items=tuple(PlannedUpdate(str(own.run("one")), item.cuid) for item in plan.items))
        with pytest.raises(ConflictError, match="no longer there"):
            guest.apply_update(forged)
        site.root.set_member(site.home, "guest", "MEMBER")
        with pytest.raises(ValidationError, match="one workspace"):
            guest.apply_update(attrs.evolve(plan, items=(*plan.items, *mine.items)))
        site.root.set_member(site.home, "guest", "VIEWER")
        for call in (lambda: guest.plan_update(_select(demo), plan.patch), lambda: guest.apply_update(plan)):
            with pytest.raises(PermissionDeniedError):
                call()
        assert {run.name for run in _runs(site)} != {"x"}


class TestLabels:
    def test_labels_of_several_runs_are_lost_only_where_that_is_said(self, site: Site, demo: ProjectPath) -> None:
        def update(*ids: str, **fields: Any) -> int:
            return site.root.update_runs(_select(demo, *ids), RunPatch(**fields)).updated

        before = _runs(site)
        with pytest.raises(ConflictError, match=r"these 3 runs have different ones, such as \['b', 'a'\] and \[\], "):
            update(labels=("new",), name="x")
        assert _runs(site) == before
        assert update("one", labels=("a", "b", "new")) == 1
        assert update("two", "three", labels=("new", "b", "a")) == 2
        assert update(labels=("same",)) == 3, "the order of labels makes no difference"
        update("one", labels_added=("other",))
        assert update(labels=(), replace_labels=True) == 3
        assert {run.labels for run in _runs(site)} == {()}


def _told(run: Any) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """What becomes of a run, but for what it says of being alive."""
    before, after = (
        {name: value for name, value in side.items() if name != "heartbeat_at"} for side in (run.before, run.after)
    )
    return run.path.rpartition("/")[2], before, after
