"""Filters and orders as text."""

from __future__ import annotations

import math
import pickle
import sys
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.filter_meaning import Fact, statistics

from runatlas.model.codec import decode, dumps, encode, loads
from runatlas.model.filter_field import instant_ms
from runatlas.model.filter_language import FilterSyntaxError, parse_field, parse_filter, parse_order
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Or, Sort
from runatlas.model.run import RunSelection
from runatlas.model.run_value import flatten

LR = Field("CONFIG", "lr")
LOSS = Field("SCALAR", "loss")
LAYERS = Field("CONFIG", "layers")
NAME = Field("STABLE", "name")
STATE = Field("STABLE", "state")
LABELS = Field("STABLE", "labels")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("config.lr < 0.01", Comparison(LR, "LT", 0.01)),
        ("0.01 >= config.lr", Comparison(LR, "LTE", 0.01)),
        ("0.1 < config.lr <= 1", And((Comparison(LR, "GT", 0.1), Comparison(LR, "LTE", 1)))),
        ("config.lr == -3", Comparison(LR, "EQ", -3)),
        ("config.lr != +inf", Comparison(LR, "NEQ", math.inf)),
        ("config.lr > -float('inf')", Comparison(LR, "GT", -math.inf)),
        ("config.lr > float('-inf')", Comparison(LR, "GT", -math.inf)),
        ("config.lr is None", Comparison(LR, "EQ", None)),
        ("config.lr is not None", Comparison(LR, "NEQ", None)),
        ("None == config.lr", Comparison(LR, "EQ", None)),
        ("config.lr in (0.1, 0.2)", Comparison(LR, "IN", (0.1, 0.2))),
        ("config.lr in []", Comparison(LR, "IN", ())),
        ("config.lr not in ['a', 1, True]", Comparison(LR, "NOT IN", ("a", 1, True))),
        ("config.flag is True", Comparison(Field("CONFIG", "flag"), "EQ", True)),
        ("config.flag is not False", Comparison(Field("CONFIG", "flag"), "NEQ", False)),
        ("config.model.width == 8", Comparison(Field("CONFIG", "model.width"), "EQ", 8)),
        ('config["model.width"] == 8', Comparison(Field("CONFIG", "model.width"), "EQ", 8)),
        ('config["model"]["width"] == 8', Comparison(Field("CONFIG", "model.width"), "EQ", 8)),
        ("config.summary.state == 1", Comparison(Field("CONFIG", "summary.state"), "EQ", 1)),
        ("run.hparams.lr == 1", Comparison(Field("CONFIG", "hparams.lr"), "EQ", 1)),
        ("run.config.lr == 1", Comparison(LR, "EQ", 1)),
        ("run['config']['lr'] == 1", Comparison(LR, "EQ", 1)),
        ("'adam' in config.optimizer", Comparison(Field("CONFIG", "optimizer"), "CONTAIN", "adam")),
        ("summary.loss <= 0.5", Comparison(LOSS, "LTE", 0.5)),
        ("summary.loss.latest <= 0.5", Comparison(LOSS, "LTE", 0.5)),
        ("summary.loss.min <= 0.5", Comparison(Field("SCALAR", "loss", "min"), "LTE", 0.5)),
        ("summary.loss.mean <= 0.5", Comparison(Field("SCALAR", "loss", "avg"), "LTE", 0.5)),
        ("summary.loss.count > 5", Comparison(Field("SCALAR", "loss", "count"), "GT", 5)),
        ("summary.min > 5", Comparison(Field("SCALAR", "min"), "GT", 5)),
        ('summary["train/loss"].max < 1', Comparison(Field("SCALAR", "train/loss", "max"), "LT", 1)),
        ('run.metrics["m"].last == 1', Comparison(Field("SCALAR", "m"), "EQ", 1)),
        (
            'summary["loss", {"split": "val", "fold": 2}].avg < 1',
            Comparison(Field("SCALAR", "loss", "avg", (("fold", 2), ("split", "val"))), "LT", 1),
        ),
        ("state == 'FINISHED'", Comparison(STATE, "EQ", "FINISHED")),
        ("run.state == 'FINISHED'", Comparison(STATE, "EQ", "FINISHED")),
        ("state in ['FINISHED', 'CRASHED']", Comparison(STATE, "IN", ("FINISHED", "CRASHED"))),
        ("'base' in name", Comparison(Field("STABLE", "name"), "CONTAIN", "base")),
        ("'a' in tags", Comparison(LABELS, "CONTAIN", "a")),
        ("'a' not in labels", Not(Comparison(LABELS, "CONTAIN", "a"))),
        ("archived", Comparison(Field("STABLE", "archived"), "EQ", True)),
        ("not run.archived", Not(Comparison(Field("STABLE", "archived"), "EQ", True))),
        ("duration > 3600", Comparison(Field("STABLE", "duration"), "GT", 3600)),
        ("created_at > '2026-01-02'", Comparison(Field("STABLE", "created_at"), "GT", 1767312000000)),
        ("createdAt > '2026-01-02T01:00:00+01:00'", Comparison(Field("STABLE", "created_at"), "GT", 1767312000000)),
        ("created_at > '2026-01-02T00:00:00.250Z'", Comparison(Field("STABLE", "created_at"), "GT", 1767312000250)),
        ("created_at > datetime(2026, 1, day=2)", Comparison(Field("STABLE", "created_at"), "GT", 1767312000000)),
        ("created_at > 1767312000000", Comparison(Field("STABLE", "created_at"), "GT", 1767312000000)),
        ("finished_at is None", Comparison(Field("STABLE", "finished_at"), "EQ", None)),
        ("True", And(())),
        ("not False", Not(Or(()))),
        ("'#1' in name", Comparison(Field("STABLE", "name"), "CONTAIN", "#1")),
        ("  name ==\n\t'X'\n", Comparison(Field("STABLE", "name"), "EQ", "X")),
        ("config.big == 10000000000000000000000", Comparison(Field("CONFIG", "big"), "EQ", 10**22)),
        ("config.big == -9007199254740993", Comparison(Field("CONFIG", "big"), "EQ", -(2**53) - 1)),
        ("config.layers == [64, [1, 'a'], None]", Comparison(LAYERS, "EQ", (64, (1, "a"), None))),
        ("config.layers != ()", Comparison(LAYERS, "NEQ", ())),
        ("config.layers in [[64, 128], [1]]", Comparison(LAYERS, "IN", ((64, 128), (1,)))),
        ("64 in config.layers", Comparison(LAYERS, "CONTAIN", 64)),
        ("[64] not in config.layers", Not(Comparison(LAYERS, "CONTAIN", (64,)))),
        ("len(config.layers) == 2", Comparison(Field("CONFIG", "layers", "len"), "EQ", 2)),
        ("0 < len(run.tags)", Comparison(Field("STABLE", "labels", "len"), "GT", 0)),
        ("tags", Comparison(LABELS, "NEQ", None)),
        ("not tags", Not(Comparison(LABELS, "NEQ", None))),
        ("tags == []", Comparison(LABELS, "EQ", None)),
        ("tags is None", Comparison(LABELS, "EQ", None)),
        ("group is None", Comparison(Field("STABLE", "group"), "EQ", "")),
        ("not group", Not(Comparison(Field("STABLE", "group"), "NEQ", ""))),
        ("summary.loss == nan", Comparison(LOSS, "EQ", math.nan)),
        ("isnan(summary.loss)", Comparison(LOSS, "EQ", math.nan)),
        ("not math.isnan(config.lr)", Not(Comparison(LR, "EQ", math.nan))),
        ("summary.loss.std < 0.1", Comparison(Field("SCALAR", "loss", "std"), "LT", 0.1)),
        ("summary.loss.median < 0.1", Comparison(Field("SCALAR", "loss", "median"), "LT", 0.1)),
        ("name.startswith('a*')", Comparison(NAME, "GLOB", "a[*]*")),
        (
            "not run.name.endswith(('a', 'b'))",
            Not(Or((Comparison(NAME, "GLOB", "*a"), Comparison(NAME, "GLOB", "*b")))),
        ),
        ("fnmatch(name, 'run-[0-9]*')", Comparison(NAME, "GLOB", "run-[0-9]*")),
        ("fnmatch(config.opt.lower(), 'adam*')", Comparison(Field("CONFIG", "opt"), "IGLOB", "adam*")),
        ("name.lower().startswith('a')", Comparison(NAME, "IGLOB", "a*")),
        ("name.lower() == 'adam'", Comparison(NAME, "IGLOB", "adam")),
        ("'adam' != name.lower()", Not(Comparison(NAME, "IGLOB", "adam"))),
        ("name.lower() not in ['a', 'b']", Not(Or((Comparison(NAME, "IGLOB", "a"), Comparison(NAME, "IGLOB", "b"))))),
        ("'adam' in name.lower()", Comparison(NAME, "CONTAIN", "adam")),
        ("config.\u00b5 == 1", Comparison(Field("CONFIG", "\u00b5"), "EQ", 1)),
        ("name == 'a\u00a0b\tc'", Comparison(NAME, "EQ", "a\u00a0b\tc")),
    ],
)
def test_a_text_becomes_a_tree(text: str, expected: Filter) -> None:
    found = parse_filter(text)
    assert found == expected or "nan" in text, "nan equals nothing, but reads the same"
    assert repr(found) == repr(expected)


