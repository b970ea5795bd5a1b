"""What a policy of clean-up means, against a plain reading of it."""

from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.errors import ConflictError
from runatlas.model.duration import parse_duration
from runatlas.model.policy import (
    Best,
    JudgedRun,
    Policy,
    Verdict,
    judge,
    make_policy,
    parse_best,
    read_policy,
    require_bounds,
)

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_800_000_000_000


def test_durations_are_years_months_weeks_days_and_hours() -> None:
    texts = {"12h": 12, "30d": 30 * 24, "2w": 14 * 24, "1y6m": (365 + 180) * 24, "1y1m1w1d1h": (365 + 30 + 8) * 24 + 1}
    assert {text: parse_duration(text) // HOUR for text in texts} == texts


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "1d1d", "15m 5x", "٣d"])
def test_what_is_no_duration_says_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"^older_than: .* is no duration; write such as '12h', '30d', '2w' or '1y6m'"):
        parse_duration(text, argument="older_than")


def test_the_goal_of_a_metric_is_never_guessed() -> None:
    assert parse_best("val_loss:3") == Best("val_loss", 3, "min")
    assert parse_best("val_acc:3") == Best("val_acc", 3, "min")
    assert parse_best("a:b/c.d:1:max") == Best("a:b/c.d", 1, "max")


@pytest.mark.parametrize("text", ["val_loss", "val_loss:", ":3", "val_loss:0", "val_loss:-1", "val_acc:3:high", "a:3:"])
def test_what_says_no_metric_and_count_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^keep_best: .* write such as 'val_loss:3' for the lowest, 'val_acc:3:max'"):
        parse_best(text)


def test_a_policy_must_say_what_may_go() -> None:
    with pytest.raises(ValueError, match="the policy is empty; give where or older_than"):
        make_policy()
    with pytest.raises(ValueError, match="the policy is empty"):
        make_policy(max=5)
    with pytest.raises(ValueError, match="says what stays but not what may go; give where or older_than"):
        make_policy(keep_last=5, group_by="config.model")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"where": "stat == 'CRASHED'"}, "where: unknown name 'stat', did you mean 'state'"),
        ({"older_than": 30}, "older_than: expected text"),
        ({"keep_last": 0}, "keep_last: 0 is too small"),
        ({"keep_last": True}, "keep_last: expected a whole number, got bool"),
        ({"thin": 0}, "thin: 0 is too small"),
        ({"thin": 10**7}, "thin: 10000000 is too large"),
        ({"max": "5"}, "max: expected a whole number, got str"),
        ({"keep_labels": [1]}, "keep_labels: expected a text or a list of texts"),
        ({"keep_best": ["x:1"] * 101}, "keep_best: 101 are too many, 100 are allowed"),
        ({"group_by": "config.a, config.b"}, "group_by: "),
        ({"group_by": "labels"}, "group_by: runs cannot be grouped by 'labels'"),
        ({"group_by": "created_at"}, "group_by: runs cannot be grouped by 'created_at'"),
        ({"group_by": "summary.loss"}, "group_by: runs cannot be grouped by 'summary.loss'"),
        ({"older": "30d"}, "older"),
    ],
)
def test_a_mistake_names_the_field(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError)) as told:
        make_policy(**({"older_than": "30d"} | fields))
    assert sentence in str(told.value)


def run(cuid: str, *, age: float | None = 100.0, **fields: object) -> JudgedRun:
    """A run that ended so many days ago and began the day before."""
    finished = None if age is None else NOW - round(age * DAY)
    return JudgedRun(cuid, "FINISHED", (finished or NOW) - DAY, finished, **fields)  # type: ignore[arg-type]


def verdicts(policy: Policy, *runs: JudgedRun) -> list[Verdict]:
    return judge(read_policy(policy), runs, NOW)


def reasons(policy: Policy, *runs: JudgedRun) -> list[tuple[bool, str]]:
    return [(verdict.goes, verdict.reason) for verdict in verdicts(policy, *runs)]


