from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import examples

from runatlas.model.config_name import Section, find_value, named_values, parts_of

KEYS = st.sampled_from(["a", "b", "a.b", "b.a", "a#2", "a.b#2", "\x00", "\ufffd", "."])
CONFIGS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(KEYS, st.integers() | st.none(), max_size=3),
    lambda inner: st.dictionaries(KEYS, st.integers() | inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(150), deadline=None)
@given(CONFIGS)
def test_a_value_is_found_under_its_name_and_no_other(config: dict[str, Any]) -> None:
    known = dict(named_values(config))
    for name in {*known, "a", "b", "a.b", "a.b.a", "a#2", ".", "a."}:
        found = find_value(config, name)
        value = known.get(name)
        assert found == value or (isinstance(value, dict) and isinstance(found, Section) and found.size == len(value))


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(CONFIGS, max_size=3), st.sampled_from(["a", "b", "a.b", "a.b.a", "a#2", "a.b#2", "a.b#3", ".", "a."]))
def test_a_part_of_a_config_has_under_its_names_what_all_of_it_has(configs: list[dict[str, Any]], name: str) -> None:
    for names in ([name], [name, "b"]):
        parts = parts_of(configs, names)
        assert [find_value(part, name) for part in parts] == [find_value(config, name) for config in configs]
    assert parts_of(configs, []) == [{} for _ in configs]
