"""Track a run without a server, and send it afterwards, twice."""

from __future__ import annotations

import pathlib
import subprocess
import sys
from typing import Any

import swanlab


def main(given: dict[str, Any]) -> list[int]:
    swanlab.login(api_key=given["key"], host=given["host"], save=True)
    pathlib.Path("offline").mkdir(exist_ok=True)
    place = {"project": "offline", "workspace": given["team"], "log_dir": "offline"}
    swanlab.init(**place, name="later", mode="offline", config={"lr": 1})
    for step in range(10):
        swanlab.log({"loss": step / 10}, step=step)
    swanlab.log({"note": swanlab.Text("kept")}, step=3)
    pathlib.Path("weights.txt").write_text("kept weights")
    swanlab.save("weights.txt", policy="now")
    print("said offline")
    swanlab.finish()
    (directory,) = pathlib.Path("offline").glob("run*")
    command = [f"{sys.prefix}/bin/swanlab", "sync", str(directory), "--id", "synced", "-p", "offline"]
    return [subprocess.run([*command, "-w", given["team"]], check=False).returncode for _ in range(2)]
