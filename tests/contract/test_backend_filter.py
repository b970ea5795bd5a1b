"""Filters over every backend: each answers as plain Python does."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from support.backend import Site
from support.examples import examples
from support.filter_meaning import Fact
from support.filter_strategies import CONTEXT, LISTS, SERIES, VALUES, filters
from support.recording import points

from runatlas.api.entry import Api
from runatlas.backends.local import LocalBackend
from runatlas.errors import ValidationError
from runatlas.model.batch import Batch
from runatlas.model.filters import (
    And,
    Comparison,
    Field,
    Filter,
    Not,
    Operator,
    Or,
    Sort,
)
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import PageRequest
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft, RunPatch, RunQuery, RunRecord, RunSelection


def _make_runs(site: Site, project: ProjectPath) -> dict[str, Fact]:
    """Make a run for each value, other fields taking turns, and say what each of them is."""
    backend, facts = site.inside, {}
    # A SwanLab server gives colors to runs that have none.
    values, colors = (VALUES, ()) if site.is_exact else (tuple(filter(_is_plain, VALUES)), ("#123456",))
    for number, value in enumerate((*values, *LISTS, ...)):
        config: dict[str, Any] = {} if value is ... else {"a": value}
        config |= {"b": {"c": values[-number % len(values)]}} if number % 3 else {}
        config |= {"x.y": values[number % len(values)], "x": {"y": number}} if number % 4 == 1 else {}
        draft = RunDraft(
            project,
            id=f"run {number}",
            name=f"{value}"[:60],
            description=("", "First Try", "ÄRGER")[number % 3],
            state=("RUNNING", "FINISHED", "CRASHED")[number % 3],
            labels=(("x", "Y"), (), ("5",))[number % 3],
            group=("", "g1")[number % 2],
            colors=(colors, ("#fff", "#000"))[number % 2],
            config=config,
            created_at_ms=1_700_000_000_000 + 1000 * number,
        )
        record, _ = backend.create_run(draft)
        series = {("loss", ()): SERIES[number % 7], ("loss", CONTEXT): SERIES[number % 5]} if number % 4 else {}
        parts = [
            points(key, [(step, 0, float(item), None) for step, item in enumerate(values)], context=context)
            for (key, context), values in series.items()
        ]
        backend.append(Batch(record.path, tuple(parts)))
        if number % 5 == 0:
            backend.update_runs(_only(record.path), RunPatch(pin=True, show=False))
        facts[record.id] = Fact({}, config, {key: [float(v) for v in held] for key, held in series.items()})
    return {
        record.id: _with_stable(facts[record.id], record)
        for record in backend.list_runs(RunQuery(_all(project), page=PageRequest(limit=1000))).items
    }


def _is_plain(value: Any) -> bool:
    return value != "" and (not isinstance(value, float) or math.isfinite(value))


def _with_stable(fact: Fact, record: RunRecord) -> Fact:
    names = ("id", "cuid", "name", "description", "state", "labels", "group", "job_type", "project", "colors")
    stable: dict[str, Any] = {name: getattr(record, name) for name in (*names, "show", "pin", "baseline", "archived")}
    for name in ("created_at", "updated_at", "finished_at", "pinned_at"):
        stable[name] = getattr(record, f"{name}_ms")
    ended = record.finished_at_ms
    stable["duration"] = None if ended is None else (ended - record.created_at_ms) / 1000
    stable["user"] = record.user and record.user.username
    return Fact(stable, fact.config, fact.series)


def _all(project: ProjectPath) -> RunSelection:
    return RunSelection(project.workspace, project.project)


def _only(path: RunPath) -> RunSelection:
    return RunSelection(path.workspace, path.project, (path.run,))


_TRICKY: tuple[Filter, ...] = (
    Comparison(Field("CONFIG", "a"), "EQ", 2**53 + 1),
    Comparison(Field("CONFIG", "a"), "GT", 10**20),
    Comparison(Field("CONFIG", "a"), "GTE", 10**400, lenient=True),
    Not(Comparison(Field("CONFIG", "a"), "EQ", math.nan)),
    Comparison(Field("CONFIG", "a"), "NOT IN", (math.nan, -0.0, True, "5")),
    Comparison(Field("CONFIG", "a"), "IN", ((64, 128), None, 2**53 + 2, 1e22), lenient=True),
    Comparison(Field("CONFIG", "a"), "EQ", "9007199254740993", lenient=True),
    Comparison(Field("CONFIG", "a"), "LT", "2024-05-01T13:00:00Z", lenient=True),
    Comparison(Field("CONFIG", "a"), "EQ", "TRUE", lenient=True),
    Comparison(Field("CONFIG", "a"), "CONTAIN", 64, lenient=True),
    Comparison(Field("CONFIG", "a"), "CONTAIN", "ΣΣ"),
    Comparison(Field("CONFIG", "a"), "CONTAIN", "c d"),
    Comparison(Field("CONFIG", "a"), "IGLOB", "*İ*"),
    Comparison(Field("CONFIG", "a"), "GLOB", "[[]x[]][*][?]*"),
    Comparison(Field("CONFIG", "a", "len"), "GTE", 2),
    Comparison(Field("CONFIG", "b"), "CONTAIN", "c"),
    Comparison(Field("CONFIG", "x.y"), "NEQ", 5),
    Comparison(Field("CONFIG", "x.y#2"), "GTE", 5),
    Comparison(Field("STABLE", "labels"), "EQ", None),
    Comparison(Field("STABLE", "colors"), "NOT IN", ("#fff", None)),
    Comparison(Field("STABLE", "labels", "len"), "EQ", 0),
    Comparison(Field("STABLE", "duration"), "EQ", math.nan),
    Comparison(Field("SCALAR", "loss", "std"), "NEQ", math.nan),
    Comparison(Field("SCALAR", "loss", "min"), "EQ", None),
    Comparison(Field("SCALAR", "loss", "median"), "EQ", None),
    Comparison(Field("SCALAR", "loss", "median"), "NEQ", math.nan),
    And(
        (Comparison(Field("STABLE", "pin"), "EQ", 1), Comparison(Field("SCALAR", "loss", "median", CONTEXT), "LTE", 1))
    ),
    Not(Comparison(Field("SCALAR", "loss", "median"), "IN", (0.5, 2, "1", math.inf))),
    Comparison(Field("SCALAR", "loss", "max", CONTEXT), "GTE", math.inf),
    And(()),
    Or(()),
    Not(Or((Comparison(Field("STABLE", "pin"), "EQ", 1), And((Comparison(Field("CONFIG", "a"), "EQ", None),))))),
)
"""Where engines have differed from Python, and where they are likely to."""


def _each(tried: tuple[Filter, ...]) -> Callable[[Callable[[Filter], None]], Callable[[Filter], None]]:
    """Try these in any case."""
    return lambda law: functools.reduce(lambda found, wanted: example(wanted)(found), tried, law)


def test_every_filter_chooses_the_runs_that_python_chooses(site: Site) -> None:
    project = site.project()
    facts = _make_runs(site, project)

    # Over HTTP each costs many requests, and what it costs is not what differs.
    most = 80 if isinstance(site.root, LocalBackend) else 25

    @settings(max_examples=examples(most), suppress_health_check=list(HealthCheck))
    @given(filters)
    @_each(_TRICKY)
    def check(wanted: Filter) -> None:
        selection = RunSelection(project.workspace, project.project, filter=wanted)
        found = site.root.list_runs(RunQuery(selection, parts=(), page=PageRequest(limit=1000)))
        assert {run.id for run in found.items} == {name for name, fact in facts.items() if fact.matches(wanted)}
        assert site.root.count_runs(selection) == len(found.items)
        if len(found.items) % 4 == 1:
            plan = site.root.plan_run_deletion(selection, force=True)
            assert [item.cuid for item in plan.items] == [run.cuid for run in found.items]

    check()


@pytest.fixture
def demo(site: Site) -> ProjectPath:
    """A project of the administrator's with two runs."""
    project = site.project()
    site.inside.create_run(RunDraft(project, id="one", name="One % two", config={"lr": 0.1, "tags": ["a", "b"]}))
    site.inside.create_run(RunDraft(project, id="two", name="ÉTÉ_2", config={"lr": 0.2}, labels=("best",)))
    return project


