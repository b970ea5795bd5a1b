"""Runs held against each other on a page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from support.person import shown_text
from support.server import ServerProcess, running_server

_HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 500


@attrs.frozen
class Scene:
    """A server without accounts and a project with a few runs."""

    server: ServerProcess
    home: str

    def make(self, method: str, path: str, **options: Any) -> Any:
        answer = self.server.call(method, path, **options)
        assert answer.ok, answer.text
        return answer.json()

    def record(self, run: str, name: str, config: dict[str, Any], *values: float) -> None:
        """Make a run with a metric."""
        where = {"workspace": self.home, "project": "p"}
        self.make("POST", "runs", json={"project": where, "id": run, "name": name, "config": config})
        steps = list(range(len(values)))
        points = [{"key": "loss", "steps": steps, "values": list(values), "times_ms": steps}]
        self.make("POST", f"runs/{self.home}/p/{run}/append", json={"points": points})

    def page(self, runs: str, **params: str) -> str:
        answer = self.server.call("GET", f"/@{self.home}/p/compare", params={"runs": runs, **params})
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_server(tmp_path_factory.mktemp("compare") / "store") as server:
        made = Scene(server, server.call("GET", "user").json()["username"])
        made.make("POST", "projects", json={"name": "p"})
        made.record("a", "", {"lr": 0.1, "seed": 1, "net": {"width": 8}}, 1.0, 0.5)
        made.record("b", "", {"lr": 0.2, "seed": 1, "net": {"width": 8}}, 1.0, 0.75)
        made.record("c", _HOSTILE, {"lr": 0.1, "seed": True, _HOSTILE: _HOSTILE}, 2.0)
        for run in ("a", "b"):
            blob = made.make("POST", f"projects/{made.home}/p/blobs", data=f"<svg>{run}</svg>".encode())
            files = [
                {"path": f"media/{name}", "sha256": blob["sha256"], "size": blob["size"], "mime_type": mime}
                for name, mime in (("x.png", "image/png"), ("x.svg", "image/svg+xml"))
            ]
            told = {"path": "t", "data": {"text": f"said by {run}"}, "mime_type": "text/plain"}
            media = [
                {"key": "pic", "step": 3, "items": files[:1], "column_type": "IMAGE"},
                {"key": "drawn", "step": 3, "items": files[1:], "column_type": "IMAGE"},
                {"key": "words", "step": 4, "items": [told], "column_type": "TEXT"},
            ]
            made.make("POST", f"runs/{made.home}/p/{run}/append", json={"media": media})
        yield made


def test_what_differs_is_told_apart_from_what_is_the_same(scene: Scene) -> None:
    text = shown_text(scene.page("a,b"))
    assert "2 runs compared" in text
    assert "Differs a baseline b lr 0.1 0.2" in text
    assert "2 names with the same value in all" in text
    assert "<mark>0.2</mark>" in scene.page("a,b")


def test_results_are_held_against_the_first_the_one_asked_for_or_the_one_marked(scene: Scene) -> None:
    assert "loss 0.5 0.5 to 1 0.75 +0.25 0.75 to 1" in shown_text(scene.page("a,b"))
    assert "loss 0.5 -0.25" in shown_text(scene.page("a,b", baseline="b"))
    scene.make(
        "POST",
        "runs/update",
        json={"selection": {"workspace": scene.home, "project": "p", "ids": ["b"]}, "patch": {"baseline": True}},
    )
    assert "a b baseline" in shown_text(scene.page("a,b"))
    # No tag of that name looks like it.
    assert '<span class="tag mark">baseline</span>' in scene.page("a,b")


def test_hostile_names_and_values_are_text(scene: Scene) -> None:
    page = scene.page("a,c")
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "True" in page


def test_media_stand_side_by_side_and_a_drawing_is_only_a_link(scene: Scene) -> None:
    page = scene.page("a,b")
    assert page.count('<img class="beside"') == 2
    assert page.count("media/x.svg") >= 2
    assert "said by a" in page
    assert "said by b" in page


def test_too_few_too_many_and_unknown_runs_are_told(scene: Scene) -> None:
    assert "tick 2 runs or more" in scene.page("a")
    assert "tick 2 runs or more" in scene.page("")
    assert "compare 2 to 20" in scene.page(",".join(f"r{number}" for number in range(21)))
    page = scene.page("a,b,gone")
    assert "the project has no run gone" in page
    assert "<h1>Compare runs</h1>" in page


def test_a_page_of_many_runs_and_metrics_stays_small_and_says_what_it_leaves_out(scene: Scene) -> None:
    steps = [0, 1]
    names = [f"m{number:03}/" + "k" * 40 for number in range(120)]
    for run in range(20):
        config = {name: run + number for number, name in enumerate(names)}
        where = {"workspace": scene.home, "project": "p"}
        scene.make("POST", "runs", json={"project": where, "id": f"many{run}", "name": "n" * 200, "config": config})
        points = [{"key": name, "steps": steps, "values": [run / 7, run / 3], "times_ms": steps} for name in names]
        scene.make("POST", f"runs/{scene.home}/p/many{run}/append", json={"points": points})
    runs = ",".join(f"many{run}" for run in range(20))
    page = scene.page(runs)
    assert len(page.encode()) < 300_000
    text = shown_text(page)
    assert "80 more names that differ" in text
    assert "The next of 95 more metrics" in text
    assert names[25] in shown_text(scene.page(runs, skip="25"))
    assert names[119] in shown_text(scene.page(runs, metric="m119"))
