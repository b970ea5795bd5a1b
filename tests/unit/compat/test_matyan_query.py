from __future__ import annotations

import math
from typing import Any

import pytest

from runatlas.compat.matyanql.queried_run import MatyanRun, MatyanTrace
from runatlas.compat.matyanql.query import MatyanQuery, parse_matyan
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or
from runatlas.model.run import RunRecord
from runatlas.model.series import Context, Statistic, SummaryRecord
from runatlas.model.syntax import FilterSyntaxError

ARCHIVED = Comparison(Field("STABLE", "archived"), "EQ", value=False)
CREATED_MS = 1_700_000_000_000


def make_summary(key: str, context: Context, last: float, last_step: int) -> SummaryRecord:
    point = Statistic(last, last_step)
    return SummaryRecord("c", key, context, 3, "CUSTOM", "FLOAT", 0, last_step, point, point, point, last, 0.0)


def make_run(**fields: Any) -> MatyanRun:
    config = {"hparams": {"lr": 0.1, "opt": {"name": "adam"}, "layers": [1, 2, 4]}, "seed": 7, "name": "param"}
    given: dict[str, Any] = {"labels": ("a", "b"), "created_at_ms": CREATED_MS, "config": config, **fields}
    summaries = [make_summary("loss", (), 0.5, 9), make_summary("loss", (("subset", "val"),), math.nan, 3)]
    return MatyanRun(RunRecord("w", "p", "r1", "c", **given), name="run 1", experiment=None, summaries=summaries)


def added(text: str) -> Filter:
    """What a query asks of the store beside that runs are not archived."""
    found = parse_matyan(text).runs
    assert isinstance(found, And)
    assert found.items[0] == ARCHIVED
    return found.items[1]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("run.hash == 'r1' and run['name'] == 'param' and run.name == 'run 1'", True),
        ("run.experiment is None", True),
        ("run.tags.contains('b') and 'a' in run.tags and len(run.tags) == 2", True),
        ("run.active and run.end_time is None and run.duration == 0.0", True),
        ("run.created_at == run.creation_time == 1700000000", True),
        ("run.created_at > datetime(2023, 1, 1).timestamp() - 3600", True),
        ("run.created_at > '2023-01-01T00:00:00Z'", True),
        ("run.created_at < datetime(2023, 1, 1)", False),
        ("run.hparams.lr * 10 == 1 and run.hparams['opt'].name.startswith('ad')", True),
        ("run.hparams.layers[-1] == 4 and run.hparams.layers[:2] == [1, 2]", True),
        ("any(v > 3 for v in run.hparams.layers) and sum(run.hparams.layers) == 7", True),
        ("run.hparams == {'lr': 0.1, 'opt': {'name': 'adam'}, 'layers': [1, 2, 4]}", True),
        ("'lr' in run.hparams and run.hparams", True),
        ("run.nothing.at.all is None and run['nothing'] is None", True),
        ("run.nothing > 1", False),
        ("not run.nothing > 1", False),
        ("run.hparams['nothing'] is None", False),
        ("run['hparams.lr'] is None", True),
        ("run.metrics['loss'].last == 0.5 and run.metrics['loss'].last_step == 9", True),
        ("run.metrics['loss', {'subset': 'val'}].last_step == 3", True),
        ("run.metrics['loss', {'subset': 'test'}]", False),
        ("run.metrics['loss', {'subset': 'val'}].last < 1", False),
        ("run.metrics['acc'].last is None and not run.metrics['acc'] and 'loss' in run.metrics", True),
        ("run.state == 'RUNNING'", True),
        ("config.seed == 7", True),
        ("run.seed if run.active else 1 / 0", True),
        ("1 / 0", False),
        ("select run.seed if run.seed == 7", True),
        ("run.archived", False),
    ],
)
def test_queries_over_runs(text: str, found: bool) -> None:
    assert parse_matyan(text).matches(make_run()) is found


