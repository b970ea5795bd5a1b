"""What a question in SQL says of the rows that it can look at, so that no others are read."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from itertools import count

import pytest
from arro3.core import Array, DataType, RecordBatch

from runatlas.errors import ValidationError
from runatlas.tables.query import Query, Source

LOSS, NONE = ("loss",), None


@pytest.mark.parametrize(
    ("source", "condition", "expected"),
    [
        ("points", "key = 'loss'", LOSS),
        ("main.points as p", "p.KEY = 'loss' and step > 3", LOSS),
        ("points", "'loss' = key", LOSS),
        ("points", "key in ('loss', 'acc')", ("acc", "loss")),
        ("points", "key = 'loss' or key = 'acc'", ("acc", "loss")),
        ("points", "key = 'loss' or step = 3", NONE),
        ("points", "not key = 'loss'", NONE),
        ("points", "key in ('loss', run)", NONE),
        ("points", "key in ('loss', null)", NONE),
        ("points", "upper(key) = 'loss'", NONE),
        ("points tablesample 10%", "key = 'loss'", NONE),
        ("points p(run, key)", "key = 'loss'", NONE),
        ("runs, points p", "p.key = 'loss'", LOSS),
        ("runs, points", "key = 'loss'", NONE),
        ("runs r join points p on p.key = 'loss'", "true", LOSS),
        ("runs r left join points p on p.key = 'loss'", "true", LOSS),
        ("points p left join runs r on p.key = 'loss'", "true", NONE),
        ("points p right join runs r on p.key = 'loss'", "true", LOSS),
        ("runs r right join points p on p.key = 'loss'", "true", NONE),
        ("runs r full join points p on p.key = 'loss'", "true", NONE),
        ("runs r full join points p on true", "p.key = 'loss'", LOSS),
        ("runs r left join (points p join series s on p.key = 'loss') on true", "true", LOSS),
        ("runs r semi join points p on p.key = 'loss'", "true", NONE),
        ("runs r anti join points p on p.key = 'loss'", "true", NONE),
        ("runs r asof join points p on r.at > p.time", "p.key = 'loss'", NONE),
        ("runs r positional join points p", "p.key = 'loss'", NONE),
        ("points p, points q", "p.key = 'loss'", NONE),
        ("points p, points q", "p.key = 'loss' and q.key = 'acc'", ("acc", "loss")),
        ("(select * from points where key = 'loss')", "true", LOSS),
        ("(select * from points)", "key = 'loss'", NONE),
        ("runs", "exists (from points where key = 'loss')", LOSS),
        ("points", "key = 'loss' and exists (from query_table('points'))", NONE),
        ("points", "key = 'loss' and exists (from query('from Points'))", NONE),
        ("points", "key = 'loss' and exists (from query_table('po' || 'ints'))", NONE),
        ("points", "key = 'loss' and exists (from query('from po' || 'ints'))", NONE),
        ("points", "key = 'loss' and exists (from (pivot points on key in ('acc') using count(*)))", NONE),
        ("points", "key = 'loss' and exists (from (unpivot points on step, value))", NONE),
        ("(summarize points)", "key = 'loss'", NONE),
        ("runs", "key = 'loss'", NONE),
    ],
)
def test_a_question_may_say_which_texts_a_column_has(
    source: str, condition: str, expected: tuple[str, ...] | None
) -> None:
    assert Query(f"select * from {source} where {condition}").texts_of("points", "key") == expected


def test_every_part_of_a_question_counts() -> None:
    query = Query("with p as (from points where key = 'a') select * from p union from points where key = 'b'")
    assert query.texts_of("points", "key") == ("a", "b")
    assert query.texts_of("points", "run") is None
    assert (query.names("points"), query.names("runs")) == (True, False)


def test_a_question_that_takes_long_can_be_interrupted() -> None:
    main = threading.main_thread().ident or 0
    batch = RecordBatch.from_pydict({"step": Array([1], DataType.int64())})

    def batches() -> Iterator[RecordBatch]:
        signal.pthread_kill(main, signal.SIGINT)
        yield batch

    long = "select count(*) from points, range(1000000) a, range(1000000) b where a.range + b.range = 7777777 + step"
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Query(long).run({"points": Source(batch.schema, batches)})
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_answer_of_too_many_rows_is_refused_before_it_is_made() -> None:
    schema = RecordBatch.from_pydict({"step": Array([0], DataType.int64())}).schema
    numbers = Array(range(1_000_000), DataType.int64())
    read: list[int] = []

    def batches() -> Iterator[RecordBatch]:
        for place in count():
            read.append(place)
            yield RecordBatch.from_arrays([numbers], schema=schema)

    with pytest.raises(ValidationError, match="the answer has more than 10,000,000 rows; limit or group them"):
        Query("select * from points").run({"points": Source(schema, batches)})
    assert len(read) < 100
    assert len(Query("select range from range(10000000)").run({})) == 10_000_000