def test_and_binds_closer_than_or() -> None:
    a, b, c = (Comparison(Field("STABLE", "name"), "EQ", x) for x in "abc")
    assert parse_filter("name == 'a' or name == 'b' and name == 'c'") == Or((a, And((b, c))))
    assert parse_filter("(name == 'a' or name == 'b') and name == 'c'") == And((Or((a, b)), c))


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "empty"),
        ("statee == 'x'", 1, "did you mean 'state'?"),
        ("config.lr == 1 and lr == 2", 20, "config.lr"),
        ("state == FINISHED", 10, "'FINISHED'"),
        ("ä == 'ö' or nope == 1", 1, "unknown name 'ä'"),
        ("config.ä == 'ö' or nope == 1", 20, "unknown name 'nope'"),
        ("   nope == 1", 4, "unknown name 'nope'"),
        ("name == 'x'\nand nope == 1", 5, "unknown name 'nope'"),
        ("name == '日本'\r\n\tand ñ == 1", 6, "unknown name 'ñ'"),
        ("name == '日本' and nope == 1", 18, "unknown name 'nope'"),
        ("name == 'e\u0301'\tand nope == 1", 18, "unknown name 'nope'"),
        ("name == 'a\nb'", 11, "written \\n"),
        ("run.statee == 1", 5, "did you mean 'state'?"),
        ("state.x == 1", 7, "has no parts"),
        ("run == 1", 1, "run.state"),
        ("config == 1", 1, "config.lr"),
        ("'lr' in config", 9, "is not None"),
        ("config.lr", 8, "is no condition"),
        ("config.lambda == 1", 8, "['lambda']"),
        ("config.a-b == 1", 1, "brackets"),
        ("summary.train/loss < 1", 1, "brackets"),
        ("summary.val.loss < 1", 13, 'summary["val.loss"]'),
        ("summary.loss.meen < 1", 14, "did you mean 'mean'?"),
        ("summary[0] < 1", 9, "quotes"),
        ("summary[''] < 1", 1, "empty"),
        ('summary["a", 1] < 1', 9, '["loss", {"split": "val"}]'),
        ('summary["a", {1: 2}] < 1', 14, "quotes"),
        ('summary["a", {**x}] < 1', 17, "no value"),
        ("config.x[1:2] == 1", 10, "quotes"),
        ("state = 'x'", 7, "write '=='"),
        ("archived && show", 10, "write 'and'"),
        ("archived || show", 10, "write 'or'"),
        ("!archived", 1, "write 'not'"),
        ("(archived) & (show)", 15, "write 'and'"),
        ("(archived) | (show)", 15, "write 'or'"),
        ("archived # and show", 10, "'#'"),
        ("archived) or (show", 9, "unmatched"),
        ("('a' in name", 1, "never closed"),
        ("state == 'x", 10, "unterminated"),
        ("1 < 2", 1, "two values"),
        ("summary.a < summary.b", 21, "another field"),
        ("config.x in 3", 13, "list"),
        ("name in name", 1, "quotes"),
        ("'x' in created_at", 1, "none of these"),
        ("1 in name", 1, "quotes"),
        ("labels == 'x'", 11, "in tags"),
        ("labels in ['x']", 12, "in tags"),
        ("state == 5", 10, "quotes"),
        ("state != 'FINISHD'", 10, "is no state, did you mean 'FINISHED'?"),
        ("state == 'finished'", 10, "is no state, did you mean 'FINISHED'?"),
        ("state not in ['CRASHED', 'x']", 26, "'x' is no state; states are RUNNING, FINISHED"),
        ("show AND archived", 6, "write 'and' instead of 'AND'"),
        ("show Or archived", 6, "write 'or' instead of 'Or'"),
        ("NOT show", 1, "write 'not' instead of 'NOT'"),
        ("config.AND == 1 AND show", 17, "write 'and' instead of 'AND'"),
        ("state IN ['CRASHED']", 7, "write 'in' instead of 'IN'"),
        ("name LIKE 'wide%'", 6, "'wide' in name"),
        ("name contains 'wide'", 6, "'wide' in name"),
        ("config.lr == null", 14, "write None instead of null"),
        ("show == true", 9, "write True instead of true"),
        ("archived == 1", 13, "True or False"),
        ("archived < True", 12, "True or False"),
        ("summary.loss < 'x'", 16, "number"),
        ("summary.loss == True", 17, "number"),
        ("config.x < None", 12, "None"),
        ("config.x in [None]", 14, "None"),
        ("config.x is 5", 13, "write =="),
        ("config.x < [1]", 12, "no order"),
        ("name == ['a']", 9, "quotes"),
        ("summary.loss == [1]", 17, "a number"),
        ("config.x == {'a': 1}", 13, "a dict is no value"),
        ("config.x == [{'a': 1}]", 14, "a dict is no value"),
        ("config.x[0] == 1", 10, "64 in config.layers"),
        ("config.x < nan", 12, "== nan"),
        ("None in config.x", 1, "is not None"),
        ("tags == ['a']", 9, "len(tags) == 0"),
        ("tags == ['a'] or tags", 9, "'baseline' in tags"),
        ("fnmatch(tags, 'a*')", 15, "'baseline' in tags"),
        ("len(created_at) == 1", 1, "no length"),
        ("len(tags, 1) == 1", 1, "len(tags) == 0"),
        ("len(tags)", 1, "cannot be called"),
        ("summary.median(loss) < 1", 1, "summary.loss.median"),
        ("name.lower() == 'Adam'", 17, "'adam'"),
        ("name.lower() < 'adam'", 1, "'in' and a list"),
        ("name.lower(1) == 'adam'", 1, "name.lower() == 'a'"),
        ("name.upper() == 'ADAM'", 1, "name.lower() == 'a'"),
        ("re.match('a', name)", 1, "fnmatch(name, 'run-*')"),
        ("fnmatch(name, '" + "*a" * 11 + "')", 15, "10 stars"),
        ("fnmatch(name, '[z-a]')", 15, "no range"),
        ("name.startswith(5)", 17, "quotes"),
        ("created_at.startswith('a')", 23, "no text"),
        ("created_at < ago('month')", 14, "ago('30d')"),
        ("created_at < ago('999999w')", 14, "no calendar"),
        ("created_at < now()", 14, "ago('30d')"),
        ("config.x == f'{1}'", 13, "f-string"),
        ("config.x == b'1'", 13, "no value"),
        ("config.x == 1j", 13, "no value"),
        ("config.x == ...", 13, "no value"),
        ("config.x == -'a'", 13, "sign"),
        ("config.x == len('a')", 13, "len(tags) == 0"),
        ("config.x == a.b(1)", 13, "a.b() cannot be called"),
        ("config.x == float('1')", 13, "float()"),
        ("config.x == datetime(2026, 1, 2)", 13, "no time"),
        ("created_at > 'yesterday'", 14, "no time"),
        ("created_at > 5", 14, "Unix milliseconds"),
        ("created_at > 1767312000", 14, "Unix milliseconds"),
        ("created_at > nan", 14, "Unix milliseconds"),
        ("created_at > True", 14, "time"),
        ("created_at > datetime(2026)", 14, "no date"),
        ("created_at > datetime(2026, 13, 1)", 14, "no date"),
        ("created_at > datetime('x')", 14, "whole numbers"),
        ("created_at > datetime(2026, 1, 1, tzinfo=1)", 14, "whole numbers"),
        ("__import__('os').system('true')", 1, "cannot be called"),
        ("[x for x in name]", 1, "no condition"),
        ("lambda: state", 1, "a lambda"),
        ("archived if show else pin", 1, "'if ... else'"),
        ("'x'", 1, "no condition"),
        ("state == '\x00'", 11, "not allowed"),
        ("state == '\\x00'", 10, "not allowed"),
        ("state == '\\ud800'", 10, "not allowed"),
        ("state == '\ud800'", 11, "not allowed"),
        ("config.x == " + "9" * 400, 13, "too large"),
        ("not " * 70 + "show", 241, "nested too deeply"),
        ("a" * 20_001, 20_001, "too many"),
        (" or ".join(["show == True"] * 501), 8001, "too many comparisons"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, column: int, reason: str) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text, argument="where")
    error = caught.value
    assert reason in error.reason
    assert (error.column, error.text) == (column, text)
    message, line, caret = str(error).split("\n")
    assert message.startswith("where: ")
    assert message.endswith(f"column {column})")
    assert len(line) < 200
    pointed = text.splitlines()[error.line - 1][column - 1 : column] if text else ""
    if pointed.isprintable() and pointed:
        at, shown = 0, ""
        for shown in line:
            if at == len(caret) - 1 and not unicodedata.combining(shown):
                break
            at += 0 if unicodedata.combining(shown) else 2 if unicodedata.east_asian_width(shown) == "W" else 1
        assert shown == pointed


