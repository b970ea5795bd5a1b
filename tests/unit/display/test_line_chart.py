"""Charts as pictures, of whatever numbers there are."""

from __future__ import annotations

from typing import Literal
from xml.etree import ElementTree as ET

from hypothesis import example, given
from hypothesis import strategies as st

from runatlas.display.line_chart import Axis, Line, line_chart

_MOST = 1.7976931348623157e308
_values = st.none() | st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(2**63), 2**63 - 1)
_kinds: st.SearchStrategy[Literal["number", "time"]] = st.sampled_from(("number", "time"))


@given(
    st.lists(st.lists(st.tuples(_values, _values), max_size=4), max_size=3),
    st.lists(st.tuples(_values, _values, _values), max_size=3),
    _kinds,
    st.booleans(),
    st.text(max_size=100),
)
@example([[(-_MOST, 1.0), (_MOST, _MOST)]], [(5e-324, -_MOST, _MOST)], "time", True, "<\x00\u202e\ud800")
def test_picture_can_be_read_whatever_it_shows(
    lines: list[list[tuple[float | None, float | None]]],
    band: list[tuple[float | None, float | None, float | None]],
    kind: Literal["number", "time"],
    log: bool,
    text: str,
) -> None:
    drawn = [Line(points, place, text, band=band) for place, points in enumerate(lines)]
    content = line_chart(text, drawn, Axis(text, kind, log and kind == "number"), Axis(log=log), notes=[text] * 9)
    picture = ET.fromstring(content)
    assert not {"inf", "nan"} & {word for path in picture.iter() for word in path.get("d", "").lower().split()}
    assert len([text for text in picture.iter() if text.tag.endswith("text")]) < 30
