"""Questions in SQL: what they are answered, what is read for them, and what they do not reach."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.place import Place
from support.world import make_points, make_world

from runatlas import Api
from runatlas.backends.local import LocalBackend
from runatlas.entities import run_sql
from runatlas.errors import RequestError, TooMuchWorkError, ValidationError
from runatlas.model.ids import ProjectPath
from runatlas.model.project import ProjectDraft
from runatlas.model.run import RunDraft
from runatlas.tables.query import Query, QueryTable

PROJECT = "my-team/my-project"


def rows(place: Place, query: str) -> list[tuple[Any, ...]]:
    answer = place.api.project(PROJECT).sql(query)
    return [tuple(row.values()) for row in answer.unwrap()]


def test_every_table_has_what_the_runs_have(place: Place) -> None:
    assert rows(
        place, 'select project, run, name, "config.net.depth", "summary.acc" from runs order by run limit 2'
    ) == [
        (PROJECT, "abc123", "baseline v2", 18, 0.495),
        (PROJECT, "run_id_1", "wide v2", None, 0.1),
    ]
    assert rows(place, "select * from config where run = 'abc123' order by key")[:2] == [
        (PROJECT, "abc123", "lr", "0.01", 0.01),
        (PROJECT, "abc123", "net.depth", "18", 18.0),
    ]
    assert rows(place, "from summaries where key = 'acc' order by run")[1] == (PROJECT, "run_id_1", "acc", 0.1)
    assert rows(place, "from series where run = 'run_id_1' and key = 'loss'") == [
        (PROJECT, "run_id_1", "loss", "", 2, 0, 1, 0.8, 0.8, 1, 0.9, 0, pytest.approx(0.85), pytest.approx(0.05))
    ]
    ((first, *_), *_) = [rows(place, "from points where key = 'loss' and run = 'run_id_1' order by step")]
    assert (*first[:6], first[6].isoformat(), first[7]) == (
        *(PROJECT, "run_id_1", "loss", "", 0, 0.9, "2024-05-15T10:40:00+00:00", None),
    )
    assert [column for (column, *_) in rows(place, "describe points")] == list(run_sql._POINTS)


@pytest.mark.parametrize(
    ("query", "requests", "keys"),
    [
        ("select 1", [], None),
        ("select count(*) from runs", ["list_runs"], None),
        ("from config join summaries using (run, key)", ["list_runs", "list_runs"], None),
        ("select max(value) from points where key = 'loss' and step > 3", ["read_points"], ("loss",)),
        ("from points p where p.key in ('acc', 'loss') and run = 'abc123'", ["read_points"], ("acc", "loss")),
        ("from runs r left join Points p on p.run = r.run and 'acc' = p.key", ["list_runs", "read_points"], ("acc",)),
        ("from points where key like 'lo%'", ["read_summaries", "read_points"], None),
        ("from points where key = 'acc' or step = 1", ["read_summaries", "read_points"], None),
        ("from points where key = 'acc' union from points where key = 'loss'", ["read_points"] * 2, ("acc", "loss")),
        ("from points where key = 'acc' union from points", ["read_summaries", "read_points"] * 2, None),
        ("from query_table('points') where key = 'acc'", ["read_summaries", "read_points"], None),
        ("from series where key = 'acc'", ["list_runs", "read_summaries"], ("acc",)),
    ],
)
def test_only_what_a_question_asks_for_is_read(
    place: Place, query: str, requests: list[str], keys: tuple[str, ...] | None
) -> None:
    before = len(place.account.calls)
    place.api.project(PROJECT).sql(query).unwrap()
    assert sorted(place.account.calls[before:]) == sorted(requests)
    asked = [args[0] for args in place.account.arguments[before:] if hasattr(args[0], "keys")]
    assert all(one.keys == keys for one in asked)


KEYS = ["p.key = 'loss'", "'acc' = p.key", "p.key in ('acc', 'none')", "p.key = 'acc' or p.key = 'loss'"]
OTHERS = ["p.key is null", "coalesce(p.key, 'loss') = 'loss'", "not p.key = 'loss'", "p.key = 'acc' or p.step = 0"]
MIXED = ["p.key = 'loss' and p.run = 'run_id_1'", "p.run in ('run_id_1', 'run_id_2')", "p.key = r.name", "true"]
CONDITIONS = st.sampled_from([*KEYS, *OTHERS, *MIXED])
JOINS = ["join", "left join", "right join", "full join", "semi join", "anti join"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Any]]:
    """A project of few points, and the same in tables of DuckDB."""
    import duckdb

    backend = LocalBackend(str(tmp_path_factory.mktemp("small")))
    project = ProjectPath("me", "small")
    backend.create_workspace("me", name="me", comment="")
    backend.create_project(ProjectDraft("small", "me"))
    world = make_world(backend)
    for name, series in {"run_id_1": ("loss", "acc"), "run_id_2": ("loss",), "run_id_3": ()}.items():
        backend.create_run(RunDraft(project, id=name, name="loss"))
        if series:
            run = type(world)(backend, "me", project)
            run.add_points(name, *(make_points(key, [1.0, 2.0]) for key in series))
    api = Api(backend=backend)
    whole = duckdb.connect()
    for table in ("runs", "points"):
        held = api.sql(f"from {table}", "me/small").unwrap().to_arrow()
        whole.register("held", held)
        whole.execute(f"create table {table} as from held")
    yield api, whole
    whole.close()
    backend.close()


@settings(max_examples=examples(25), deadline=None)
@given(st.sampled_from(JOINS), st.booleans(), CONDITIONS, CONDITIONS)
def test_what_is_left_unread_changes_no_answer(
    small: tuple[Api, Any], join: str, is_swapped: bool, on: str, where: str
) -> None:
    left, right = ("points p", "runs r") if is_swapped else ("runs r", "points p")
    is_half = join.startswith(("semi", "anti"))
    if is_half and left == "runs r":
        where = "r.name = 'loss'"
    elif is_half:
        where = where.replace("r.name", "'loss'")
    query = f"select count(*) c from {left} {join} {right} on p.run = r.run and ({on}) where {where}"
    api, whole = small
    assert api.sql(query, "me/small").unwrap().column("c") == [whole.execute(query).fetchone()[0]]


@pytest.mark.parametrize(
    "query",
    [
        "from read_csv('/etc/passwd')",
        "from '/etc/passwd'",
        "from read_text('/etc/passwd')",
        "from glob('/*')",
        "from sniff_csv('/etc/passwd')",
        "from parquet_scan('http://localhost/x.parquet')",
        "copy (select 1) to '/tmp/x.csv'",
        "export database '/tmp/x'",
        "attach '/tmp/x.db'",
        "install httpfs",
        "load httpfs",
        "pragma version",
        "call pragma_version()",
        "set memory_limit = '100GB'",
        "create table t as select 1",
        "insert into runs values (1)",
        "drop view runs",
        "select 1; select 2",
        "explain select 1",
        "begin",
        "-- nothing",
        "from secret",
        "from duckdb",
        "from sys",
    ],
)
def test_a_question_reaches_nothing_but_the_runs(place: Place, query: str) -> None:
    secret = {"a": [1]}
    with place.account.asking():
        answer = place.api.project(PROJECT).sql(query)
    assert secret
    assert isinstance(answer.error, ValidationError)
    assert answer.code == 400
    assert answer.errmsg.startswith("sql: ")


def test_mistakes_are_told_with_their_place(place: Place) -> None:
    sql = place.api.project(PROJECT).sql
    assert "LINE 2: where nope = 1\n              ^" in sql("select run from runs\nwhere nope = 1").errmsg
    assert 'written in quotes: "config.lr"' in sql("select config.lr from runs").errmsg
    there = (
        "Table with name run does not exist! There are runs, config, summaries, series, points, did you mean 'runs'?"
    )
    assert sql("select * from run").errmsg.startswith(f"sql: Catalog Error: {there}\n\nLINE 1")
    for query in ("select acc from runs", "select r.acc from runs r where r.name = 'x'"):
        assert sql(query).errmsg.endswith('\ndid you mean "summary.acc"? a name with a dot is written in quotes')
    for query in ("select ac from runs", 'select "summary.ac" from runs', "select r.ac from runs r"):
        assert '"summary.acc"' in sql(query).errmsg
    assert "written in quotes" not in sql("select nme from runs").errmsg
    assert "Table with name json does not exist" in sql("from json").errmsg  # a module that is loaded
    assert "expected one SELECT, got 2 statements" in sql("select 1; select 2").errmsg
    assert "Could not convert string" in sql("select cast(key as int) from config").errmsg
    with pytest.raises(TypeError, match="query"):
        sql(5)  # type: ignore[arg-type]


def test_keys_that_no_run_has_are_told_with_what_is_near(place: Place) -> None:
    sql = place.api.project(PROJECT).sql
    near = ("no run here has a metric 'los', did you mean 'loss'?",)
    for query in (
        "from points where key = 'los'",
        "from series where key in ('loss', 'los')",
        "select run from runs join summaries s using (run) where s.key = 'los'",
        "from points p join series s using (run) where p.key = 'los' and s.key = 'los'",
    ):
        answer = sql(query).unwrap()
        assert answer.notes == near, query
        assert "did you mean" in answer._repr_html_()
        assert pickle.loads(pickle.dumps(answer)).notes == near
    assert sql("from config where key = 'lrr'").unwrap().notes == (
        "no run here has a config 'lrr', did you mean 'lr'?",
    )
    assert place.api.sql("from points where key = 'los'").unwrap().notes == near
    for query in ("from points where key = 'acc' and run = 'run_id_2'", "from series where key > 'los'", "from points"):
        assert sql(query).unwrap().notes == ()


def test_what_cannot_be_read_is_the_error_of_the_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    project = place.api.project(PROJECT)
    for name, query in {
        "list_runs": "from runs",
        "read_points": "select sum(value) from points where key = 'loss'",
        "read_summaries": "from series",
    }.items():
        place.account.fail(name, RequestError("the network is down"))
        answer = project.sql(query)
        assert isinstance(answer.error, RequestError)
        assert answer.errmsg == "the network is down"
    some = place.api.runs(PROJECT, ids=["abc123", "none"])
    gone = some.sql("select count(*) n from points where key = 'acc'").unwrap()
    assert (gone.column("n"), gone.complete, [each.path for each in gone.failures]) == ([100], False, ["none"])
    monkeypatch.setattr(run_sql, "_UNASKED_MAX", 2000)
    refused = project.sql("select count(*) from points")
    assert isinstance(refused.error, TooMuchWorkError)
    assert "would read 2,107 points; say which metrics or runs" in refused.errmsg
    assert project.sql("select count(*) n from points where key = 'loss'")[0]["n"] == 2003
    few = place.api.runs(PROJECT)[:3].sql("select count(*) n from points").unwrap()
    assert few.column("n") == [4]


def test_without_duckdb_the_sentence_says_what_to_install(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"sql\(\) needs duckdb; install it with: pip install 'runatlas\[sql\]'"):
        place.api.sql("select 1")


def test_runs_of_several_places_are_told_apart(small: tuple[Api, Any]) -> None:
    api, _ = small
    query = "select project, run, count(*) n from points where key = 'acc' group by all order by all"
    assert [tuple(row.values()) for row in api.sql(query).unwrap()] == [
        ("me/small", "run_id_1", 2),
        ("my-team/my-project", "abc123", 100),
        ("my-team/my-project", "run_id_1", 1),
    ]
    counted = "select count(distinct project) n from runs join series using (project, run)"
    assert (api.sql(counted)[0]["n"], api.sql(counted, "me")[0]["n"]) == (2, 1)
    assert api.workspace("my-team").runs("name == 'wide v2'").sql(query).unwrap().column("n") == [1]


def test_an_answer_has_the_types_of_every_other_table(place: Place) -> None:
    query = """select 3::tinyint i, 5::hugeint h, 170141183460469231731687303715884105727::hugeint large, 1.5 d, 'x' t,
        timestamptz '2026-01-02 03:04:05.678Z' at_, date '2026-01-02' on_day, [1, 2] l, {'a': null} s, true b, null n,
        interval 1 day every, 'b'::enum('a', 'b') e, 1 as \"i\""""
    table = place.api.sql(query).unwrap()
    kinds = {name: str(table.to_arrow().schema.field(name).type) for name in table.columns}
    told = [kinds[name].removeprefix("arro3.core.DataType<").strip().removesuffix(">") for name in table.columns]
    assert told == [
        *(
            "Int64",
            "Int64",
            "Float64",
            "Float64",
            "Utf8",
            'Timestamp(ms, "UTC")',
            'Timestamp(ms, "UTC")',
            "Utf8",
            "Utf8",
        ),
        *("Boolean", "Utf8", "Utf8", "Utf8", "Int64"),
    ]
    assert list(table[0].values())[7:10] == ["[1,2]", '{"a":null}', True]
    assert table.columns[-1] == "i_1"
    assert table.json()[0]["at_"] == 1767323045678
    assert table[0]["at_"].isoformat() == "2026-01-02T03:04:05.678000+00:00"
    assert (table.column("h"), table[-1:], len(table)) == ([5], [table[0]], 1)
    with pytest.raises(KeyError):
        table.column("none")
    again = pickle.loads(pickle.dumps(table))
    assert isinstance(again, QueryTable)
    assert again.to_csv() == table.to_csv()
    assert table.to_pandas()["at_"][0] == table.to_polars()["at_"][0]
    assert "2026-01-02" in table._repr_html_()
    assert Query("select 1").names("runs") is False
