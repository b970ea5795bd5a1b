"""What every backend tells of the room that runs take: all of it, to who may see it, and kept right by every change."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from support.backend import Site
from support.recording import line

from runatlas.backends.contract import Backend
from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.artifact import ArtifactDraft
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft, ProjectPatch
from runatlas.model.run import RunDraft, RunSelection
from runatlas.model.usage import SpaceItem
from runatlas.server.store.check import check_store

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def owner(site: Site) -> Backend:
    """Who has a team with two projects; two runs of the first have a file of the same content."""
    owner = site.user("ann")
    site.user("guest")
    owner.create_workspace("team")
    for name in ("one", "two"):
        path = owner.create_project(ProjectDraft(name, "team")).path
        for number in range(3):
            run = owner.create_run(RunDraft(path, id=f"r{number}", state="FINISHED"))[0].path
            files: tuple[ArtifactDraft, ...] = ()
            if number < 2:
                blob = owner.put_blob(path, io.BytesIO(b"x" * 100 if name == "one" else b"%d" % number * 10))
                files = (ArtifactDraft("a", blob.sha256, blob.size),)
            points = (line("loss", 10), line("loss", 10, context=(("split", "val"),)), line("acc", 5))
            owner.append(Batch(run, points[: 3 - number], artifacts=files))
    return owner


def _all(backend: Backend, path: str | None, by: str) -> dict[str, SpaceItem]:
    return {item.name: item for item in backend.read_space(path, by).items}  # type: ignore[arg-type]


def test_everything_is_told_apart_and_adds_up(owner: Backend) -> None:
    projects = _all(owner, "team", "project")
    assert {name: (item.runs, item.points, item.files, item.file_bytes) for name, item in projects.items()} == {
        "team/one": (3, 55, 1, 100),
        "team/two": (3, 55, 2, 20),
    }
    for by in ("workspace", "project", "run", "metric"):
        found = owner.read_space("team", by)
        assert found.total.points == sum(item.points for item in found.items) == 110
        assert found.total.point_bytes == sum(item.point_bytes for item in found.items) > 110 * 8
        assert [item.bytes for item in found.items] == sorted((item.bytes for item in found.items), reverse=True)
        assert (found.total.files, found.total.file_bytes, found.by, found.groups) == (3, 120, by, len(found.items))
    metrics = _all(owner, "team/one", "metric")
    assert {name: (item.runs, item.points) for name, item in metrics.items()} == {"loss": (3, 50), "acc": (1, 5)}
    assert {name: item.points for name, item in _all(owner, "team/one", "run").items()} == {
        "team/one/r0": 25,
        "team/one/r1": 20,
        "team/one/r2": 10,
    }
    assert [item.name for item in owner.read_space("team/two/r0", "metric", 1).items] == ["loss"]
    assert owner.read_space("team/two/r0", "metric", 1).groups == 2


def test_what_is_deleted_counts_as_trash_until_it_is_purged(site: Site, owner: Backend) -> None:
    before = owner.read_space("team/one", "run").total
    plan = owner.plan_run_deletion(RunSelection("team", "one", ("r0",)))
    entry = owner.delete(plan).trash_id
    (there, gone) = owner.read_space("team/one", "run").total, _all(owner, "team/one", "run")["team/one/r0"]
    assert (there.runs, there.points, there.trashed_runs) == (2, 30, 1)
    assert there.bytes == before.bytes
    freed = before.point_bytes - there.point_bytes
    assert (gone.runs, gone.trashed_runs, gone.trashed_bytes) == (0, 1, freed + 100), "of the run alone, with its file"
    assert there.file_bytes == 100, "another run needs the file too"
    owner.delete(owner.plan_run_deletion(RunSelection("team", "one", ("r1",))))
    assert owner.read_space("team/one", "run").total.file_bytes == 0
    assert owner.read_space("team/one", "run").total.bytes == before.bytes
    site.clock.advance(2 * DAY_MS)
    owner.purge(trash_id=entry)
    left = owner.read_space("team/one", "run").total
    assert (left.runs, left.trashed_runs, left.bytes) == (1, 1, before.bytes - freed)
    assert list(check_store(site.services.store)) == []


def test_only_what_may_be_seen_is_told(site: Site, owner: Backend) -> None:
    guest = site.user("guest")
    assert guest.read_space().total.runs == 0
    for path in ("team", "team/one", "team/one/r0", "nowhere", "team/none"):
        with pytest.raises(NotFoundError):
            guest.read_space(path)
    owner.delete(owner.plan_run_deletion(RunSelection("team", "one", ("r2",))))
    owner.update_project(ProjectPath("team", "one"), ProjectPatch(visibility="PUBLIC"))
    assert [item.name for item in guest.read_space().items] == ["team/one"] == [*_all(guest, "team", "project")]
    public = guest.read_space("team/one").total
    assert (public.runs, public.trashed_runs, guest.read_space().store) == (2, 0, None)
    owner.set_member("team", "guest", "VIEWER")
    assert Counter(item.trashed_runs for item in guest.read_space().items) == {0: 2}
    owner.set_member("team", "guest", "MEMBER")
    assert {item.name: item.trashed_runs for item in guest.read_space().items} == {"team/one": 1, "team/two": 0}
    size = site.root.read_space().store
    assert size is not None
    usage, everything = site.root.get_usage(), site.services.usage.read_space(site.services.owner()).total
    points = everything.point_bytes + everything.trashed_bytes  # no file lies there
    assert (size.point_bytes, size.file_bytes) == (points, usage.blob_bytes)
    assert size.bytes == size.point_bytes + size.file_bytes + size.rest_bytes
    assert size.rest_bytes > 0


def test_arguments_have_bounds(owner: Backend) -> None:
    for arguments in (("team", "colour"), ("team", "run", -1), ("team", "run", 10_001)):
        with pytest.raises(ValidationError):
            owner.read_space(*arguments)
