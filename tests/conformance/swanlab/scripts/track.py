"""Track runs with swanlab 0.8 and 0.10: everything that document 004 reads afterwards."""

from __future__ import annotations

import pathlib
import struct
import sys
import zlib
from typing import Any

import swanlab


def make_png(color: tuple[int, int, int]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00" + bytes(color))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def train(given: dict[str, Any]) -> str:
    run = swanlab.init(
        project="demo",
        workspace=given["workspace"],
        name="run one",
        description="the first",
        config={"lr": 0.1, "none": None, "net": {"depth": 18}, "layers": [1, 2], "name": "été"},
        tags=["a", "b"],
        group="g1",
        job_type="train",
        id=given["id"],
        resume="allow",
    )
    for step in range(20):
        swanlab.log({"train/loss": 1 / (step + 1), "acc": step / 20}, step=step)
    swanlab.log({"odd": float("nan")}, step=0)
    for name, color in (("red", (255, 0, 0)), ("green", (0, 255, 0))):
        pathlib.Path(f"{name}.png").write_bytes(make_png(color))
    swanlab.log({"pic": swanlab.Image("red.png", caption="a red one")}, step=5)
    swanlab.log({"pic": [swanlab.Image("red.png", caption="r"), swanlab.Image("green.png", caption="g")]}, step=10)
    swanlab.log({"note": swanlab.Text("hello ✓", caption="greeting")}, step=1)
    print("printed line")
    print("to stderr", file=sys.stderr)
    pathlib.Path("weights.txt").write_text("weights")
    swanlab.save("weights.txt")
    swanlab.finish()
    return str(run.id)


def go_on(given: dict[str, Any]) -> None:
    swanlab.init(project="demo", workspace=given["workspace"], id=given["id"], resume="must", config={"more": 1})
    for step in range(20, 25):
        swanlab.log({"train/loss": 1 / (step + 1)}, step=step)
    print("after the break")
    swanlab.finish()


def crash(given: dict[str, Any]) -> None:
    swanlab.init(
        project="demo", workspace=given["workspace"], name="crashing", id=given["id"] + "-crash", resume="allow"
    )
    swanlab.log({"loss": 1.0})
    swanlab.finish(state="crashed", error="Traceback (most recent call last):\n  boom")


def resume_nothing(given: dict[str, Any]) -> str | None:
    try:
        swanlab.init(project="demo", workspace=given["workspace"], id="never-there", resume="must")
    except Exception as error:
        return type(error).__name__
    return None


def main(given: dict[str, Any]) -> dict[str, Any]:
    swanlab.login(api_key=given["key"], host=given["host"], save=True)
    run_id = train(given)
    go_on(given)
    crash(given)
    return {"id": run_id, "refused": resume_nothing(given)}
