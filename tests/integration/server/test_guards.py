"""Every door by which runs are deleted heeds every kind of guard, and tells so in its own form."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from support.forked import command
from support.server import ServerProcess

from runatlas import Api
from runatlas.backends.native import NativeBackend
from runatlas.compat.repo import Repo
from runatlas.errors import ConflictError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.guard import GuardKind
from runatlas.model.ids import ProjectPath, new_cuid
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.registry import ModelVersionDraft
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection, RunState

KINDS: tuple[GuardKind, ...] = ("protected", "registered", "pinned", "baseline", "running")
REST = "/api/v1/rest"


@attrs.frozen
class World:
    """A project with two runs, of which the first is guarded."""

    server: ServerProcess
    backend: NativeBackend
    project: ProjectPath
    guarded: str
    free: str

    @property
    def selection(self) -> RunSelection:
        return RunSelection(self.project.workspace, self.project.project)

    @property
    def left(self) -> list[str]:
        return [run.id for run in self.backend.list_runs(RunQuery(self.selection)).items]

    def call(self, method: str, path: str, **options: Any) -> tuple[int, str]:
        answer = self.server.call(method, path, **options)
        return answer.status_code, answer.text

    def cuid(self, run: str) -> str:
        return self.backend.get_run(self.project.run(run)).cuid


@pytest.fixture(scope="module")
def backend(server: ServerProcess) -> Iterator[NativeBackend]:
    found = NativeBackend(server.origin, None, cache=False)
    yield found
    found.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> GuardKind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def world(server: ServerProcess, backend: NativeBackend, kind: GuardKind) -> World:
    """Ids are new in each: matyan's protocol knows no projects in its paths."""
    project = backend.create_project(ProjectDraft(f"guards-{new_cuid()}")).path
    guarded, free = new_cuid(), new_cuid()
    for name in (guarded, free):
        state: RunState = "RUNNING" if kind == "running" and name == guarded else "FINISHED"
        backend.create_run(RunDraft(project, id=name, state=state))
    guard(backend, project, guarded, kind)
    return World(server, backend, project, guarded, free)


def guard(backend: NativeBackend, project: ProjectPath, run: str, kind: GuardKind) -> None:
    patches = {
        "protected": RunPatch(protected=True, protected_reason="the best of the sweep"),
        "pinned": RunPatch(pin=True),
        "baseline": RunPatch(baseline=True),
    }
    if kind in patches:
        backend.update_runs(RunSelection(project.workspace, project.project, ids=(run,)), patches[kind])
    if kind == "registered":
        blob = backend.put_blob(project, io.BytesIO(run.encode()))
        backend.append(Batch(project.run(run), artifacts=(ArtifactDraft("m.bin", blob.sha256, blob.size),)))
        backend.create_model_version(ModelVersionDraft(f"m-{run}", str(project.run(run)), "m.bin", "staging"))


TOLD = {
    "protected": "protected: the best of the sweep",
    "registered": "in staging",
    "pinned": "is pinned",
    "baseline": "is a baseline",
    "running": "is running",
}
"""What a refusal says of each."""


def _repo(world: World, ids: list[str]) -> tuple[int, str]:
    repo = Repo(world.server.origin)
    done = repo.delete_run(ids[0]) if len(ids) == 1 else repo.delete_runs(ids)[0]
    return (200 if done else 409), ""


def _command(world: World, *arguments: str) -> tuple[int, str]:
    done = command("api", "delete", *arguments, "--commit", "--host", world.server.origin)
    return (200 if done.returncode == 0 else 409), done.stdout + done.stderr


def _swanlab(world: World, *rest: str) -> str:
    return "/".join(["/api/project", world.project.workspace, world.project.project, *rest])


Door = Callable[[World], tuple[int, str]]

ONE: dict[str, Door] = {
    "native": lambda w: w.call("DELETE", f"runs/{w.project}/{w.guarded}"),
    "swanlab": lambda w: w.call("DELETE", _swanlab(w, "runs", w.guarded)),
    "swanlab, a list of one": lambda w: w.call("POST", _swanlab(w, "runs", "del"), json={"cuids": [w.cuid(w.guarded)]}),
    "matyan": lambda w: w.call("DELETE", f"{REST}/runs/{w.guarded}/"),
    "matyan, a list of one": lambda w: w.call("POST", f"{REST}/runs/delete-batch/", json=[w.guarded]),
    "repo": lambda w: _repo(w, [w.guarded]),
}
SEVERAL: dict[str, Door] = {
    "swanlab": lambda w: w.call(
        "POST", _swanlab(w, "runs", "del"), json={"cuids": [w.cuid(w.free), w.cuid(w.guarded)]}
    ),
    "swanlab, a project": lambda w: w.call("DELETE", _swanlab(w)),
    "matyan": lambda w: w.call("POST", f"{REST}/runs/delete-batch/", json=[w.free, w.guarded]),
    "native, a project": lambda w: w.call("DELETE", f"projects/{w.project}"),
    "repo": lambda w: _repo(w, [w.free, w.guarded]),
}


