"""Charts of a table of metrics: by what is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.block import RUN, make_block, make_reading
from support.examples import examples

from runatlas import Chart
from runatlas.charts.style import plain
from runatlas.tables.metric import MetricTable, make_metric_table, make_run_metric_table
from runatlas.tables.resampling import smoothed

OTHER = ("c2", "two", "second run")
HOSTILE = "_$\\frac{a}{0}$ {x}\n\u202e😀 שלום 中\U000f0000 &<b>"


def _table(series: Mapping[Any, Any], **options: Any) -> MetricTable[Any]:
    keys = options.pop("keys", None)
    reading = make_reading(make_block(series, **options), keys=keys)
    return make_metric_table(reading)


def _two() -> MetricTable[Any]:
    return _table({(RUN, "loss"): [(0, 1.0), (1, 0.5), (2, 0.25)], (OTHER, "loss"): [(0, 3.0), (1, 2.0)]})


def _legend(chart: Chart) -> list[str]:
    return [text.get_text() for legend in chart.figure.legends for text in legend.get_texts()]


def _data(chart: Chart, place: int = 0) -> tuple[list[Any], list[Any]]:
    line: Any = chart.axes.get_lines()[place]
    return list(line.get_xdata()), list(line.get_ydata())


def test_a_line_a_series_with_names_and_a_legend_beside() -> None:
    chart = _two().plot()
    assert [line.get_label() for line in chart.get_lines()] == ["first run", "second run"]
    assert (chart.axes.get_xlabel(), chart.axes.get_ylabel()) == ("step", "loss")
    assert _legend(chart) == ["first run", "second run"]
    assert chart.axes.get_legend() is None
    assert repr(chart) == "<Chart: 2 lines of loss by step>"
    chart.set_title("what axes can, it can")
    assert chart.axes.get_title() == "what axes can, it can"
    assert "set_title" in dir(chart)
    with pytest.raises(AttributeError):
        _ = chart.nothing_of_this_name
    assert not make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0)]}))).plot().figure.legends


def test_a_notebook_keeps_one_picture() -> None:
    chart = _two().plot()
    data, size = chart._repr_mimebundle_()
    assert set(data) == {"text/plain", "image/png"}
    picture = Image.open(io.BytesIO(data["image/png"]))
    shown = size["image/png"]
    assert picture.size == (shown["width"] * 2, shown["height"] * 2)
    assert not hasattr(chart, "_repr_svg_")
    assert not hasattr(chart, "_repr_html_")
    asked, _ = chart._repr_mimebundle_(include={"image/svg+xml"})
    assert ET.fromstring(asked["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert chart._repr_mimebundle_(exclude={"image/png", "image/svg+xml"})[0] == {"text/plain": repr(chart)}


def test_charts_are_saved_and_drawn_on_axes_that_are_there(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    chart = _two().plot(ax=axes, path=tmp_path / "loss.png", color="run", c="red", lw=3)
    assert chart.axes is axes
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert chart.save(tmp_path / "loss.svg") == str(tmp_path / "loss.svg")
    ET.parse(tmp_path / "loss.svg")
    assert [(line.get_color(), line.get_linewidth()) for line in axes.get_lines()] == [("red", 3)] * 2
    assert axes.get_legend() is not None
    with pytest.raises(ValueError, match="2 panels do not fit"):
        _two().plot(ax=axes, facet="run")


def test_what_has_no_place_is_a_gap_and_told() -> None:
    rows = [(0, 1.0), (1, math.nan), (2, 2.0), (3, math.inf), (4, 3.0), (5, -1.0), (6, 1e300), (7, 5.0), (8, 6.0)]
    chart = _table({(RUN, "loss"): rows}).plot(log="y")
    _, values = _data(chart)
    assert [not math.isnan(value) for value in values] == [True, False, True, False, True, False, False, True, True]
    assert chart.axes.get_lines()[0].get_markevery() == [0, 2, 4]
    assert chart.axes.get_yscale() == "log"
    assert chart.notes == (
        "2 points with NaN or infinity are a gap",
        "1 point is not above 0, which has no place on a log axis",
        "1 point beyond 1e150 is a gap",
    )
    assert chart.figure.get_supxlabel().splitlines() == list(chart.notes)
    chart.to_png()


def test_a_log_axis_of_nothing_is_none() -> None:
    table = _table({(RUN, "loss"): [(0, 0.0), (1, math.nan)], (RUN, "acc"): [(0, 1.0), (1, 2.0)]})
    for chart in (table.plot(log="xy", facet="metric"), table.plot(log="y", facet="metric"), table.plot(log="y")):
        assert chart.to_png().startswith(b"\x89PNG")
    assert [axes.get_yscale() for axes in table.plot(log="y", facet="metric").figure.axes] == ["linear", "log"]


def test_what_is_missing_or_sampled_stands_below() -> None:
    series = {(RUN, "loss"): [(0, 1.0), (9, 2.0)]}
    block = make_block(series, totals={"loss": 10}, runs=(RUN, OTHER), missing=("gone",))
    table = make_metric_table(make_reading(block, keys=("loss", "acc"), sample=2))
    assert table.plot().notes == (
        "1 of 2 runs has no loss",
        "none of 2 runs has acc",
        "sampled: 2 of 10 points of 1 series",
        "1 run asked for by id is not there",
    )
    nothing = _table({}, keys=None).plot()
    assert nothing.notes == ("there is nothing to draw",)
    nothing.to_png()


def test_across_lie_steps_times_or_a_metric() -> None:
    table = _table({(RUN, "loss"): [(1, 1.0), (61, 2.0), (241, 3.0)], (RUN, "tokens"): [(1, 100.0), (241, 400.0)]})
    timed = table.plot(x="time")
    assert _data(timed)[0][0] == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert timed.axes.get_xlabel() == "time (UTC)"
    since = table.plot(x="relative")
    assert _data(since)[0] == [0, 1, 4]
    assert since.axes.get_xlabel() == "time since the run's first point (min)"
    joined = table.plot(x="tokens")
    assert _data(joined) == ([100, 400], [1, 3])
    assert joined.notes == ("across lies tokens of the same step; 1 point without it left out",)
    block = make_block(
        {(RUN, "loss"): [(0, 1.0), (5, 2.0)], (RUN, "tokens"): [(0, 0.0), (10, 100.0)]}, totals={"tokens": 9}
    )
    thinned = make_run_metric_table(make_reading(block, sample=2)).plot(x="tokens")
    assert _data(thinned)[0] == [0, 50]
    assert thinned.notes[0] == "across lies tokens of the same step, linear between its sampled points"


def test_panels_and_styles_tell_metrics_apart() -> None:
    table = _table({(run, key): [(0, 1.0), (1, 2.0)] for run in (RUN, OTHER) for key in ("loss", "acc")})
    chart = table.plot()
    assert _legend(chart) == ["first run", "second run", "loss", "acc"]
    assert {line.get_linestyle() for line in chart.axes.get_lines()} == {"-", "--"}
    apart = table.plot(facet="metric")
    assert [axes.get_title() for axes in apart.figure.axes] == ["loss", "acc"]
    assert _legend(apart) == ["first run", "second run"]
    assert len(table.plot(facet="run").figure.axes) == 2
    many = _table({((f"c{number}", f"r{number}", ""), "loss"): [(0, 1.0)] for number in range(20)}).plot(facet="run")
    assert len(many.figure.axes) == 12
    assert many.notes == ("12 of 20 panels are drawn",)


def test_many_lines_have_a_short_legend_and_few_have_colours_of_their_own() -> None:
    table = _table({((f"c{number}", f"r{number}", ""), "loss"): [(0, 1.0), (1, 2.0)] for number in range(105)})
    assert _legend(table.plot())[-2:] == ["r11", "… and 93 more"]
    few = _table({((f"c{number}", f"r{number}", ""), "loss"): [(0, 1.0), (1, 2.0)] for number in range(20)}).plot()
    assert len({(line.get_color(), line.get_linestyle()) for line in few.axes.get_lines()}) == 20


def test_runs_of_one_name_are_told_apart() -> None:
    table = _table({((f"c{number}", f"id{number}", "same"), "loss"): [(0, 1.0)] for number in range(2)})
    assert _legend(table.plot()) == ["same (id0)", "same (id1)"]


def test_smooth_lines_are_labelled_and_what_was_logged_is_faint_behind() -> None:
    chart = _two().plot(smooth=0.5)
    assert chart.axes.get_ylabel() == "loss (EMA 0.5)"
    assert _data(chart)[1] == [1.0, 0.5, 0.25]
    assert _data(chart, 1)[1] == pytest.approx(
        [1.0, 2 / 3, (0.25 + 0.25 / 2 + 0.25 / 2) / 1.75 * 7 / 4 / 1.25 * 1.0], abs=1
    )
    assert (chart.axes.get_lines()[0].get_alpha() or 1) < 0.5
    assert _two().plot(smooth=3).axes.get_ylabel() == "loss (mean of 3 points)"


@settings(max_examples=examples(60))
@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=30), st.sampled_from([0.1, 0.9, 2, 5]))
def test_smoothing_keeps_gaps_and_stays_within_what_was_logged(values: list[float], amount: float) -> None:
    found = smoothed(values, amount)
    assert [math.isnan(value) for value in found] == [math.isnan(value) for value in values]
    known = [value for value in values if not math.isnan(value)]
    assert all(min(known) - 1e-6 <= value <= max(known) + 1e-6 for value in found if not math.isnan(value))
    assert smoothed([2.0] * 5, amount) == pytest.approx([2.0] * 5)
    assert smoothed([1.7e308] * 5, amount) == pytest.approx([1.7e308] * 5)


def test_names_are_shown_as_they_are_and_never_as_formulas() -> None:
    run = ("c1", "one", HOSTILE)
    table = _table({(run, HOSTILE): [(0, 1.0), (1, 2.0)], (OTHER, HOSTILE): [(0, 1.0)], (OTHER, "$"): [(0, 1.0)]})
    for chart in (table.plot(), table.plot(facet="metric"), table.plot(facet="run", color="metric"), table.plot(x="$")):
        assert all(text.replace(r"\$", "").count("$") == 0 for text in _legend(chart))
        assert chart.to_png().startswith(b"\x89PNG")
        ET.fromstring(chart.to_svg())
    shown = _legend(table.plot())
    assert any(text.startswith(" _") for text in shown)
    assert plain("\U000f0000_") == "\u25a1_"


def test_what_cannot_be_drawn_is_refused() -> None:
    table = _two()
    with pytest.raises(ValueError, match="no run of these has points of 'epoch'"):
        table.plot(x="epoch")
    with pytest.raises(ValueError, match=r"runs\.plot\(color='config\.lr'\) does"):
        table.plot(color="config.lr")
    wrong: Any = "z"
    with pytest.raises(ValueError, match="log"):
        table.plot(log=wrong)
    for amount in (0, 1, 1.5, -3):
        with pytest.raises(ValueError, match="smooth"):
            table.plot(smooth=amount)
    untimed = make_run_metric_table(make_reading(make_block({(RUN, "loss"): [(0, 1.0)]}), timed=False))
    with pytest.raises(ValueError, match="ignore_timestamp"):
        untimed.plot(x="time")
    assert "timestamp" not in untimed.columns
    assert "timestamp" not in untimed.to_pandas().columns


def test_charts_need_no_style_of_the_process_and_leave_none() -> None:
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    before, figures = dict(mpl.rcParams), plt.get_fignums()
    with mpl.style.context("dark_background"):
        picture = Image.open(io.BytesIO(_two().plot().to_png())).convert("RGB")
    assert picture.getpixel((0, 0)) == (255, 255, 255)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures
