"""What was acknowledged is there after a power cut."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest
from support.power import unplugged_disk
from support.server import running_server

import runatlas

TRAINING = """
import json, os, sys
import numpy as np
import runatlas
from runatlas.objects import Image
run = runatlas.Run("r", repo=sys.argv[1], experiment="p", capture_terminal_logs=False)
for burst in range(4):
    for step in range(burst * 250, burst * 250 + 250):
        run.track(float(step), name="loss", step=step)
    run.track(Image(np.full((8, 8, 3), burst, np.uint8)), name="image", step=burst)
    run["burst"] = burst
    flushed = run.flush()
    print(json.dumps([flushed.where, flushed.durable]), flush=True)
    sys.stdin.readline()
os._exit(0)
"""


@contextmanager
def _training(location: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", TRAINING, location]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


@pytest.mark.parametrize("place", ["directory", "server"])
def test_what_was_acknowledged_survives_a_power_cut(place: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(unplugged_disk(tmp_path))
        store = disk.directory / "work" / "store"
        location = str(store)
        if place == "server":
            location = stack.enter_context(running_server(store)).origin
        process = stack.enter_context(_training(location))
        for burst in range(4):
            assert json.loads(_line(process.stdout)) == ["store", True]
            left = disk.cut() / "work" / "store"
            with runatlas.Api(left, cache=False) as api:
                [project] = api.projects()
                [run] = project.runs()
                table = run.metrics(["loss"]).unwrap()
                assert len(table["loss"]) == (burst + 1) * 250
                assert run.config["burst"] == burst
                shown = run.medias(["image"], all=True).unwrap()["image"]
                pictures = [media.items[0].read().unwrap() for media in shown]
                assert len(set(pictures)) == burst + 1
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
