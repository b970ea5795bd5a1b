"""Plans of moves as people meet them: on one run, on what is in hand, and on projects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.entities.runs import Runs
from runatlas.entities.transfer import Transfer
from runatlas.errors import ConflictError
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft
from runatlas.response import ApiResponse

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """A project with four runs, and another one."""
    backend = LocalBackend(tmp_path / "store")
    backend.create_workspace("team")
    for name in NAMES:
        draft = RunDraft(ProjectPath("team", "demo"), id=name, state="FINISHED", create_project=True)
        backend.create_run(draft)
    backend.close()
    with Api(tmp_path / "store") as made:
        made.create_project("team", "other").unwrap()
        yield made


CHOICES: dict[str, tuple[Callable[[Runs], Runs], set[str]]] = {
    "all": (lambda runs: runs, set(NAMES)),
    "slice": (lambda runs: runs[:2], {"d", "c"}),
    "without": (lambda runs: runs - runs[:3], {"a"}),
    "both": (lambda runs: runs[:3] & runs[1:], {"c", "b"}),
    "either": (lambda runs: runs[:1] | runs[3:], {"d", "a"}),
}


@pytest.mark.parametrize("choice", CHOICES)
def test_what_is_in_hand_moves(api: Api, choice: str) -> None:
    choose, names = CHOICES[choice]
    runs = choose(api.runs("team/demo", order="-id"))
    plan = runs.move("other").unwrap()
    assert {item.path for item in plan} == {f"team/demo/{name}" for name in names}
    assert len(plan) == plan.total == len(names)
    done = runs.move(api.project("team/other"), commit=True).unwrap()
    assert {run.id for run in api.runs("team/other")} == names
    assert set(done.paths) == {f"team/other/{name}" for name in names}
    assert {api.run(path).cuid for path in done.paths} == set(done.runs)


def test_ids_move(api: Api) -> None:
    project = api.project("team/demo")
    assert project.runs(ids=["a", "c"]).move("team/other", commit=True).unwrap().total == 2
    refused = project.runs(ids=["b", "nope"]).move("other")
    assert (refused.unwrap().missing, refused.unwrap().complete) == (("nope",), False)
    assert "nope" in str(refused.unwrap().apply().error)
    assert {run.id for run in api.runs("team/other")} == {"a", "c"}


def test_one_run_moves(api: Api) -> None:
    run = api.run("team/demo/a")
    assert run.move(project="other").unwrap().total == 1
    assert run.move(project="other", commit=True).unwrap().paths == ("team/other/a",)
    assert api.run("team/other/a").ok
    assert not api.run("team/demo/a").ok


def test_wrong_arguments_of_one_run(api: Api) -> None:
    run = api.run("team/demo/a")
    with pytest.raises(ValueError, match="write project='archive'"):
        run.move("archive")
    with pytest.raises(TypeError, match="either a folder or a project"):
        run.move(None, project="other")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="either a folder or a project"):
        run.move(commit=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="commit"):
        run.move(project="other", commit="yes")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="project"):
        api.runs("team/demo").move("a/b/c")
    with pytest.raises(TypeError, match="project"):
        api.runs("team/demo").move(None)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="name"):
        api.project("team/demo").rename("..")


def test_a_plan_says_all_that_it_would_do(api: Api) -> None:
    project = api.project("team/demo")
    folder = project.folders().create("sweeps").unwrap()
    project.run("a").move(folder).unwrap()
    plan = project.runs().move("new", create=True).unwrap()
    assert repr(plan).splitlines()[:2] == [
        "TransferPlan: 4 runs would be moved to team/new, which would be made",
        "- folder /sweeps would be made",
    ]
    assert "- team/demo/a → team/new/a" in repr(plan)
    assert ">folder /sweeps would be made</p>" in plan._repr_html_()
    assert plan.to_csv().splitlines()[0] == "run,target,name,state,folder,in_way,points"
    assert len(plan.to_pandas()) == 4
    told = plan.json()
    assert (told["target"], told["total"], told["folders"], told["refusal"]) == ("team/new", 4, ["/sweeps"], "")
    assert plan.apply().unwrap().json()["target"] == "team/new"
    again = plan.apply()
    assert isinstance(again.error, ConflictError)
    assert "the plan is out of date" in again.errmsg


def test_it_is_taken_back(api: Api) -> None:
    runs = api.runs("team/demo", order="id")
    before = [run.json() for run in runs]
    ways: tuple[Callable[[], ApiResponse[Transfer]], ...] = (
        lambda: runs.move("other", commit=True),
        lambda: runs.copy("other", commit=True),
        lambda: api.project("team/demo").merge_into("other", commit=True),
        lambda: api.project("team/demo").rename("newer", commit=True),
    )
    for do in ways:
        answer = do()
        done = answer.unwrap()
        assert done.change is not None
        assert answer.change is not None
        assert done.json()["change"] == done.change.id == answer.change.id
        undone = done.undo().unwrap()
        assert undone.kind in {"undo", "delete"}
        now = [{**run.json(), "updated_at": ""} for run in api.runs("team/demo", order="id")]
        assert now == [{**run, "updated_at": ""} for run in before]
        assert len(api.runs("team/other")) == 0
        assert isinstance(done.undo().error, ConflictError)


def test_what_is_in_the_way_is_in_the_plan(api: Api) -> None:
    project = api.project("team/demo")
    project.runs(ids=["a"]).move("other", commit=True).unwrap()
    backend = LocalBackend(api.location)
    backend.create_run(RunDraft(ProjectPath("team", "demo"), id="a", state="FINISHED"))
    backend.close()
    plan = project.runs().move("other").unwrap()
    assert [item.path for item in plan.in_way] == ["team/demo/a"]
    assert plan.refusal == "nothing was moved: team/other has a run 'a' already"
    assert plan.refusal in repr(plan)
    assert str(plan.apply().error) == plan.refusal


def test_what_is_in_hand_is_copied(api: Api) -> None:
    runs = api.runs("team/demo", order="id")
    plan = runs[:2].copy("copies", create=True).unwrap()
    assert repr(plan).startswith("TransferPlan: 2 runs would be copied to team/copies, which would be made")
    assert api.project("team/copies").ok is False
    done = plan.apply().unwrap()
    assert (done.kind, done.total, done.paths) == ("copy", 2, ("team/copies/a", "team/copies/b"))
    assert [run.cuid for run in api.runs("team/copies", order="id")] == list(done.runs)
    assert len(api.runs("team/demo")) == 4
    one = api.run("team/demo/a").copy("demo", suffix="-copy", commit=True).unwrap()
    assert one.paths == ("team/demo/a-copy",)
    taken = api.run("team/demo/a").copy("demo", commit=True)
    assert taken.errmsg.startswith("nothing was copied: copy with suffix=")
    assert "team/demo has a run 'a' already" in taken.errmsg
    with pytest.raises(TypeError, match="suffix"):
        runs.copy("copies", suffix=1)  # type: ignore[call-overload]


def test_projects_are_merged_and_renamed(api: Api) -> None:
    project = api.project("team/demo")
    plan = project.merge_into("other").unwrap()
    assert repr(plan).startswith("TransferPlan: project team/demo with 4 runs would be merged into team/other")
    done = project.merge_into(api.project("team/other"), commit=True).unwrap()
    assert (done.kind, done.total, bool(done.trash_id)) == ("merge", 4, True)
    assert not api.project("team/demo").ok
    other = api.project("team/other")
    assert repr(other.rename("newer").unwrap()) == "TransferPlan: project team/other would be renamed to team/newer"
    assert other.rename("newer", commit=True).unwrap().target == "team/newer"
    assert len(api.runs("team/newer")) == 4
