"""The server did it, but its answer was lost: every write happens once, and its caller learns how it went."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from arro3.core import Array, DataType
from support.faulty_server import FaultyServer, faulty_server, relayed
from support.server import ServerProcess, running_server

from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.native import NativeBackend
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunDraft, RunPatch, RunSelection
from runatlas.model.series import PointQuery, SeriesPoints

T = TypeVar("T")

POINTS = SeriesPoints(
    "loss",
    Array([1, 2], DataType.int64()),
    Array([0.5, 0.25], DataType.float64()),
    Array([7, 8], DataType.int64()),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server") / "store") as found:
        yield found


class Lossy:
    """A client whose every first answer is lost, beside one that sees the truth."""

    def __init__(self, server: ServerProcess, cut: int, name: str) -> None:
        self.steady = NativeBackend(server.origin, cache=False)
        workspace = self.steady.get_workspace().username
        self.project = ProjectPath(workspace, name)
        self.selection = RunSelection(workspace, name)
        self.steady.create_project(ProjectDraft(name, workspace))
        self.steady.create_run(RunDraft(self.project, "first"))
        self._origin = server.origin
        self._cut = cut

    def count(self) -> int:
        return self.steady.count_runs(self.selection)

    def points(self) -> int:
        return len(self.steady.read_points(PointQuery(self.selection)).steps)

    def trash(self) -> list[str]:
        entries = self.steady.list_trash(self.project.workspace, PageRequest(limit=1000)).items
        return [entry.id for entry in entries if entry.project == self.project.project]

    def through(self, call: Callable[[NativeBackend], T]) -> tuple[T, FaultyServer]:
        policy = RetryPolicy(total_s=30, base_s=0.001, cap_s=0.01)
        with faulty_server(relayed(self._origin, cut=self._cut), relayed(self._origin)) as proxy:
            backend = NativeBackend(proxy.url, policy=policy, cache=False)
            found = call(backend)
            backend.close()
        return found, proxy


@pytest.fixture(params=[0, 30, -1], ids=["nothing came", "a part of the head came", "nearly all came"])
def lossy(server: ServerProcess, request: pytest.FixtureRequest, tmp_path: Path) -> Lossy:
    return Lossy(server, request.param, tmp_path.name.replace("[", "-").replace("]", "")[:90].replace(" ", "-"))


def test_a_run_is_made_once(lossy: Lossy) -> None:
    made, proxy = lossy.through(lambda backend: backend.create_run(RunDraft(lossy.project)))

    assert made[1]
    assert lossy.count() == 2
    assert len(proxy.seen) == 2


def test_a_run_that_must_be_new_is_no_conflict_with_itself(lossy: Lossy) -> None:
    draft = RunDraft(lossy.project, "chosen", if_exists="fail")
    (run, created), _ = lossy.through(lambda backend: backend.create_run(draft))

    assert (run.id, created) == ("chosen", True)


def test_a_project_is_made_once(lossy: Lossy) -> None:
    draft = ProjectDraft(f"{lossy.project.project[:80]}-more", lossy.project.workspace)
    project, _ = lossy.through(lambda backend: backend.create_project(draft))

    assert project == lossy.steady.get_project(ProjectPath(draft.workspace or "", draft.name))


def test_changes_are_counted_once(lossy: Lossy) -> None:
    patch = RunPatch(labels_added=("seen",))
    changed, _ = lossy.through(lambda backend: backend.update_runs(lossy.selection, patch))

    assert changed.updated == 1
    lossy.through(lambda backend: backend.update_project(lossy.project, ProjectPatch(title="A title")))
    assert lossy.steady.get_project(lossy.project).title == "A title"


@pytest.mark.parametrize("writer", [None, "w1"])
def test_points_are_appended_once(lossy: Lossy, writer: str | None) -> None:
    batch = Batch(lossy.project.run("first"), (POINTS,), writer=writer, sequence=None if writer is None else 1)
    lossy.through(lambda backend: backend.append(batch))

    assert lossy.points() == 2


def test_a_deletion_happens_once_and_is_undone_once(lossy: Lossy) -> None:
    plan = lossy.steady.plan_run_deletion(lossy.selection, force=True)
    deleted, _ = lossy.through(lambda backend: backend.delete(plan))

    assert lossy.count() == 0
    assert lossy.trash() == [deleted.trash_id]

    lossy.through(lambda backend: backend.restore(deleted.trash_id))
    assert lossy.count() == 1
    assert lossy.trash() == []


def test_a_file_is_stored_once(lossy: Lossy) -> None:
    blob, proxy = lossy.through(lambda backend: backend.put_blob(lossy.project, io.BytesIO(b"x" * 100_000)))

    assert blob.size == 100_000
    assert proxy.seen[0].body == proxy.seen[1].body
