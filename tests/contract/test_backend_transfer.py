"""What every backend does with runs that go to another project, and with projects that get another name."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.recording import line, points

from runatlas.backends.contract import Backend
from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, RunAtlasError, ValidationError
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.change import ChangeQuery
from runatlas.model.data_cut import DataCut
from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogDraft, LogQuery
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.registry import ModelVersionDraft
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.series import PointQuery
from runatlas.model.transfer import TransferDraft, TransferPlanRecord, TransferRecord

# A SwanLab server has no way to do any of this.
pytestmark = pytest.mark.parametrize("site", ["local", "native"], indirect=True)

FOLDERS = {"run-0": "", "run-1": "/sweeps/lr", "run-2": "/sweeps"}


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project with runs that hold something of everything, and some of them in folders."""
    project = site.project()
    top = site.inside.create_folder(project, "sweeps")
    ids = {"": "", "/sweeps": top.id, "/sweeps/lr": site.inside.create_folder(project, "lr", top.id).id}
    for name, folder in FOLDERS.items():
        fill(site.inside, project, name)
        site.inside.update_runs(select(project, name), RunPatch(folder_id=ids[folder]))
    return project


@pytest.fixture
def other(site: Site) -> ProjectPath:
    """A project to go to, which has one of the folders."""
    project = site.project("other")
    site.inside.create_folder(project, "sweeps")
    return project


def fill(backend: Backend, project: ProjectPath, run_id: str) -> RunRecord:
    """Make a run that holds something of everything."""
    profile = Profile({"gpu": {"name": run_id}}, requirements="numpy==2.0")
    config = {"n": run_id, "opt": {"lr": 0.5}}
    draft = RunDraft(project, id=run_id, state="FINISHED", labels=("x", "a"), config=config, profile=profile)
    run, _ = backend.create_run(draft)
    blob = backend.put_blob(project, io.BytesIO(run_id.encode()))
    picture = MediaItem("media/a.png", sha256=blob.sha256, size=blob.size, mime_type="image/png")
    rows = [(1, 5, 0.5, None), (1, 6, float("nan"), None), (3, 7, float("inf"), None)]
    backend.append(
        Batch(
            run.path,
            (line("loss", 10), points("odd", rows, context=(("split", "val"),))),
            media=(MediaDraft("img", 0, (picture,), "IMAGE"),),
            artifacts=(ArtifactDraft("weights.bin", blob.sha256, blob.size),),
            logs=(LogDraft("begun", line=1, time_ms=7),),
        )
    )
    backend.create_annotation(run.path, AnnotationDraft(f"the note on {run_id}"))
    return run


def select(path: ProjectPath, *ids: str, **narrowed: Any) -> RunSelection:
    return RunSelection(path.workspace, path.project, ids or None, **narrowed)


def plan_move(site: Site, path: ProjectPath, target: ProjectPath, *ids: str, **more: Any) -> TransferPlanRecord:
    return site.root.plan_transfer(TransferDraft("move", str(target), select(path, *ids), **more))


def move(site: Site, path: ProjectPath, target: ProjectPath, *ids: str, **more: Any) -> TransferRecord:
    return site.root.transfer(plan_move(site, path, target, *ids, **more))


def content(backend: Backend, path: RunPath, run: RunRecord | None = None) -> dict[str, Any]:
    """All that can be read of a run, whose record may have been read already."""
    chosen = RunSelection(path.workspace, path.project, (path.run,))
    block = backend.read_points(PointQuery(chosen))
    media = backend.list_media(path, MediaQuery(("img",)))
    notes = backend.list_annotations(path, AnnotationQuery()).items
    run = run or backend.get_run(path)
    folders = {folder.id: folder.path for folder in backend.list_folders(path.project_path)} if run.folder_id else {}
    return {
        "run": attrs.evolve(run, updated_at_ms=0, folder_id=None),
        "folder": folders.get(run.folder_id or "", ""),
        "points": (repr(block.steps.to_pylist()), repr(block.values.to_pylist()), repr(block.times_ms.to_pylist())),
        "series": [(series.key, series.context, series.length) for series in block.series],
        "media": [
            (record.key, record.step, [(item.path, item.sha256) for item in record.items]) for record in media.items
        ],
        "logs": backend.read_logs(path, LogQuery()).logs,
        "artifacts": [(file.name, file.sha256) for file in backend.list_artifacts(path, PageRequest()).items],
        "notes": [(note.text, note.author) for note in notes],
    }


def everything(site: Site) -> tuple[dict[str, Any], ...]:
    """All that can be read of all runs."""
    found = site.inside.list_runs(RunQuery(RunSelection(site.home), parts=("config", "summary", "profile"))).items
    return tuple(content(site.inside, run.path, run) for run in found)


