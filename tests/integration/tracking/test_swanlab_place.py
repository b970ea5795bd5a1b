"""Runs tracked to a server that speaks SwanLab's protocol only."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.recording import rows_of
from support.swanlab_server import SwanlabServer, servers, swanlab_server
from support.world import make_png

import runatlas
from runatlas.errors import NotSupportedError
from runatlas.model.ids import RunPath
from runatlas.model.log import LogQuery
from runatlas.model.media import MediaQuery
from runatlas.model.page import PageRequest
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.series import PointQuery
from runatlas.objects.image import Image
from runatlas.objects.text import Text
from runatlas.settings import resolve
from runatlas.tracking.sync import sync

__all__ = ["servers", "swanlab_server"]

T1 = RunPath("ann", "tracked", "t1")


@pytest.fixture
def options(swanlab_server: SwanlabServer) -> Iterator[dict[str, Any]]:
    """What a run is opened with there; the program's run is closed at the end."""
    yield {"repo": swanlab_server.origin, "api_key": swanlab_server.key, "capture_terminal_logs": False}
    runatlas.finish()


def values(server: SwanlabServer, key: str) -> list[tuple[int, float]]:
    """Read a series from the store."""
    found = server.store.read_points(PointQuery(RunSelection("ann", "tracked", ("t1",)), keys=(key,)))
    return [(row[0], row[2]) for rows in rows_of(found).values() for row in rows]


def stored(server: SwanlabServer) -> RunRecord:
    """Read the run from the store."""
    return server.store.get_run(T1)


def lines(server: SwanlabServer) -> list[tuple[int, str]]:
    """Read the run's lines from the store."""
    return [(line.line, line.message) for line in server.store.read_logs(T1, LogQuery()).logs]


def test_a_run_arrives_with_all_that_it_logs(
    swanlab_server: SwanlabServer, options: dict[str, Any], tmp_path: Path
) -> None:
    weights, picture = tmp_path / "w.bin", make_png((1, 2, 3))
    weights.write_bytes(b"weights" * 1000)
    settings = {"name": "Mine", "config": {"lr": 0.1, "model": {"width": 4}}, "tags": ["a"], "group": "g"}
    run = runatlas.init("tracked", run_id="t1", strict=True, **settings, **options)
    for step in range(50):
        runatlas.log({"train/loss": 1 / (step + 1), "odd": math.inf if step % 2 else math.nan}, step=step)
    runatlas.log({"note": Text("hello\nworld"), "pic": Image(picture, caption="cat")}, step=3)
    run.log_artifact(str(weights), "models/w.bin")
    run["model.depth"] = 2
    runatlas.finish()
    record = stored(swanlab_server)
    assert (record.name, record.state, record.labels, record.group) == ("Mine", "FINISHED", ("a",), "g")
    assert record.config == {"lr": 0.1, "model": {"width": 4, "depth": 2}}
    assert record.finished_at_ms is not None
    assert values(swanlab_server, "train/loss") == [(step, 1 / (step + 1)) for step in range(50)]
    assert [value for _, value in values(swanlab_server, "odd")[:2]] == [pytest.approx(math.nan, nan_ok=True), math.inf]
    note, pic = swanlab_server.store.list_media(T1, MediaQuery()).items
    assert (note.step, note.items[0].data) == (3, {"text": "hello\nworld"})
    assert (pic.items[0].caption, pic.items[0].mime_type) == ("cat", "image/png")
    (file,) = swanlab_server.store.list_artifacts(T1, PageRequest()).items
    assert (file.name, file.size) == ("models/w.bin", 7000)
    assert b"".join(swanlab_server.store.open_link(file.url or "")) == b"weights" * 1000
    assert run.health.dropped == 0


def test_a_run_that_crashed_goes_on(swanlab_server: SwanlabServer, options: dict[str, Any]) -> None:
    def train() -> None:
        with runatlas.Run("t1", experiment="tracked", strict=True, config={"lr": 0.1}, **options) as run:
            run.log({"loss": 1.0})
            raise ZeroDivisionError("it broke")

    with pytest.raises(ZeroDivisionError):
        train()
    record = stored(swanlab_server)
    assert (record.state, record.error.splitlines()[-1]) == ("CRASHED", "ZeroDivisionError: it broke")
    with runatlas.Run("t1", experiment="tracked", strict=True, config={"seed": 1}, **options) as run:
        run.log({"loss": 0.5})
    record = stored(swanlab_server)
    assert (record.state, record.error, record.config) == ("FINISHED", "", {"lr": 0.1, "seed": 1})
    assert values(swanlab_server, "loss") == [(0, 1.0), (1, 0.5)]


def test_what_it_cannot_say_is_told_and_the_rest_arrives(
    swanlab_server: SwanlabServer, options: dict[str, Any]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with runatlas.Run("t1", experiment="tracked", **options) as run:
            run.track(1.0, name="loss", step=0)
            run.track(2.0, name="loss", step=0, context={"subset": "val"})
            run.track(3.0, name="acc", step=0, epoch=1)
            run.flush()
            run.track(9.0, name="loss", step=0)
            run["lr"] = 0.1
            run.name = "Other"
            run.add_tag("x")
    record = stored(swanlab_server)
    assert (record.state, record.config, record.name, record.labels) == ("FINISHED", {"lr": 0.1}, "", ())
    assert values(swanlab_server, "loss") == [(0, 1.0)]
    assert values(swanlab_server, "acc") == []
    health = run.health
    assert health.dropped == 5
    assert "a SwanLab server has no" in health.problem


def test_only_the_point_it_cannot_say_is_lost(swanlab_server: SwanlabServer, options: dict[str, Any]) -> None:
    with runatlas.Run("t1", experiment="tracked", **options) as run:
        for step in range(200):
            run.log({"loss": float(step), "acc": 1.0}, step=step)
        run.log({"loss": -1.0}, step=77)
    assert values(swanlab_server, "loss") == [(step, float(step)) for step in range(200)]
    assert len(values(swanlab_server, "acc")) == 200
    assert run.health.dropped == 1


def test_a_run_it_cannot_say_is_told_at_once(swanlab_server: SwanlabServer, options: dict[str, Any]) -> None:
    with pytest.raises(NotSupportedError, match="empty object"):
        runatlas.init("tracked", config={"a": {}}, **options)
    assert swanlab_server.store.count_runs(RunSelection("ann")) == 1


def test_lines_are_numbered_where_the_last_one_ended(
    swanlab_server: SwanlabServer, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**options, "capture_terminal_logs": True}
    for word in ("first", "second"):
        with runatlas.Run("t1", experiment="tracked", strict=True, **options):
            print(word)
    assert lines(swanlab_server) == [(1, "first"), (2, "second")]
    assert capsys.readouterr().out == "first\nsecond\n"


def test_what_was_recorded_without_the_server_is_sent_later(
    swanlab_server: SwanlabServer, options: dict[str, Any]
) -> None:
    with runatlas.Run("t1", experiment="tracked", mode="offline", **options) as run:
        run.log({"loss": 1.0, "pic": Image(make_png((4, 5, 6)))}, step=0)
        run.flush()
        spool = Path(run.health.spool or "")
    assert swanlab_server.asked == []
    (report,) = sync(spool.parent, resolve(swanlab_server.origin, key=swanlab_server.key))
    assert (report.problem, report.refused, report.is_done) == ("", 0, True)
    assert stored(swanlab_server).state == "FINISHED"
    assert values(swanlab_server, "loss") == [(0, 1.0)]
    assert [item.key for item in swanlab_server.store.list_media(T1, MediaQuery()).items] == ["pic"]
