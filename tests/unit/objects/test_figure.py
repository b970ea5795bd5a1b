from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runatlas.objects import Figure, Text


def test_a_plotly_figure_is_kept_as_its_json() -> None:
    import plotly.graph_objects as go

    figure = Figure(go.Figure(data=[go.Scatter(x=[1, 2], y=[3, 4])], layout={"title": "a"}))

    assert figure.data["data"][0]["type"] == "scatter"
    assert figure.data["data"][0]["y"] == [3, 4]
    assert figure.json() == {"type": "figure", "data": figure.data}
    assert figure.encode().data == figure.data


def test_a_dict_is_copied() -> None:
    source: dict[str, Any] = {"data": [{"y": [1]}], "layout": {}}
    figure = Figure(source)
    source["layout"]["title"] = "changed"

    assert figure.data == {"data": [{"y": [1]}], "layout": {}}
    assert repr(figure) == "Figure(keys=['data', 'layout'])"


def _drawn(draw: Callable[[Any, Any], object], **options: Any) -> dict[str, Any]:
    """What becomes of a figure of matplotlib's with one pair of axes."""
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(2, 1), dpi=50)
    draw(figure, figure.add_subplot(**options))
    return Figure(figure).data


@pytest.mark.parametrize(
    "draw",
    [
        lambda _, axes: axes.plot([1, 2, 3], [3, math.nan, 2], "o--"),
        lambda _, axes: axes.loglog([1, 10], [1, 100]),
        lambda _, axes: axes.plot([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)], [1, 2]),
        lambda _, axes: axes.scatter([1, 2], [3, 4], s=[9, 99], c=[1, 2]),
        lambda _, axes: (
            axes.plot([1, 2], [3, 4], label="a"),
            axes.legend(),
            axes.set_title("t"),
            axes.text(1, 3, "b"),
        ),
    ],
    ids=("lines", "log", "times", "points", "texts"),
)
def test_a_matplotlib_figure_of_lines_and_points_can_be_looked_into(draw: Callable[[Any, Any], object]) -> None:
    shown = _drawn(draw)
    assert (len(shown["data"]), "images" in shown["layout"]) == (1, False)


@pytest.mark.parametrize(
    "draw",
    [
        lambda _, axes: axes.imshow([[1, 2], [3, 4]]),
        lambda _, axes: (axes.plot([0, 1], [0, 1]), axes.imshow([[1, 2], [3, 4]])),
        lambda _, axes: axes.pie([1, 2]),
        lambda _, axes: axes.hexbin([1, 2, 3], [3, 1, 2]),
        lambda _, axes: axes.bar(["cat", "dog"], [3, 1]),
        lambda _, axes: axes.plot(["cat", "dog"], [3, 1]),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.set_xticks([1, 2], ["cat", "dog"])),
        lambda _, axes: axes.step([1, 2, 3], [1, 3, 2]),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.axhline(1.5)),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.fill_between([1, 2], [1, 2], [2, 3], alpha=0.2)),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.annotate("best", (1, 2), (2, 1), arrowprops={})),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.table([["a"]])),
        lambda figure, axes: (axes.plot([1, 2], [1, 2]), figure.suptitle("all of it")),
        lambda _, axes: (axes.plot([1, 2], [1, 2]), axes.twinx().plot([1, 2], [200, 100])),
        lambda figure, axes: figure.colorbar(axes.scatter([1, 2], [3, 4], c=[1, 2])),
        lambda _, axes: (axes.scatter([1, 10], [3, 4]), axes.set_xscale("log")),
        lambda _, axes: (axes.scatter([1, 2], [3, 4], label="val"), axes.legend()),
        lambda _, axes: axes.scatter([1, 2], [3, 4], facecolors="none", edgecolors="red"),
        lambda _, axes: axes.scatter([1, 2], [3, 4], marker="v"),
        lambda _, axes: axes.scatter([1, 2], [3, 4], marker=[(0, 0), (1, 0), (0, 1)]),
        lambda _, axes: axes.plot([1, 2], [3, 4], marker="P"),
        lambda _, axes: axes.plot([1, 2], [3, 4], marker=[(0, 0), (1, 0), (0, 1)]),
        lambda _, axes: axes.plot([1, 2, 3], [3, 4, 5], marker="o", markevery=2),
        lambda _, axes: axes.plot([1, 2], [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)]),
        lambda _, axes: axes.legend(axes.plot([1, 2], [3, 4]), ["val"]),
        lambda _, axes: (axes.plot([1, 2], [3, 4], label="val"), axes.legend(title="loss")),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.plot([1, 2], [9, 9])[0].set_visible(False)),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.set_title("epoch 3", loc="left")),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.set_ylabel(r"$\alpha$")),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.text(1, 3, "two\nlines")),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.axis("off")),
        lambda _, axes: (axes.plot([1, 2], [3, 4]), axes.set_aspect("equal")),
    ],
    ids=(
        *(
            "image",
            "image and line",
            "pie",
            "hexagons",
            "bars",
            "categories",
            "labels of ticks",
            "steps",
            "line across",
        ),
        *("band", "arrow", "table", "title of all", "two scales", "colorbar", "points along a log", "names of points"),
        *("rings", "triangles", "polygons", "another marker", "drawn marker", "some markers", "times upwards"),
        *(
            "names in a legend",
            "title of a legend",
            "hidden line",
            "title on the left",
            "formula",
            "lines of text",
            "no axes",
            "aspect",
        ),
    ),
)
def test_what_the_converter_would_leave_out_of_a_matplotlib_figure_is_a_picture(
    draw: Callable[[Any, Any], object],
) -> None:
    shown = _drawn(draw)
    assert shown["data"] == []
    assert shown["layout"]["images"][0]["source"].startswith("data:image/png;base64,")


