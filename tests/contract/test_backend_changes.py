"""What every backend with a journal notes of changes, who may read that, and how they are taken back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import REACHES, Site
from support.examples import examples

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError
from runatlas.model.account import Role
from runatlas.model.change import ChangeQuery, ChangeRecord
from runatlas.model.codec import dumps
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RUN_PARTS, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection

pytestmark = pytest.mark.parametrize("site", [name for name in REACHES if name != "swanlab"], indirect=True)

DAY_MS = 24 * 3600 * 1000
NAMES = ("one", "two", "three")


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project with three runs that differ."""
    project = site.project()
    site.project("other")
    drafts = (
        RunDraft(project, id="one", name="first", labels=("b", "a"), config={"lr": 1, "net": {"depth": 2, "width": 3}}),
        RunDraft(project, id="two", state="FINISHED", group="g", config={"net": 1.0, "a.b": None, "lr": float("nan")}),
        RunDraft(project, id="three", state="CRASHED", description="d", job_type="j", colors=("#1",)),
    )
    for draft in drafts:
        site.inside.create_run(draft)
    return project


def _select(path: ProjectPath, *ids: str) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None)


def _update(site: Site, path: ProjectPath, *ids: str, **fields: Any) -> str:
    site.clock.advance(1000)
    return site.root.update_runs(_select(path, *ids), RunPatch(**fields)).change_id


def _find(site: Site, name: str) -> RunRecord:
    (run,) = site.root.list_runs(RunQuery(RunSelection(site.home, ids=(name,)), parts=RUN_PARTS)).items
    return run


def _runs(site: Site) -> list[tuple[RunRecord, str]]:
    """The runs, wherever they lie, but for when they were touched; with the order of their configs."""
    found = [_find(site, name) for name in NAMES]
    return [(attrs.evolve(run, updated_at_ms=0, config=None), dumps(run.config)) for run in found]


def _lines(backend: Backend, path: object = None, **asked: Any) -> list[ChangeRecord]:
    return list(backend.list_changes(ChangeQuery(None if path is None else str(path), **asked)).items)


WORDS = st.sampled_from(["", "a", "b", "b c", "ü"])
LABELS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3, unique=True).map(tuple)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | WORDS,
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=2) | st.lists(inner, max_size=2),
    max_leaves=4,
)
KEYS = st.sampled_from(["lr", "net", "net.depth", "net.width", "a.b", "new", "new.deep.er"])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("name", "description", "group", "job_type", "error", "protected_reason"), WORDS),
    **dict.fromkeys(("show", "pin", "baseline", "archived", "protected"), st.booleans()),
    **dict.fromkeys(("labels", "labels_added", "labels_removed", "colors"), LABELS),
    "state": st.sampled_from(["RUNNING", "FINISHED", "CRASHED", "ABORTED"]),
    "finished_at_ms": st.integers(1, 5),
    "config": st.dictionaries(KEYS, VALUES, min_size=1, max_size=3),
    "config_removed": st.lists(KEYS, max_size=3).map(tuple),
    "project": st.just("other"),
}
PATCHES = st.fixed_dictionaries({}, optional=FIELDS).map(lambda given: RunPatch(replace_labels=True, **given))


