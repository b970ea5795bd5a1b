"""A client that keeps answers sees its own writes at once: it never differs from one that keeps nothing."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator

import pytest
from arro3.core import Array, DataType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.server import running_server

from runatlas.backends.native import NativeBackend
from runatlas.errors import ApiStatusError
from runatlas.model import codec
from runatlas.model.account import UserPatch, WorkspacePatch
from runatlas.model.arrow import encode_block
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.log import LogDraft, LogQuery
from runatlas.model.media import MediaDraft, MediaItem, MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.model.series import ColumnQuery, PointQuery, SeriesPoints, SummaryQuery

Act = Callable[[NativeBackend, str], object]

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NativeBackend, NativeBackend]]:
    with running_server(tmp_path_factory.mktemp("server") / "store") as server:
        keeping, steady = NativeBackend(server.origin, compress=True), NativeBackend(server.origin, cache=False)
        yield keeping, steady
        keeping.close()
        steady.close()


def _selection(workspace: str) -> RunSelection:
    return RunSelection(workspace, "one")


def _append(backend: NativeBackend, workspace: str) -> object:
    step = next(_numbers)
    blob = backend.put_blob(ProjectPath(workspace, "one"), io.BytesIO(str(step).encode()))
    item = MediaItem(f"media/{step}.txt", blob.sha256, blob.size, "text/plain")
    points = SeriesPoints(
        "loss",
        Array([step], DataType.int64()),
        Array([1 / step], DataType.float64()),
        Array([step], DataType.int64()),
    )
    return backend.append(
        Batch(
            ProjectPath(workspace, "one").run("r1"),
            (points,),
            (MediaDraft("text", step, (item,), "TEXT"),),
            (LogDraft(f"line {step}"),),
            artifacts=(ArtifactDraft(f"file-{step}.txt", blob.sha256, blob.size),),
        )
    )


def _restore(backend: NativeBackend, workspace: str) -> object:
    return [backend.restore(entry.id) for entry in backend.list_trash(workspace, PageRequest()).items[:1]]


def _project(workspace: str, name: str = "one") -> ProjectPath:
    return ProjectPath(workspace, name)


WRITES: dict[str, Act] = {
    "append": _append,
    "restore": _restore,
    "create a run": lambda b, w: b.create_run(RunDraft(_project(w))),
    "resume a run": lambda b, w: b.create_run(RunDraft(_project(w), "r1", if_exists="resume")),
    "finish": lambda b, w: b.update_runs(_selection(w), RunPatch(state="FINISHED")),
    "rename runs": lambda b, w: b.update_runs(RunSelection(w), RunPatch(name=f"name {next(_numbers)}")),
    "move runs": lambda b, w: b.update_runs(RunSelection(w, "one", ids=("r2",)), RunPatch(project="two")),
    "delete runs": lambda b, w: b.delete(b.plan_run_deletion(_selection(w))),
    "delete a project": lambda b, w: b.delete(b.plan_project_deletion(_project(w))),
    "title a project": lambda b, w: b.update_project(_project(w), ProjectPatch(title=f"{next(_numbers)}")),
    "rename a project": lambda b, w: b.update_project(_project(w), ProjectPatch(name="three")),
    "name it back": lambda b, w: b.update_project(_project(w, "three"), ProjectPatch(name="one")),
    "create a project": lambda b, w: b.create_project(ProjectDraft(f"p{next(_numbers)}", w)),
    "change the workspace": lambda b, w: b.update_workspace(w, WorkspacePatch(comment=f"{next(_numbers)}")),
    "change the user": lambda b, _: b.update_user(UserPatch(bio=f"{next(_numbers)}")),
    "create a workspace": lambda b, _: b.create_workspace(f"w{next(_numbers)}"),
    "purge": lambda b, _: b.purge(expired_only=False),
}

READS: tuple[Act, ...] = (
    lambda b, _: b.get_user(),
    lambda b, _: b.get_workspace(),
    lambda b, w: b.get_workspace(w),
    lambda b, _: b.list_workspaces(None, PageRequest(1000)),
    lambda b, w: b.get_project(_project(w)),
    lambda b, w: b.list_projects(ProjectQuery(w)),
    lambda b, _: b.list_all_projects(ProjectQuery()),
    lambda b, w: b.get_run(_project(w).run("r1")),
    lambda b, w: b.get_run(_project(w, "two").run("r2")),
    lambda b, w: b.list_runs(RunQuery(_selection(w))),
    lambda b, w: b.list_runs(RunQuery(RunSelection(w, "one", ids=("r1",)))),
    lambda b, w: b.list_runs(RunQuery(RunSelection(w))),
    lambda b, w: b.count_runs(RunSelection(w, "two")),
    lambda b, w: encode_block(b.read_points(PointQuery(RunSelection(w, "one", ids=("r1",))))),
    lambda b, w: b.read_summaries(SummaryQuery(RunSelection(w, "one", ids=("r1",)))),
    lambda b, w: b.list_columns(_project(w).run("r1"), ColumnQuery()),
    lambda b, w: b.read_logs(_project(w).run("r1"), LogQuery()),
    lambda b, w: [item.step for item in b.list_media(_project(w).run("r1"), MediaQuery(all=True)).items],
    lambda b, w: [item.name for item in b.list_artifacts(_project(w).run("r1"), PageRequest()).items],
)


def seen(act: Act, backend: NativeBackend, workspace: str) -> object:
    """Return what an act answers, or the kind of its refusal."""
    try:
        answer = act(backend, workspace)
    except ApiStatusError as error:
        return type(error)
    return answer if isinstance(answer, bytes) else codec.encode(answer)


@settings(max_examples=examples(8), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.sampled_from(sorted(WRITES)), min_size=1, max_size=8))
def test_its_own_writes_are_seen_at_once(backends: tuple[NativeBackend, NativeBackend], acts: list[str]) -> None:
    keeping, steady = backends
    workspace = f"team{next(_numbers)}"
    steady.create_workspace(workspace)
    for name in ("one", "two"):
        steady.create_project(ProjectDraft(name, workspace))
    for run in ("r1", "r2"):
        steady.create_run(RunDraft(_project(workspace), run))
    keeping.forget()

    for act in acts:
        for read in READS:
            seen(read, keeping, workspace)
        seen(WRITES[act], keeping, workspace)
        assert [seen(read, keeping, workspace) for read in READS] == [seen(read, steady, workspace) for read in READS]
