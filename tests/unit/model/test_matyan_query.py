from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.filter_text import FilterSyntaxError
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.model.matyan_query import MatyanQuery, parse_matyan

# A tree is ("run", seed), ("trace", name), ("not", tree), ("and", trees) or ("or", trees).
Tree = tuple[str, Any]

leaves = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 2)),
    st.tuples(st.just("trace"), st.sampled_from(["a", "b"])),
)
trees: st.SearchStrategy[Tree] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
    ),
    max_leaves=8,
)


def text_of(tree: Tree) -> str:
    kind, part = tree
    if kind == "run":
        return f"run.seed == {part}"
    if kind == "trace":
        return f"metric.name == '{part}'"
    if kind == "not":
        return f"not ({text_of(part)})"
    return f" {kind} ".join(f"({text_of(item)})" for item in part)


def holds(tree: Tree, seed: int, name: str) -> bool:
    kind, part = tree
    if kind == "run":
        return bool(seed == part)
    if kind == "trace":
        return bool(name == part)
    if kind == "not":
        return not holds(part, seed, name)
    return (all if kind == "and" else any)(holds(item, seed, name) for item in part)


def chosen(found: Filter | None, seed: int) -> bool:
    """Whether a filter holds for a run, as a store would answer."""
    if found is None:
        return True
    if isinstance(found, Not):
        return not chosen(found.item, seed)
    if isinstance(found, (And, Or)):
        return (all if isinstance(found, And) else any)(chosen(item, seed) for item in found.items)
    return bool(found.value == seed)


@given(trees)
def test_a_query_finds_what_its_text_says(tree: Tree) -> None:
    query = parse_matyan(text_of(tree), sequence="metric")

    for seed in range(4):
        answers = [chosen(condition, seed) for condition in query.run_conditions]
        for name in ("a", "b", "c"):
            found = chosen(query.runs, seed) and query.matches({"name": name, "context": {}}, answers)
            assert found == holds(tree, seed, name), text_of(tree)


def test_conditions_joined_by_and_need_no_second_question() -> None:
    query = parse_matyan("run.seed == 1 and not run.seed == 2 and metric.name == 'a'", sequence="metric")
    assert query.run_conditions == ()
    assert parse_matyan("run.seed == 1 or metric.name == 'a'", sequence="metric").runs is None


def test_queries_over_runs_alone_need_none_either() -> None:
    assert parse_matyan("run.seed == 1 or not run.active").run_conditions == ()


@pytest.mark.parametrize(
    ("text", "field", "op", "value"),
    [
        ("run.hash == 'x'", Field("STABLE", "id"), "EQ", "x"),
        ("run.experiment != 'x'", Field("STABLE", "project"), "NEQ", "x"),
        ("True == run.active", Field("STABLE", "state"), "EQ", "RUNNING"),
        ("run.active is False", Field("STABLE", "state"), "NEQ", "RUNNING"),
        ("run.active is not False", Field("STABLE", "state"), "EQ", "RUNNING"),
        ("run.is_archived", Field("STABLE", "archived"), "EQ", True),
        ("run.end_time > 1700000000.25", Field("STABLE", "finished_at"), "GT", 1_700_000_000_250),
        ("1700000000 < run.created_at", Field("STABLE", "created_at"), "GT", 1_700_000_000_000),
        ("run.duration > 5", Field("STABLE", "duration"), "GT", 5),
        ("'t' in run.tags", Field("STABLE", "labels"), "CONTAIN", "t"),
        ("run.tags.contains('t')", Field("STABLE", "labels"), "CONTAIN", "t"),
        ("run.metrics['l', {'a': 1}].last_step > 3", Field("SCALAR", "l", "last_step", (("a", 1),)), "GT", 3),
        ("run.metrics['l']", Field("SCALAR", "l"), "NEQ", None),
        ("run.hparams.lr < 1", Field("CONFIG", "hparams.lr"), "LT", 1),
        ("run['a']['b']['c'] == 1", Field("CONFIG", "a.b.c"), "EQ", 1),
        ("run.anything.below == 1", Field("CONFIG", "anything.below"), "EQ", 1),
        ("run['state'] == 1", Field("CONFIG", "state"), "EQ", 1),
        ("run.state == 'FINISHED'", Field("STABLE", "state"), "EQ", "FINISHED"),
        ("config.lr == 1", Field("CONFIG", "lr"), "EQ", 1),
        ("select run if run.x == 1", Field("CONFIG", "x"), "EQ", 1),
    ],
)
def test_names_of_runs(text: str, field: Field, op: str, value: Any) -> None:
    assert parse_matyan(text).runs == Comparison(field, op, value)  # type: ignore[arg-type]


TRACE = {"name": "loss", "context": {"subset": "val", "n": 1}, "last": 0.5, "last_step": 9}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("metric.name == 'loss'", True),
        ("'los' in metric.name", True),
        ("metric.name.endswith('ss')", True),
        ("metric.name not in ('a', 'b')", True),
        ("metric.context.subset == 'val' and metric.context['n'] == 1", True),
        ("metric.context == {'subset': 'val', 'n': 1}", True),
        ("metric.context.none is None", True),
        ("metric.context.none.deeper is None", True),
        ("metric.context.none > 1", False),
        ("0 < metric.last <= 0.5", True),
        ("metric.last_step == 9.0", True),
        ("metric.name > 1", False),
        ("metric.name", True),
        ("metric['name'] == 'loss'", True),
        ("not metric.last == 0.5", False),
    ],
)
def test_conditions_on_traces(text: str, found: bool) -> None:
    assert parse_matyan(text, sequence="metric").matches(TRACE, []) is found


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("run.seed == 1 and metric.foo == 1", 26),
        ("run.seed == 1 and run.name.startswith('x')", 19),
        ("metric.name == open('x')", 16),
        ("metric.last > run.seed", 15),
        ("metric == 1", 1),
        ("metric.name == 'a' if True else 1", 1),
        ("(lambda: metric.name)()", 1),
        ("images.name == 'a'", 1),
    ],
)
def test_mistakes_point_at_their_place(text: str, column: int) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_matyan(text, sequence="metric")
    assert (caught.value.text, caught.value.argument) == (text, "query")
    assert caught.value.column == column


def test_nothing_asked_is_everything() -> None:
    for text in ("", "  ", "SELECT metric IF "):
        query = parse_matyan(text, sequence="metric")
        assert isinstance(query, MatyanQuery)
        assert (query.runs, query.matches(TRACE, [])) == (None, True)
    with pytest.raises(TypeError, match="query"):
        parse_matyan(5)  # type: ignore[arg-type]
