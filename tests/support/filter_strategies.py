"""Filters of every kind, and values for them to look at."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filters import (
    STATISTICS,
    And,
    Comparison,
    Field,
    Filter,
    Not,
    Operator,
    Or,
)

__all__ = ["CONTEXT", "LISTS", "SERIES", "VALUES", "filters"]

VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2.5, 0.001, 1e300, -0.0, 2**53 + 1, 10**20, math.nan, math.inf, -math.inf, True, False),
    *("", "adam", "ADAM", "Ünïcode ÄÖ", "straße", "5", "5.0", " 7 ", "1e3", "-0.5", "007", "abc", "2024-05-01"),
    *("2024-05-01T12:00:00Z", "2024-05-01T14:00:00+02:00", "2024-13-77", "true", "True", "NaN", "Infinity"),
    *(2**53, float(2**53), 2**53 + 2, -(2**53) - 1, 10**20 + 1, 1e20, 10**400, -(10**400), 2**63, 1e22, 10**22),
    *("9007199254740993", "9007199254740992.0", " -9007199254740993", "100000000000000000001", "1e400", "İΣς", "ß"),
    *("%", "_", "a%b_c", "[x]*?", "日本", "\\", "a'b", 'say "x"', "line\nbreak", "x" * 300),
)
LISTS: tuple[Any, ...] = (
    *([], {}, [1, "adam"], ["a", "Ä"], None, [64, 128], [64.0, "128", True], [[64], 128], [math.nan, 2**53 + 1], [[]]),
    *([{"b": 1.0, "a": [None]}], ['say "x"', "line\nbreak", "\\"], ["1"], [math.inf, -0.0, None]),
    *({"c": 5}, {"c": {}, "d": {"e": 1}}, {"c d": "x", 'q"': 2, "ä": [1]}, {"c": None}),
)
"""Lists and sections."""
CONTEXT = (("split", "val"),)
SERIES: tuple[list[float], ...] = (
    [0.5],
    [math.nan],
    [1, math.nan],
    [math.inf, -math.inf],
    [-math.inf, 2],
    [3, 1, 2],
    [0.25, math.inf],
)

literals = st.one_of(
    st.sampled_from(VALUES),
    st.none(),
    st.sampled_from(("x", "Y", "#fff", "FINISHED", "g1", "run 1", "ä", "SS", "trie", "demo", 1_700_000_003_000, 2)),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=3),
    st.floats(),
    st.integers(-3, 12),
)
lists = st.one_of(
    st.sampled_from([(), (1, "adam"), (64, 128), (True, 2), ((64,), 128), (math.nan, 2**53 + 1), ((),), ("1",)]),
    st.lists(literals, max_size=2).map(tuple),
)
patterns = st.sampled_from(
    ("*", "", "a*", "*M", "*[a]*", "?", "[!a]*", "A[A-Da-d]*", "*İ*", "*ς", "[[]x[]][*][?]*", "*\n*", "[]^-]*", "*.*")
) | st.text("adam*?Äß", max_size=5)
plain_patterns = patterns.filter(lambda pattern: "[" not in pattern)
fields = st.one_of(
    st.sampled_from([Field("STABLE", key) for key in STABLE_FIELDS]),
    st.sampled_from([Field("CONFIG", key) for key in ("a", "b.c", "b", "none", "a.c", "a.d", "x.y", "x.y#2", "a.c d")]),
    st.sampled_from(
        [Field("CONFIG", key, "len") for key in ("a", "b", "x", "none")]
        + [Field("STABLE", key, "len") for key in ("labels", "name", "group")]
    ),
    st.builds(
        Field,
        st.just("SCALAR"),
        st.sampled_from(("loss", "acc")),
        st.sampled_from(STATISTICS),
        st.sampled_from(((), CONTEXT)),
    ),
)
single: tuple[Operator, ...] = ("EQ", "NEQ", "GTE", "LTE", "GT", "LT", "CONTAIN")
comparisons = st.one_of(
    st.builds(Comparison, fields, st.sampled_from(single), literals, st.booleans()),
    st.builds(
        Comparison,
        fields,
        st.sampled_from(("IN", "NOT IN")),
        st.lists(literals | lists, max_size=4).map(tuple),
        st.booleans(),
    ),
    st.builds(Comparison, fields, st.sampled_from(("EQ", "NEQ", "CONTAIN")), lists, st.booleans()),
    st.builds(Comparison, fields, st.just("GLOB"), patterns),
    st.builds(Comparison, fields, st.just("IGLOB"), plain_patterns),
)
filters: st.SearchStrategy[Filter] = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=4,
)
