"""What every backend does when it lists runs: order, parts, and pages that leave nothing out."""

from __future__ import annotations

import base64
import json
import math
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.backend import Site
from support.examples import examples
from support.filter_meaning import statistics
from support.recording import points

from runatlas.backends.local import LocalBackend
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import STATISTICS, Comparison, Field, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import Profile, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.run_value import value_of

CONFIGS: tuple[Any, ...] = (3, 1.5, True, "b", "B", "é", None, math.nan, math.inf, -math.inf, [2], "10", {}, 3, "b")
SERIES: tuple[list[float], ...] = ([1.0], [math.nan], [math.inf], [-math.inf, 2.0], [2.0, 1.0], [])


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project with a run for each kind of value, some of them pinned, some of one time."""
    project = site.project()
    for number, value in enumerate(CONFIGS):
        is_special = isinstance(value, float) and not math.isfinite(value)
        run, _ = site.inside.create_run(
            RunDraft(
                project,
                id=f"run-{number}",
                name=f"name {number % 4}",
                group=("a", "Z", "ä")[number % 3],
                state=("RUNNING", "FINISHED")[number % 2],
                config={} if value is None or (is_special and not site.is_exact) else {"x": value},
                created_at_ms=1_000 * (number // 3),
            )
        )
        values = SERIES[number % len(SERIES)]
        rows = [(step, 0, item, None) for step, item in enumerate(values)]
        site.inside.append(Batch(run.path, (points("loss", rows),) if rows else ()))
        if number % 5 == 0:
            site.inside.update_runs(RunSelection(site.home, "demo", (run.id,)), RunPatch(pin=True))
    return project


def _list(site: Site, project: ProjectPath, **query: Any) -> list[RunRecord]:
    """List page by page; every page says the same total."""
    limit = query.pop("limit", 4)
    selection = query.pop("selection", RunSelection(project.workspace, project.project))
    found: list[RunRecord] = []
    cursor = None
    while True:
        page = PageRequest(limit=limit, cursor=cursor, with_total=True)
        answer = site.root.list_runs(RunQuery(selection, page=page, **query))
        assert len(answer.items) <= limit
        assert answer.total == site.inside.count_runs(selection)
        found += answer.items
        assert len(found) <= len(CONFIGS), "a page gave out again what a page before had"
        if answer.next_cursor is None:
            return found
        cursor = answer.next_cursor


def test_a_listing_carries_the_statistics_that_it_is_asked_for(site: Site, demo: ProjectPath) -> None:
    asked = [stat for stat in STATISTICS if stat != "median" and (site.is_exact or stat not in {"count", "first_step"})]
    fields = (*(Field("SCALAR", "loss", stat=stat) for stat in asked), Field("SCALAR", "none"))
    for run in _list(site, demo, statistics=fields, parts=()):
        known = [_statistic(run, stat) for stat in asked]
        has_series = known[0] is not None
        wanted = [(math.nan if value is None else value) if has_series else None for value in known]
        assert run.statistics == pytest.approx((*wanted, None), nan_ok=True), run.id
        assert (run.config, run.summary) == (None, None)
    assert all(run.statistics is None for run in _list(site, demo))


@pytest.mark.parametrize(
    "field", [Field("CONFIG", "x"), Field("SCALAR", "loss", stat="median"), Field("SCALAR", "loss", stat="len")]
)
def test_what_is_no_statistic_of_a_listing_is_refused(site: Site, demo: ProjectPath, field: Field) -> None:
    with pytest.raises(ValidationError, match="statistics"):
        _list(site, demo, statistics=(field,))
    with pytest.raises(ValidationError, match="statistics: up to 100"):
        _list(site, demo, statistics=(Field("SCALAR", "loss"),) * 101)


def test_a_listing_carries_what_decides_the_config_keys_that_it_is_asked_for(site: Site) -> None:
    configs: tuple[Any, ...] = ({"a": {"b": 1, "c": [2]}, "d": 3}, {"d": {"e": None}, "a.b": 4}, {}, {"a": 5, "z": 6})
    project = site.project()
    for number, config in enumerate(configs):
        site.inside.create_run(RunDraft(project, id=f"run-{number}", config=config, created_at_ms=number))
    for names in (("a.b",), ("a", "d.e"), ("z", "none")):
        whole, parts = _list(site, project), _list(site, project, config_keys=names)
        for name in names:
            field = Field("CONFIG", name)
            assert [value_of(run, field) for run in parts] == [value_of(run, field) for run in whole], name
    if site.is_exact:
        assert [run.config for run in _list(site, project, config_keys=())] == [{}] * 4
    assert all(run.config is None for run in _list(site, project, config_keys=("a",), parts=()))
    with pytest.raises(ValidationError, match="config_keys: up to 100"):
        _list(site, project, config_keys=("a",) * 101)


def test_of_many_ids_those_that_are_runs_are_found(site: Site, demo: ProjectPath) -> None:
    ids = ("run-3", "run-1", *(f"none-{number}" for number in range(1100)))
    for project in (demo.project, None):
        found = site.root.list_runs(RunQuery(RunSelection(site.home, project, ids=ids), parts=())).items
        assert sorted(run.id for run in found) == ["run-1", "run-3"]


def _number(value: Any) -> tuple[Any, ...] | None:
    return None if value is None or math.isnan(value) else (value,)


def _config_key(run: RunRecord) -> tuple[Any, ...] | None:
    assert run.config is not None
    value = run.config.get("x")
    if value is None or isinstance(value, dict) or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, (int, float)):
        return 0, float(value), ""
    return 1, 0.0, value if isinstance(value, str) else "[\n" + "".join(f"{item}\n" for item in value) + "]"


def _key_of(field: Field) -> Callable[[RunRecord], tuple[Any, ...] | None]:
    if field.type == "CONFIG":
        return _config_key
    if field.type == "SCALAR":
        return lambda run: _number(_statistic(run, field.stat))
    if field.key == "duration":
        return lambda run: None if run.finished_at_ms is None else (run.finished_at_ms - run.created_at_ms,)
    if field.key == "user":
        return lambda run: (run.user.username,) if run.user else None
    if field.key == "colors":
        return lambda run: (str(run.colors),)
    name = f"{field.key}_ms" if STABLE_FIELDS[field.key] == "time" else field.key
    return lambda run: None if getattr(run, name) is None else (getattr(run, name),)


def _statistic(run: RunRecord, stat: str) -> Any:
    values = SERIES[int(run.id.split("-")[1]) % len(SERIES)]
    return statistics(values)[stat] if values else None


def _expected(runs: list[RunRecord], sorts: tuple[Sort, ...]) -> list[str]:
    made = {run.cuid: number for number, run in enumerate(sorted(runs, key=lambda run: int(run.id.split("-")[1])))}
    ordered = sorted(runs, key=lambda run: (run.pin, run.created_at_ms, made[run.cuid]), reverse=True)
    for sort in reversed(sorts):
        key = _key_of(sort.field)
        present = [run for run in ordered if key(run) is not None]
        absent = [run for run in ordered if key(run) is None]
        # Reversing twice keeps equals in their order.
        descending = sort.order == "DESC"
        present = present[::-1] if descending else present
        present.sort(key=lambda run: key(run) or ())
        ordered = (present[::-1] if descending else present) + absent
    return [run.id for run in ordered]


SORTABLE = [
    *(Field("STABLE", key) for key, kind in STABLE_FIELDS.items() if kind != "labels"),
    Field("CONFIG", "x"),
    *(Field("SCALAR", "loss", stat) for stat in STATISTICS if stat != "median"),  # which only filters ask for
]
sort_lists = st.lists(
    st.builds(Sort, st.sampled_from(SORTABLE), st.sampled_from(("ASC", "DESC"))),
    max_size=3,
    unique_by=lambda s: s.field,
).map(tuple)


def test_runs_come_in_the_order_asked_for_page_by_page(site: Site, demo: ProjectPath) -> None:
    everything = _list(site, demo, limit=1000)
    assert len(everything) == len(CONFIGS)

    @settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
    @given(sort_lists, st.integers(1, 6), st.integers(0, 2))
    def check(sorts: tuple[Sort, ...], limit: int, grouped: int) -> None:
        groups = tuple(sort.field for sort in sorts[:grouped])
        rest = sorts[grouped:]
        whole = (*(Sort(field, "ASC") for field in groups), *rest)
        found = _list(site, demo, sorts=rest, groups=groups, limit=limit)
        assert [run.id for run in found] == _expected(everything, whole), (whole, limit)

    check()


def test_nothing_is_left_out_while_runs_come_and_go(site: Site) -> None:
    """Whatever is there from the first page to the last is listed, once."""
    project = site.project()
    choose = random.Random(7)
    number = 0

    def add() -> str:
        nonlocal number
        number += 1
        draft = RunDraft(
            project, id=f"run-{number}", name=str(choose.random()), config={"x": choose.choice(CONFIGS)},
            created_at_ms=choose.randrange(5),
        )  # fmt: skip
        return site.inside.create_run(draft)[0].id

    present = {add() for _ in range(30)}
    for sort in ((), (Sort(Field("CONFIG", "x")),), (Sort(Field("STABLE", "name"), "ASC"),)):
        stayed, listed, cursor = set(present), [], None
        while True:
            query = RunQuery(RunSelection(site.home, "demo"), sorts=sort, page=PageRequest(limit=7, cursor=cursor))
            answer = site.root.list_runs(query)
            listed += [run.id for run in answer.items]
            cursor = answer.next_cursor
            if cursor is None:
                break
            present |= {add() for _ in range(3)}
            gone = choose.sample(sorted(present), 3)
            site.inside.delete_runs(RunSelection(site.home, "demo", tuple(gone)))
            present -= set(gone)
            stayed &= present
        assert len(listed) == len(set(listed))
        assert stayed <= set(listed)


def test_numbered_pages_skip(site: Site, demo: ProjectPath) -> None:
    everything = [run.id for run in _list(site, demo, limit=1000)]
    selection = RunSelection(site.home, "demo")
    for offset in (0, 3, len(everything), 10_000):
        page = site.root.list_runs(RunQuery(selection, page=PageRequest(limit=5, offset=offset)))
        assert [run.id for run in page.items] == everything[offset : offset + 5]
        assert page.total is None
        assert (page.next_cursor is None) == (offset + 5 >= len(everything))


def test_records_carry_the_parts_asked_for(site: Site) -> None:
    project = site.project()
    profile = Profile({"a": 1}, "b", "c")
    run, _ = site.inside.create_run(RunDraft(project, config={"x": 1}, profile=profile, labels=("l",)))
    site.inside.append(Batch(run.path, (points("loss", [(0, 0, 1.0, None)]),)))
    selection = RunSelection(site.home, "demo")
    (bare,) = site.root.list_runs(RunQuery(selection, parts=())).items
    assert (bare.config, bare.summary, bare.profile, bare.labels) == (None, None, None, ("l",))
    (ordinary,) = site.root.list_runs(RunQuery(selection)).items
    assert (ordinary.config, ordinary.summary, ordinary.profile) == ({"x": 1}, {"loss": 1.0}, None)
    (full,) = site.root.list_runs(RunQuery(selection, parts=("config", "summary", "profile"))).items
    assert full == site.root.get_run(run.path)
    assert full.profile == profile


def test_a_selection_by_id_narrows(site: Site, demo: ProjectPath) -> None:
    cuid = site.root.get_run(demo.run("run-3")).cuid
    selection = RunSelection(site.home, "demo", ("run-1", cuid, "none", "run-1"))
    assert {run.id for run in _list(site, demo, selection=selection)} == {"run-1", "run-3"}
    assert _list(site, demo, selection=RunSelection(site.home, "demo", ())) == []
    narrowed = RunSelection(
        site.home, "demo", ("run-1", "run-2"), Comparison(Field("STABLE", "state"), "EQ", "RUNNING"), search="RUN"
    )
    assert [run.id for run in _list(site, demo, selection=narrowed)] == ["run-2"]


def test_a_forged_cursor_is_refused(site: Site, demo: ProjectPath) -> None:
    query = RunQuery(RunSelection(site.home, "demo"), sorts=(Sort(Field("CONFIG", "lr")),), page=PageRequest(limit=2))
    cursor = LocalBackend(site.services, site.services.owner()).list_runs(query).next_cursor or ""
    found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    assert any(isinstance(key, (int, float)) for key in found[1:])
    found = [found[0], *(10**400 if isinstance(key, (int, float)) else key for key in found[1:])]
    forged = base64.urlsafe_b64encode(json.dumps(found).encode()).decode().rstrip("=")
    with pytest.raises(ValidationError):
        site.root.list_runs(attrs.evolve(query, page=PageRequest(limit=2, cursor=forged)))


def test_cursors_belong_to_their_listing(site: Site, demo: ProjectPath) -> None:
    selection = RunSelection(site.home, "demo")
    cursor = site.root.list_runs(RunQuery(selection, page=PageRequest(limit=2))).next_cursor
    page = PageRequest(limit=2, cursor=cursor)
    for query in (
        RunQuery(selection, sorts=(Sort(Field("STABLE", "name")),), page=page),
        RunQuery(RunSelection(site.home), page=page),
        RunQuery(selection, page=PageRequest(cursor=cursor, offset=1)),
        RunQuery(selection, page=PageRequest(cursor="W10")),
        RunQuery(selection, page=PageRequest(cursor=(cursor or "")[:-3])),
    ):
        with pytest.raises(ValidationError):
            site.root.list_runs(query)


WRONG: dict[str, dict[str, Any]] = {
    "labels": {"sorts": (Sort(Field("STABLE", "labels")),)},
    "labels with a statistic": {"sorts": (Sort(Field("STABLE", "labels", "min")),)},
    "labels with a context": {"groups": (Field("STABLE", "labels", context=(("a", 1),)),)},
    "config with a statistic": {"sorts": (Sort(Field("CONFIG", "x", "max")),)},
    "field": {"sorts": (Sort(Field("STABLE", "nothing")),)},
    "statistic": {"groups": (Field("SCALAR", "loss", "mode"),)},  # type: ignore[arg-type]
    "order": {"sorts": (Sort(Field("CONFIG", "x"), "UP"),)},  # type: ignore[arg-type]
    "many": {"sorts": (Sort(Field("CONFIG", "x")),) * 11},
    "part": {"parts": ("points",)},
    "page": {"page": PageRequest(limit=0)},
}


def test_a_query_that_is_none_is_refused(site: Site, demo: ProjectPath) -> None:
    taken = []
    for name, wrong in WRONG.items():
        with suppress(ValidationError):
            site.root.list_runs(RunQuery(RunSelection(site.home, "demo"), **wrong))
            taken.append(name)
    assert taken == []


SELDOM: dict[str, dict[str, Any]] = {
    "hidden": {"show": False},
    "baseline": {"baseline": True},
    "old": {"archived": True},
    "kept": {"protected": True, "protected_reason": "paper"},
    "drawn": {"colors": ("#112233", "#445566")},
    "pinned": {"pin": True},
    "broken": {"error": "out of memory"},
    "plain": {},
    "all": {"show": False, "baseline": True, "archived": True, "colors": ("#112233",), "error": "gone"},
}


def test_what_only_some_runs_have_is_listed_of_those_and_of_no_other(site: Site) -> None:
    project = site.project()
    kinds = {name: given_ for name, given_ in SELDOM.items() if site.is_exact or "protected" not in given_}
    for name, given_ in kinds.items():
        run, _ = site.inside.create_run(RunDraft(project, id=name, state="FINISHED"))
        if given_:
            site.root.update_runs(RunSelection(run.workspace, run.project, ids=(name,)), RunPatch(**given_))
    query = RunQuery(RunSelection(project.workspace, project.project), parts=())
    found = {record.id: record for record in site.root.list_runs(query).items}
    assert found.keys() == kinds.keys()
    for name, record in found.items():
        assert {field: getattr(record, field) for field in SELDOM["all"]} == {
            field: SELDOM[name].get(field, getattr(found["plain"], field)) for field in SELDOM["all"]
        }
        assert (record.protected, record.protected_reason) == ((True, "paper") if name == "kept" else (False, ""))
        assert (record.pin, record.pinned_at_ms is None) == (name == "pinned", name != "pinned")
        assert record == attrs.evolve(site.root.get_run(record.path), config=None, summary=None, profile=None)
    only = attrs.evolve(query, selection=attrs.evolve(query.selection, ids=("plain",)))
    assert site.root.list_runs(only).items == (found["plain"],)
