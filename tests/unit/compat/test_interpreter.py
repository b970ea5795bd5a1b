"""Expressions: what Python says, within bounds, and nothing else."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.compat.matyanql.check import check_expression
from runatlas.compat.matyanql.interpreter import RAISED, Evaluation
from runatlas.compat.matyanql.value import EvaluationRefusedError
from runatlas.model.syntax import FilterSyntaxError, FilterText

NAMES: dict[str, Any] = {
    "n": 3,
    "x": 0.25,
    "flag": True,
    "none": None,
    "text": "Adam W",
    "empty": "",
    "many": [3, 1, 2],
    "mixed": [1, "a", None, 2.5],
    "pair": (1, "b"),
    "part": {"lr": 0.1, "deep": {"k": [1, 2]}},
}


def evaluated(text: str, **options: Any) -> Any:
    source = FilterText(text, "query")
    check_expression(source, source.tree, NAMES)
    return Evaluation(source.tree, **options).value(NAMES)


def outcome(call: Any) -> Any:
    """What a call amounts to, with its type: 1, 1.0 and True are told apart, and NaN is NaN."""
    try:
        found = call()
    except FilterSyntaxError:
        raise
    except RAISED:
        return "raised", ""
    return type(found).__name__.replace("Part", "dict"), repr(found)


numbers = st.recursive(
    st.sampled_from(["n", "x", "flag", "0", "1", "-2", "7", "2.5", "len(many)", "many[0]", "part['lr']", "ord('a')"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner),
        st.builds("({} ** {})".format, inner, st.sampled_from(["2", "0", "3", "0.5"])),
        st.builds("({} {} {})".format, inner, st.sampled_from(["&", "|", "^", "<<", ">>"]), st.sampled_from("0123")),
        st.builds("{}({})".format, st.sampled_from(["abs", "int", "float", "bool", "round", "-", "+", "~"]), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max", "round", "divmod", "pow"]), inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("math.{}({})".format, st.sampled_from(["floor", "ceil", "sqrt", "isnan", "log10"]), inner),
    ),
    max_leaves=6,
)
texts = st.recursive(
    st.one_of(
        st.sampled_from(["text", "empty", "'a'", "'1'", "pair[1]", "mixed[1]"]), st.builds("str({})".format, numbers)
    ),
    lambda inner: st.one_of(
        st.builds("({} + {})".format, inner, inner),
        st.builds("{}[{}]".format, inner, st.sampled_from(["0", "-1", "1:", ":2", "::-1", "1:3", "9"])),
        st.builds(
            "{}.{}()".format, inner, st.sampled_from(["upper", "lower", "strip", "title", "swapcase", "casefold"])
        ),
        st.builds("{}.replace({}, {})".format, inner, inner, inner),
        st.builds("{}.join({}.split())".format, inner, inner),
        st.builds("f'{{{}}}-{{{}!r}}'".format, st.sampled_from(["n", "x", "text", "many"]), st.just("pair")),
        st.builds(
            "f'{{{}:{}}}'".format, st.sampled_from(["n", "x"]), st.sampled_from([".2f", "05", ">6", "+.1e", "d"])
        ),
        st.builds("{}.zfill({})".format, inner, st.sampled_from(["0", "3", "n"])),
        st.builds("({} * {})".format, inner, st.sampled_from(["0", "2", "n", "-1"])),
    ),
    max_leaves=4,
)
lists = st.recursive(
    st.sampled_from(["many", "mixed", "pair", "[]", "[1, 'b']", "part['deep'].k", "range(4)", "{1, 2}", "list(part)"]),
    lambda inner: st.one_of(
        st.builds("[v for v in {}]".format, inner),
        st.builds("[v * 2 for v in {} if v]".format, inner),
        st.builds("[(a, b) for a in {} for b in {} if a != b]".format, inner, inner),
        st.builds("sorted({})".format, inner),
        st.builds("sorted({}, key=lambda v: str(v), reverse=True)".format, inner),
        st.builds("list(zip({}, {}))".format, inner, inner),
        st.builds("list(enumerate({}, 1))".format, inner),
        st.builds("[*{}, {}]".format, inner, numbers),
        st.builds("{}[{}]".format, inner, st.sampled_from(["0", "1:", "::-1", "-1"])),
        st.builds("tuple({})".format, inner),
        st.builds("({} + {})".format, inner, inner),
        st.builds("(last := {})".format, inner),
    ),
    max_leaves=3,
)
values = st.one_of(numbers, texts, lists, st.sampled_from(["none", "part", "sorted(part.keys())"]))
conditions = st.recursive(
    st.one_of(
        values,
        st.builds(
            "{} {} {}".format, values, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), values
        ),
        st.builds("{} < {} <= {}".format, numbers, numbers, numbers),
        st.builds("{} is {}".format, values, st.sampled_from(["None", "not None"])),
        st.builds("{}.startswith({})".format, texts, texts),
        st.builds("any(v > {} for v in {})".format, numbers, lists),
        st.builds("all(isinstance(v, (int, str)) for v in {})".format, lists),
        st.builds("{}({})".format, st.sampled_from(["sum", "len", "max", "min", "set", "bool"]), lists),
    ),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("not ({})".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
    ),
    max_leaves=3,
)


class Part(dict[str, Any]):
    """An object whose keys are attributes, too."""

    __getattr__ = dict.get


def plainly(text: str) -> Any:
    known = {**NAMES, "part": Part(lr=0.1, deep=Part(k=[1, 2])), "math": math}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # "0 is None"
        found = eval(text, known)
    if isinstance(found, complex):
        raise TypeError("complex numbers are not known")
    return found


@settings(max_examples=examples(400))
@given(conditions)
def test_an_expression_amounts_to_what_python_says(text: str) -> None:
    try:
        found = outcome(lambda: evaluated(text))
        expected = outcome(lambda: plainly(text))
    except (EvaluationRefusedError, SyntaxError):
        return  # too large a number, or a binding where Python has none
    if "complex" in text or "j" in str(found):
        return
    assert found == expected, text


@pytest.mark.parametrize(
    "text",
    [
        "'a' * 10 ** 9",
        "[1] * 10 ** 9",
        "10 ** 10 ** 10",
        "2 ** 99999",
        "1 << 10 ** 9",
        "pow(7, 10 ** 9)",
        "text.zfill(10 ** 9)",
        "text.center(10 ** 9)",
        "text.replace('', 'x' * 150000)",
        "('x' * 150000).join(['a', 'b', 'c'])",
        "f'{n:999999999}'",
        "'%999999999d' % n",
        "list(range(10 ** 9))",
        "sum(range(10 ** 9))",
        "0.5 in range(10 ** 15)",
        "max(range(10 ** 12))",
        "sorted(range(10 ** 12))",
        "range(10 ** 30)",
        "round(n, -10 ** 9)",
        "[a for a in range(10 ** 4) for b in range(10 ** 4) for c in range(10 ** 4)][0]",
        "any(False for v in range(10 ** 9))",
        "(lambda f: f(f))(lambda f: f(f))",
        "[[[[[n] * 999] * 999] * 999] * 999] == [[[[[n] * 999] * 999] * 999] * 999]",
        "str([[[[[n] * 999] * 999] * 999] * 999])",
        "{((((n,) * 999,) * 999,) * 999,) * 999}",
        "[t := [n], [t := [t, t] for v in range(60)], str(t)]",
        "[t := 'ab', [t := t + t for v in range(60)]]",
        "[t := 3, [t := t * t for v in range(60)]]",
    ],
)
def test_what_would_cost_too_much_is_refused_at_once(text: str) -> None:
    before = time.process_time()
    with pytest.raises(EvaluationRefusedError):
        evaluated(text)
    assert time.process_time() - before < 5  # a bound of work, far from what any of them would take


def test_all_evaluations_share_one_allowance_of_time() -> None:
    source = FilterText("sum(range(20000)) > 0", "query")
    evaluation = Evaluation(source.tree, seconds=0.05)

    def go_on() -> None:
        for _ in range(1000):
            evaluation.value({})

    with pytest.raises(EvaluationRefusedError, match="takes too long"):
        go_on()


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("n.__class__", 3),
        ("n + __import__('os')", 5),
        ("open('x')", 1),
        ("eval('1')", 1),
        ("getattr(n, 'real')", 1),
        ("text.format(n)", 6),
        ("many.append(1)", 6),
        ("n + 1j", 5),
        ("b'a'", 1),
        ("(yield)", 2),
        ("await n", 1),
        ("[v async for v in many]", 1),
        ("lambda *a: a", 1),
        ("min(**part)", 1),
        ("math.factorial(9)", 6),
        ("nn > 1", 1),
        ("n @ n", 1),
    ],
)
def test_what_is_not_the_language_is_told_with_its_place(text: str, column: int) -> None:
    with pytest.raises(FilterSyntaxError) as caught:
        evaluated(text)
    assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none.a.b is None", True),
        ("part.none.deeper is None", True),
        ("part.deep.k[1]", 2),
        ("datetime(1970, 1, 2)", 86400.0),
        ("datetime(1970, 1, 2, hour=1).timestamp() - 3600", 86400.0),
        ("datetime(1970, 1, 2) + timedelta(days=1, hours=1)", 2 * 86400.0 + 3600),
        ("datetime.fromisoformat('1970-01-02T00:00:00Z')", 86400.0),
        ("datetime.now() - timedelta(seconds=5)", 95.0),
        ("many.contains(2) and 'a' in mixed", True),
    ],
)
def test_meanings_beyond_python(text: str, value: Any) -> None:
    assert evaluated(text, now_s=100.0) == value


def test_times_without_a_zone_are_the_callers() -> None:
    assert evaluated("datetime(1970, 1, 1, 2)", utc_offset_s=7200) == 0.0
    assert evaluated("datetime.fromisoformat('1970-01-01T02:00')", utc_offset_s=7200) == 0.0
    assert evaluated("datetime.fromisoformat('1970-01-01T02:00+02:00')", utc_offset_s=3600) == 0.0