def test_every_run_has_a_reason_also_those_that_stay() -> None:
    policy = Policy(
        where="state != 'RUNNING'",
        older_than="30d",
        keep_last=2,
        keep_within="40d",
        keep_best=("val_loss:2",),
        keep_labels=("baseline",),
        group_by=("config.model",),
    )
    runs = [
        run("a", age=90, values=(0.1,), groups=("'mlp'",)),
        run("b", age=80, values=(0.05,), groups=("'mlp'",)),
        run("c", age=70, values=(math.nan,), groups=("'mlp'",), labels=("x", "baseline")),
        run("d", age=60, values=(None,), groups=("'mlp'",)),
        run("e", age=35, values=(0.3,), groups=("'mlp'",)),
        run("f", age=95, values=(0.2,), groups=("'mlp'",)),
        run("g", age=3, values=(9.0,), groups=(None,)),
    ]
    assert reasons(policy, *runs) == [
        (False, "2nd best val_loss of config.model='mlp'"),
        (False, "best val_loss of config.model='mlp'"),
        (False, "label baseline"),
        (False, "one of the last 2 of config.model='mlp'"),
        (False, "one of the last 2 of config.model='mlp'; finished 35 d ago, kept within 40d"),
        (True, "state != 'RUNNING'; finished 95 d ago, older than 30d"),
        (
            False,
            "one of the last 2 of no config.model; best val_loss of no config.model; finished 3 d ago, kept within 40d",
        ),
    ]
    assert [verdict.rules for verdict in verdicts(policy, *runs)] == [
        ("keep_best val_loss:2",),
        ("keep_best val_loss:2",),
        ("keep_labels baseline",),
        ("keep_last 2",),
        ("keep_last 2", "keep_within 40d"),
        ("older_than 30d",),
        ("keep_last 2", "keep_best val_loss:2", "keep_within 40d"),
    ]


def test_what_has_not_ended_or_will_end_is_never_older_than_anything() -> None:
    silent = JudgedRun("s", "CRASHED", NOW - 60 * DAY, None, NOW - 50 * DAY)
    goes_on = JudgedRun("r", "RUNNING", NOW - 60 * DAY, None, NOW)
    unknown = JudgedRun("u", "OFFLINE", NOW - 60 * DAY)
    assert reasons(Policy(older_than="1h"), silent, goes_on, unknown, run("f", age=-1), run("n", age=0.01)) == [
        (True, "last heard of 50 d ago, older than 1h"),
        (False, "not finished, not older than 1h"),
        (False, "not finished, not older than 1h"),
        (False, "finished in the future, not older than 1h"),
        (False, "finished less than an hour ago, not older than 1h"),
    ]


def test_ties_go_to_the_newest_and_then_by_id() -> None:
    policy = Policy(older_than="1d", keep_best=("acc:1:max",))
    same = [run(name, age=9, values=(1.0,)) for name in "cab"]
    assert [verdict.goes for verdict in verdicts(policy, *same)] == [True, False, True]
    newer = run("z", age=8, values=(1.0,))
    assert [verdict.goes for verdict in verdicts(policy, *same, newer)] == [True, True, True, False]


@pytest.mark.parametrize("name", ["where", "older_than", "keep_within", "keep_labels", "keep_best", "group_by"])
def test_a_text_that_is_empty_is_no_rule_that_was_left_out(name: str) -> None:
    given: dict[str, Any] = {"where": "state == 'CRASHED'", "allow_all": True, name: ""}
    with pytest.raises(ValueError, match=f"^{name}: the text is empty; leave {name} out if it is not meant"):
        make_policy(**given)


def test_what_would_empty_a_group_or_take_too_many_is_refused() -> None:
    runs = [run("a", groups=("1",)), run("b", groups=("1",)), run("c", groups=("2",))]
    rule = read_policy(Policy(older_than="1d", group_by=("config.x",)))
    with pytest.raises(
        ConflictError, match=r"would take all 2 runs of config\.x=1 that it looks at; add a keep, or a where"
    ):
        require_bounds(rule, runs, [True, True, False])
    require_bounds(rule, runs, [True, False, False])
    filtered = Policy(where="state == 'CRASHED'", max=2)
    runs = [run(name) for name in "abc"]
    with pytest.raises(ConflictError, match="would take 3 runs, and its max is 2"):
        require_bounds(read_policy(filtered), runs, [True, True, True])
    with pytest.raises(ConflictError, match="would take the only run that it looks at"):
        require_bounds(read_policy(filtered), runs[:1], [True])
    everything = attrs.evolve(filtered, allow_all=True)
    with pytest.raises(ConflictError, match="would take 3 runs, and its max is 2; raise that if it is meant"):
        require_bounds(read_policy(everything), runs, [True, True, True])
    require_bounds(read_policy(attrs.evolve(everything, max=3)), runs, [True, True, True])
    require_bounds(read_policy(attrs.evolve(everything, max=None)), runs, [True, True, True])
    require_bounds(read_policy(filtered), [], [])


def test_all_may_go_only_where_a_filter_says_which() -> None:
    with pytest.raises(ValueError, match="allow_all: it goes with where, which says which runs may all go"):
        make_policy(older_than="1d", allow_all=True)