@pytest.mark.parametrize(
    "text",
    [
        "config.x == 1" + "0" * 5000,
        "not " * 3000 + "show",
        "(" * 19_000,
        "-" * 19_000 + "1",
        "config" + ".a" * 9000,
        "config" + "[0]" * 6000,
        "lambda:" * 2500 + "1",
    ],
)
def test_a_bomb_is_only_a_mistake(text: str) -> None:
    with pytest.raises(FilterSyntaxError):
        parse_filter(text)


@pytest.mark.parametrize(
    ("mistake", "recommended"),
    [
        ("tags == ['a']", ["'baseline' in tags", "len(tags) == 0"]),
        ("config.lr", ["config.lr is not None"]),
        ("finished_at", ["finished_at is not None"]),
        ("'x'", ["state == 'FINISHED'"]),
        ("config.x is 5", ["=="]),
        ("'lr' in config", ["config.x is not None"]),
        ("config.x < None", ["is None", "is not None"]),
        ("config.x < nan", ["== nan", "!= nan"]),
        ("config.x[0] == 1", ["config.layers == [64, 128]", "64 in config.layers", "len(config.layers) == 2"]),
        ("len(1) == 1", ["len(tags) == 0"]),
        ("created_at > 5", ["'2026-01-02T15:04:05Z'"]),
        ("created_at > True", ["'2026-01-02'", "datetime(2026, 1, 2)", "ago('30d')"]),
        ("created_at < ago(1)", ["ago('90s')", "ago('15m')", "ago('12h')", "ago('30d')", "ago('2w')"]),
        (
            "foo(name)",
            [
                *("ago('30d')", "datetime(2026, 1, 2)", "float('inf')", "len(tags) == 0", "isnan(summary.loss)"),
                *("name.startswith('a')", "name.endswith('a')", "name.lower() == 'a'", "fnmatch(name, 'a*')"),
            ],
        ),
        ("name.glob('a')", ["fnmatch(name, 'run-*')", "'run' in name"]),
        ("name.upper() == 'A'", ["name.lower() == 'a'"]),
        ("name.lower() == 'A'", ["'a'"]),
        ("name.startswith(5)", ["name.startswith('run')"]),
        ("name LIKE 'a%'", ["'wide' in name"]),
        ("summary.median(loss) < 1", ["summary.loss.median"]),
        ("summary.train/loss < 1", ['summary["train/loss"]']),
        ("summary.val.loss < 1", ['summary["val.loss"]']),
        ('summary["a", 1] < 1', ['["loss", {"split": "val"}]']),
        ("config.lambda == 1", ["['lambda']"]),
        ("state == FINISHED", ["'FINISHED'"]),
        ("archived == 1", ["archived", "not archived"]),
        ("run == 1", ["run.state"]),
        ("config == 1", ["config.lr"]),
        ("1 < 2", ["config.lr"]),
        ("lr == 1", ["config.lr", "summary.lr"]),
    ],
)
def test_what_a_mistake_recommends_is_read(mistake: str, recommended: list[str]) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(mistake)
    for piece in recommended:
        assert piece in caught.value.reason
        completions = (
            *(piece, f"config.x {piece}", f"config.x {piece} 1", f"name.lower() == {piece}", f"{piece} is not None"),
            *(f"created_at < {piece}", f"config.x < {piece}", f"summary{piece} < 1", f"config{piece} == 1"),
        )
        assert any(map(_is_read, completions)), piece