def _found(site: Site, project: ProjectPath, wanted: Filter | None = None, search: str | None = None) -> set[str]:
    selection = RunSelection(project.workspace, project.project, filter=wanted, search=search)
    return {run.id for run in site.root.list_runs(RunQuery(selection)).items}


def test_search_finds_parts_of_names_and_ids_in_any_case(site: Site, demo: ProjectPath) -> None:
    assert _found(site, demo, search="été") == {"two"}
    assert _found(site, demo, search="% T") == {"one"}
    assert _found(site, demo, search="_") == {"two"}
    assert _found(site, demo, search="TW") == {"one", "two"}
    assert _found(site, demo, search="tow") == set()


def test_nothing_of_a_filter_reaches_the_sql(site: Site, demo: ProjectPath) -> None:
    for text in ("' OR 1=1 --", "'; DROP TABLE runs; --", ":x", "%s", "%(x)s", "?", '"', "[a", "[^a]", "***:", "(?i)"):
        for field in (Field("STABLE", "name"), Field("CONFIG", text or "x"), Field("SCALAR", text or "x")):
            assert _found(site, demo, Comparison(field, "EQ", text)) == set()
            assert _found(site, demo, Comparison(field, "CONTAIN", text)) == set()
        assert _found(site, demo, search=text) == set()
    assert _found(site, demo) == {"one", "two"}


