"""``clean``: what a policy takes, planned or at once, of a project, a workspace or as a file says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.entities.cleaning import PolicyFields
from runatlas.entities.project import Project
from runatlas.entities.workspace import Workspace
from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.ids import ProjectPath
from runatlas.model.policy import Policy
from runatlas.model.run import RunDraft

DAY = 24 * 3_600_000


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A project with five runs that ended ten, twenty, … days ago, in a workspace with another."""
    backend = LocalBackend(tmp_path / "store")
    home = backend.get_user().username
    now = round(time.time() * 1000)
    for number in range(1, 6):
        ended = now - number * 10 * DAY
        for project in ("demo", "other"):
            draft = RunDraft(
                ProjectPath(home, project),
                id=f"{project}-{number}",
                state="FINISHED" if number % 2 else "CRASHED",
                created_at_ms=ended - DAY,
                finished_at_ms=ended,
                labels=("baseline",) if number == 5 else (),
                create_project=True,
            )
            backend.create_run(draft)
    with Api(backend=backend) as made:
        yield made


def ids(items: object) -> list[str]:
    return [item.path.rpartition("/")[2] for item in items]  # type: ignore[attr-defined]


def test_a_policy_is_planned_then_applied_then_undone(api: Api) -> None:
    project = api.workspace().project("demo")
    plan = project.clean(older_than="15d", keep_last=1, keep_labels="baseline", max=3).unwrap()
    assert ids(plan) == ["demo-2", "demo-3", "demo-4"]
    assert [item.reason for item in plan.kept] == ["the last one", "label baseline"]
    assert "finished 20 d ago, older than 15d" in repr(plan)
    assert "- kept: " in repr(plan)
    assert len(list(project.runs())) == 5
    deleted = plan.apply().unwrap()
    assert [run.id for run in project.runs()] == ["demo-1", "demo-5"]
    deleted.restore().unwrap()
    done = project.clean(commit=True, where="state == 'CRASHED'", allow_all=True).unwrap()
    assert (done.runs, done.kept) == (2, ())
    assert len(list(project.runs())) == 3


def test_a_workspace_and_a_path_say_where(api: Api) -> None:
    workspace = api.workspace()
    plan = workspace.clean(older_than="15d", keep_last=1, group_by="project").unwrap()
    assert plan.total == 8
    home = workspace.username
    assert api.clean(home, older_than="15d", keep_last=2, group_by=["project"]).unwrap().total == 6
    done = api.clean(f"{home}/other", True, older_than="15d", keep_last=2).unwrap()
    assert (done.runs, len(done.kept)) == (3, 2)
    assert api.workspace().runs().total == 7


def test_what_is_refused_deletes_nothing(api: Api) -> None:
    project = api.workspace().project("demo")
    refused = project.clean(True, older_than="5d")
    assert isinstance(refused.error, ConflictError)
    assert "would take all 5 runs that it looks at" in refused.errmsg
    assert isinstance(project.clean(True, older_than="5d", keep_last=1, max=3).error, ConflictError)
    mistyped = project.clean(True, where="config.baselin != True", older_than="15d", keep_last=1)
    assert "no run here has a config 'baselin'" in mistyped.errmsg
    assert len(list(project.runs())) == 5
    with pytest.raises(ValueError, match="says what stays but not what may go"):
        project.clean(keep_last=5)
    with pytest.raises(TypeError, match="older"):
        project.clean(older="5d")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="commit"):
        project.clean("yes", older_than="5d")  # type: ignore[call-overload]


def test_a_file_says_the_same(api: Api, tmp_path: Path) -> None:
    home = api.workspace().username
    path = tmp_path / "clean.toml"
    path.write_text(
        f'[[policy]]\nname = "old"\nproject = "{home}/demo"\nolder_than = "15d"\nkeep_last = 1\n'
        f'[[policy]]\nname = "gone"\nproject = "{home}/none"\nolder_than = "15d"\n'
    )
    old, gone = api.policies(path)
    assert (old.name, old.project, old.policy.keep_last) == ("old", f"{home}/demo", 1)
    assert repr(old) == f"FilePolicy('old', '{home}/demo')"
    assert ids(old.clean().unwrap()) == ["demo-2", "demo-3", "demo-4", "demo-5"]
    assert isinstance(gone.clean(True).error, NotFoundError)
    assert old.clean(True).unwrap().runs == 4
    path.write_text("[[policy]]\nname = 'old'\n")
    with pytest.raises(ValueError, match=r"clean\.toml, line 1, column 1: the policy has no project"):
        api.policies(path)


@pytest.mark.parametrize("method", [Api.clean, Workspace.clean, Project.clean, Project.hold_policy])
def test_the_arguments_of_a_policy_are_declared_once_and_told_where_they_are_taken(method: Callable[..., Any]) -> None:
    fields = [field.name for field in attrs.fields(Policy)]
    assert fields == [*PolicyFields.__annotations__]
    assert [name for name in fields if f"``{name}``" not in (method.__doc__ or "")] == []
