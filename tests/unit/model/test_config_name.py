from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.model.config_name import Section, find_value, named_values

KEYS = st.sampled_from(["a", "b", "a.b", "b.a", "a#2", "a.b#2", "\x00", "\ufffd", "."])
CONFIGS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, st.integers() | st.none(), max_size=3),
    lambda inner: st.dictionaries(KEYS, st.integers() | inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(150), deadline=None)
@given(CONFIGS)
def test_a_value_is_found_under_its_name_and_no_other(config: dict[str, Any]) -> None:
    known = dict(named_values(config, depth_max=None))
    for name in {*known, "a", "b", "a.b", "a.b.a", "a#2", ".", "a."}:
        found = find_value(config, name)
        value = known.get(name)
        assert found == value or (isinstance(value, dict) and isinstance(found, Section) and found.size == len(value))