TRACE = ("loss", {"subset": "val", "n": 1}, 0.5, 9)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("metric.name == 'loss'", True),
        ("'los' in metric.name and metric.name.endswith('ss')", True),
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
        ("metric.last > metric.run.hparams.lr and run.seed == 7", True),
        ("metric.name == 'a' if run.active else True", False),
    ],
)
def test_queries_over_traces(text: str, found: bool) -> None:
    run = make_run()
    assert parse_matyan(text, sequence="metric").matches(run, MatyanTrace(*TRACE, run)) is found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("run.hash == 'x'", Comparison(Field("STABLE", "id"), "EQ", "x")),
        ("run.hash != 'x'", Not(Comparison(Field("STABLE", "id"), "EQ", "x"))),
        ("'x' == run.experiment", Comparison(Field("STABLE", "project"), "EQ", "x")),
        ("'t' in run.tags", Comparison(Field("STABLE", "labels"), "CONTAIN", "t")),
        ("not run.tags.contains('t')", Not(Comparison(Field("STABLE", "labels"), "CONTAIN", "t"))),
        ("run.hparams.opt == 'adam'", Comparison(Field("CONFIG", "hparams.opt"), "EQ", "adam")),
        ("run['a']['b'].c < 5e-1", Comparison(Field("CONFIG", "a.b.c"), "LT", 0.5)),
        ("3 > run.a and run.b", Comparison(Field("CONFIG", "a"), "LT", 3)),
        ("run.created_at > 1700000000", Comparison(Field("STABLE", "created_at"), "GTE", 1_699_999_999_999)),
        (
            "run.metrics['l', {'a': 'b'}].last_step > 3",
            Comparison(Field("SCALAR", "l", "last_step", (("a", "b"),)), "GT", 3),
        ),
        (
            "run.a in (2, 'x')",
            Or((Comparison(Field("CONFIG", "a"), "EQ", 2), Comparison(Field("CONFIG", "a"), "EQ", "x"))),
        ),
        ("run.a == 1", Or((Comparison(Field("CONFIG", "a"), "EQ", 1), Comparison(Field("CONFIG", "a"), "EQ", True)))),
        ("1 > 2", Or(())),
    ],
)
def test_what_a_store_can_decide_is_asked_of_it(text: str, wanted: Filter) -> None:
    if text == "3 > run.a and run.b":
        (wanted,) = [Or((wanted, *(Comparison(Field("CONFIG", "a"), "EQ", flag) for flag in (True, False))))]
    elif text.endswith("5e-1"):
        wanted = Or((wanted, Comparison(Field("CONFIG", "a.b.c"), "EQ", False)))
    assert added(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "run.a != 1",
        "run.a is not None",
        "not run.a < 1",
        "run.metrics['l'].last > 1",
        "run.a.startswith('x')",
        "run.active or run.a + 1 > 2",
        "any(run.a == 1 for run in [1])",
        "run['a.b'] == 1",
        "run.state == 'FINISHED'",
        "run.name == 'Run: x'",
    ],
)
def test_what_it_cannot_decide_is_not(text: str) -> None:
    assert parse_matyan(text).runs == ARCHIVED


def test_archived_runs_are_left_out_unless_a_comparison_names_them() -> None:
    assert parse_matyan("run.archived").runs == And(
        (ARCHIVED, Comparison(Field("STABLE", "archived"), "EQ", value=True))
    )
    assert parse_matyan("run.archived == True").runs == Comparison(Field("STABLE", "archived"), "EQ", value=True)
    assert parse_matyan("run.seed > 1 or run.is_archived is not None").runs is None


def test_metrics_are_read_where_they_are_asked_for() -> None:
    assert parse_matyan("run.metrics['a'].last > 1").needs_metrics
    assert not parse_matyan("metric.last > 1", sequence="metric").needs_metrics


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("run.seed == 1 and metric.foo == 1", 26),
        ("run.seed == 1 and run.name.encode('x')", 28),
        ("metric.name == open('x')", 16),
        ("images.name == 'a'", 1),
        ("stat == 'x'", 1),
        ("run._record", 5),
        ("metric.name * 10 ** 9", 1),
    ],
)
def test_mistakes_point_at_their_place(text: str, column: int) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_matyan(text, sequence="metric").matches(make_run(), MatyanTrace(*TRACE, make_run()))
    assert (caught.value.text, caught.value.argument) == (text, "query")
    assert caught.value.column == column


def test_times_without_a_zone_are_read_in_the_callers() -> None:
    for text in ("run.created_at == datetime(2023, 11, 15, 0, 13, 20)", "run.created_at == '2023-11-15T00:13:20'"):
        assert parse_matyan(text, utc_offset_min=120).matches(make_run())
        assert not parse_matyan(text).matches(make_run())


def test_nothing_asked_is_everything_that_is_not_archived() -> None:
    for text in ("", "  ", "SELECT metric IF "):
        query = parse_matyan(text, sequence="metric")
        assert isinstance(query, MatyanQuery)
        assert query.runs == ARCHIVED
        assert query.matches(make_run(), MatyanTrace(*TRACE, make_run()))
    with pytest.raises(TypeError, match="query"):
        parse_matyan(5)  # type: ignore[arg-type]
