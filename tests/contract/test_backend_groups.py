"""What every backend does with runs in groups: plain Python puts the same together, and their filters select them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.filter_strategies import LISTS, VALUES
from support.recording import points

from runatlas import Api
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.filters import And, Comparison, Field, Filter
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunDraft, RunQuery, RunSelection
from runatlas.model.run_group import group_filter

Held = dict[Field, Any]

A, NESTED, LOSS = Field("CONFIG", "a"), Field("CONFIG", "b.c"), Field("SCALAR", "loss")
STATE, GROUP, PIN = Field("STABLE", "state"), Field("STABLE", "group"), Field("STABLE", "pin")
FIELDS = (A, NESTED, LOSS, STATE, GROUP, PIN)
SAME: tuple[Any, ...] = (
    1,
    1.0,
    True,
    "1",
    0,
    -0.0,
    False,
    2**53,
    float(2**53),
    2**53 + 1,
    [1, True],
    [1.0, 1],
    {},
    {"c": 1},
    "a\nb",
    ...,
)


def _is_plain(value: Any) -> bool:
    """Tell whether a value comes back as it is from a server that takes NaN and infinities for texts."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not isinstance(value, float) or math.isfinite(value)


def _make_runs(site: Site, project: ProjectPath) -> dict[str, Held]:
    """Make a run for each value, other fields taking turns, and say what each of them has."""
    of_objects = [{"b": 1.0, "a": [None]}]
    given = [value for value in (*VALUES, *LISTS, *SAME) if value != of_objects]
    values = [value for value in given if site.is_exact or _is_plain(value)]
    found: dict[str, Held] = {}
    for number, value in enumerate(values):
        nested = values[number // 3 % 7]
        loss = (1.0, 2.5, None)[number % 3]
        draft = RunDraft(
            project,
            id=f"run {number}",
            state=("RUNNING", "FINISHED", "CRASHED")[number % 3],
            group=("", "g1")[number % 2],
            config={} if value is ... else {"a": value, "b": {"c": nested}},
        )
        path = site.inside.create_run(draft)[0].path
        if loss is not None:
            site.inside.append(Batch(path, (points("loss", [(0, 0, loss, None)]),)))
        config = {A: None, NESTED: None} if value is ... else {A: value, NESTED: nested}
        found[draft.id or ""] = {**config, LOSS: loss, STATE: draft.state, GROUP: draft.group, PIN: False}
    return found


def _alike(left: Any, right: Any) -> bool:
    """Equality as Python has it, but that NaN equals NaN, and that an object is no value."""
    left, right = (None if isinstance(value, dict) else value for value in (left, right))
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_alike, left, right))
    return bool(left == right or (left != left and right != right))


def _expected(runs: dict[str, Held], fields: tuple[Field, ...]) -> list[set[str]]:
    groups: list[tuple[list[Any], set[str]]] = []
    for name, held in runs.items():
        values = [held[field] for field in fields]
        same = next((ids for known, ids in groups if all(map(_alike, known, values))), None)
        if same is None:
            groups.append((values, {name}))
        else:
            same.add(name)
    return [ids for _, ids in groups]


def _ids(site: Site, selection: RunSelection) -> set[str]:
    page = site.root.list_runs(RunQuery(selection, parts=(), page=PageRequest(limit=1000)))
    assert page.next_cursor is None
    return {run.id for run in page.items}