@pytest.mark.parametrize(
    "wrong",
    [
        Comparison(Field("STABLE", "password"), "EQ", 1),
        Comparison(Field("CONFIG", "lr"), "LIKE", 1),  # type: ignore[arg-type]
        Comparison(Field("CONFIG", "lr"), "IN", 1),
        Comparison(Field("CONFIG", "lr"), "GTE", (1, 2)),
        Comparison(Field("SCALAR", "loss", "mode"), "EQ", 1),  # type: ignore[arg-type]
        Comparison(Field("CONFIG", "lr"), "EQ", "nul\x00"),
        Comparison(Field("CONFIG", "lr"), "CONTAIN", "x" * 1001),
        And((Comparison(Field("CONFIG", "lr"), "EQ", 1),) * 501),
    ],
    ids=("field", "operator", "no list", "list", "statistic", "nul", "long", "many"),
)
def test_a_filter_that_is_none_is_refused(site: Site, demo: ProjectPath, wrong: Filter) -> None:
    with pytest.raises(ValidationError):
        _found(site, demo, wrong)
    with pytest.raises(ValidationError):
        site.root.plan_run_deletion(RunSelection(demo.workspace, demo.project, filter=wrong))


def test_a_filter_may_nest_but_not_without_end(site: Site, demo: ProjectPath) -> None:
    wanted: Filter = Comparison(Field("CONFIG", "lr"), "EQ", 0.1)
    for _ in range(24):
        wanted = Not(wanted)
    assert _found(site, demo, wanted) == {"one"}
    wanted = Comparison(Field("CONFIG", "lr"), "EQ", 0.1)
    never = Comparison(Field("CONFIG", "lr"), "EQ", "2024-05-01", lenient=True)
    for _ in range(9):
        wanted = Or((never, And((Not(never), wanted))))
    assert _found(site, demo, wanted) == {"one"}
    for _ in range(3):
        wanted = Or((never, And((Not(never), wanted))))
    with pytest.raises(ValidationError):
        _found(site, demo, wanted)


def test_long_lists_are_no_trouble(site: Site, demo: ProjectPath) -> None:
    names = tuple(f"run {number}" for number in range(20_000))
    assert _found(site, demo, Comparison(Field("STABLE", "id"), "IN", (*names, "two"))) == {"two"}
    numbers = tuple(number + 0.5 for number in range(5_000))
    assert _found(site, demo, Comparison(Field("CONFIG", "lr"), "NOT IN", numbers)) == {"one", "two"}
    selection = RunSelection(demo.workspace, demo.project, ids=(*names, "one"))
    assert site.root.count_runs(selection) == 1


def test_long_lists_of_numbers_travel_together(site: Site, demo: ProjectPath) -> None:
    # One by one they took seconds, and more than PostgreSQL takes.
    many = tuple(range(70_000))
    assert _found(site, demo, Comparison(Field("CONFIG", "lr"), "NOT IN", (*many, 0.1))) == {"two"}
    assert _found(site, demo, Comparison(Field("SCALAR", "loss"), "IN", many)) == set()
    assert _found(site, demo, Comparison(Field("STABLE", "created_at"), "IN", many)) == set()
    with pytest.raises(ValidationError, match="10,000 numbers with a fraction"):
        _found(site, demo, Comparison(Field("CONFIG", "lr"), "IN", tuple(item + 0.5 for item in many[:10_001])))
    with pytest.raises(ValidationError, match="500 comparisons"):
        _found(site, demo, Comparison(Field("STABLE", "colors"), "IN", tuple(map(str, many[:501]))))