def _is_read(text: str) -> bool:
    try:
        return parse_filter(text) is not None
    except FilterSyntaxError:
        return False


def test_a_time_ago_is_counted_from_now() -> None:
    before = datetime.now(UTC) - timedelta(hours=12)
    found = parse_filter("created_at < ago('12h')")
    after = datetime.now(UTC) - timedelta(hours=12)
    assert isinstance(found, Comparison)
    assert isinstance(found.value, int)
    assert instant_ms(before) <= found.value <= instant_ms(after)


def test_an_error_survives_pickling() -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter("nope == 1", argument="where")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.column, again.text) == (str(caught.value), 1, "nope == 1")


@pytest.mark.parametrize("value", [None, 5, b"state == 'x'", ["state == 'x'"]])
def test_only_text_is_text(value: Any) -> None:
    with pytest.raises(TypeError, match="filters: expected a string"):
        parse_filter(value)


def test_orders() -> None:
    assert parse_order("-summary.loss, created_at") == (
        Sort(LOSS, "DESC"),
        Sort(Field("STABLE", "created_at"), "ASC"),
    )
    assert parse_order("+config.lr") == (Sort(LR, "ASC"),)
    assert parse_order('-summary["train/loss"].min') == (Sort(Field("SCALAR", "train/loss", "min"), "DESC"),)