def test_groups_are_runs_of_equal_values(site: Site) -> None:
    project = site.project()
    runs = _make_runs(site, project)
    wanted = st.sampled_from((None, Comparison(STATE, "EQ", "FINISHED"), Comparison(A, "EQ", None)))

    @settings(max_examples=examples(6), deadline=None, suppress_health_check=list(HealthCheck))
    @given(fields=st.lists(st.sampled_from(FIELDS), min_size=1, max_size=3, unique=True).map(tuple), chosen=wanted)
    def check(fields: tuple[Field, ...], chosen: Filter | None) -> None:
        selection = RunSelection(project.workspace, project.project, filter=chosen)
        among = _ids(site, selection)
        found = site.root.group_runs(selection, fields)
        listed = site.services.runs.list_values(site.services.owner(), selection, fields, (LOSS,), len(among) + 1)
        assert {run.id for run in listed} == among
        for run in listed:
            assert all(map(_alike, run.group, map(runs[run.id].get, fields)))
            assert (run.state, *run.values) == (runs[run.id][STATE], runs[run.id][LOSS])
        lists = [
            {held: None for held in column if isinstance(held, tuple)}
            for column in zip(*(group.values for group in found), strict=True)
        ]
        told = []
        for group in found:
            narrowed = group_filter(fields, group.values, lists)
            both = narrowed if chosen is None else And((chosen, narrowed))
            ids = _ids(site, RunSelection(project.workspace, project.project, filter=both))
            assert (group.count, sum(group.states.values())) == (len(ids), len(ids))
            assert all(
                _alike(runs[name][f], value) for name in ids for f, value in zip(fields, group.values, strict=True)
            )
            told.append(ids)
        assert sorted(map(sorted, told)) == sorted(
            map(sorted, _expected({name: held for name, held in runs.items() if name in among}, fields))
        )

    check()


def test_lists_within_lists_are_values_in_whatever_way_they_come(site: Site) -> None:
    project = site.project()
    made = {f"run {number}": value for number, value in enumerate(([[1], "a"], [[1.0], "a"], [[]], [1]))}
    for name, value in made.items():
        site.inside.create_run(RunDraft(project, id=name, config={"a": value}))
    groups = dict(Api(backend=site.root).runs(str(project)).groups("config.a"))
    assert {values[0]: {run.id for run in runs} for values, runs in groups.items()} == {
        ((1,), "a"): {"run 0", "run 1"},
        ((),): {"run 2"},
        (1,): {"run 3"},
    }


def test_groups_by_any_key_tell_what_they_amount_to(site: Site) -> None:
    project = site.project()
    keys = ("learning-rate", "train/lr", 'a "b" c', "class", "é", "<b>", "\uff4c")
    for number in range(4):
        draft = RunDraft(project, state="FINISHED", config=dict.fromkeys(keys, number % 2))
        path = site.inside.create_run(draft)[0].path
        site.inside.append(Batch(path, (points("loss", [(0, 0, float(number % 2), None)]),)))
    runs = Api(backend=site.root).runs(str(project))
    for key in keys:
        groups = runs.groups(f"config[{key!r}]")
        assert groups.fields == runs.groups(*groups.fields).fields
        told = groups.stats("loss", spread="sd").unwrap()
        assert [row["loss"].center for row in told] == [0.0, 1.0]


@pytest.mark.parametrize("field", [Field("STABLE", "labels"), Field("STABLE", "colors"), Field("SCALAR", "x", "min")])
def test_what_has_no_one_value_groups_nothing(site: Site, field: Field) -> None:
    selection = RunSelection(site.home, site.project().project)
    with pytest.raises(ValidationError):
        site.root.group_runs(selection, (field,))
    with pytest.raises(ValidationError, match="at least one field"):
        site.root.group_runs(selection, ())
    with pytest.raises(ValidationError, match="fields: runs are grouped by up to 10"):
        site.root.group_runs(selection, (A,) * 11)


def test_a_list_that_no_filter_asks_for_is_refused(site: Site) -> None:
    project = site.project()
    site.inside.create_run(RunDraft(project, id="a", config={"a": [{"b": 1}]}))
    with pytest.raises(ValidationError, match="list of objects"):
        site.root.group_runs(RunSelection(project.workspace, project.project), (A,))


def test_values_that_are_too_long_together_are_refused(site: Site) -> None:
    project = site.project()
    for letter in "abc":
        site.inside.create_run(RunDraft(project, id=letter, config={"a": letter * 3_000_000}))
    selection = RunSelection(project.workspace, project.project)
    with pytest.raises(ValidationError, match="more than 8,000,000 characters together"):
        site.root.group_runs(selection, (A,))
    assert len(site.root.group_runs(selection, (STATE,))) == 1
