from __future__ import annotations

from typing import Any

import numpy as np
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


@pytest.mark.parametrize("kind", ["plot", "hexbin"])
def test_a_matplotlib_figure_always_shows(kind: str) -> None:
    import matplotlib.figure

    figure = matplotlib.figure.Figure(figsize=(2, 1), dpi=50)
    getattr(figure.subplots(), kind)([1, 2, 3], [3, 1, 2])

    shown = Figure(figure).data

    assert shown["data"] or shown["layout"]["images"][0]["source"].startswith("data:image/png;base64,")


@pytest.mark.parametrize("wrong", [object(), 5, "text", {"data": object()}, {1, 2}])
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


def test_a_dict_with_arrays_is_plain() -> None:
    figure = Figure({"data": [{"y": np.arange(3), "x": np.float32(0.5)}]})

    assert figure.data == {"data": [{"y": [0, 1, 2], "x": 0.5}]}