def test_only_a_metric_has_statistics_and_contexts(site: Site, demo: ProjectPath) -> None:
    many = tuple(f"#{number:06x}" for number in range(600))
    for field in (
        Field("STABLE", "colors", "min"),
        Field("STABLE", "colors", context=(("a", 1),)),
        Field("STABLE", "name", "max"),
        Field("CONFIG", "lr", "min"),
    ):
        with pytest.raises(ValidationError):
            _found(site, demo, Comparison(field, "IN", many))


def test_a_color_is_one_of_a_list_and_no_part_of_its_text(site: Site) -> None:
    project = site.project("colored")
    for name, colors in {"two": ("#111", "#222"), "quote": ('"',), "comma": ("a,", "b"), "one": (",",)}.items():
        site.inside.create_run(RunDraft(project, id=name, colors=colors))
    field = Field("STABLE", "colors")
    for op, value in (("EQ", ","), ("CONTAIN", ","), ("IN", (",",))):
        assert _found(site, project, Comparison(field, op, value)) == {"one"}  # type: ignore[arg-type]
    assert _found(site, project, Comparison(field, "EQ", "")) == set()
    assert _found(site, project, Comparison(field, "EQ", '"')) == {"quote"}
    assert _found(site, project, Comparison(field, "NEQ", ",")) == {"two", "quote", "comma"}


def test_a_workspace_is_searched_as_a_whole(site: Site, demo: ProjectPath) -> None:
    other = site.project("other")
    site.inside.create_run(RunDraft(other, id="two"))
    everywhere = RunSelection(site.home)
    assert site.root.count_runs(everywhere) == 3
    wanted = Comparison(Field("STABLE", "project"), "EQ", "other")
    found = site.root.list_runs(
        RunQuery(RunSelection(site.home, filter=wanted), sorts=(Sort(Field("STABLE", "name")),))
    )
    assert [run.path for run in found.items] == [other.run("two")]