def test_a_matplotlib_figure_along_an_angle_is_a_picture() -> None:
    assert "images" in _drawn(lambda _, axes: axes.plot([1, 2], [1, 2]), projection="polar")["layout"]


@pytest.mark.parametrize(
    "wrong",
    [
        *(object(), 5, "text", {"data": object()}, {1, 2}, math),
        *({}, {"type": "scatter", "y": [1, 2]}, {"xAxis": {}, "series": []}, {"data": {"y": [1, 2]}}, {"data": [1, 2]}),
        {"data": [{"x": np.array([5], "timedelta64[ns]")}]},
    ],
)
def test_what_is_no_figure_is_refused(wrong: object) -> None:
    with pytest.raises(TypeError, match="obj"):
        Figure(wrong)


def test_a_text() -> None:
    text = Text("prediction: cat" + "!" * 60)

    assert text.data.startswith("prediction")
    assert text.json() == {"type": "text", "data": text.data}
    assert text.encode().data == {"text": text.data}
    assert repr(text) == f"Text({text.data[:60] + '...'!r})"
    assert repr(Text("short")) == "Text('short')"
    assert Text(5).data == "5"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (b"caf\xc3\xa9", "got bytes; decode them"),
        (bytearray(b"a"), "got bytearray; decode them"),
        (np.arange(5000), "got ndarray, whose str"),
        (pd.DataFrame({"a": range(100)}), "got DataFrame, whose str"),
        (None, "got None; leave it out"),
    ],
)
def test_what_would_be_another_text_is_refused(given: object, says: str) -> None:
    with pytest.raises(TypeError, match=f"text: expected a string, {says}"):
        Text(given)  # type: ignore[arg-type]


def test_a_part_of_a_plotly_figure_is_refused() -> None:
    import plotly.graph_objects as go

    for part in (go.Scatter(y=[1, 2]), go.Layout(title="loss")):
        with pytest.raises(TypeError, match=r"go\.Figure"):
            Figure(part)


@pytest.mark.parametrize("unit", ["D", "s", "us", "ns"])
def test_times_of_a_dict_are_those_of_the_figure(unit: str) -> None:
    import plotly.graph_objects as go

    times = np.array(["2026-01-01", "NaT", "2026-01-03"], f"datetime64[{unit}]")
    of_dict = Figure({"data": [{"x": times, "y": [1, 2, 3]}]}).data["data"][0]["x"]

    assert of_dict[1] is None
    assert [datetime.fromisoformat(time) for time in of_dict[::2]] == [datetime(2026, 1, 1), datetime(2026, 1, 3)]  # noqa: DTZ001
    zoned = Figure({"data": [{"x": pd.DatetimeIndex(["2026-01-01"], tz="UTC")}]}).data["data"][0]["x"]
    assert zoned == ["2026-01-01T00:00:00+00:00"]
    made = go.Figure(go.Scatter(x=pd.Series(pd.to_datetime(["2026-01-01 12:00"])), y=[1]))
    assert Figure(made.to_dict()).data["data"][0]["x"][0][:16] == Figure(made).data["data"][0]["x"][0][:16]


def test_what_is_not_finite_is_a_gap_as_in_plotlys_own_json() -> None:
    values = [1.0, math.nan, math.inf, -math.inf]

    for trace in ({"y": values}, {"y": np.array(values)}):
        assert Figure({"data": [trace]}).data["data"] == [{"y": [1.0, None, None, None]}]


def test_a_dict_with_arrays_is_plain() -> None:
    figure = Figure({"data": [{"y": np.arange(3), "x": np.float32(0.5)}]})

    assert figure.data == {"data": [{"y": [0, 1, 2], "x": 0.5}]}
