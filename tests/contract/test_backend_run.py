"""What every backend does with runs: making, finding, reading and changing them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
from support.backend import Site
from support.recording import line, points

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.account import UserPatch, UserRef
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection

CONFIG: dict[str, Any] = {
    "lr": 0.001,
    "big": 2**80,
    "model": {"width": 8, "layers": [1, {"a": None}], "empty": {}},
    "nan": math.inf,
    "text": "Ünï\ncode '\"",
    "dotted.key": True,
}


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project of the administrator's."""
    return site.project()


def _select(path: ProjectPath, *ids: str) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None)


def _make(site: Site, path: ProjectPath, run_id: str, **fields: Any) -> RunRecord:
    return site.root.create_run(RunDraft(path, id=run_id, **fields))[0]


class TestMaking:
    def test_a_run_keeps_what_it_was_made_of(self, site: Site, demo: ProjectPath) -> None:
        profile = Profile({"git": {"commit": "ab12"}}, "numpy==2.0\n", "name: base")
        draft = RunDraft(
            demo,
            id="Run 1 é",
            name="first",
            description="Ü",
            state="FINISHED",
            labels=("b", "a", "b"),
            group="g",
            job_type="train",
            colors=("#fff", "#000"),
            config=CONFIG,
            profile=profile,
            created_at_ms=1_000,
            finished_at_ms=2_000,
        )
        made, created = site.root.create_run(draft)
        assert created
        assert made.path == demo.run("Run 1 é")
        assert made.config == CONFIG
        assert made == attrs.evolve(
            made,
            name="first",
            description="Ü",
            state="FINISHED",
            labels=("b", "a"),
            group="g",
            job_type="train",
            colors=("#fff", "#000"),
            profile=profile,
            created_at_ms=1_000,
            updated_at_ms=site.clock(),
            finished_at_ms=2_000,
            summary={},
            user=UserRef(site.home, site.root.get_user().name),
        )
        assert site.root.get_run(made.path) == made
        assert site.root.get_run(demo.run(made.cuid)) == made
        assert made.project_cuid == site.root.get_project(demo).cuid

    def test_without_an_id_it_gets_one(self, site: Site, demo: ProjectPath) -> None:
        first, second = (site.root.create_run(RunDraft(demo))[0] for _ in range(2))
        assert first.id == first.cuid != second.id
        assert len(first.cuid) == 21
        assert (first.state, first.created_at_ms, first.finished_at_ms) == ("RUNNING", site.clock(), None)
        assert (first.config, first.summary, first.profile, first.show, first.pin) == ({}, {}, Profile(), True, False)

    def test_a_final_state_has_an_end(self, site: Site, demo: ProjectPath) -> None:
        assert _make(site, demo, "a", state="CRASHED").finished_at_ms == site.clock()
        assert _make(site, demo, "b", state="OFFLINE").finished_at_ms is None
        assert _make(site, demo, "c", state="RUNNING", finished_at_ms=5).finished_at_ms is None

    def test_a_missing_project_is_made_when_asked(self, site: Site) -> None:
        path = ProjectPath(site.home, "new")
        with pytest.raises(NotFoundError):
            site.root.create_run(RunDraft(path))
        made, created = site.root.create_run(RunDraft(path, create_project=True))
        assert created
        assert made.project == "new"
        site.root.create_run(RunDraft(path, create_project=True))
        count = site.root.get_project(path).count
        assert count is not None
        assert count.experiments == 2
        with pytest.raises(NotFoundError):
            site.root.create_run(RunDraft(ProjectPath("nobody", "new"), create_project=True))

    def test_a_taken_id_is_a_conflict(self, site: Site, demo: ProjectPath) -> None:
        _make(site, demo, "one")
        with pytest.raises(ConflictError):
            _make(site, demo, "one")
        assert site.root.count_runs(_select(demo)) == 1

    def test_a_taken_id_may_be_kept(self, site: Site, demo: ProjectPath) -> None:
        made = _make(site, demo, "one", state="FINISHED", config={"a": 1})
        site.clock.advance(1000)
        kept, created = site.root.create_run(RunDraft(demo, id="one", name="x", config={"b": 2}, if_exists="keep"))
        assert (kept, created) == (made, False)

    def test_a_taken_id_may_be_resumed(self, site: Site, demo: ProjectPath) -> None:
        profile = Profile({"a": 1}, "old", "conda")
        first = _make(
            site,
            demo,
            "one",
            name="n",
            labels=("x",),
            config={"a": {"b": 1, "c": 2}, "d": 3, "e.f": 4},
            profile=profile,
        )
        site.root.update_runs(_select(demo, "one"), RunPatch(state="CRASHED", error="boom"))
        site.clock.advance(1000)
        draft = RunDraft(
            demo,
            id="one",
            description="again",
            labels=("y", "x"),
            config={"a": {"c": 5}, "d": {"g": 6}, "e.f": 7},
            profile=Profile({"b": 2}),
            if_exists="resume",
        )
        resumed, created = site.root.create_run(draft)
        assert not created
        assert resumed.config == {"a": {"b": 1, "c": 5}, "d": {"g": 6}, "e.f": 7}
        assert resumed.profile == Profile({"b": 2}, "old", "conda")
        assert (resumed.cuid, resumed.name, resumed.description) == (first.cuid, "n", "again")
        assert (resumed.state, resumed.finished_at_ms, resumed.error) == ("RUNNING", None, "")
        assert resumed.labels == ("x", "y")
        assert resumed.created_at_ms == first.created_at_ms
        assert site.root.get_run(first.path) == resumed

    def test_many_at_once_make_one(self, site: Site, demo: ProjectPath) -> None:
        draft = RunDraft(demo, id="one", if_exists="keep")
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: site.root.create_run(draft), range(16)))
        assert sum(created for _, created in made) == 1
        assert len({run.cuid for run, _ in made}) == 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"id": "a/b"},
            {"id": ""},
            {"id": "x" * 513},
            {"state": "DONE"},
            {"labels": ("",)},
            {"labels": ("x" * 501,)},
            {"name": "\x00"},
            {"created_at_ms": -1},
            {"created_at_ms": 10**15},
            {"if_exists": "maybe"},
        ],
        ids=str,
    )
    def test_a_draft_out_of_bounds_is_refused(self, site: Site, demo: ProjectPath, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            site.root.create_run(RunDraft(demo, **wrong))
        assert site.root.count_runs(_select(demo)) == 0

    def test_configs_of_any_json_are_kept(self, site: Site, demo: ProjectPath) -> None:
        deep: dict[str, Any] = {}
        inner = deep
        for _ in range(40):
            inner["x"] = {}
            inner = inner["x"]
        config = {"": 1, ".": 2, "a..b": 3, "k" * 2000: 4, "nul": "a\x00b", "deep": deep, "x.y": 1, "x": {"y": 2}}
        assert _make(site, demo, "one", config=config).config == config
        assert site.root.get_run(demo.run("one")).config == config


class TestReading:
    def test_what_is_not_there_is_not_found(self, site: Site, demo: ProjectPath) -> None:
        for path in (demo.run("none"), RunPath(site.home, "nowhere", "x"), RunPath("nobody", "demo", "x")):
            with pytest.raises(NotFoundError):
                site.root.get_run(path)
        for selection in (RunSelection(site.home, "nowhere"), RunSelection("nobody")):
            with pytest.raises(NotFoundError):
                site.root.list_runs(RunQuery(selection))
            with pytest.raises(NotFoundError):
                site.root.count_runs(selection)

    def test_an_id_goes_before_a_cuid(self, site: Site, demo: ProjectPath) -> None:
        first = _make(site, demo, "first")
        second = _make(site, demo, first.cuid)
        assert site.root.get_run(demo.run(first.cuid)).cuid == second.cuid
        assert [run.cuid for run in site.root.list_runs(RunQuery(_select(demo, first.cuid))).items] == [second.cuid]

    def test_a_summary_is_the_last_value_of_each_plain_series(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one").path
        series = (
            points("loss", [(2, 0, 0.5, None), (1, 0, 9.0, None)]),
            points("nan", [(1, 0, math.nan, None)]),
            points("inf", [(1, 0, -math.inf, None)]),
            line("gpu", 3, column_class="SYSTEM"),
            line("loss", 3, context=(("split", "val"),)),
        )
        site.root.append(Batch(run, series))
        summary = site.root.get_run(run).summary
        assert summary is not None
        assert math.isnan(summary.pop("nan"))
        assert summary == {"loss": 0.5, "inf": -math.inf, "gpu": 2.0}

    def test_a_record_names_its_user_as_they_are_called_now(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one")
        site.root.update_user(UserPatch(name="New Name"))
        assert site.root.get_run(run.path).user == UserRef(site.home, "New Name")


class TestChanging:
    def test_plain_fields_change(self, site: Site, demo: ProjectPath) -> None:
        before = _make(site, demo, "one")
        site.clock.advance(1000)
        patch = RunPatch(
            name="n", description="d", group="g", job_type="j", show=False, baseline=True, archived=True,
            colors=("#1", "#2"), error="e", heartbeat_at_ms=7,
        )  # fmt: skip
        assert site.root.update_runs(_select(demo, "one"), patch).updated == 1
        after = site.root.get_run(before.path)
        expected = attrs.evolve(
            before, name="n", description="d", group="g", job_type="j", show=False, baseline=True, archived=True,
            colors=("#1", "#2"), error="e", heartbeat_at_ms=site.clock(), updated_at_ms=site.clock(),
        )  # fmt: skip
        assert after == expected
        site.root.update_runs(_select(demo, "one"), RunPatch(name="", show=True, colors=()))
        after = site.root.get_run(before.path)
        assert (after.name, after.show, after.colors, after.description) == ("", True, (), "d")

    def test_an_empty_patch_changes_nothing(self, site: Site, demo: ProjectPath) -> None:
        before = _make(site, demo, "one")
        site.clock.advance(1000)
        assert site.root.update_runs(_select(demo), RunPatch()).updated == 1
        assert site.root.update_runs(_select(demo), RunPatch(heartbeat_at_ms=site.clock())).updated == 1
        assert site.root.get_run(before.path) == attrs.evolve(before, heartbeat_at_ms=site.clock())
        assert site.root.update_runs(RunSelection(demo.workspace, demo.project, ()), RunPatch(name="x")).updated == 0

    def test_states_and_ends_belong_together(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one").path

        def change(**fields: Any) -> int | None:
            site.clock.advance(1000)
            site.root.update_runs(_select(demo), RunPatch(**fields))
            return site.root.get_run(run).finished_at_ms

        ended = change(state="FINISHED")
        assert ended == site.clock()
        assert change(state="CRASHED") == ended
        assert change(finished_at_ms=123) == 123
        assert change(state="RUNNING") is None
        assert change(state="ABORTED", finished_at_ms=456) == 456
        assert change(state="OFFLINE") == 456
        assert change(state="RUNNING", finished_at_ms=5) is None

    def test_a_run_that_goes_on_has_no_error(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one").path
        site.root.update_runs(_select(demo, "one"), RunPatch(state="CRASHED", error="boom"))
        assert site.root.get_run(run).error == "boom"
        site.root.update_runs(_select(demo, "one"), RunPatch(state="RUNNING"))
        assert site.root.get_run(run).error == ""

    def test_pinning_notes_the_time(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one").path
        pinned = []
        for pin in (True, True, False, True):
            site.root.update_runs(_select(demo), RunPatch(pin=pin))
            pinned.append(site.root.get_run(run).pinned_at_ms)
            site.clock.advance(1000)
        begin = pinned[0]
        assert begin is not None
        assert pinned == [begin, begin, None, begin + 3000]

    @pytest.mark.parametrize(
        ("patch", "expected"),
        [
            ({"config": {"a": 2}}, {"a": 2, "m": {"w": 1, "h": {"d": 2}}}),
            ({"config": {"m.w": 5}}, {"a": 1, "m": {"w": 5, "h": {"d": 2}}}),
            ({"config": {"m.h": 5}}, {"a": 1, "m": {"w": 1, "h": 5}}),
            ({"config": {"a.b.c": 5}}, {"a": {"b": {"c": 5}}, "m": {"w": 1, "h": {"d": 2}}}),
            ({"config": {"m": {"h": {"e": 3}}}}, {"a": 1, "m": {"w": 1, "h": {"d": 2, "e": 3}}}),
            ({"config": {"m": None}}, {"a": 1, "m": None}),
            ({"config_removed": ("m.h.d",)}, {"a": 1, "m": {"w": 1}}),
            ({"config_removed": ("m", "none", "a.b")}, {"a": 1}),
            ({"config_removed": ("m",), "config": {"m.x": 1}}, {"a": 1, "m": {"x": 1}}),
        ],
        ids=str,
    )
    def test_dotted_keys_change_one_by_one(
        self, site: Site, demo: ProjectPath, patch: dict[str, Any], expected: dict[str, Any]
    ) -> None:
        run = _make(site, demo, "one", config={"a": 1, "m": {"w": 1, "h": {"d": 2}}}).path
        site.root.update_runs(_select(demo), RunPatch(**patch))
        assert site.root.get_run(run).config == expected

    def test_labels_change(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one", labels=("a", "b", "c")).path
        for patch, expected in (
            (RunPatch(labels_added=("d", "a")), ("a", "b", "c", "d")),
            (RunPatch(labels_removed=("b", "none")), ("a", "c", "d")),
            (RunPatch(labels=("z", "a", "z")), ("z", "a")),
            (RunPatch(labels=("x", "y"), labels_added=("w",), labels_removed=("x",)), ("y", "w")),
            (RunPatch(labels=()), ()),
        ):
            site.root.update_runs(_select(demo), patch)
            assert site.root.get_run(run).labels == expected

    def test_sections_of_a_profile_change_alone(self, site: Site, demo: ProjectPath) -> None:
        run = _make(site, demo, "one").path
        site.root.update_runs(_select(demo), RunPatch(profile=Profile(requirements="a")))
        site.root.update_runs(_select(demo), RunPatch(profile=Profile({"x": 1})))
        site.root.update_runs(_select(demo), RunPatch(profile=Profile(requirements="b")))
        assert site.root.get_run(run).profile == Profile({"x": 1}, "b")

    def test_all_or_none(self, site: Site, demo: ProjectPath) -> None:
        for name in ("one", "two", "three"):
            _make(site, demo, name)
        with pytest.raises(NotFoundError, match="four"):
            site.root.update_runs(_select(demo, "one", "four"), RunPatch(name="x"))
        assert site.root.get_run(demo.run("one")).name == ""
        assert site.root.update_runs(_select(demo, "one", "two", "one"), RunPatch(name="x")).updated == 2
        assert [site.root.get_run(demo.run(name)).name for name in ("one", "two", "three")] == ["x", "x", ""]

    def test_runs_move_between_projects(self, site: Site, demo: ProjectPath) -> None:
        other = site.project("other")
        run = _make(site, demo, "one", config={"a": 1})
        assert site.root.update_runs(_select(demo, "one"), RunPatch(project="other")).updated == 1
        moved = site.root.get_run(other.run("one"))
        assert (moved.cuid, moved.config, moved.project) == (run.cuid, {"a": 1}, "other")
        with pytest.raises(NotFoundError):
            site.root.get_run(run.path)
        _make(site, demo, "one")
        _make(site, demo, "two")
        with pytest.raises(ConflictError):
            site.root.update_runs(_select(demo), RunPatch(project="other"))
        assert site.root.count_runs(_select(demo)) == 2
        with pytest.raises(NotFoundError):
            site.root.update_runs(_select(demo), RunPatch(project="nowhere"))

    @pytest.mark.parametrize(
        "wrong",
        [{"state": "DONE"}, {"labels_added": ("",)}, {"name": "\x00"}, {"finished_at_ms": -5}, {"project": "a/b"}],
        ids=str,
    )
    def test_a_patch_out_of_bounds_is_refused(self, site: Site, demo: ProjectPath, wrong: dict[str, Any]) -> None:
        before = _make(site, demo, "one")
        with pytest.raises(ValidationError):
            site.root.update_runs(_select(demo), RunPatch(**wrong))
        assert site.root.get_run(before.path) == before

    def test_workspaces_change_as_a_whole(self, site: Site, demo: ProjectPath) -> None:
        other = site.root.create_project(ProjectDraft("other")).path
        for path in (demo, other):
            _make(site, path, "one")
        assert site.root.update_runs(RunSelection(site.home, ids=("one",)), RunPatch(group="all")).updated == 2
        assert {site.root.get_run(path.run("one")).group for path in (demo, other)} == {"all"}


def test_runs_that_make_their_project_at_once_share_it(site: Site) -> None:
    path = ProjectPath(site.home, "shared")

    def make(number: int) -> str:
        return site.root.create_run(RunDraft(path, id=f"run-{number}", create_project=True))[0].project_cuid

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(make, range(8)))) == 1
    assert site.root.count_runs(RunSelection(path.workspace, path.project)) == 8
