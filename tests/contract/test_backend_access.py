"""Who may do what through every backend: roles and operations."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from support.backend import Site
from support.recording import line

from runatlas.backends.contract import Backend
from runatlas.backends.local import LocalBackend
from runatlas.errors import NotFoundError, PermissionDeniedError
from runatlas.model.account import Role, WorkspacePatch
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.log import LogQuery
from runatlas.model.media import MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft, ProjectPatch, ProjectQuery
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunSelection
from runatlas.model.series import ColumnQuery, PointQuery, SummaryQuery

PATH = ProjectPath("team", "demo")
RUN = RunPath("team", "demo", "one")
RUNS = RunSelection("team", "demo")
ALL = RunSelection("team")

Operation = Callable[[Backend, dict[str, Any]], object]

READS: dict[str, Operation] = {
    "get_project": lambda backend, _: backend.get_project(PATH),
    "get_run": lambda backend, _: backend.get_run(RUN),
    "list_runs": lambda backend, _: backend.list_runs(RunQuery(RUNS)),
    "count_runs": lambda backend, _: backend.count_runs(RUNS),
    "read_points": lambda backend, _: backend.read_points(PointQuery(RUNS)),
    "read_summaries": lambda backend, _: backend.read_summaries(SummaryQuery(RUNS)),
    "list_columns": lambda backend, _: backend.list_columns(RUN, ColumnQuery()),
    "list_media": lambda backend, _: backend.list_media(RUN, MediaQuery()),
    "read_logs": lambda backend, _: backend.read_logs(RUN, LogQuery()),
    "export_logs": lambda backend, _: backend.export_logs(RUN, start=0, rows=10),
    "export_csv": lambda backend, _: backend.export_csv(RUN, "loss"),
    "list_artifacts": lambda backend, _: backend.list_artifacts(RUN, PageRequest()),
}
WRITES: dict[str, Operation] = {
    "create_run": lambda backend, _: backend.create_run(RunDraft(PATH)),
    "resume_run": lambda backend, _: backend.create_run(RunDraft(PATH, id="one", if_exists="resume")),
    "keep_run": lambda backend, _: backend.create_run(RunDraft(PATH, id="one", if_exists="keep")),
    "update_runs": lambda backend, _: backend.update_runs(RUNS, RunPatch(name="x")),
    "append": lambda backend, _: backend.append(Batch(RUN, (line("loss", 1),))),
    "put_blob": lambda backend, _: backend.put_blob(PATH, io.BytesIO(b"x")),
    "update_project": lambda backend, _: backend.update_project(PATH, ProjectPatch(title="x")),
    "create_project": lambda backend, _: backend.create_project(ProjectDraft("new", "team")),
    "plan_run_deletion": lambda backend, _: backend.plan_run_deletion(RUNS),
    "delete_runs": lambda backend, plans: backend.delete(plans["runs"]),
    "delete_run": lambda backend, _: backend.delete_run(RUN),
    "list_trash": lambda backend, _: backend.list_trash("team", PageRequest()),
    "restore_runs": lambda backend, plans: backend.restore(plans["run_entry"]),
}
MANAGEMENT: dict[str, Operation] = {
    "update_workspace": lambda backend, _: backend.update_workspace("team", WorkspacePatch(comment="x")),
    "set_member": lambda backend, _: backend.set_member("team", "zoe", "VIEWER"),
    "publish": lambda backend, _: backend.update_project(PATH, ProjectPatch(visibility="PUBLIC")),
    "plan_project_deletion": lambda backend, _: backend.plan_project_deletion(PATH),
    "delete_project": lambda backend, plans: backend.delete(plans["project"]),
    "restore_project": lambda backend, plans: backend.restore(plans["project_entry"]),
    "purge": lambda backend, plans: backend.purge(trash_id=plans["old_entry"]),
}
ON_THE_TRASH = {"list_trash", "restore_runs", "restore_project", "purge"}
DELETES = {"delete_run", "delete_runs", "delete_project"}
ON_THE_WORKSPACE = {"create_project", "list_trash", "update_workspace", "set_member"}


@attrs.frozen
class Place:
    """A team with a project, and what could be done with it."""

    site: Site
    owner: Backend
    plans: dict[str, Any]

    def visitor(self, role: Role | None, *, public: bool = False) -> Backend:
        """A user with that role in the team."""
        backend = self.site.user("guest")
        self.owner.set_member("team", "guest", role)
        if public:
            self.owner.update_project(PATH, ProjectPatch(visibility="PUBLIC"))
        return backend


@pytest.fixture
def place(site: Site) -> Place:
    """A private project in a team, with one run; other runs and another project lie in the trash."""
    owner = site.within("ann")
    site.within("zoe")
    owner.create_workspace("team")
    owner.create_project(ProjectDraft("demo", "team"))
    for name in ("one", "gone", "old"):
        run, _ = owner.create_run(RunDraft(PATH, id=name, state="FINISHED"))
        owner.append(Batch(run.path, (line("loss", 3),)))
    other = owner.create_project(ProjectDraft("other", "team")).path
    plans: dict[str, Any] = {
        "run_entry": owner.delete(owner.plan_run_deletion(RunSelection("team", "demo", ("gone",)))).trash_id,
        "old_entry": owner.delete(owner.plan_run_deletion(RunSelection("team", "demo", ("old",)))).trash_id,
        "project_entry": owner.delete(owner.plan_project_deletion(other)).trash_id,
        "runs": owner.plan_run_deletion(RUNS),
        "project": owner.plan_project_deletion(PATH),
    }
    return Place(site, owner, plans)


def _outcome(operation: Operation, backend: Backend, plans: dict[str, Any]) -> str:
    try:
        operation(backend, plans)
    except NotFoundError:
        return "unseen"
    except PermissionDeniedError:
        return "denied"
    return "done"


@pytest.mark.parametrize(
    ("role", "reads", "writes", "management"),
    [
        ("OWNER", "done", "done", "done"),
        ("MEMBER", "done", "done", "denied"),
        ("VIEWER", "done", "denied", "denied"),
        ("VISITOR", "unseen", "unseen", "unseen"),
        (None, "unseen", "unseen", "unseen"),
    ],
)
def test_a_role_decides(place: Place, role: Role | None, reads: str, writes: str, management: str) -> None:
    guest = place.visitor(role)
    for table, expected in ((READS, reads), (WRITES, writes), (MANAGEMENT, management)):
        for name, operation in table.items():
            if expected == "done" and name in DELETES | {"restore_project", "purge", "publish"}:
                continue
            wanted = _seen_otherwise(name, role) or expected
            assert _outcome(operation, guest, place.plans) == wanted, name
    assert place.owner.get_project(PATH).visibility == "PRIVATE"


def _seen_otherwise(name: str, role: Role | None) -> str | None:
    """Entries of the trash are seen by those who may write; the workspace itself also by a VISITOR."""
    if name in ON_THE_TRASH - {"list_trash"} and role == "VIEWER":
        return "unseen"
    if name in ON_THE_WORKSPACE and role == "VISITOR":
        return "denied"
    return None


@pytest.mark.parametrize("role", ["VISITOR", None])
def test_a_public_project_is_readable_by_everyone_and_no_more(place: Place, role: Role | None) -> None:
    guest = place.visitor(role, public=True)
    for name, operation in READS.items():
        assert _outcome(operation, guest, place.plans) == "done", name
    for name, operation in (WRITES | MANAGEMENT).items():
        expected = "unseen" if name in ON_THE_TRASH - {"list_trash"} else "denied"
        assert _outcome(operation, guest, place.plans) == expected, name
    assert [item.name for item in guest.list_projects(ProjectQuery("team")).items] == ["demo"]
    assert guest.get_workspace("team").role == "VISITOR"
    assert guest.get_project(PATH).role == "VISITOR"


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("OWNER", ["delete_runs", "restore_runs", "purge"]),
        ("OWNER", ["delete_project", "restore_project"]),
        ("OWNER", ["publish"]),
        ("MEMBER", ["delete_runs", "restore_runs"]),
        ("MEMBER", ["delete_run"]),
    ],
)
def test_what_is_allowed_is_done(place: Place, role: Role, names: list[str]) -> None:
    guest = place.visitor(role)
    for name in names:
        assert _outcome((WRITES | MANAGEMENT)[name], guest, place.plans) == "done", name


def test_a_workspace_shows_only_what_is_public(place: Place) -> None:
    place.owner.create_project(ProjectDraft("open", "team", visibility="PUBLIC"))
    place.owner.create_run(RunDraft(ProjectPath("team", "open"), id="seen"))
    stranger = place.site.user("bob")
    assert [item.name for item in stranger.list_projects(ProjectQuery()).items] == ["open"]
    assert [item.name for item in stranger.list_projects(ProjectQuery("team")).items] == ["open"]
    assert stranger.count_runs(ALL) == 1
    assert [run.id for run in stranger.list_runs(RunQuery(ALL)).items] == ["seen"]
    assert [item.username for item in stranger.list_workspaces(None, PageRequest()).items] == ["bob", "team"]
    with pytest.raises(PermissionDeniedError):
        stranger.update_runs(ALL, RunPatch(name="x"))
    with pytest.raises(PermissionDeniedError):
        stranger.plan_run_deletion(ALL)
    with pytest.raises(NotFoundError):
        stranger.get_project(PATH)


def test_what_is_like_a_mistyped_path_is_named_if_the_caller_may_see_it(place: Place) -> None:
    owner, member, stranger = place.owner, place.visitor("MEMBER"), place.site.user("bob")
    owner.create_project(ProjectDraft("open-demos", "team", visibility="PUBLIC"))
    owner.create_run(RunDraft(PATH, id="k3x9q2ab", name="the best one"))

    def told(backend: Backend, path: ProjectPath | RunPath) -> str:
        with pytest.raises(NotFoundError) as caught:
            backend.get_run(path) if isinstance(path, RunPath) else backend.get_project(path)
        return caught.value.message

    mistyped = ProjectPath("team", "dmeo")
    for backend in (owner, member):
        assert told(backend, mistyped) == "there is no project team/dmeo, did you mean 'team/demo'?"
        assert told(backend, mistyped.run("one")) == "there is no project team/dmeo, did you mean 'team/demo'?"
        assert told(backend, ProjectPath("taem", "demo")) == "there is no project taem/demo, did you mean 'team/demo'?"
        assert told(backend, PATH.run("onne")) == "project team/demo has no run 'onne', did you mean 'one'?"
        assert told(backend, PATH.run("k3x9q2a")).endswith("did you mean 'k3x9q2ab'?")
        assert told(backend, PATH.run("the best one")).endswith("did you mean 'k3x9q2ab', which is called that?")
        assert told(backend, PATH.run("gone")).endswith("did you mean 'one'?"), "not of what lies in the trash"
        with pytest.raises(NotFoundError, match="has no run 'onne', did you mean 'one'"):
            backend.update_runs(RunSelection("team", "demo", ("onne",)), RunPatch(name="x"))
        with pytest.raises(NotFoundError, match="has no run 'onne', did you mean 'one'"):
            backend.delete_run(PATH.run("onne"))
        assert told(backend, ProjectPath("zzz", "unheard")) == "there is no project zzz/unheard"
    for path in (mistyped, PATH, PATH.run("one"), PATH.run("onne")):
        near = "did you mean 'team/demo'" in told(stranger, path)
        assert not near, "nothing tells who may not see it that it is there"
    assert told(stranger, ProjectPath("team", "open-demo")).endswith("did you mean 'team/open-demos'?")
    assert "project team/demo," not in told(stranger, ProjectPath("team", "open-demo"))


def test_runs_move_only_where_one_may_write(place: Place) -> None:
    place.owner.create_project(ProjectDraft("open", "team", visibility="PUBLIC"))
    guest = place.visitor("VIEWER")
    with pytest.raises(PermissionDeniedError):
        guest.update_runs(RUNS, RunPatch(project="open"))
    member = place.visitor("MEMBER")
    assert member.update_runs(RUNS, RunPatch(project="open")).updated == 1


def test_the_trash_of_others_is_not_seen(place: Place) -> None:
    stranger = place.site.user("bob")
    assert stranger.list_trash(None, PageRequest()).items == ()
    assert len(place.owner.list_trash(None, PageRequest()).items) == 3
    assert stranger.purge(expired_only=False).entries == 0
    assert place.visitor("MEMBER").purge(expired_only=False).entries == 0
    assert place.site.root.purge(expired_only=False, dry_run=True).entries == 3
    assert place.owner.purge(expired_only=False).entries == 3


def test_an_administrator_is_no_owner(place: Place) -> None:
    for name, operation in (READS | WRITES).items():
        assert _outcome(operation, place.site.root, place.plans) == "unseen", name


def test_the_owner_of_the_directory_may_do_everything(place: Place) -> None:
    owner = LocalBackend(place.site.services)
    for name, operation in (READS | WRITES).items():
        if name not in DELETES:
            assert _outcome(operation, owner, place.plans) == "done", name
    assert owner.get_server().root
    assert {item.username for item in owner.list_workspaces(None, PageRequest()).items} >= {"ann", "team", "zoe"}
    assert owner.get_workspace("team").role == "OWNER"
    owner.set_member("team", "zoe", "OWNER")
    assert owner.delete(owner.plan_project_deletion(PATH, force=True)).kind == "project"
