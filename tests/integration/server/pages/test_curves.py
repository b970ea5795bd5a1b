"""The curves of charts: what is sampled, what is not there, and who gets them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from support.server import ServerProcess, make_key, running_server

import runatlas

_POINTS = 2000


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    directory = tmp_path_factory.mktemp("curves") / "store"
    key = make_key(directory, "ann")
    with running_server(directory) as server:
        api = runatlas.Api(host=server.origin, api_key=key)
        api.create_project(name="shown", visibility="PUBLIC").unwrap()
        for name in ("first", "second"):
            with runatlas.Run(
                name, repo=server.origin, api_key=key, experiment="shown", capture_terminal_logs=False
            ) as run:
                for step in range(_POINTS):
                    run.track(math.sin(step) * 1e-3, name="loss", step=step)
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


def test_a_run_without_the_metric_to_go_along_is_told(served: ServerProcess) -> None:
    found = _curves(served, x="absent")
    assert (found["series"], [each["key"] for each in found["failures"]]) == ([], ["loss"])
    assert "absent" in found["failures"][0]["reason"]


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
    ],
)
def test_what_is_out_of_bounds_is_refused(served: ServerProcess, query: dict[str, Any], named: str) -> None:
    asked = {"runs": ["first"], "keys": ["loss"], **query}
    answer = served.call("GET", f"/@ann/shown/curves?{urlencode(asked, doseq=True)}")
    assert (answer.status_code, named in answer.text) == (422, True), answer.text
