"""Charts of a run, of runs and of a project: what is asked for, and what is drawn of configs."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_counting
from support.world import START, make_points

from runatlas import Api, Chart
from runatlas.backends.local import LocalBackend
from runatlas.charts.lines import Line, LineChart, draw_lines
from runatlas.charts.points import draw_scatter
from runatlas.entities.run_band import gather
from runatlas.errors import NotFoundError
from runatlas.model.batch import Batch
from runatlas.model.ids import ProjectPath
from runatlas.model.run import RunDraft

RATES: tuple[Any, ...] = (0.1, 0.01, 0.01, 0.001, None)


class Sweep:
    """A few runs, with an account of what is asked of their store."""

    def __init__(self, directory: str) -> None:
        self.account, self.backend = make_counting(LocalBackend(directory))
        self.path = ProjectPath(self.backend.get_user().username, "charts")
        for number, rate in enumerate(RATES):
            config = {"kind": f"kind {number % 2}", **({} if rate is None else {"optim": {"lr": rate}})}
            made: dict[str, Any] = {"id": f"r{number}", "name": f"run {number}", "created_at_ms": START - 60_000}
            self.backend.create_run(RunDraft(self.path, config=config, create_project=True, **made))
            values = [1.0 / (step + 1 + number) for step in range(300)]
            points = [make_points("val_loss", values)] if number else []
            points.append(make_points("tokens", [10.0 * step for step in range(300)]))
            self.backend.append(Batch(self.path.run(f"r{number}"), points=tuple(points)))
        self.project = Api(backend=self.backend).project(str(self.path))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    made = Sweep(str(tmp_path_factory.mktemp("charts")))
    yield made
    made.backend.close()


def _legend(chart: Chart) -> list[str]:
    return [text.get_text() for legend in chart.figure.legends for text in legend.get_texts()]


def _across(chart: Chart) -> list[Any]:
    data: Any = chart.axes.get_lines()[0].get_xdata()
    return list(data)


def test_lines_are_the_points_that_metrics_reads_for_two_requests(sweep: Sweep) -> None:
    with sweep.account.asking("get_project", "read_points"):
        chart = sweep.project.runs().plot("val_loss")
    series = [item for item in sweep.project.runs().metrics(["val_loss"]).unwrap().series if len(item)]
    drawn: list[Any] = [line.get_data() for line in chart.axes.get_lines()]
    assert len(drawn) == 4
    for (steps, values), item in zip(drawn, series, strict=True):
        assert list(steps) == item.steps.to_pylist()
        assert list(values) == item.values.to_pylist()
    assert chart.notes == ("1 of 5 runs has no val_loss",)
    thin = sweep.project.plot("val_loss", ["r1"], sample=50)
    assert len(_across(thin)) == 50
    assert thin.notes == ("sampled: 50 of 300 points of 1 series",)


def test_colours_and_panels_stand_for_configs_and_fields(sweep: Sweep) -> None:
    with sweep.account.asking("get_project", "read_points", "list_runs"):
        chart = sweep.project.plot("val_loss", color="config.optim.lr", facet="config.kind", log="xy")
    assert _legend(chart) == ["0.001", "0.01", "none"]
    assert chart.figure.legends[0].get_title().get_text() == "config.optim.lr"
    assert {axes.get_title() for axes in chart.figure.axes} == {"config.kind = kind 1", "config.kind = kind 0"}
    colors = {str(line.get_color()) for axes in chart.figure.axes for line in axes.get_lines()}
    assert len(colors) == 3
    assert _legend(sweep.project.plot("val_loss", color="state")) == ["RUNNING"]
    assert sorted(_legend(sweep.project.plot("tokens", color="name"))) == [f"run {number}" for number in range(5)]
    mistyped = sweep.project.plot("val_loss", color="config.optim.rl", facet="config.kind")
    assert "none of 5 runs has config.optim.rl" in mistyped.notes
    with pytest.raises(ValueError, match="color"):
        sweep.project.plot("val_loss", color="config.")
    with pytest.raises(ValueError, match="the last value can be shown"):
        sweep.project.plot("val_loss", color="summary.val_loss.min")


def test_of_one_run_every_metric_has_a_panel(sweep: Sweep) -> None:
    with sweep.account.asking("get_project", "read_points"):
        chart = sweep.project.run("r1").plot()
    assert {axes.get_title() for axes in chart.figure.axes} == {"val_loss", "tokens"}
    assert not chart.figure.legends
    across = sweep.project.run("r1").plot("val_loss", x="tokens", smooth=0.9)
    assert across.axes.get_xlabel() == "tokens"
    assert _across(across)[:2] == [0.0, 10.0]
    with pytest.raises(NotFoundError):
        sweep.project.run("nothing").plot("val_loss")


def test_time_since_the_start_and_units(sweep: Sweep) -> None:
    sweep.project.define_metric("val_loss", unit="nats").unwrap()
    chart = sweep.project.run("r1").plot("val_loss", x="relative")
    assert chart.axes.get_xlabel() == "time since the run's start (min)"
    assert chart.axes.get_ylabel() == "val_loss (nats)"
    assert math.isclose(_across(chart)[0], 1.0)
    smooth = sweep.project.run("r1").plot(["val_loss"], smooth=25)
    assert smooth.axes.get_ylabel() == "val_loss (nats, mean of 25 points)"
    sweep.project.define_metric("val_loss").unwrap()


def test_bands_are_what_statistics_say_of_the_runs_of_a_colour(sweep: Sweep) -> None:
    chart = sweep.project.plot("val_loss", color="config.optim.lr", band="ci95")
    assert chart.axes.get_ylabel().endswith(": mean and its 95 % interval")
    assert _legend(chart) == ["0.001 (n = 1)", "0.01 (n = 2)", "none (n = 1)"]
    two = next(line for line in _lines(chart) if str(line.get_label()) == "0.01")
    means = [(1 / (step + 2) + 1 / (step + 3)) / 2 for step in range(300)]
    assert list(two.get_ydata()) == pytest.approx(means)
    outline: Any = chart.axes.collections[_lines(chart).index(two)].get_paths()[0].vertices
    assert max(height for _, height in outline) == pytest.approx(means[0] + 12.7062 * (1 / 2 - 1 / 3) / 2, rel=1e-4)
    all_of_them = sweep.project.plot("tokens", band="minmax")
    assert _legend(all_of_them) == ["(n = 5)"]
    with pytest.raises(ValueError, match="works over steps only; leave out x"):
        sweep.project.plot("val_loss", band="sd", x="time")
    with pytest.raises(ValueError, match="leave out smooth"):
        sweep.project.plot("val_loss", band="sd", smooth=0.5)
    wrong: Any = "se"
    with pytest.raises(ValueError, match="band"):
        sweep.project.plot("val_loss", band=wrong)


def test_where_runs_end_n_falls_and_nothing_is_carried_forward() -> None:
    lines = [Line(range(0, 20, 2), [1.0] * 10), Line(range(5), [3.0] * 5), Line([], [])]
    (line,), chart = gather(lines, LineChart("step", "loss"), "sd")
    assert line.told == " (n = 1 to 2)"
    assert {round(value, 9) for value in line.y} == {2.0, 1.0}
    assert line.x[list(line.y).index(1.0)] == 5
    assert chart.notes == (
        "the runs logged at different steps: each is read at 200 evenly spaced ones, on the line between its points",
    )


def test_a_band_and_a_colour_are_of_equal_values_only(sweep: Sweep) -> None:
    values: list[Any] = [None, "none", True, "True", 1, 0.12345671, 0.12345672, [1], [1.0], "[1]"]
    lines = [Line([0, 1], [float(place)] * 2, color=value) for place, value in enumerate(values)]
    found, chart = gather(lines, LineChart("step", "loss", color_name="config.x"), "minmax")
    assert [line.y[0] for line in found] == [0.0, 1.0, 3.0, 3.0, 5.0, 6.0, 7.5, 9.0]
    legend = _legend(draw_lines(found, chart))
    assert {text.partition(" (n")[0] for text in legend} == {
        *("none", "'none'", "True", "'True'", "0.12345671", "0.12345672", "[1]", "'[1]'"),
    }
    rows = [{"x": 1.0, "y": 2.0, "color": value} for value in values]
    scatter = draw_scatter(rows, list("abcdefghij"), "x", "y", "color")
    assert len({str(line.get_color()) + str(line.get_marker()) for line in _lines(scatter)}) == 8
    own = draw_scatter([{"x": value, "y": 1.0} for value in values[1:]], list("abcdefghi"), "x", "y", None)
    assert len(own.axes.get_xticklabels()) == 7


def test_groups_have_a_colour_and_a_band_each(sweep: Sweep) -> None:
    groups = sweep.project.runs().groups("config.optim.lr")
    chart = groups.plot("val_loss")
    assert _legend(chart) == ["0.001 (n = 1)", "0.01 (n = 2)", "none (n = 1)"]
    assert chart.axes.get_ylabel().endswith(": mean, lowest to highest")
    several = sweep.project.runs().groups("config.kind", "config.optim.lr").plot("val_loss", smooth=0.5)
    assert several.figure.legends[0].get_title().get_text() == "config.kind, config.optim.lr"
    assert sorted(_legend(several)) == ["kind 0, 0.01", "kind 0, none", "kind 1, 0.001", "kind 1, 0.01"]
    assert len(_lines(groups.plot("val_loss", band=None))) == 4
    across = groups.plot("val_loss", x_axis="tokens")
    assert (across.axes.get_xlabel(), len(_lines(across))) == ("tokens", 4)
    assert groups.plot("val_loss", x_axis="relative_time").axes.get_xlabel().startswith("time since")
    with pytest.raises(TypeError, match=r"fields: expected a string, got list"):
        sweep.project.runs().groups(["config.kind"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="plot: it takes no 'colour', did you mean 'color'"):
        sweep.project.runs().plot("loss", colour="config.lr")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="color"):
        groups.plot("val_loss", color="state")
    with pytest.raises(ValueError, match="x_axis"):
        groups.plot("val_loss", x="step", x_axis="step")


def test_a_chart_draws_so_many_runs_and_says_of_how_many(sweep: Sweep) -> None:
    runs = sweep.project.runs(order="name")
    with sweep.account.asking("get_project", "count_runs", "list_runs", "read_points"):
        chart = runs.plot("tokens", limit=2)
    assert _legend(chart) == ["run 0", "run 1"]
    assert chart.notes == ("the first 2 of 5 runs are drawn; limit= takes more",)
    with sweep.account.asking("get_project", "read_points"):
        assert runs.plot("tokens", limit=5).notes == ()
    assert len(_lines(runs.plot("tokens", limit=4, color="config.kind"))) == 4
    filtered = sweep.project.plot("tokens", "config.optim.lr > 0", limit=1)
    assert filtered.notes == ("the first 1 of 4 runs are drawn; limit= takes more",)
    assert sweep.project.runs()[:2].plot("tokens", limit=2).notes == ()
    with pytest.raises(ValueError, match="limit"):
        runs.plot("tokens", limit=0)


def test_axes_are_logarithmic_as_asked_and_tell_units(sweep: Sweep) -> None:
    runs = sweep.project.runs()
    sweep.project.define_metric("val_loss", unit="nats").unwrap()
    chart = runs.scatter("config.optim.lr", "val_loss.min", log="y", color="tokens.max")
    assert (chart.axes.get_xscale(), chart.axes.get_yscale()) == ("linear", "log")
    assert chart.axes.get_ylabel() == "val_loss.min (nats)"
    assert runs[:4].scatter("config.optim.lr", "tokens.max", log="").axes.get_xscale() == "linear"
    across = runs.parallel(["config.optim.lr"], "val_loss.min")
    assert [label.get_text() for label in across.axes.get_xticklabels()][1] == "val_loss.min (nats)"
    with pytest.raises(ValueError, match=r"config\.kind has values that are no numbers"):
        runs.scatter("config.kind", "tokens.max", log="x")
    with pytest.raises(ValueError, match="log"):
        runs.scatter("config.optim.lr", "tokens.max", log="z")  # type: ignore[arg-type]
    sweep.project.define_metric("val_loss").unwrap()


def test_runs_are_drawn_against_each_other(sweep: Sweep) -> None:
    runs = sweep.project.runs(order="name")
    with sweep.account.asking("list_runs", "get_project"):
        chart = runs.scatter("config.optim.lr", "val_loss.min", color="config.kind")
    assert chart.notes == (
        "left out: 1 of 5 runs has no config.optim.lr: run 4",
        "left out: 1 of 5 runs has no val_loss.min: run 0",
    )
    assert [list(line.get_xdata()) for line in _lines(chart)] == [[0.01, 0.001], [0.01]]
    lows = [[1 / 301, 1 / 303], [1 / 302]]
    assert [list(line.get_ydata()) for line in _lines(chart)] == [pytest.approx(values) for values in lows]
    assert (chart.axes.get_xlabel(), chart.axes.get_ylabel()) == ("config.optim.lr", "val_loss.min")
    assert _legend(chart) == ["kind 1", "kind 0"]
    texts = runs.scatter("config.kind", "tokens.max")
    assert [label.get_text() for label in texts.axes.get_xticklabels()] == ["kind 0", "kind 1"]
    assert runs[:4].scatter("config.optim.lr", "tokens.max").axes.get_xscale() == "log"
    absent = runs.scatter("kind", "tokens", color="config.knd")
    assert absent.figure.axes[0].texts[0].get_text() == "no points"
    assert absent.notes[:2] == (
        "no run here has a metric 'kind', did you mean 'config.kind'?",
        "no run here has a config 'knd', did you mean 'kind'?",
    )
    assert runs.parallel(["config.knd"], "tokens").notes[0] == absent.notes[1]
    with sweep.account.asking("list_runs", "get_project"):
        across = runs.parallel(["config.optim.lr", "config.kind"], "val_loss.min")
    assert [label.get_text() for label in across.axes.get_xticklabels()] == [
        "config.optim.lr",
        "config.kind",
        "val_loss.min",
    ]
    courses = [list(line.get_ydata()) for line in _lines(across) if len(list(line.get_xdata())) == 3]
    middle = (1 / 302 - 1 / 303) / (1 / 301 - 1 / 303)
    assert courses == [pytest.approx(values) for values in ([1, 1, 1], [1, 0, middle], [0, 1, 0])]
    assert across.notes == chart.notes
    assert across.to_png().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="median"):
        runs.scatter("config.optim.lr", "val_loss.median")


def _lines(chart: Chart) -> list[Any]:
    return list(chart.axes.get_lines())


def test_charts_are_written_and_need_matplotlib(sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep.project.run("r1").plot("val_loss", path=tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'runatlas\[notebook\]'"):
        sweep.project.run("r1").plot("val_loss")