@pytest.mark.parametrize("door", ONE)
def test_one_run_that_is_named_goes_unless_it_is_protected_or_registered(
    world: World, kind: GuardKind, door: str
) -> None:
    status, told = ONE[door](world)
    if kind in {"protected", "registered"}:
        assert status == 409, told
        assert sorted(world.left) == sorted([world.guarded, world.free])
        if door != "repo":
            assert TOLD[kind] in told
    else:
        assert status in {200, 201, 204}, told
        assert world.left == [world.free]


@pytest.mark.parametrize("door", SEVERAL)
def test_several_are_refused_where_the_answer_cannot_tell_what_is_kept(
    world: World, kind: GuardKind, door: str
) -> None:
    status, told = SEVERAL[door](world)
    assert status == 409, told
    assert sorted(world.left) == sorted([world.guarded, world.free])
    if door != "repo":
        assert TOLD[kind] in told


def test_our_own_door_keeps_what_is_guarded_and_tells_it(world: World, kind: GuardKind) -> None:
    plan = world.backend.plan_run_deletion(world.selection)
    assert ([item.path for item in plan.items], [item.path for item in plan.kept]) == (
        [str(world.project.run(world.free))],
        [str(world.project.run(world.guarded))],
    )
    assert plan.kept[0].guards == (kind,)
    assert TOLD[kind].removeprefix("is ") in plan.kept[0].reason
    done = world.backend.delete_runs(world.selection)
    assert (done.runs, done.kept) == (1, plan.kept)
    assert world.left == [world.guarded]
    # What lies in the trash has no guards: it comes back, or goes for good, as ever.
    world.backend.restore(done.trash_id)
    again = world.backend.delete_runs(world.selection)
    assert world.backend.purge(trash_id=again.trash_id).runs == 1


def test_force_takes_all_but_what_is_protected(world: World, kind: GuardKind) -> None:
    with pytest.raises(ConflictError, match="protected" if kind == "protected" else "delete with force"):
        world.backend.delete_project(world.project)
    done = world.backend.delete_runs(world.selection, force=True)
    assert (done.runs, [item.guards for item in done.kept]) == (
        (1, [("protected",)]) if kind == "protected" else (2, [])
    )
    world.backend.restore(done.trash_id)
    if kind == "protected":
        with pytest.raises(ConflictError, match="unprotect"):
            world.backend.delete_run(world.project.run(world.guarded), force=True)
        with pytest.raises(ConflictError, match="unprotect"):
            world.backend.delete_project(world.project, force=True)
        assert Api(backend=world.backend).run(str(world.project.run(world.guarded))).unprotect().ok
        assert world.backend.delete_project(world.project).runs == 2
    else:
        assert world.backend.delete_run(world.project.run(world.guarded), force=True).runs == 1
        world.backend.restore(world.backend.list_trash(None, PageRequest()).items[0].id)
        assert world.backend.delete_project(world.project, force=True).runs == 2


def test_a_plan_that_was_made_before_the_guard_takes_nothing(
    server: ServerProcess, backend: NativeBackend, kind: GuardKind
) -> None:
    project = backend.create_project(ProjectDraft(f"before-{new_cuid()}")).path
    for name in ("a", "b"):
        backend.create_run(RunDraft(project, id=name, state="FINISHED"))
    selection = RunSelection(project.workspace, project.project)
    plans = [backend.plan_run_deletion(selection), backend.plan_project_deletion(project)]
    guard(backend, project, "b", kind)
    if kind == "running":
        backend.create_run(RunDraft(project, id="b", if_exists="resume"))
    for plan in plans:
        with pytest.raises(ConflictError, match=f"{project}/b"):
            backend.delete(plan)
    assert backend.count_runs(selection) == 2


def test_no_plan_can_say_that_it_takes_what_is_protected(world: World, kind: GuardKind) -> None:
    run = {"path": str(world.project.run(world.guarded)), "cuid": world.cuid(world.guarded), "name": ""}
    plan = {"kind": "runs", "items": [{**run, "state": "FINISHED", "created_at_ms": 0}]}
    assert world.call("POST", "deletions", json={**plan, "takes": ["protected"]})[0] == 422
    if kind != "running":
        assert world.call("POST", "deletions", json={**plan, "takes": []})[0] == 409
    assert len(world.left) == 2


def test_the_command_line_lists_what_it_kept(server: ServerProcess, backend: NativeBackend) -> None:
    project = backend.create_project(ProjectDraft(f"lines-{new_cuid()}")).path
    for number in range(23):
        backend.create_run(RunDraft(project, id=f"r{number}", state="FINISHED"))
    for number in range(22):
        guard(backend, project, f"r{number}", "pinned")
    world = World(server, backend, project, "r0", "r22")
    status, told = _command(world, str(project), "--filter", "state == 'FINISHED'")
    assert status == 200, told
    lines = [line for line in told.splitlines() if line.startswith("- kept: ")]
    assert len(lines) == 21
    assert lines[0].endswith("(FINISHED, pinned)")
    assert lines[-1] == "- kept: … and 2 more"
    assert _command(world, str(project), "--force")[0] == 200
    assert backend.list_trash(None, PageRequest()).items[0].kind == "project"
