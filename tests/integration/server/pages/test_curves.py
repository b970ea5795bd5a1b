"""The curves of charts: what is sampled, what is not there, and who gets them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from support.server import ServerProcess, make_key, running_server

import runatlas
from runatlas.statistics.curve import Band

_POINTS = 2000
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_key(tmp_path_factory.getbasetemp() / "curves", "ann")


@pytest.fixture(scope="module")
def served(key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.getbasetemp() / "curves") as server:
        api = runatlas.Api(host=server.origin, api_key=key)
        api.create_project(name="shown", visibility="PUBLIC").unwrap()
        for name, rate, length in (("first", 0.1, _POINTS), ("second", 0.1, _POINTS), ("third", None, 300)):
            with runatlas.Run(
                name, repo=server.origin, api_key=key, experiment="shown", capture_terminal_logs=False
            ) as run:
                if rate is not None:
                    run["lr"] = rate
                for step in range(length):
                    run.track(math.sin(step * len(name)) * 1e-3, name="loss", step=step)
                    if step < 20 and name != "third":
                        run.track(step * len(name), name="short", step=step)
                    if step % 500 == 0:
                        run.track(step / 500, name="epoch", step=step)
                for step, value in enumerate((math.nan, math.inf, 1.0)):
                    run.track(value, name="<b>odd\u202e", step=step)
        yield server


def _curves(server: ServerProcess, **query: Any) -> Any:
    asked = {"runs": ["first"], "keys": ["loss"], **query}
    answer = server.call("GET", f"/@ann/shown/curves?{urlencode(asked, doseq=True)}")
    assert answer.status_code == 200, answer.text
    # No constants that only Python reads.
    return json.loads(answer.text, parse_constant=pytest.fail)


def test_a_visitor_gets_sampled_curves_of_a_public_project(served: ServerProcess) -> None:
    found = _curves(served, runs=["second", "gone", "first"], keys=["loss", "absent"], points=100)
    assert sorted(run["name"] for run in found["runs"]) == ["first", "second"]
    assert [
        (len(each["x"]) == len(each["y"]), 90 <= len(each["x"]) <= 100, each["total"]) for each in found["series"]
    ] == [(True, True, _POINTS)] * 2
    assert (found["missing"], found["absent"], found["following"]) == (["gone"], ["absent"], None)
    assert {each["x"][-1] for each in found["series"]} == {_POINTS - 1}


def test_what_is_no_number_is_a_gap_and_names_are_written_out(served: ServerProcess) -> None:
    (series,) = _curves(served, keys=["<b>odd\u202e"])["series"]
    assert series["y"] == [None, None, 1.0]
    assert (series["key"], series["label"]) == ("<b>odd\u202e", "<b>odd\\u202e")


@pytest.mark.parametrize("axis", ["step", "time", "relative", "epoch"])
def test_curves_lie_along_an_axis(served: ServerProcess, axis: str) -> None:
    (series,) = _curves(served, x=axis, **{"from": 400, "to": 600}, points=1500)["series"]
    assert (len(series["x"]), series["total"]) == (201, 201)
    assert series["x"] == sorted(series["x"], key=lambda place: -1 if place is None else place)
    if axis == "step":
        assert series["x"] == list(range(400, 601))
    if axis == "epoch":  # what it was last; within the steps that are looked at
        assert series["x"] == [None] * 100 + [1.0] * 101


def _picture(server: ServerProcess, **query: Any) -> tuple[ET.Element, list[str], list[list[tuple[float, float]]]]:
    """Return the picture of curves, the texts in it, and the corners of its lines."""
    asked = {"runs": ["first"], "keys": ["loss"], **query}
    answer = server.call("GET", f"/@ann/shown/curves.svg?{urlencode(asked, doseq=True)}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml"), answer.text
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    picture = ET.fromstring(answer.content)
    paths = [path.get("d", "") for path in picture.findall(f"./{_SVG}g/{_SVG}path[@class='line']")]
    corners = [[(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)] for path in paths]
    return picture, [text.text or "" for text in picture.iter(f"{_SVG}text")], corners


@pytest.mark.parametrize("axis", ["step", "relative", "epoch"])
def test_picture_has_the_lines_of_the_curves(served: ServerProcess, axis: str) -> None:
    asked = {"runs": ["first", "second"], "x": axis, "points": 50}
    series = _curves(served, **asked)["series"]
    picture, texts, lines = _picture(served, **asked)
    ends = [
        [(x, y) for x, y in zip(each["x"], each["y"], strict=True) if x is not None and y is not None]
        for each in series
    ]
    assert [len(line) for line in lines] == [len(each) for each in ends]
    for place in (0, 1):  # both axes are straight, and as wide and high as what is drawn
        known = [each[place] for line in ends for each in line]
        drawn = [each[place] for line in lines for each in line]
        low, high = (min(drawn), max(drawn)) if place == 0 else (max(drawn), min(drawn))
        for line, each in zip(lines, ends, strict=True):
            for at in (0, -1):
                share = (each[at][place] - min(known)) / (max(known) - min(known))
                assert line[at][place] == pytest.approx(low + (high - low) * share, abs=0.11)
    assert {"first", "second"} <= set(texts)
    assert float(picture.get("width", 0)) == 480


def test_picture_has_gaps_bands_and_logarithms_and_writes_names_out(served: ServerProcess) -> None:
    picture, texts, lines = _picture(served, keys=["<b>odd\u202e"], x="<i>\u202e&", runs=["third"])
    assert "<b>odd\\u202e: the run has no <i>\\u202e&" in "".join(texts)
    picture, _, lines = _picture(served, keys=["<b>odd\u202e"])
    assert (len(lines[0]), picture.findtext(f"{_SVG}title")) == (1, "Curves of <b>odd\\u202e")
    picture, texts, lines = _picture(served, keys=["short"], runs=["first", "second"], band="sd", log=["y"])
    assert len(picture.findall(f".//{_SVG}path[@class='band']")) == len(lines) == 1
    assert {"10", "all runs (n = 2)", "values of 0 or less have no place on a logarithmic axis"} <= set(texts)
    assert len(lines[0]) == 19
    _, texts, lines = _picture(served, runs=["third", "first"], color="config.lr", smooth="0.5", x="time")
    assert (len(lines), {"0.1", "none", "time (UTC)"} <= set(texts)) == (2, True)


def test_pages_have_pictures_and_fields_for_those_without_script(served: ServerProcess) -> None:
    run = served.call("GET", "/@ann/shown/runs/first?log=y&x=epoch").text
    compare = served.call("GET", "/@ann/shown/compare?runs=first,second&smooth=0.5").text
    project = served.call("GET", "/@ann/shown?curves=loss&filter=name+!=+'x'&band=sd&log=x").text
    for page, said, kept in (
        (run, "x=epoch&log=y", ["metric", "skip"]),
        (compare, "smooth=0.5", ["runs", "baseline", "metric", "skip"]),
        (project, "log=x&band=sd", ["curves", "filter", "band"]),
    ):
        addresses = [unescape(found) for found in re.findall(r'<noscript>.*?<img src="([^"]+)"', page)]
        assert addresses
        assert all(address.endswith(said) for address in addresses)
        assert served.call("GET", addresses[0]).headers["content-type"] == "image/svg+xml"
        (form,) = re.findall(r"<form[^>]*data-chart-controls>.*?</form>", page, re.DOTALL)
        assert "<noscript><button>Show</button></noscript>" in form
        assert re.findall('type="hidden" name="([^"]*)"', form) == kept
    assert '<option value="short"' in run
    assert '<option value="short"' in compare


def test_a_run_without_the_metric_to_go_along_is_told(served: ServerProcess) -> None:
    found = _curves(served, x="absent")
    assert (found["series"], [each["key"] for each in found["failures"]]) == ([], ["loss"])
    assert "absent" in found["failures"][0]["reason"]


@pytest.mark.parametrize(("metric", "band"), [("loss", "minmax"), ("short", "sd"), ("short", "ci95")])
def test_means_and_bands_are_those_of_the_api(served: ServerProcess, key: str, metric: str, band: Band) -> None:
    names = ["first", "second", "third"]
    found = _curves(served, runs=names, keys=[metric], color="config.lr", band=band, points=500)
    project = runatlas.Api(host=served.origin, api_key=key).project("ann/shown")
    chart = project.plot(metric, names, color="config.lr", band=band, sample=500)
    drawn: list[Any] = [line.get_data() for line in chart.axes.get_lines()]
    means = [(list(x), list(y)) for x, y in drawn if len(x)]
    assert [(each["x"], each["y"]) for each in found["series"]] == means
    said = [text.get_text() for legend in chart.figure.legends for text in legend.get_texts()]
    assert [f"{each['name']} ({each['n']})" for each in found["series"]] == said
    # A band has corners along its one edge and back along the other.
    outlines: list[Any] = list(chart.axes.collections)
    corners = [{y for path in outline.get_paths() for _, y in path.vertices} for outline in outlines]
    ends = [[each for end in ("low", "high") for each in series[end] if each is not None] for series in found["series"]]
    assert [each for each in ends if each]
    assert all(set(each) <= shape for each, shape in zip(ends, corners, strict=False))
    between = "read at 200 evenly spaced ones"
    assert (between in str(found["notes"])) == (metric == "loss") == (between in str(chart.notes))
    assert ("2 of 3 runs have this metric" in found["notes"]) == (metric == "short")


def test_without_a_colour_there_is_one_mean_and_what_is_not_there_is_told(served: ServerProcess) -> None:
    found = _curves(served, runs=["first", "second", "gone"], keys=["short"], band="sd")
    assert [(each["name"], each["n"], len(each["x"])) for each in found["series"]] == [("all runs", "n = 2", 20)]
    assert (found["missing"], found["absent"]) == (["gone"], [])
    assert _curves(served, keys=["absent"], band="sd", color="nothing.")["absent"] == ["absent"]


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"runs": []}, "runs"),
        ({"runs": [str(number) for number in range(51)]}, "runs"),
        ({"keys": [str(number) for number in range(51)]}, "keys"),
        ({"points": 1501}, "points"),
        ({"points": "9" * 5000}, "points"),
        ({"from": 5, "to": 1}, "start"),
        ({"after": "x"}, "cursor"),
        ({"band": "se"}, "minmax, sd, ci95"),
        ({"band": "sd", "x": "time"}, "along steps"),
        ({"band": "sd", "keys": ["loss", "short"]}, "one metric"),
    ],
)
def test_what_is_out_of_bounds_is_refused(served: ServerProcess, query: dict[str, Any], named: str) -> None:
    asked = {"runs": ["first"], "keys": ["loss"], **query}
    answer = served.call("GET", f"/@ann/shown/curves?{urlencode(asked, doseq=True)}")
    assert (answer.status_code, named in answer.text) == (422, True), answer.text
    assert served.call("GET", f"/@ann/shown/curves.svg?{urlencode(asked, doseq=True)}").status_code == 422