class TestMoving:
    def test_a_plan_tells_what_would_go_where(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        before = everything(site)
        plan = plan_move(site, demo, other, "run-1", "run-0", "none")
        assert (plan.kind, plan.target, plan.total, plan.missing) == ("move", str(other), 2, ("none",))
        told = [(item.path, item.target, item.folder, item.state, item.in_way, item.points) for item in plan.items]
        assert told == [
            (f"{demo}/{name}", f"{other}/{name}", FOLDERS[name], "FINISHED", "", 13) for name in ("run-1", "run-0")
        ]
        assert plan.folders == ("/sweeps/lr",), "the other one is there"
        assert everything(site) == before

    def test_runs_keep_all_that_they_are(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        before = {name: content(site.inside, demo.run(name)) for name in FOLDERS}
        key = site.root.create_ingestion_key(demo.run("run-1"), "writer")
        version = site.root.create_model_version(ModelVersionDraft("best", str(demo.run("run-1")), "weights.bin"))
        site.clock.advance(1000)
        done = move(site, demo, other, "run-1", "run-2")
        assert (done.kind, done.target) == ("move", str(other))
        assert done.runs == tuple(before[name]["run"].cuid for name in ("run-1", "run-2"))
        assert site.root.count_runs(select(demo)) == 1
        for name in ("run-1", "run-2"):
            found = content(site.inside, other.run(name))
            as_before = attrs.evolve(
                before[name]["run"], project=other.project, project_cuid=site.root.get_project(other).cuid
            )
            assert found == {**before[name], "run": as_before}
            assert site.root.get_run(other.run(name)).updated_at_ms == site.clock()
        assert [held.id for held in site.root.list_ingestion_keys(other.run("run-1"))] == [key.key.id]
        assert site.root.list_model_versions(site.home, version.model)[0].run == str(other.run("run-1"))
        folders = {folder.path: folder.runs for folder in site.root.list_folders(other)}
        assert folders == {"/sweeps": 1, "/sweeps/lr": 1}
        with pytest.raises(NotFoundError):
            site.root.get_run(demo.run("run-1"))

    def test_it_is_taken_back(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        before = everything(site)
        done = move(site, demo, other)
        line = site.root.get_change(done.change_id)
        assert (line.kind, line.runs) == ("move", 3)
        assert line.what.endswith(f"to {other}")
        site.root.undo_change(done.change_id)
        assert everything(site) == before

    def test_what_it_has_can_be_named_where_it_went(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        move(site, demo, other, "run-1")
        (file,) = site.root.list_artifacts(other.run("run-1"), PageRequest()).items
        site.inside.append(Batch(other.run("run-1"), artifacts=(ArtifactDraft("again.bin", file.sha256 or "", 5),)))
        assert len(site.root.list_artifacts(other.run("run-1"), PageRequest()).items) == 2

    def test_a_key_of_the_run_writes_on(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        key = site.root.create_ingestion_key(demo.run("run-1"), "writer")
        move(site, demo, other, "run-1")
        caller = site.services.ingestion_keys.authenticate(key.secret)
        assert caller is not None
        site.services.recording.append(caller, Batch(other.run("run-1"), (line("more", 3),)))
        assert content(site.inside, other.run("run-1"))["series"][-1] == ("odd", (("split", "val"),), 3)

    def test_an_id_that_is_taken_is_named_and_keeps_all(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        taken, _ = site.inside.create_run(RunDraft(other, id="run-1", state="FINISHED"))
        before = everything(site)
        plan = plan_move(site, demo, other)
        assert {item.cuid: bool(item.in_way) for item in plan.items} == {
            site.root.get_run(demo.run(name)).cuid: name == "run-1" for name in FOLDERS
        }
        assert plan.refusal is not None
        for refused in (plan, attrs.evolve(plan, items=tuple(attrs.evolve(item, in_way="") for item in plan.items))):
            with pytest.raises(ConflictError, match=f"nothing was moved: .*{other} has a run 'run-1' already"):
                site.root.transfer(refused)
        assert everything(site) == before
        site.root.delete_runs(select(other, taken.id))
        assert len(move(site, demo, other).runs) == 3

    def test_runs_of_several_projects_go_together(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        fill(site.inside, other, "theirs")
        target = site.project("all")
        wide = RunSelection(site.home, filter=Comparison(Field("STABLE", "state"), "EQ", "FINISHED"))
        plan = site.root.plan_transfer(TransferDraft("move", str(target), wide))
        assert len(site.root.transfer(plan).runs) == 4
        fill(site.inside, other, "run-1")
        back = site.root.plan_transfer(TransferDraft("move", str(demo), RunSelection(site.home, ids=("run-1",))))
        assert [bool(item.in_way) for item in back.items] == [True, True]
        with pytest.raises(ConflictError, match="several of the runs have the id 'run-1'"):
            site.root.transfer(back)

    def test_a_project_can_be_made_for_them(self, site: Site, demo: ProjectPath) -> None:
        target = ProjectPath(site.home, "new")
        with pytest.raises(NotFoundError, match=str(target)):
            plan_move(site, demo, target)
        plan = plan_move(site, demo, target, "run-1", create=True)
        assert (plan.target_cuid, plan.folders) == ("", ("/sweeps", "/sweeps/lr"))
        with pytest.raises(NotFoundError):
            site.root.get_project(target)
        site.root.transfer(plan)
        assert content(site.inside, target.run("run-1"))["folder"] == "/sweeps/lr"

    def test_those_that_are_there_already_stay(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        move(site, demo, other, "run-1")
        wide = site.root.plan_transfer(
            TransferDraft("move", str(other), RunSelection(site.home, ids=("run-0", "run-1")))
        )
        assert [item.path for item in wide.items] == [f"{demo}/run-0"]
        assert wide.notes == (f"1 of the runs are in {other} already",)
        nothing = plan_move(site, other, other)
        assert site.root.transfer(nothing) == TransferRecord("move", str(other))

    def test_a_mistyped_key_is_noted(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        wanted = Comparison(Field("CONFIG", "nn"), "NEQ", "x")
        plan = site.root.plan_transfer(TransferDraft("move", str(other), select(demo, filter=wanted)))
        assert (plan.total, len(plan.notes)) == (3, 1)
        assert "'nn'" in plan.notes[0]

    def test_a_missing_id_stops_everything(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        before = everything(site)
        with pytest.raises(NotFoundError, match="none"):
            move(site, demo, other, "run-1", "none")
        assert everything(site) == before

    def test_protected_runs_move(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        site.root.update_runs(select(demo, "run-1"), RunPatch(protected=True, protected_reason="good", pin=True))
        move(site, demo, other, "run-1")
        found = site.root.get_run(other.run("run-1"))
        assert (found.protected, found.protected_reason, found.pin) == (True, "good", True)

    @pytest.mark.parametrize(
        "change",
        [
            lambda site, demo, _: site.root.delete_runs(select(demo, "run-2")),
            lambda site, demo, _: site.root.update_runs(select(demo, "run-2"), RunPatch(project="third")),
            lambda site, demo, _: site.root.update_project(demo, ProjectPatch(name="renamed")),
            lambda site, _, other: site.root.update_project(other, ProjectPatch(name="renamed")),
            lambda site, _, other: site.root.delete_project(other),
            lambda site, _, other: (site.root.delete_project(other), site.project("other")),
            lambda site, _, other: site.inside.create_run(RunDraft(other, id="run-2", state="FINISHED")),
        ],
        ids=("deleted", "moved", "renamed", "target renamed", "target deleted", "target another", "id taken"),
    )
    def test_a_plan_out_of_date_moves_nothing(
        self, site: Site, demo: ProjectPath, other: ProjectPath, change: Callable[..., object]
    ) -> None:
        site.project("third")
        plan = plan_move(site, demo, other, "run-1", "run-2")
        change(site, demo, other)
        before = everything(site)
        with pytest.raises((ConflictError, NotFoundError)) as caught:
            site.root.transfer(plan)
        assert any(name in caught.value.message for name in ("run-2", str(demo), str(other)))
        assert everything(site) == before

    def test_a_plan_works_once(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        plan = plan_move(site, demo, other, "run-1")
        site.root.transfer(plan)
        with pytest.raises(ConflictError, match=rf"{demo}/run-1 \(now {other}/run-1\)"):
            site.root.transfer(plan)

    def test_a_forged_plan_moves_nothing(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        ann = site.user("ann")
        hers, _ = ann.create_run(RunDraft(ann.create_project(ProjectDraft("hers")).path, id="run-1"))
        plan = plan_move(site, demo, other, "run-1")
        before = everything(site)
        (item,) = plan.items
        for forged in (
            attrs.evolve(plan, items=(attrs.evolve(item, cuid=hers.cuid),)),
            attrs.evolve(plan, items=plan.items * 2),
            attrs.evolve(plan, items=(attrs.evolve(item, path="nonsense"),)),
            attrs.evolve(plan, target=str(hers.project_path), target_cuid=""),
            attrs.evolve(plan, target="nonsense"),
            attrs.evolve(plan, kind="rename"),
        ):
            with pytest.raises((ConflictError, ValidationError)):
                site.root.transfer(forged)
        assert everything(site) == before
        assert ann.get_run(hers.path).cuid == hers.cuid

    def test_who_may_not_write_moves_nothing(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        viewer, stranger = site.user("vic"), site.user("sam")
        site.root.set_member(site.home, "vic", "VIEWER")
        plan = plan_move(site, demo, other, "run-1")
        draft = TransferDraft("move", str(other), select(demo))
        refusals: dict[str, tuple[Backend, type[RunAtlasError]]] = {
            "vic": (viewer, PermissionDeniedError),
            "sam": (stranger, NotFoundError),
        }
        for backend, error in refusals.values():
            with pytest.raises(error):
                backend.plan_transfer(draft)
            with pytest.raises(error):
                backend.transfer(plan)
        assert site.root.count_runs(select(demo)) == 3

    def test_runs_stay_in_their_workspace(self, site: Site, demo: ProjectPath) -> None:
        site.root.create_workspace("lab")
        target = site.root.create_project(ProjectDraft("theirs", "lab")).path
        for call in (
            lambda: plan_move(site, demo, target),
            lambda: site.root.transfer(attrs.evolve(plan_move(site, demo, site.project("x")), target=str(target))),
        ):
            with pytest.raises(ValidationError, match="is not of the workspace"):
                call()

    @pytest.mark.parametrize("target", ["", "x", "a/b/c", "a/..", "a/" + "b" * 101, "a/b\x00"])
    def test_what_is_no_path_is_told(self, site: Site, demo: ProjectPath, target: str) -> None:
        with pytest.raises(ValidationError, match="target"):
            site.root.plan_transfer(TransferDraft("move", target, select(demo)))

    def test_a_draft_without_runs_is_told(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(ValidationError, match="runs"):
            site.root.plan_transfer(TransferDraft("move", str(demo)))
        with pytest.raises(ValidationError, match="project"):
            site.root.plan_transfer(TransferDraft("rename", str(demo)))


def test_there_and_back_changes_nothing(site: Site, demo: ProjectPath, other: ProjectPath) -> None:
    """Wherever runs go, in whatever steps, all is as before once each is where it was."""
    before = everything(site)
    steps = st.lists(st.tuples(st.sampled_from(sorted(FOLDERS)), st.booleans()), max_size=5)

    @settings(max_examples=examples(10), suppress_health_check=list(HealthCheck))
    @given(steps)
    def check(steps: list[tuple[str, bool]]) -> None:
        for name, there in [*steps, *((name, False) for name in FOLDERS)]:
            source, target = (demo, other) if there else (other, demo)
            if site.root.count_runs(select(source, search=name)):
                move(site, source, target, name)
        assert everything(site) == before

    check()


def plan_copy(site: Site, path: ProjectPath, target: ProjectPath | str, *ids: str, **more: Any) -> TransferPlanRecord:
    return site.root.plan_transfer(TransferDraft("copy", str(target), select(path, *ids), **more))


def as_copied(held: dict[str, Any], copy: dict[str, Any]) -> dict[str, Any]:
    """What of an original is another thing with its copy, in its place."""
    own = {name: getattr(copy["run"], name) for name in ("workspace", "project", "id", "cuid", "project_cuid")}
    kept = {"pin": False, "pinned_at_ms": None, "baseline": False, "protected": False, "protected_reason": ""}
    return {**held, "run": attrs.evolve(held["run"], **own, **kept)}


class TestCopying:
    def test_a_copy_is_what_its_original_is(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        site.root.update_runs(select(demo, "run-1"), RunPatch(pin=True, protected=True, protected_reason="good"))
        site.root.create_ingestion_key(demo.run("run-1"), "writer")
        before, usage = everything(site), site.root.get_usage()
        plan = plan_copy(site, demo, other, "run-1", "run-2", "run-0")
        assert [(item.target, item.folder, item.in_way) for item in plan.items] == [
            (f"{other}/{name}", FOLDERS[name], "") for name in ("run-1", "run-2", "run-0")
        ]
        site.clock.advance(1000)
        done = site.root.copy_runs(plan)
        assert (done.kind, done.target, len(set(done.runs))) == ("copy", str(other), 3)
        for name in FOLDERS:
            held, copy = content(site.inside, demo.run(name)), content(site.inside, other.run(name))
            assert copy["run"].cuid in done.runs
            assert copy == as_copied(held, copy)
            assert site.root.get_run(other.run(name)).updated_at_ms == site.clock()
        assert site.root.list_ingestion_keys(other.run("run-1")) == ()
        assert [held for held in everything(site) if held["run"].project == demo.project] == list(before)
        now = site.root.get_usage()
        assert (now.runs, now.points, now.blobs, now.blob_bytes) == (6, 2 * usage.points, 3, usage.blob_bytes)
        assert {folder.path: folder.runs for folder in site.root.list_folders(other)} == {
            "/sweeps": 1,
            "/sweeps/lr": 1,
        }

    def test_copies_live_their_own_lives(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        held = content(site.inside, demo.run("run-1"))
        site.root.copy_runs(plan_copy(site, demo, other, "run-1"))
        copy = other.run("run-1")
        site.inside.append(Batch(copy, (line("loss", 5, start=10),), writer="w", sequence=1))
        site.root.update_runs(select(other, "run-1"), RunPatch(config={"opt.lr": 1.0}, labels=("new",)))
        assert content(site.inside, demo.run("run-1")) == held
        site.root.delete_runs(select(demo, "run-1"))
        site.clock.advance(40 * 24 * 3600 * 1000)
        site.root.purge()
        (file,) = site.root.list_artifacts(copy, PageRequest()).items
        assert b"".join(site.root.open_link(str(file.url))) == b"run-1"
        assert content(site.inside, copy)["series"][0] == ("loss", (), 15)

    def test_what_was_changed_of_the_original_is_no_change_of_the_copy(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        change = site.root.update_runs(select(demo, "run-1"), RunPatch(name="wrong")).change_id
        site.root.copy_runs(plan_copy(site, demo, other, "run-1"))
        site.root.update_runs(select(other, "run-1"), RunPatch(name="mine"))
        assert [run.path for run in site.root.list_changed_runs(change, PageRequest()).items] == [f"{demo}/run-1"]
        site.root.undo_change(change)
        assert site.root.get_run(demo.run("run-1")).name != "wrong"
        assert site.root.get_run(other.run("run-1")).name == "mine"

    def test_long_series_are_copied_chunk_by_chunk(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        run = demo.run("run-1")
        for first in range(0, 60_000, 20_000):
            site.inside.append(Batch(run, (line("long", 20_000, start=first, value=lambda step: 0.1 * step),)))
        site.root.copy_runs(plan_copy(site, demo, other, "run-1"))
        held, copy = content(site.inside, run), content(site.inside, other.run("run-1"))
        assert copy == as_copied(held, copy)

    def test_a_suffix_tells_copies_apart(self, site: Site, demo: ProjectPath) -> None:
        taken = [f"{demo} has a run {name!r} already" for name in ("run-1", "run-2")]
        with pytest.raises(ConflictError) as caught:
            site.root.copy_runs(plan_copy(site, demo, demo, "run-1", "run-2"))
        told = "nothing was copied: copy with suffix='-copy' or another to tell the copies apart; "
        assert caught.value.message == told + "; ".join(taken), "what to do is said once"
        site.root.copy_runs(plan_copy(site, demo, demo, "run-1", suffix="-again"))
        copy = content(site.inside, demo.run("run-1-again"))
        assert copy == as_copied(content(site.inside, demo.run("run-1")), copy)
        again = plan_copy(site, demo, demo, "run-1", "run-2", suffix="-again")
        assert [bool(item.in_way) for item in again.items] == [True, False]
        for suffix in ("/x", "\ud800"):
            with pytest.raises(ValidationError, match=r"suffix: |lone surrogates"):
                plan_copy(site, demo, demo, "run-1", suffix=suffix)
        with pytest.raises(ValidationError, match="suffix: "):
            plan_copy(site, demo, ProjectPath(site.home, "made"), suffix="x" * 600, create=True)

    def test_a_run_without_an_id_of_its_own_gets_another(self, site: Site, demo: ProjectPath) -> None:
        run, _ = site.inside.create_run(RunDraft(demo, state="FINISHED"))
        (cuid,) = site.root.copy_runs(plan_copy(site, demo, demo, run.id)).runs
        copy = site.root.get_run(demo.run(cuid))
        assert (copy.id, copy.cuid) == (cuid, cuid)
        found = site.root.list_runs(RunQuery(RunSelection(site.home, ids=(run.cuid,)))).items
        assert [held.cuid for held in found] == [run.cuid], "a writer looks for its run by that"

    def test_runs_are_copied_to_another_workspace(self, site: Site, demo: ProjectPath) -> None:
        site.root.create_workspace("lab")
        target = ProjectPath("lab", "theirs")
        with pytest.raises(NotFoundError):
            plan_copy(site, demo, target)
        site.root.copy_runs(plan_copy(site, demo, target, create=True))
        for name in FOLDERS:
            copy = content(site.inside, target.run(name))
            assert copy == as_copied(content(site.inside, demo.run(name)), copy)

    def test_who_reads_the_copies_is_not_told_where_they_came_from(self, site: Site, demo: ProjectPath) -> None:
        public = site.root.create_project(ProjectDraft("public", visibility="PUBLIC")).path
        site.root.copy_runs(plan_copy(site, demo, public))
        (noted,) = site.user("sam").list_changes(ChangeQuery(str(public), kind="copy")).items
        assert noted.what == f"copied 3 runs: {public}/run-2, {public}/run-1, {public}/run-0"

    def test_who_may_read_may_copy_to_where_he_writes(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        viewer = site.user("vic")
        site.root.set_member(site.home, "vic", "VIEWER")
        hers = viewer.create_project(ProjectDraft("hers")).path
        plan = viewer.plan_transfer(TransferDraft("copy", str(hers), select(demo)))
        assert len(viewer.copy_runs(plan).runs) == 3
        with pytest.raises(PermissionDeniedError):
            viewer.plan_transfer(TransferDraft("copy", str(other), select(demo)))
        with pytest.raises(PermissionDeniedError):
            viewer.copy_runs(plan_copy(site, demo, other))
        with pytest.raises(NotFoundError):
            site.user("sam").copy_runs(plan)
        assert site.root.count_runs(select(other)) == 0

    def test_what_is_still_running_is_not_copied(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        plan = plan_copy(site, demo, other)
        site.root.update_runs(select(demo, "run-1"), RunPatch(state="RUNNING"))
        for refused in (plan, plan_copy(site, demo, other)):
            with pytest.raises(ConflictError, match="run-1 is still running"):
                site.root.copy_runs(refused)
        assert site.root.count_runs(select(other)) == 0

    @pytest.mark.parametrize(
        "change",
        [
            lambda site, demo, _: site.root.delete_runs(select(demo, "run-2")),
            lambda site, demo, _: site.root.update_runs(select(demo, "run-2"), RunPatch(project="third")),
            lambda site, _, other: site.root.update_project(other, ProjectPatch(name="renamed")),
            lambda site, _, other: (site.root.delete_project(other), site.project("other")),
            lambda site, _, other: site.inside.create_run(RunDraft(other, id="run-2", state="FINISHED")),
        ],
        ids=("deleted", "moved", "target renamed", "target another", "id taken"),
    )
    def test_a_plan_out_of_date_copies_nothing(
        self, site: Site, demo: ProjectPath, other: ProjectPath, change: Callable[..., object]
    ) -> None:
        site.project("third")
        plan = plan_copy(site, demo, other, "run-1", "run-2")
        change(site, demo, other)
        before, usage = everything(site), site.root.get_usage()
        with pytest.raises((ConflictError, NotFoundError)) as caught:
            site.root.copy_runs(plan)
        assert any(name in caught.value.message for name in ("run-2", str(demo), str(other)))
        assert everything(site) == before
        assert site.root.get_usage() == attrs.evolve(usage, database_bytes=site.root.get_usage().database_bytes)
        assert all(entry.kind in {"runs", "project"} for entry in site.root.list_trash(None, PageRequest()).items)

    def test_a_forged_plan_copies_nothing(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        plan = plan_copy(site, demo, other, "run-1")
        (item,) = plan.items
        stranger = site.user("sam")
        for backend, forged in (
            (site.root, attrs.evolve(plan, items=plan.items * 2)),
            (site.root, attrs.evolve(plan, items=(attrs.evolve(item, target=f"{demo}/x"),))),
            (site.root, attrs.evolve(plan, items=(attrs.evolve(item, target="nonsense"),))),
            (site.root, attrs.evolve(plan, kind="move")),
            (stranger, attrs.evolve(plan, target=f"{stranger.get_user().username}/x", target_cuid="")),
        ):
            with pytest.raises((ConflictError, ValidationError, NotFoundError)):
                backend.copy_runs(forged)
        with pytest.raises(ValidationError):
            site.root.transfer(plan)
        assert site.root.count_runs(select(other)) == 0

    def test_copies_are_taken_back_into_the_trash(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        before = everything(site)
        done = site.root.copy_runs(plan_copy(site, demo, other))
        line = site.root.get_change(done.change_id)
        assert (line.kind, line.runs, line.project) == ("copy", 3, other.project)
        site.root.update_runs(select(other, "run-1"), RunPatch(protected=True))
        with pytest.raises(ConflictError, match="run-1 is protected"):
            site.root.undo_change(done.change_id)
        site.root.update_runs(select(other, "run-1"), RunPatch(protected=False))
        site.root.update_runs(select(other, "run-2"), RunPatch(project=site.project("third").project))
        undone = site.root.undo_change(done.change_id)
        assert everything(site) == before
        assert site.root.get_change(done.change_id).undone_by == undone.id
        (entry,) = site.root.list_trash(None, PageRequest()).items
        assert entry.runs == 3
        with pytest.raises(ConflictError):
            site.root.undo_change(done.change_id)
        site.root.restore(entry.id)
        assert site.root.count_runs(select(other)) == 2

    def test_an_empty_plan_copies_nothing(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        empty = site.root.plan_transfer(TransferDraft("copy", str(other), RunSelection(site.home, "demo", ())))
        assert site.root.copy_runs(empty) == TransferRecord("copy", str(other))


class TestMerging:
    def _plan(self, site: Site, path: ProjectPath, target: ProjectPath) -> TransferPlanRecord:
        return site.root.plan_transfer(TransferDraft("merge", str(target), project=str(path)))

    def test_a_project_goes_into_another_one(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        fill(site.inside, other, "theirs")
        before = {name: content(site.inside, demo.run(name)) for name in FOLDERS}
        site.root.hold_policy(demo, "old", Policy(older_than="30d"))
        plan = self._plan(site, demo, other)
        assert (plan.kind, plan.project, plan.target, plan.total) == ("merge", str(demo), str(other), 3)
        assert plan.folders == ("/sweeps/lr",)
        assert plan.notes == (f"the policy that {demo} holds goes to the trash with it",)
        done = site.root.transfer(plan)
        assert (done.kind, done.target, len(done.runs)) == ("merge", str(other), 3)
        assert site.root.count_runs(select(other)) == 4
        for name, held in before.items():
            found = content(site.inside, other.run(name))
            assert {**found, "run": ""} == {**held, "run": ""}
            assert found["run"].cuid == held["run"].cuid
        with pytest.raises(NotFoundError):
            site.root.get_project(demo)
        (entry,) = site.root.list_trash(None, PageRequest()).items
        assert (entry.id, entry.kind, entry.project, entry.runs) == (done.trash_id, "project", demo.project, 0)

    @pytest.mark.parametrize("restored", ["not", "before", "after"])
    def test_it_is_taken_back_with_what_lay_in_the_trash(
        self, site: Site, demo: ProjectPath, other: ProjectPath, restored: str
    ) -> None:
        fill(site.inside, other, "theirs")
        before = everything(site)
        entry = site.root.delete_runs(select(demo, "run-0", "run-1")).trash_id
        site.clock.advance(1000)
        done = site.root.transfer(self._plan(site, demo, other))
        site.clock.advance(1000)
        if restored == "before":
            site.root.restore(entry)
        undone = site.root.undo_change(done.change_id)
        assert (undone.kind, undone.undoes) == ("undo", done.change_id)
        assert site.root.get_change(done.change_id).undone_by == undone.id
        if restored == "not":
            trashed = site.root.list_trashed_runs(entry, PageRequest()).items
            assert {held.path for held in trashed} == {f"{demo}/run-0", f"{demo}/run-1"}
        if restored != "before":
            site.root.restore(entry)
        assert everything(site) == before
        assert site.root.list_trash(None, PageRequest()).items == ()
        assert {folder.path: folder.runs for folder in site.root.list_folders(demo)} == {"/sweeps": 1, "/sweeps/lr": 1}
        with pytest.raises(ConflictError, match="it was already"):
            site.root.undo_change(done.change_id)

    def test_it_is_done_again_and_again_as_a_whole(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        fill(site.inside, other, "theirs")
        entry = site.root.delete_runs(select(demo, "run-0")).trash_id

        def places() -> tuple[Any, ...]:
            trashed = {item.path for item in site.root.list_trashed_runs(entry, PageRequest()).items}
            entries = sorted(
                (item.kind, item.project, item.runs) for item in site.root.list_trash(None, PageRequest()).items
            )
            return everything(site), trashed, entries

        apart = places()
        merge = site.root.transfer(self._plan(site, demo, other)).change_id
        merged = places()
        assert apart != merged
        made = [merge]
        for number in range(4):
            site.clock.advance(1000)
            made.append(site.root.undo_change(made[-1]).id)
            assert places() == (merged if number % 2 else apart)
        site.root.undo_change(merge)
        assert places() == apart
        again = site.root.undo_change(site.root.get_change(merge).undone_by)
        with pytest.raises(NotFoundError):
            site.root.get_project(demo)
        site.root.restore(again.trash_id)
        assert site.root.get_change(again.id).undone_by == ""
        site.root.undo_change(again.id)
        assert places() == apart

    def test_it_is_not_done_again_where_something_came_since(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        undone = site.root.undo_change(site.root.transfer(self._plan(site, demo, other)).change_id).id
        fill(site.inside, demo, "newer")
        before = everything(site)
        with pytest.raises(ConflictError, match=f"project {demo} has by now 1 run: {demo}/newer$"):
            site.root.undo_change(undone)
        site.root.delete_runs(select(demo, "newer"))
        with pytest.raises(ConflictError, match=f"runs of project {demo} were deleted since"):
            site.root.undo_change(undone)
        assert everything(site) == tuple(held for held in before if held["run"].id != "newer")
        member = site.user("mia")
        site.root.set_member(site.home, "mia", "MEMBER")
        with pytest.raises(PermissionDeniedError):
            member.undo_change(undone)

    def test_it_is_not_taken_back_where_that_would_not_be_whole(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        done = site.root.transfer(self._plan(site, demo, other))
        changes: tuple[tuple[Callable[[], str], Callable[[str], object], str], ...] = (
            (
                lambda: site.root.delete_runs(select(other, "run-2")).trash_id,
                site.root.restore,
                f"in the trash are {other}/run-2",
            ),
            (
                lambda: site.project(demo.project).project,
                lambda _: site.root.update_project(demo, ProjectPatch(name="another")),
                f"project '{demo.project}'",
            ),
            (
                lambda: site.root.update_runs(select(other, "run-2"), RunPatch(project="another")).change_id,
                site.root.undo_change,
                "run-2",
            ),
        )
        for change, back, why in changes:
            meanwhile = change()
            before = everything(site)
            with pytest.raises(ConflictError, match=why):
                site.root.undo_change(done.change_id)
            assert everything(site) == before
            back(meanwhile)
        site.root.undo_change(done.change_id)
        assert site.root.count_runs(select(demo)) == 3

    def test_who_may_not_restore_it_does_not_take_it_back(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        member = site.user("mia")
        site.root.set_member(site.home, "mia", "MEMBER")
        done = site.root.transfer(self._plan(site, demo, other))
        with pytest.raises(PermissionDeniedError):
            member.undo_change(done.change_id)
        assert site.root.count_runs(select(other)) == 3

    def test_what_lay_in_the_trash_comes_back_into_the_other_one(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        held = {name: content(site.inside, demo.run(name)) for name in ("run-1", "run-2")}
        entry = site.root.delete_runs(select(demo, "run-1", "run-2")).trash_id
        plan = self._plan(site, demo, other)
        assert (plan.total, len(plan.notes)) == (1, 1)
        merged = site.root.transfer(plan).trash_id
        site.root.purge(trash_id=merged)
        assert site.root.restore_runs(entry, ("run-1",)).runs == 1
        assert site.root.restore(entry).runs == 1
        for name, before in held.items():
            found = content(site.inside, other.run(name))
            assert {**found, "run": ""} == {**before, "run": ""}
        assert {folder.path: folder.runs for folder in site.root.list_folders(other)} == {
            "/sweeps": 1,
            "/sweeps/lr": 1,
        }

    def test_what_was_cut_out_of_its_runs_comes_back_into_them(
        self, site: Site, demo: ProjectPath, other: ProjectPath
    ) -> None:
        held = content(site.inside, demo.run("run-1"))
        cut = site.root.plan_data_deletion(DataCut(metrics=("loss",)), select(demo, "run-1"))
        entry = site.root.delete(cut).trash_id
        merged = site.root.transfer(self._plan(site, demo, other)).trash_id
        site.root.purge(trash_id=merged)
        site.root.restore(entry)
        found = content(site.inside, other.run("run-1"))
        assert {**found, "run": ""} == {**held, "run": ""}

    def test_an_id_that_is_taken_keeps_all(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        plan = self._plan(site, demo, other)
        fill(site.inside, other, "run-1")
        before = everything(site)
        for refused in (plan, self._plan(site, demo, other)):
            with pytest.raises(ConflictError, match=f"nothing was merged: .*{other} has a run 'run-1' already"):
                site.root.transfer(refused)
        assert everything(site) == before
        assert site.root.get_project(demo).path == demo

    @pytest.mark.parametrize("change", ["new", "gone", "target"])
    def test_a_plan_out_of_date_merges_nothing(
        self, site: Site, demo: ProjectPath, other: ProjectPath, change: str
    ) -> None:
        plan = self._plan(site, demo, other)
        if change == "new":
            site.inside.create_run(RunDraft(demo, id="newer", state="FINISHED"))
        elif change == "gone":
            site.root.delete_runs(select(demo, "run-1"))
        else:
            site.root.delete_project(other)
            site.project(other.project)
        before = everything(site)
        named = {"new": r"newer \(new\)", "gone": "run-1 .in the trash", "target": f"{other} is another project"}
        with pytest.raises(ConflictError, match=named[change]):
            site.root.transfer(plan)
        assert everything(site) == before
        assert site.root.get_project(demo).path == demo

    def test_a_project_does_not_go_into_itself(self, site: Site, demo: ProjectPath) -> None:
        with pytest.raises(ValidationError, match="itself"):
            self._plan(site, demo, demo)
        with pytest.raises(NotFoundError):
            self._plan(site, demo, ProjectPath(site.home, "nowhere"))

    def test_who_may_not_delete_it_does_not_merge_it(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        member = site.user("mia")
        site.root.set_member(site.home, "mia", "MEMBER")
        plan = self._plan(site, demo, other)
        with pytest.raises(PermissionDeniedError):
            member.plan_transfer(TransferDraft("merge", str(other), project=str(demo)))
        with pytest.raises(PermissionDeniedError):
            member.transfer(plan)
        assert site.root.count_runs(select(demo)) == 3


class TestRenaming:
    def _plan(self, site: Site, path: ProjectPath, name: str) -> TransferPlanRecord:
        return site.root.plan_transfer(TransferDraft("rename", f"{path.workspace}/{name}", project=str(path)))

    def test_a_project_is_renamed_as_planned(self, site: Site, demo: ProjectPath) -> None:
        before = everything(site)
        plan = self._plan(site, demo, "newer")
        assert (plan.kind, plan.project, plan.target, plan.total) == ("rename", str(demo), f"{site.home}/newer", 0)
        assert everything(site) == before
        done = site.root.transfer(plan)
        assert (done.kind, done.target, done.runs) == ("rename", f"{site.home}/newer", ())
        renamed = ProjectPath(site.home, "newer")
        assert site.root.count_runs(select(renamed)) == 3
        with pytest.raises(NotFoundError):
            site.root.get_project(demo)
        site.root.undo_change(done.change_id)
        assert everything(site) == before

    def test_a_name_that_is_taken_is_told(self, site: Site, demo: ProjectPath, other: ProjectPath) -> None:
        for name in (other.project, demo.project):
            plan = self._plan(site, demo, name)
            with pytest.raises(ConflictError, match=f"nothing was renamed: .*has a project '{name}' already"):
                site.root.transfer(plan)
        with pytest.raises(ConflictError, match="has a project 'other' already"):
            site.root.transfer(attrs.evolve(self._plan(site, demo, "other"), in_way=()))
        assert site.root.get_project(demo).path == demo

    def test_a_plan_out_of_date_renames_nothing(self, site: Site, demo: ProjectPath) -> None:
        plan = self._plan(site, demo, "newer")
        site.root.update_project(demo, ProjectPatch(name="moved"))
        with pytest.raises(NotFoundError):
            site.root.transfer(plan)
        site.project(demo.project)
        with pytest.raises(ConflictError, match=f"{demo} is another project"):
            site.root.transfer(plan)
        assert site.root.get_project(demo).path == demo

    def test_who_may_not_write_renames_nothing(self, site: Site, demo: ProjectPath) -> None:
        plan = self._plan(site, demo, "newer")
        with pytest.raises(NotFoundError):
            site.user("sam").transfer(plan)
        site.user("vic")
        site.root.set_member(site.home, "vic", "VIEWER")
        with pytest.raises(PermissionDeniedError):
            site.user("vic").transfer(plan)
        assert site.root.get_project(demo).path == demo
