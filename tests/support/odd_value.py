"""JSON values that a protocol does not expect, among words that it does."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["odd_values"]


def odd_values(*words: str, with_infinite: bool = False) -> st.SearchStrategy[Any]:
    """Make values of every JSON type, nested a little: numbers beyond 64 bits, NUL, lone surrogates, paths upwards.

    Args:
        words: What the protocol knows, so that some values get further than its first check.
        with_infinite: Whether numbers may be NaN and infinite too.
    """
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.integers(-2, 5),
        st.floats(allow_nan=with_infinite, allow_infinity=with_infinite),
        st.text(max_size=20),
        st.sampled_from([*words, "loss", "a/b", "..", "\x00", "\ud800"]),
    )
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=12,
    )