@pytest.mark.parametrize("text", ["()", "", "state,,name", "-5", "not state", "tags", "state desc", "--state", "nope"])
def test_wrong_orders(text: str) -> None:
    with pytest.raises(FilterSyntaxError, match=r"^order: .*\(column \d+\)"):
        parse_order(text)


def test_fields() -> None:
    assert parse_field("summary.loss.min") == Field("SCALAR", "loss", "min")
    with pytest.raises(FilterSyntaxError, match="field: unknown name"):
        parse_field("loss")


# -- laws --------------------------------------------------------------------------------------------------------

_NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.floats(-3, 3, allow_subnormal=False),
    st.sampled_from([math.inf, -math.inf]),
)
_TEXTS = st.sampled_from(["", "a", "ab", "b", "adam"])
_SCALARS = st.one_of(_NUMBERS, _TEXTS)


class _Missing:
    """What Python sees where a run has nothing: equal to nothing, and in no order."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __lt__(self, other: object) -> bool:
        return False

    __le__ = __gt__ = __ge__ = __contains__ = __lt__


class _Number(float):
    """A number that has no order with text instead of an error."""

    def _order(self, other: object, name: str) -> bool:
        return not isinstance(other, str) and bool(getattr(float, name)(self, other))

    def __lt__(self, other: Any) -> bool:
        return self._order(other, "__lt__")

    def __le__(self, other: Any) -> bool:
        return self._order(other, "__le__")

    def __gt__(self, other: Any) -> bool:
        return self._order(other, "__gt__")

    def __ge__(self, other: Any) -> bool:
        return self._order(other, "__ge__")

    def __contains__(self, part: object) -> bool:
        return False


class _Text(str):
    """A text that has no order with numbers instead of an error."""

    __slots__ = ()

    def _order(self, other: object, name: str) -> bool:
        return isinstance(other, str) and bool(getattr(str, name)(self, other))

    def __lt__(self, other: Any) -> bool:
        return self._order(other, "__lt__")

    def __le__(self, other: Any) -> bool:
        return self._order(other, "__le__")

    def __gt__(self, other: Any) -> bool:
        return self._order(other, "__gt__")

    def __ge__(self, other: Any) -> bool:
        return self._order(other, "__ge__")


def _wrap(value: Any) -> Any:
    if value is None:
        return _Missing()
    return _Text(value) if isinstance(value, str) else _Number(value)


@st.composite
def _comparison(draw: st.DrawFn) -> tuple[str, str]:
    """A comparison as a filter's text, and as Python's where the two differ in how they ask for absence."""
    field, values = draw(
        st.sampled_from(
            [
                ("config.a", _SCALARS),
                ("config['b.c']", _SCALARS),
                ("config.nothing", _SCALARS),
                ("name", _TEXTS),
                ("group", _TEXTS),
                ("duration", _NUMBERS),
                ("summary.loss", _NUMBERS),
                ("summary['train/loss']", _NUMBERS),
                ("summary.loss.min", _NUMBERS),
            ]
        )
    )
    form = draw(st.sampled_from(["order", "flipped", "chain", "list", "part", "absent", "label", "flag"]))
    op, other = draw(st.tuples(*[st.sampled_from(["==", "!=", "<", "<=", ">", ">="])] * 2))
    value, second = draw(values), draw(values)
    if form == "chain":
        text = f"{value!r} {op} {field} {other} {second!r}"
    elif form == "list":
        text = f"{field} {draw(st.sampled_from(['in', 'not in']))} {draw(st.lists(values, max_size=3))!r}"
    elif form == "part" and field.startswith(("config", "name")):
        text = f"{draw(_TEXTS)!r} {draw(st.sampled_from(['in', 'not in']))} {field}"
    elif form == "absent":
        word = draw(st.sampled_from(["is", "is not"]))
        meant = (
            f"({field} {'==' if word == 'is' else '!='} '')" if field == "group" else f"(type({field}) {word} Missing)"
        )
        return f"{field} {word} None", meant
    elif form == "label":
        text = f"{draw(_TEXTS)!r} {draw(st.sampled_from(['in', 'not in']))} tags"
    elif form == "flag":
        text = "archived"
    else:
        text = f"{value!r} {op} {field}" if form == "flipped" else f"{field} {op} {value!r}"
    return text, text


_CONDITIONS = st.recursive(
    _comparison(),
    lambda inner: st.one_of(
        inner.map(lambda pair: (f"not ({pair[0]})", f"not ({pair[1]})")),
        inner.map(lambda pair: (f"({pair[0]})", f"({pair[1]})")),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda triple: tuple(f"{triple[0][i]} {triple[1]} {triple[2][i]}" for i in (0, 1))
        ),
    ),
    max_leaves=6,
)

_SERIES = st.lists(_NUMBERS, min_size=1, max_size=3)
_FACTS = st.builds(
    Fact,
    stable=st.fixed_dictionaries(
        {
            "name": _TEXTS,
            "labels": st.lists(_TEXTS, max_size=2).map(tuple),
            "archived": st.booleans(),
            "group": _TEXTS,
            "duration": st.none() | _NUMBERS,
        }
    ),
    config=st.fixed_dictionaries({}, optional={"a": _SCALARS, "b": st.fixed_dictionaries({"c": _SCALARS})}),
    series=st.fixed_dictionaries({}, optional={("loss", ()): _SERIES, ("train/loss", ()): _SERIES}),
)


class _Config(dict[str, Any]):
    def __missing__(self, key: str) -> Any:
        return _Missing()

    __getattr__ = dict.__getitem__


def _python_names(fact: Fact) -> dict[str, Any]:
    """The names of a filter as the objects that Python evaluates with."""

    class Summary:
        def __getattr__(self, key: str) -> Any:
            return self[key]

        def __getitem__(self, key: str) -> Any:
            values = fact.series.get((key, ()))
            made: Any = _Missing() if values is None else _Statistic(values[-1])
            made.min = _wrap(None if values is None else statistics(values)["min"])
            return made

    stable = {name: _wrap(fact.stable.get(name)) for name in ("name", "group", "duration")}
    config = _Config({key: _wrap(value) for key, value in flatten(fact.config)})
    names = SimpleNamespace(config=config, summary=Summary(), **stable)
    return {
        **vars(names),
        "tags": fact.stable["labels"],
        "archived": fact.stable["archived"],
        "inf": math.inf,
        "Missing": _Missing,
    }


class _Statistic(_Number):
    """A last value that other statistics hang on."""


@given(_CONDITIONS, _FACTS)
@settings(max_examples=examples(400))
def test_a_filter_answers_as_python_does(pair: tuple[str, str], fact: Fact) -> None:
    text, python = pair
    expected = bool(eval(python, {"__builtins__": {"type": type}}, _python_names(fact)))
    assert fact.matches(parse_filter(text)) is expected


@given(_CONDITIONS)
def test_a_filter_survives_the_wire(pair: tuple[str, str]) -> None:
    selection = RunSelection("ann", "demo", filter=parse_filter(pair[0]))
    assert decode(loads(dumps(encode(selection))), RunSelection, strict=True) == selection


_WORDS = """and or not in is None True config summary run metrics state name tags x inf nan 1 1e9 0x1 007 1_0 datetime
float lambda if else for await yield f'{x}' '\\d' b'' == != <= := ** // ... 'a'"""
_PIECES = st.sampled_from([*"()[]{}<>=!+-*/%&|^~#'\"\\,.:;@ \n\t\x00\ud800ä", *_WORDS.split()])


