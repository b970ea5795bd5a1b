"""A record that cannot be kept costs itself alone, and is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.run_content import points

from runatlas import Experiment, Run
from runatlas.objects import Text

POINTS = 100


class Foreign:
    """An object of another library."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def json(self) -> Any:
        return self._make()


def figure(content: Any) -> Foreign:
    return Foreign(lambda: {"type": "figure", "data": {"content": content}})


def fail() -> Any:
    raise RuntimeError("it has none")


def circle() -> dict[str, Any]:
    made: dict[str, Any] = {}
    made["again"] = made
    return made


def nested(levels: int) -> list[Any]:
    made: list[Any] = []
    for _ in range(levels):
        made = [made]
    return made


BAD: dict[str, Any] = {
    "an object": figure(object()),
    "bytes": figure(b"bytes"),
    "a key that is none": figure({(1, 2): 3}),
    "a circle": figure(circle()),
    "nested too deeply": Foreign(lambda: {"type": "figure", "data": {"content": nested(100_000)}}),
    "more digits than can be written": figure(10**5000),
    "no dict": Foreign(lambda: 3),
    "a failing json()": Foreign(fail),
}

GOOD: dict[str, tuple[Any, Any]] = {
    "an array": (figure(np.arange(3)), [0, 1, 2]),
    "a number of NumPy": (figure({"x": np.float32(0.5), "y": np.int64(3)}), {"x": 0.5, "y": 3}),
    "a set": (figure({2, 1}), [1, 2]),
    "numbers as keys": (figure({1: "a"}), {"1": "a"}),
    "a lone surrogate": (figure({"\ud83d": ["cut \ud83d", "nul \x00"]}), {"\ufffd": ["cut \ufffd", "nul \ufffd"]}),
}


def record_points(run: Run) -> None:
    for step in range(POINTS):
        run.log({"loss": step}, step=step)


def content_of(seen: Experiment, key: str) -> Any:
    content = seen.medias([key]).unwrap()[key][0][0].content
    assert content is not None
    return content["content"]


@pytest.mark.parametrize("name", BAD)
def test_an_object_that_cannot_be_kept_costs_itself_alone(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment], name: str
) -> None:
    run = make_run(experiment="bad")
    run.track(BAD[name], name="figure", step=0)
    record_points(run)
    flushed = run.flush(30)
    run.close(30)

    assert (flushed.where, flushed.dropped) == ("lost", 1)
    assert (run.health.sent, run.health.dropped, run.health.queued) == (POINTS, 1, 0)
    assert "figure" in run.health.problem
    seen = stored(run)
    assert (len(points(seen, "loss")), seen.state) == (POINTS, "FINISHED")


@pytest.mark.parametrize("name", GOOD)
def test_an_object_that_can_be_made_right_is_kept(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment], name: str
) -> None:
    given, kept = GOOD[name]
    run = make_run(experiment="bad")
    run.track(given, name="figure", step=0)
    record_points(run)
    run.close(30)

    assert (run.health.sent, run.health.dropped) == (POINTS + 1, 0)
    assert content_of(stored(run), "figure") == kept


def test_a_text_that_no_store_holds_is_made_right(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment]
) -> None:
    run = make_run(experiment="bad", config={"prompt": "cut \ud83d", "inner": {"\ud83d": 1}})
    run.track(Text("cut \ud83d", caption="\x00"), name="sample", step=0)
    run["late"] = ["nul \x00"]
    run.log_info("said", answer="cut \ud83d")
    record_points(run)
    run.close(30)

    seen = stored(run)
    assert run.health.dropped == 0
    assert seen.config == {"prompt": "cut \ufffd", "inner": {"\ufffd": 1}, "late": ["nul \ufffd"]}
    media = seen.medias(["sample"]).unwrap()["sample"][0][0]
    assert (media.content, media.caption) == ({"text": "cut \ufffd"}, "\ufffd")
    assert [(line.message, line.fields) for line in seen.logs().unwrap().lines] == [("said", {"answer": "cut \ufffd"})]
    assert len(points(seen, "loss")) == POINTS


def test_numbers_too_long_for_messages_and_configs_are_kept_as_text(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment]
) -> None:
    run = make_run(experiment="bad")
    run.log_info("said", number=10**5000)
    run["number"] = 10**5000
    run["kept"] = 1
    record_points(run)
    run.close(30)

    seen = stored(run)
    text = hex(10**5000)
    assert (run.health.sent, run.health.dropped) == (POINTS + 1, 0)
    assert [line.fields for line in seen.logs().unwrap().lines] == [{"number": text}]
    assert (seen.config, seen.state, len(points(seen, "loss"))) == ({"number": text, "kept": 1}, "FINISHED", POINTS)


def test_keys_of_a_config_that_read_alike_are_all_kept(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment]
) -> None:
    run = make_run(experiment="bad", config={"classes": {1: "a", "1": "b"}})
    run.close(30)

    assert stored(run).config == {"classes": {"1 (int)": "a", "1": "b"}}


def test_an_object_is_kept_as_it_was_when_it_was_tracked(
    make_run: Callable[..., Run], stored: Callable[[Run], Experiment]
) -> None:
    run = make_run(experiment="bad")
    held = [1]
    run.track(figure(held), name="figure", step=0)
    held.append(2)
    run.close(30)

    assert content_of(stored(run), "figure") == [1]


class Reluctant:
    """A number whose conversion raises what nobody expects."""

    def __float__(self) -> float:
        raise SystemError("not now")


def test_a_number_that_gives_none_is_told_at_once(make_run: Callable[..., Run]) -> None:
    run = make_run(experiment="bad")
    with pytest.raises(TypeError, match="a: Reluctant gives no number; SystemError: not now"):
        run.track(Reluctant(), name="a")
    run.close()