def test_the_runs_of_a_workspace_are_one_listing(site: Site) -> None:
    """Through ``Api``, page by page, filtered and ordered; what another workspace has is not among them."""
    places = [site.project(f"p{number}") for number in range(3)]
    for number in range(7):
        draft = RunDraft(places[number % 3], id=f"r{number}", config={"seed": number}, labels=("x",) * (number % 2))
        site.inside.create_run(attrs.evolve(draft, created_at_ms=1_700_000_000_000 + 1000 * number))
    ann = site.user("ann")
    other = ann.create_project(ProjectDraft("p0")).path
    ann.create_run(RunDraft(other, id="r9", config={"seed": 1}))
    api = Api(backend=site.root)
    runs = api.runs(site.home)
    assert [run.path for run in runs] == [str(places[n % 3].run(f"r{n}")) for n in range(6, -1, -1)]
    assert (len(runs), runs.total, bool(runs)) == (7, 7, True)
    found = api.workspace(site.home).runs("not tags and config.seed > 0", order="-config.seed")
    assert ([run.id for run in found], found.total) == (["r6", "r4", "r2"], 3)
    assert [run.id for run in api.runs(site.home, size=3, page=2)] == ["r3", "r2", "r1"]
    seen: list[str] = []
    cursor = None
    while True:
        query = RunQuery(RunSelection(site.home), parts=(), page=PageRequest(limit=2, cursor=cursor))
        page = site.root.list_runs(query)
        seen += [run.id for run in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [f"r{number}" for number in range(6, -1, -1)]


def test_values_that_look_alike_are_told_apart(site: Site) -> None:
    project = site.project()
    configs: dict[str, dict[str, Any]] = {
        "even": {"n": 2**53, "opt": {"lr": 1}, "layers": [64, 128]},
        "odd": {"n": 2**53 + 1, "opt": {}, "layers": [64.0, 128]},
        "next": {"n": float(2**53 + 2), "opt": None, "layers": [[64], 128]},
    }
    for name, config in configs.items():
        labels = ("x",) if name == "even" else ()
        site.inside.create_run(RunDraft(project, id=name, config=config, labels=labels, group="" if labels else "g"))
    site.inside.append(Batch(project.run("odd"), (points("loss", [(2**53, 0, math.nan, None)]),)))
    api = Api(backend=site.root)
    for text, expected in {
        "config.n == 9007199254740993": {"odd"},
        "config.n > 9007199254740992": {"odd", "next"},
        "config.n in [9007199254740994, 1]": {"next"},
        "config.opt is None": {"next"},
        "'lr' in config.opt": {"even"},
        "len(config.opt) == 0": {"odd"},
        "config.layers == [64, 128]": {"even", "odd"},
        "64 in config.layers": {"even", "odd"},
        "[64] in config.layers": {"next"},
        "len(tags) == 0 and group": {"odd", "next"},
        "not group": {"even"},
        "summary.loss == nan": {"odd"},
        "summary.loss is not None and summary.loss != nan": set(),
        "summary.loss.last_step == 9007199254740993": set(),
        "summary.loss.last_step == 9007199254740992": {"odd"},
        "fnmatch(id, '?[dx]*') or id.endswith('even')": {"odd", "even"},
        "id.lower().startswith('e')": {"even"},
        "created_at > ago('1d')": set(),
    }.items():
        runs = api.runs(str(project), text)
        assert {run.id for run in runs} == expected, text
        assert {item.path for item in runs.delete(force=True).unwrap()} == {
            str(project.run(name)) for name in expected
        }, text
    rules = [{"key": "n", "type": "CONFIG", "op": "EQ", "value": ["9007199254740993"]}]
    assert {run.id for run in api.runs(str(project), rules)} == {"odd"}


def test_a_plan_notes_what_no_run_has(site: Site, demo: ProjectPath) -> None:
    if not site.is_exact:  # these servers make no plans: the client does, and asks for no more than it needs
        return
    site.inside.append(Batch(demo.run("one"), (points("loss", [(0, 0, 1.0, None)]),)))
    read = Api(backend=site.root).runs(str(demo)).metrics(["los"]).unwrap().notes
    assert read[0] == "no run here has a metric 'los', did you mean 'loss'?"
    for text, notes in {
        "config.tag != True": ("no run here has a config 'tag', did you mean 'tags'?",),
        "summary.los != 1 and config.lr > 0": ("no run here has a metric 'los', did you mean 'loss'?",),
        "summary['loss', {'split': 'val'}] != 1": ("no run here has a metric 'loss' in that context",),
        "config.zzz is None or state == 'RUNNING'": ("no run here has a config 'zzz'",),
        "config.lr != '0.1'": (
            "config 'lr' has no text such as '0.1' in any run here, but numbers; write 0.1 without quotes",
        ),
        "config.tags != 3": ("config 'tags' has no number such as 3 in any run here, but lists",),
        "config.lr not in ['0.1', 5] and not 'a' in config.lr": (),
        "config.lr != 1 and summary.loss != 5 and name != ''": (),
    }.items():
        plan = Api(backend=site.root).runs(str(demo), text).delete(force=True).unwrap()
        assert plan.notes == tuple(plan.json()["notes"]) == notes
        assert all(f"note: {note}" in repr(plan) for note in notes)
        assert plan.total > 0
    assert Api(backend=site.root).runs(str(demo), "config.tag != True").delete(force=True).unwrap().apply().ok
    empty = site.project("empty")
    assert Api(backend=site.root).runs(str(empty), "config.tag != True").delete(force=True).unwrap().notes == ()


def test_filters_see_what_changed(site: Site, demo: ProjectPath) -> None:
    """After any change, filters answer of configs and labels what the records say of them."""
    patches = (
        RunPatch(config={"lr": "0.3", "model.width": 8}, labels_added=("new",)),
        RunPatch(config={"lr": {"start": 1}}, config_removed=("model",), labels_removed=("best",)),
        RunPatch(config={"lr": 0.1}, labels=("best",)),
        RunPatch(config_removed=("lr", "tags"), labels=()),
    )
    questions: tuple[tuple[Operator, Any], ...] = (
        *(("EQ", None), ("EQ", 0.1), ("EQ", 0.3), ("GTE", 1), ("CONTAIN", "a")),
    )
    wanted: list[Filter] = [
        Comparison(Field("CONFIG", key), op, value, lenient=True)
        for key in ("lr", "lr.start", "model.width", "tags")
        for op, value in questions
    ]
    wanted += [Comparison(Field("STABLE", "labels"), "CONTAIN", label) for label in ("best", "new")]
    for patch in patches:
        site.root.update_runs(RunSelection(demo.workspace, demo.project, ("two",)), patch)
        site.inside.create_run(
            RunDraft(demo, id="one", config=patch.config or {}, labels=patch.labels_added, if_exists="resume")
        )
        runs = site.root.list_runs(RunQuery(_all(demo))).items
        facts = {run.id: Fact({"labels": run.labels}, run.config or {}, {}) for run in runs}
        for condition in wanted:
            expected = {name for name, fact in facts.items() if fact.matches(condition)}
            assert _found(site, demo, condition) == expected, condition
