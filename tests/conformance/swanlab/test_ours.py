"""What our tracker writes by SwanLab's protocol, SwanLab's client reads, and goes on with."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.swanlab_server import SwanlabServer, servers, swanlab_server
from support.swanlab_site import SCRIPTS, environment
from support.world import make_png

from runatlas import Run
from runatlas.objects import Image, Text

__all__ = ["servers", "swanlab_server"]

pytestmark = pytest.mark.xdist_group("conformance-swanlab")


def test_swanlab_goes_on_with_a_run_of_ours(swanlab_server: SwanlabServer, version: str, tmp_path: Path) -> None:
    picture = make_png((1, 2, 3))
    run = Run(
        "mine",
        experiment="tracked",
        repo=swanlab_server.origin,
        api_key=swanlab_server.key,
        name="Mine",
        tags=["a"],
        config={"lr": 0.1, "net": {"depth": 18}},
        capture_terminal_logs=False,
        strict=True,
    )
    for step in range(20):
        run.log({"loss": float(step)}, step=step)
    run.log({"note": Text("hello\nworld"), "pic": Image(picture, caption="cat")}, step=3)
    run.fail("it broke")
    given = {
        "host": swanlab_server.origin,
        "key": swanlab_server.key,
        "workspace": "ann",
        "project": "tracked",
        "run": "mine",
    }
    told = environment(version).call(SCRIPTS / "ours.py", given, home=tmp_path / version)
    assert told["run"] == ["Mine", "FINISHED", ["a"]]
    assert told["config"] == {"lr": 0.1, "net": {"depth": 18}}
    assert told["loss"] == [*([step, float(step)] for step in range(20)), [20, 9.0]]
    assert told["media"] == {
        "note": [[3, "", "hello\nworld"]],
        "pic": [[3, "cat", picture.decode("latin-1")]],
    }
    assert told["lines"][0] == ["ERROR", "it broke"]
    assert told["columns"] == ["loss", "note", "pic"]