@given(st.one_of(st.text(max_size=60), st.lists(_PIECES, max_size=25).map(" ".join), st.lists(_PIECES).map("".join)))
@settings(max_examples=examples(600))
@example("'\\d' in name")
@example("name == '\\N{nothing}'")
@example("0777 == config.a")
@example("config.a == 1if show else 2")
@example("\x0cstate == 'x'")
@example("state == 'x'\\\n")
def test_no_text_does_anything_but_parse_or_fail(text: str) -> None:
    for parse in (parse_filter, parse_order, parse_field):
        mistake = _mistake(parse, text)
        assert mistake is None or 1 <= mistake.column <= len(text) + 1


def _mistake(parse: Callable[[str], object], text: str) -> FilterSyntaxError | None:
    try:
        parse(text)
    except FilterSyntaxError as error:
        return error
    return None


def test_a_mistyped_name_is_not_repeated_in_full() -> None:
    with pytest.raises(FilterSyntaxError, match="text goes in quotes") as told:
        parse_filter("nosuch" + "x" * 19_000 + " == 1")
    assert len(str(told.value)) < 1500


def _calls(text: str) -> int:
    """Count the calls that a text costs, into functions and generators, and their ends."""
    count = 0

    def see(*_: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        parse_filter(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("item", ["'#'", "'', '###########'", "'ä'", "'\\n'"])
def test_four_times_the_text_costs_four_times_the_work(item: str) -> None:
    short, long = (f"name in [{', '.join([item] * count)}]" for count in (200, 800))
    assert _calls(long) < 5 * _calls(short)