class TestUndo:
    @settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(patch=PATCHES, chosen=st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    def test_what_an_update_changed_is_as_it_was(
        self, site: Site, demo: ProjectPath, patch: RunPatch, chosen: list[str]
    ) -> None:
        before = _runs(site)
        site.clock.advance(1000)
        change = site.root.update_runs(_select(demo, *chosen), patch).change_id
        after = _runs(site)
        assert bool(change) == (before != after)
        if not change:
            return
        undone = site.root.undo_change(change)
        assert _runs(site) == before
        assert site.root.get_change(change).undone_by == undone.id
        assert undone == site.root.get_change(undone.id)
        site.root.undo_change(undone.id)
        assert [run for run, _ in _runs(site)] == [run for run, _ in after], "but for the order in their configs"
        site.root.undo_change(change)
        assert _runs(site) == before

    def test_a_field_that_was_changed_since_refuses_it_and_is_named(self, site: Site, demo: ProjectPath) -> None:
        change = _update(site, demo, name="x", group="y", labels_added=("z",))
        _update(site, demo, "two", name="again", group="other")
        before = _runs(site)
        with pytest.raises(ConflictError, match=rf"changed since: {demo}/two \(name, group\)$"):
            site.root.undo_change(change)
        assert _runs(site) == before
        assert site.root.get_change(change).undone_by == ""

    def test_other_fields_keep_what_they_were_given_since(self, site: Site, demo: ProjectPath) -> None:
        change = _update(site, demo, name="x", config={"net.depth": 5, "seed": 1})
        _update(site, demo, "one", description="mine", labels_added=("mine",), config={"net.height": 7})
        site.root.undo_change(change)
        run = _find(site, "one")
        assert (run.name, run.description, run.labels) == ("first", "mine", ("b", "a", "mine"))
        assert run.config == {"lr": 1, "net": {"depth": 2, "width": 3, "height": 7}}

    def test_of_many_the_first_are_named(self, site: Site) -> None:
        project = site.project("many")
        for number in range(8):
            site.inside.create_run(RunDraft(project, id=f"r{number}"))
        change = _update(site, project, name="x")
        _update(site, project, name="y")
        with pytest.raises(ConflictError, match=r"r4 \(name\) and 3 more$"):
            site.root.undo_change(change)

    def test_runs_in_the_trash_refuse_it(self, site: Site, demo: ProjectPath) -> None:
        change = _update(site, demo, name="x")
        entry = site.root.delete_runs(_select(demo, "two"), force=True).trash_id
        with pytest.raises(ConflictError, match=f"in the trash are {demo}/two"):
            site.root.undo_change(change)
        site.root.purge(trash_id=entry)
        with pytest.raises(ConflictError, match="1 of its runs are gone for good"):
            site.root.undo_change(change)
        assert _find(site, "one").name == "x"

    def test_a_move_goes_back_into_its_folder(self, site: Site, demo: ProjectPath) -> None:
        folder = site.inside.create_folder(demo, "best")
        _update(site, demo, "one", folder_id=folder.id)
        before = _runs(site)
        change = _update(site, demo, project="other")
        assert (_find(site, "one").project, _find(site, "one").folder_id) == ("other", None)
        assert site.root.get_change(change).project == ""
        site.root.update_project(demo, ProjectPatch(name="renamed"))
        site.root.undo_change(change)
        site.root.update_project(ProjectPath(site.home, "renamed"), ProjectPatch(name="demo"))
        assert _runs(site) == before

    def test_a_move_does_not_go_back_where_it_cannot(self, site: Site, demo: ProjectPath) -> None:
        folder = site.inside.create_folder(demo, "best")
        _update(site, demo, "one", folder_id=folder.id)
        change = _update(site, demo, project="other")
        site.inside.create_run(RunDraft(demo, id="two"))
        with pytest.raises(ConflictError, match=r"taken where they were: two$"):
            site.root.undo_change(change)
        site.root.delete_runs(_select(demo, "two"), force=True)
        site.root.delete_folder(demo, folder.id)
        with pytest.raises(
            ConflictError, match=rf"the folders that these runs were in are gone: {site.home}/other/one$"
        ):
            site.root.undo_change(change)
        site.root.delete(site.root.plan_project_deletion(demo))
        with pytest.raises(ConflictError, match=f"project {demo} lies in the trash"):
            site.root.undo_change(change)
        assert _find(site, "two").project == "other"

    def test_it_is_over_in_time_and_once(self, site: Site, demo: ProjectPath) -> None:
        first, second = (_update(site, demo, name=name) for name in "xy")
        undone = site.root.undo_change(second)
        with pytest.raises(ConflictError, match=f"it was already, by change {undone.id}"):
            site.root.undo_change(second)
        site.clock.advance(31 * DAY_MS)
        with pytest.raises(ConflictError, match="its time was over at "):
            site.root.undo_change(first)
        site.root.purge()
        assert site.root.get_change(first).what == "changed 3 runs: name 'x'"
        runs = site.root.list_changed_runs(first, PageRequest()).items
        assert [(run.path, run.before) for run in runs] == [(str(demo.run(name)), {}) for name in NAMES]

    def test_what_was_taken_back_again_and_again_is_so_or_is_not(self, site: Site, demo: ProjectPath) -> None:
        made = [_update(site, demo, name="x")]
        for _ in range(4):
            made.append(site.root.undo_change(made[-1]).id)
            counts = [not site.root.get_change(change).undone_by for change in made]
            # The last one counts, it took back the one before, which so lets the one before that count, and so on.
            assert counts == [number % 2 == (len(made) - 1) % 2 for number in range(len(made))]
            assert (_find(site, "one").name == "x") == counts[0]
        with pytest.raises(ConflictError, match=f"it was already, by change {made[2]} "):
            site.root.undo_change(made[1])

    def test_what_is_only_tried_changes_nothing(self, site: Site, demo: ProjectPath) -> None:
        change = _update(site, demo, name="x")
        before, lines = _runs(site), _lines(site.root)
        tried = site.root.undo_change(change, dry_run=True)
        assert (tried.kind, tried.undoes, tried.what) == ("undo", change, "took back: changed 3 runs: name 'x'")
        assert (_runs(site), _lines(site.root)) == (before, lines)

    def test_a_project_is_called_again_what_it_was(self, site: Site, demo: ProjectPath) -> None:
        changed = site.root.update_project(demo, ProjectPatch(name="new", labels=("a",)))
        (line,) = _lines(site.root, kind="project")
        assert (changed.change_id, site.root.get_project(changed.path).change_id) == (line.id, "")
        assert site.root.update_project(changed.path, ProjectPatch(name="new", labels=("a",))).change_id == ""
        assert line.what == f"changed project {demo}: name 'new' (was 'demo'), tags 'a' (was none)"
        site.root.create_project(ProjectDraft("demo"))
        with pytest.raises(ConflictError, match="there is a project 'demo' by now"):
            site.root.undo_change(line.id)
        site.root.update_project(demo, ProjectPatch(name="away"))
        site.root.undo_change(line.id)
        project = site.root.get_project(demo)
        assert (project.labels, site.root.count_runs(_select(demo))) == ((), 3)
        site.root.update_project(demo, ProjectPatch(title="t"))
        site.root.update_project(demo, ProjectPatch(title="u"))
        with pytest.raises(ConflictError, match=rf"changed since: {demo} \(title\)"):
            site.root.undo_change(_lines(site.root, demo, kind="project")[1].id)


class TestDeletions:
    def test_a_deletion_is_taken_back_by_restoring_it(self, site: Site, demo: ProjectPath) -> None:
        before = _runs(site)
        entry = site.root.delete_runs(_select(demo, "one", "two"), force=True)
        (line,) = _lines(site.root, demo, kind="delete")
        assert (line.runs, line.trash_id, line.expires_at_ms) == (2, entry.trash_id, entry.expires_at_ms)
        assert line.what == f"deleted 2 runs: {demo}/one, {demo}/two"
        site.root.undo_change(line.id, dry_run=True)
        assert site.root.count_runs(_select(demo)) == 1
        restored = site.root.undo_change(line.id)
        assert _runs(site) == before
        assert (restored.kind, restored.runs) == ("restore", 2)
        assert site.root.get_change(line.id).undone_by == restored.id
        with pytest.raises(ConflictError, match="delete it again instead"):
            site.root.undo_change(restored.id)

    def test_one_of_which_some_came_back_gives_the_rest(self, site: Site, demo: ProjectPath) -> None:
        entry = site.root.delete_runs(_select(demo, "one", "two"), force=True)
        site.root.restore_runs(entry.trash_id, ("one",))
        (line,) = _lines(site.root, demo, kind="delete")
        assert line.undone_by == ""
        assert site.root.undo_change(line.id).runs == 1
        assert site.root.count_runs(_select(demo)) == 3

    def test_what_was_purged_is_gone(self, site: Site, demo: ProjectPath) -> None:
        entry = site.root.delete_runs(_select(demo, "one"), force=True)
        site.root.purge(trash_id=entry.trash_id)
        (deletion,), (purge,) = _lines(site.root, demo, kind="delete"), _lines(site.root, demo, kind="purge")
        assert (purge.trash_id, purge.what) == (entry.trash_id, f"purged 1 run of deletion {entry.trash_id}")
        for line in (deletion, purge):
            with pytest.raises(ConflictError, match="gone for good"):
                site.root.undo_change(line.id)

    def test_a_project_comes_back_by_its_owners_only(self, site: Site, demo: ProjectPath) -> None:
        site.root.delete(site.root.plan_project_deletion(demo, force=True))
        (line,) = _lines(site.root, kind="delete")
        assert (line.project, line.what.partition(":")[0]) == ("demo", f"deleted project {demo} with 3 runs")
        member = site.user("guest")
        site.root.set_member(site.home, "guest", "MEMBER")
        with pytest.raises(PermissionDeniedError):
            member.undo_change(line.id)
        site.root.undo_change(line.id)
        assert site.root.count_runs(_select(demo)) == 3


class TestLines:
    def test_they_say_who_did_what_by_which_door(self, site: Site, demo: ProjectPath) -> None:
        started = site.clock()
        change = _update(site, demo, "one", "two", name="x", config={"lr": 2}, config_removed=("net",))
        line = site.root.get_change(change)
        door = "http" if type(site.root).__name__ == "NativeBackend" else "python"
        assert line == ChangeRecord(
            id=change,
            at_ms=started + 1000,
            by=site.home,
            door=door,
            kind="update",
            workspace=site.home,
            project="demo",
            what="changed 2 runs: name 'x', config 'lr', took away config 'net'",
            runs=2,
            expires_at_ms=started + 1000 + 30 * DAY_MS,
        )
        one, two = site.root.list_changed_runs(change, PageRequest()).items
        assert (one.path, one.name, two.path) == (str(demo.run("one")), "x", str(demo.run("two")))
        assert one.before == {"name": "first", "config.lr": 1, "config.net": {"depth": 2, "width": 3}}
        assert one.after == {"name": "x", "config.lr": 2}

    def test_what_runs_record_of_themselves_is_none(self, site: Site, demo: ProjectPath) -> None:
        count = len(_lines(site.root))
        assert _update(site, demo, "one", name="x", state="FINISHED", by_run=True) == ""
        assert _update(site, demo, "one", state="RUNNING", by_run=True) == ""
        assert len(_lines(site.root)) == count
        assert _update(site, demo, "two", name="y", by_run=True), "it has ended"
        assert _update(site, demo, "one", "two", state="RUNNING", name="z", by_run=True), "no process has two runs"
        for decision in ({"protected": True}, {"pin": True}, {"archived": True}, {"project": "other"}):
            assert _update(site, demo, "one", by_run=True, **decision), "that decides about it"

    def test_only_who_made_a_run_speaks_for_it(self, site: Site, demo: ProjectPath) -> None:
        guest = site.user("guest")
        site.root.set_member(site.home, "guest", "MEMBER")
        for fields in ({"name": "x"}, {"state": "FINISHED"}, {"state": "RUNNING"}, {"config": {"lr": 2}}):
            patch = RunPatch(by_run=True, **fields)
            line = site.root.get_change(guest.update_runs(_select(demo, "one"), patch).change_id)
            assert line.by == "guest"
        own, _ = guest.create_run(RunDraft(demo, id="own"))
        assert guest.update_runs(_select(demo, "own"), RunPatch(name="x", by_run=True)).change_id == ""
        assert site.root.update_runs(_select(demo, "own"), RunPatch(heartbeat_at_ms=1, by_run=True)).change_id == ""
        assert site.root.update_runs(_select(demo, own.id), RunPatch(name="y", by_run=True)).change_id

    def test_what_changes_nothing_is_none(self, site: Site, demo: ProjectPath) -> None:
        assert _update(site, demo, "one", name="first", labels=("b", "a"), config={"lr": 1}, pin=False) == ""
        assert _update(site, demo, heartbeat_at_ms=5) == ""
        change = _update(site, demo, group="g")
        assert [run.path for run in site.root.list_changed_runs(change, PageRequest()).items] == [
            str(demo.run(name)) for name in ("one", "three")
        ]

    def test_kinds_of_changes(self, site: Site, demo: ProjectPath) -> None:
        told: dict[str, tuple[dict[str, Any], str]] = {
            "protect": ({"protected": True, "protected_reason": "good"}, "protected 1 run: good"),
            "unprotect": ({"protected": False}, "unprotected 1 run"),
            "move": ({"project": "other"}, "moved 1 run to other"),
        }
        for kind, (fields, what) in told.items():
            line = site.root.get_change(_update(site, demo, "one", **fields))
            assert (line.kind, line.what) == (kind, what)

    def test_they_are_listed_newest_first_and_chosen(self, site: Site, demo: ProjectPath) -> None:
        made = [_update(site, demo, name, name=f"n {name}") for name in NAMES]
        other = _update(site, demo, "two", project="other")
        run = _find(site, "two")
        assert [line.id for line in _lines(site.root, demo)][:4] == [other, *reversed(made)]
        assert _lines(site.root, ProjectPath(site.home, "other"))[0].id == other
        assert [line.id for line in _lines(site.root, run.path)] == [other, made[1]]
        assert [line.id for line in _lines(site.root, runs=(run.cuid,))] == [other, made[1]]
        assert [line.kind for line in _lines(site.root, site.home, kind="create")] == ["create", "create"]
        assert [line.id for line in _lines(site.root, since_ms=site.clock())] == [other]
        assert _lines(site.root, by="nobody") == []
        assert len(_lines(site.root, by=site.home)) == len(_lines(site.root))
        page = site.root.list_changes(ChangeQuery(str(demo), page=PageRequest(limit=2, with_total=True)))
        rest = site.root.list_changes(ChangeQuery(str(demo), page=PageRequest(cursor=page.next_cursor)))
        assert [line.id for line in (*page.items, *rest.items)] == [line.id for line in _lines(site.root, demo)]
        assert page.total == len(page.items) + len(rest.items)
        with pytest.raises(NotFoundError):
            _lines(site.root, f"{site.home}/nowhere")


class TestRights:
    @pytest.fixture
    def change(self, site: Site, demo: ProjectPath) -> str:
        """A change of a private project."""
        return _update(site, demo, name="x")

    def _guest(self, site: Site, role: Role | None) -> Backend:
        guest = site.user("guest")
        site.root.set_member(site.home, "guest", role)
        return guest

    def test_a_stranger_sees_nothing(self, site: Site, change: str) -> None:
        guest = self._guest(site, None)
        assert _lines(guest) == []
        for call in (
            lambda: guest.get_change(change),
            lambda: guest.list_changed_runs(change, PageRequest()),
            lambda: guest.undo_change(change),
        ):
            with pytest.raises(NotFoundError, match="there is no change"):
                call()

    def test_who_reads_may_read_and_not_take_back(self, site: Site, change: str) -> None:
        guest = self._guest(site, "VIEWER")
        assert guest.get_change(change) == site.root.get_change(change)
        assert _lines(guest) == _lines(site.root)
        for dry_run in (True, False):
            with pytest.raises(PermissionDeniedError):
                guest.undo_change(change, dry_run=dry_run)
        assert site.root.get_change(change).undone_by == ""

    def test_who_writes_may_take_back(self, site: Site, change: str) -> None:
        undone = self._guest(site, "MEMBER").undo_change(change)
        assert (undone.by, _find(site, "one").name) == ("guest", "first")

    def test_of_a_public_project_what_reached_it_alone_is_seen(
        self, site: Site, demo: ProjectPath, change: str
    ) -> None:
        site.root.update_project(demo, ProjectPatch(visibility="PUBLIC"))
        moved = _update(site, demo, "one", project="other")
        guest = self._guest(site, None)
        seen = [line.id for line in _lines(guest, demo)]
        assert change in seen
        assert moved not in seen
        assert moved in [line.id for line in _lines(site.root, demo)]
        assert {line.project for line in _lines(guest, site.home)} == {"demo"}
        with pytest.raises(PermissionDeniedError):
            guest.undo_change(change)

    def test_of_runs_that_went_where_he_may_not_read_a_guest_is_told_nothing(
        self, site: Site, demo: ProjectPath, change: str
    ) -> None:
        site.root.update_project(demo, ProjectPatch(visibility="PUBLIC"))
        guest = self._guest(site, None)

        def told(backend: Backend) -> list[str]:
            return [run.cuid for run in backend.list_changed_runs(change, PageRequest()).items]

        assert told(guest) == told(site.root)
        one, two, three = (_find(site, name).cuid for name in NAMES)
        assert sorted(told(guest)) == sorted([one, two, three])
        _update(site, demo, "one", project="other")
        entry = site.root.delete_runs(_select(demo, "two"), force=True).trash_id
        assert told(guest) == [three]
        assert told(self._guest(site, "VIEWER")) == told(site.root)
        site.root.restore(entry)
        assert two in told(guest)

    def test_who_may_not_publish_a_project_may_not_take_that_back(self, site: Site, demo: ProjectPath) -> None:
        site.root.update_project(demo, ProjectPatch(visibility="PUBLIC"))
        (line,) = _lines(site.root, kind="project")
        with pytest.raises(PermissionDeniedError):
            self._guest(site, "MEMBER").undo_change(line.id)
        site.root.undo_change(line.id)
        assert site.root.get_project(demo).visibility == "PRIVATE"