ages = st.one_of(st.none(), st.sampled_from([-1, 0, 1, 2, 29.9, 30, 30.1, 60, 400]))
figures = st.one_of(st.none(), st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 1, 2.5]))
listed = st.lists(
    st.builds(
        JudgedRun,
        cuid=st.text("abc", min_size=6, max_size=6),
        state=st.sampled_from(["RUNNING", "FINISHED", "CRASHED"]),
        created_at_ms=st.sampled_from([NOW - 500 * DAY, NOW - 400 * DAY, NOW]),
        finished_at_ms=ages.map(lambda age: None if age is None else NOW - round(age * DAY)),
        heard_at_ms=st.sampled_from([None, NOW - 100 * DAY, NOW]),
        labels=st.lists(st.sampled_from(["a", "b"]), unique=True).map(tuple),
        values=st.tuples(figures, figures),
        groups=st.tuples(st.sampled_from(["'x'", "'y'", None])),
    ),
    max_size=12,
    unique_by=lambda run: run.cuid,
)
policies = st.builds(
    Policy,
    where=st.sampled_from(["", "state != 'OFFLINE'"]),
    older_than=st.sampled_from(["1h", "30d", "1y"]),
    keep_last=st.sampled_from([None, 1, 2]),
    keep_within=st.sampled_from(["", "2d", "30d"]),
    keep_best=st.sampled_from([("m:1", "n:1"), ("m:2", "n:1:max")]),
    keep_labels=st.sampled_from([(), ("a",), ("a", "b")]),
    group_by=st.just(("config.g",)),
)


def newer(one: JudgedRun, other: JudgedRun) -> bool:
    return (-one.created_at_ms, one.cuid) < (-other.created_at_ms, other.cuid)


def is_among_best(best: Best, index: int, one: JudgedRun, group: list[JudgedRun]) -> bool:
    mine = one.values[index]
    if mine is None or math.isnan(mine):
        return False
    before = 0
    for other in group:
        value = other.values[index]
        if value is not None and not math.isnan(value):
            better = value > mine if best.goal == "max" else value < mine
            before += better or (value == mine and newer(other, one))
    return before < best.count


def stays(policy: Policy, one: JudgedRun, runs: list[JudgedRun]) -> bool:
    """Whether a run stays: the sentences of the documents, one after the other."""
    end = one.finished_at_ms if one.finished_at_ms or one.state == "RUNNING" else one.heard_at_ms
    if end is None or NOW - end <= parse_duration(policy.older_than):
        return True
    if policy.keep_within and NOW - end <= parse_duration(policy.keep_within):
        return True
    if any(label in policy.keep_labels for label in one.labels):
        return True
    group = [other for other in runs if other.groups == one.groups]
    if sum(newer(other, one) for other in group) < (policy.keep_last or 0):
        return True
    bests = enumerate(map(parse_best, policy.keep_best))
    return any(is_among_best(best, index, one, group) for index, best in bests)


@given(policies, listed)
def test_judging_is_the_plain_reading(policy: Policy, runs: list[JudgedRun]) -> None:
    found = judge(read_policy(policy), runs, NOW)
    assert [not verdict.goes for verdict in found] == [stays(policy, one, runs) for one in runs]
    assert all(verdict.reason for verdict in found)


@given(policies, listed, st.randoms(use_true_random=False))
def test_the_order_in_which_runs_come_does_not_matter(policy: Policy, runs: list[JudgedRun], random: object) -> None:
    rule = read_policy(policy)
    shuffled = list(runs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = judge(rule, runs, NOW), judge(rule, shuffled, NOW)
    told = ({run.cuid: said for run, said in zip(*pair, strict=True)} for pair in ((runs, one), (shuffled, other)))
    assert next(told) == next(told)


@given(policies, listed)
def test_another_keep_never_makes_a_run_go(policy: Policy, runs: list[JudgedRun]) -> None:
    more = attrs.evolve(policy, keep_last=3, keep_labels=("a", "b"), keep_within="60d")
    before, after = judge(read_policy(policy), runs, NOW), judge(read_policy(more), runs, NOW)
    assert all(one.goes or not other.goes for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30 days", "write '30d'"),
        ("2 Weeks", "write '2w'"),
        ("1 day, 2 weeks and 3 months", "write '3m2w1d'"),
        ("1 yr 6 mo", "write '1y6m'"),
        ("12hrs", "write '12h'"),
        ("7D", "write '7d'"),
        ("6m1y", "write '1y6m'"),
        ("2 w", "write '2w'"),
        ("15 minutes", "write such as '12h'"),
        ("30", "write such as '12h'"),
        ("0 days", "write such as '12h'"),
        ("a month", "write such as '12h'"),
    ],
)
def test_a_duration_that_is_written_in_another_way_is_told_how(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"older_than: '{written}' is no duration; {meant}"):
        make_policy(older_than=written)


def test_an_argument_that_there_is_not_tells_those_that_there_are() -> None:
    with pytest.raises(
        TypeError, match=r"a policy has where, older_than, .*, and no 'keep_bets', did you mean 'keep_be"
    ):
        make_policy(older_than="1d", keep_bets="loss:1")
