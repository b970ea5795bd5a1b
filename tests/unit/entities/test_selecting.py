"""Choosing runs: by ids, by slices, and by what two listings have in common or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.place import Place

from runatlas import Api
from runatlas.entities.runs import Runs
from runatlas.errors import ConflictError, NotFoundError, ValidationError

PROJECT = "my-team/my-project"
ALL = ["run_id_3", "run_id_2", "run_id_1", "abc123"]


def ids(runs: Any) -> list[str]:
    return [run.id for run in runs]


def test_runs_are_named_by_ids(place: Place) -> None:
    project = place.api.project(PROJECT)
    with place.account.asking():
        runs = project.runs(ids=["abc123", f"{PROJECT}/run_id_2", project.run("run_id_1")])
    assert ids(runs) == ["run_id_2", "run_id_1", "abc123"]
    assert ids(project.runs("state == 'FINISHED'", ids=["abc123", "run_id_1"])) == ["abc123"]
    assert ids(project.runs(ids=[])) == []
    assert ids(place.api.runs(PROJECT, ids=["abc123", "gone"])) == ["abc123"]
    assert project.runs(ids=["abc123", "gone"]).delete().unwrap().missing == ("gone",)
    assert isinstance(project.runs(ids=["abc123", "gone"]).update(name="x").error, NotFoundError)
    with place.account.asking():
        for wrong in ("abc123", [5], ["my-team/other/x"]):
            with pytest.raises((TypeError, ValueError), match="ids"):
                project.runs(ids=wrong)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="ids"):
            place.api.runs("my-team", ids=["abc123"])


def test_a_slice_is_runs_and_one_request(place: Place) -> None:
    runs = place.api.runs(PROJECT)
    with place.account.asking():
        part = runs[1:3]
    assert isinstance(part, Runs)
    with place.account.asking("list_runs"):
        assert ids(part) == ["run_id_2", "run_id_1"]
        assert len(part) == 2
    assert list(runs) == list(runs)
    with place.account.asking():
        assert ids(runs[:2]) == ["run_id_3", "run_id_2"]
        assert ids(runs[-1:]) == ["abc123"]
        assert ids(runs[::-2]) == ["abc123", "run_id_2"]
    with place.account.asking("plan_run_deletion"):
        assert [item.path for item in runs[:2].delete().unwrap()] == [f"{PROJECT}/run_id_3", f"{PROJECT}/run_id_2"]
    assert ids(runs[:3][1:]) == ["run_id_2", "run_id_1"]
    assert ids(place.api.runs(PROJECT, page=2, size=2)[:1]) == ["run_id_1"]
    assert ids(runs[2:][:5]) == ["run_id_1", "abc123"]
    assert set(runs[3:].metrics(["loss"], sample=10).unwrap()) == {("abc123", "loss")}


CHOICES: list[tuple[Callable[[Any], Any], set[str]]] = [
    (lambda project: project.runs(), set(ALL)),
    (lambda project: project.runs("state == 'FINISHED'"), {"run_id_2", "abc123"}),
    (lambda project: project.runs(search="run_id"), {"run_id_3", "run_id_2", "run_id_1"}),
    (lambda project: project.runs()[:2], {"run_id_3", "run_id_2"}),
    (lambda project: project.runs("pin"), set()),
    (lambda project: project.runs(ids=["run_id_1", "gone"]), {"run_id_1"}),
    (lambda project: ["abc123", f"{PROJECT}/run_id_3"], {"run_id_3", "abc123"}),
]
STEPS = st.lists(st.tuples(st.sampled_from("-&|"), st.sampled_from(CHOICES)), max_size=3)


@given(st.sampled_from(CHOICES[:-1]), STEPS)
def test_two_listings_are_combined_as_sets_are(reading_place: Place, first: Any, steps: Any) -> None:
    project = reading_place.api.project(PROJECT)
    runs, expected = first[0](project), set(first[1])
    for how, (make, names) in steps:
        other = make(project)
        runs = runs - other if how == "-" else runs & other if how == "&" else runs | other
        expected = expected - names if how == "-" else expected & names if how == "&" else expected | names
    assert set(ids(runs)) == expected
    assert len(runs) == len(expected)
    plan = runs.delete(force=True).unwrap()
    assert {item.path.rpartition("/")[2] for item in plan} | set(plan.missing) - {"gone"} == expected


def test_nothing_is_asked_until_it_is_needed(place: Place) -> None:
    project = place.api.project(PROJECT)
    with place.account.asking():
        whole = project.runs() - project.runs("state == 'CRASHED'")
        part = project.runs() - project.runs()[:1]
        assert repr(part) == f"Runs('{PROJECT}')"
    with place.account.asking("list_runs"):
        assert ids(whole) == ["run_id_2", "run_id_1", "abc123"]
    with place.account.asking("list_runs", "list_runs", "list_runs"):
        assert ids(part) == ["run_id_2", "run_id_1", "abc123"]


def test_what_is_no_listing_is_not_combined(place: Place) -> None:
    runs = place.api.runs(PROJECT)
    for wrong in ("abc123", 5, None):
        with pytest.raises(TypeError):
            runs - wrong  # type: ignore[operator]
    with pytest.raises(ValueError, match="workspace"):
        runs - place.api.runs("other/project")
    with pytest.raises(ValueError, match="other"):
        runs - ["other/project/x"]


def test_a_mistyped_key_is_told_whatever_is_made_of_the_listing(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    mistyped = project.runs("config.baselin == True")
    for runs in (project.runs() - mistyped, project.runs("config.baselin != True")[:2]):
        refused = runs.delete(commit=True)
        assert isinstance(refused.error, ConflictError)
        assert "no run here has a config 'baselin'" in refused.errmsg
    assert len(project.runs()) == 4


def test_what_is_in_hand_is_changed_and_deleted(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    assert project.runs()[:2].protect("mine").unwrap().total == 2
    rest = project.runs() - project.runs("protected")
    assert rest.update(group="rest").unwrap().total == 2
    assert rest.delete(commit=True, force=True).unwrap().runs == 2
    assert ids(project.runs()) == ["run_id_3", "run_id_2"]


def test_an_id_that_is_mistyped_beside_a_listing_stops_what_is_done_with_it(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    for chosen in (
        project.runs() - ["abc12"],
        project.runs() | ["abc12"],
        project.runs() & ["abc123", "abc12"],
        (project.runs() - ["abc12"]) & ["run_id_1"],
        project.runs("state == 'FINISHED'", ids=["run_id_1", "abc12"])[:1] | project.runs(limit=1),
    ):
        assert chosen.delete().unwrap().missing == ("abc12",)
        assert isinstance(chosen.delete(commit=True, force=True).error, NotFoundError)
        assert isinstance(chosen.update(name="x").error, NotFoundError)
    assert ids(project.runs() - ["abc123"]) == ALL[:3]
    assert len(project.runs()) == 4


def test_what_is_mistyped_in_either_listing_or_their_order_stops_a_deletion(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    for chosen in (
        project.runs("config.baselin != True") | project.runs(limit=1),
        project.runs() - project.runs(order="summary.los")[:2],
        project.runs() - project.runs("config.zz == 1")[:3],
        project.runs(limit=2) & project.runs("config.zz != 1"),
        (project.runs() - project.runs("config.zz == 1", limit=1))[:2],
        project.runs(order="summary.los", limit=3),
    ):
        (note,) = chosen.delete().unwrap().notes
        assert "no run here has a" in note
        assert isinstance(chosen.delete(commit=True).error, ConflictError)
    assert len(project.runs()) == 4
    kept = project.runs() - project.runs(order="summary.loss")[:3]
    assert kept.delete().unwrap().notes == ()


def test_pages_follow_each_other_by_cursor_whatever_comes_and_goes(own_place: Place) -> None:
    account = own_place.account
    with account.asking("list_runs"):
        page = own_place.api.runs(PROJECT, order="-created_at").page(2)
        assert [run.name for run in page] != []
        assert (len(page), page.total) == (2, 2)
    assert ids(page) == ALL[:2]
    assert page[1:].delete(commit=True, force=True).ok
    assert page[:1].update(name="first").ok
    later = Api(own_place.account.real.location)
    rest = later.runs(PROJECT, order="-created_at").page(2, after=page.cursor)
    assert (ids(rest), rest.cursor) == (ALL[2:], None)
    assert rest.update(group="rest").unwrap().total == 2
    assert ids(rest) == ALL[2:]
    later.close()


def test_what_no_run_has_is_told_of_a_listing(place: Place) -> None:
    project = place.api.project(PROJECT)
    mistyped = project.runs("config.lrr < 1 or summary.loss.max > 2", order="-summary.los.min")
    with place.account.asking("list_runs"):
        assert mistyped.notes == (
            "no run here has a config 'lrr', did you mean 'lr'?",
            "no run here has a metric 'los', did you mean 'loss'?",
        )
    with place.account.asking():
        assert (len(mistyped.notes), mistyped.total) == (2, 1)
    with place.account.asking("list_runs"):
        assert "did you mean &#x27;lr&#x27;?" in mistyped._repr_html_()
    right = project.runs("config.lr < 1", order="-summary.loss.min")
    with place.account.asking("list_runs"):
        assert len(right) == 3
        assert right.notes == ()


def test_an_update_tells_what_no_run_has(own_place: Place) -> None:
    project = own_place.api.project(PROJECT)
    done = project.runs("config.lrr != 1").update(group="x").unwrap()
    assert (done.total, done.notes) == (4, ("no run here has a config 'lrr', did you mean 'lr'?",))
    assert done.json()["notes"] == list(done.notes)
    assert project.runs("config.lr < 1").update(group="y").unwrap().notes == ()


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        (lambda runs: runs.page(0), ValueError),
        (lambda runs: runs.page(1001), ValueError),
        (lambda runs: runs.page("2"), TypeError),
        (lambda runs: runs.page(after=3), TypeError),
        (lambda runs: runs.page(after=""), ValueError),
        (lambda runs: runs[:3].page(2), ValueError),
        (lambda runs: runs.page(after="W10"), ValidationError),
    ],
)
def test_a_page_that_cannot_be_is_refused(place: Place, ask: Callable[[Any], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ask(place.api.runs(PROJECT))


def test_a_cursor_is_of_one_listing(place: Place) -> None:
    cursor = place.api.runs(PROJECT).page(2).cursor
    for other in (place.api.runs(PROJECT, "state == 'FINISHED'"), place.api.runs(PROJECT, order="name")):
        with pytest.raises(ValidationError, match="is of another listing, filter or order"):
            other.page(2, after=cursor)
