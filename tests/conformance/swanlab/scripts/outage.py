"""Track while the server is away for a time, with swanlab 0.8 and 0.10."""

from __future__ import annotations

import os
import pathlib
import socket
from typing import Any

import swanlab


def tell(port: int, word: str, *, wait: bool = False) -> None:
    """Tell the test how far this is, and wait for its word if asked to."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(word.encode())
        if wait:
            connection.recv(1)


def log(start: int, end: int) -> None:
    for step in range(start, end):
        swanlab.log({"loss": step / 7, "acc": float(step)}, step=step)
        if not step % 1000:
            swanlab.log({"note": swanlab.Text(f"at {step}")}, step=step)
            print(f"line {step}", flush=True)


def main(given: dict[str, Any]) -> None:
    swanlab.login(api_key=given["key"], host=given["host"])
    settings = swanlab.Settings(core=swanlab.Settings.Core(record_interval=0.1))
    swanlab.init(project="outage", workspace=given["team"], id=given["id"], resume="allow", settings=settings)
    log(0, 1000)
    tell(given["port"], "begun")
    log(1000, 7000)
    pathlib.Path("saved.txt").write_text("saved")
    swanlab.save("saved.txt", policy="now")
    tell(given["port"], "logged", wait=True)
    log(7000, 7500)
    swanlab.config.update({"at": "the end", "pid": os.getpid() > 0})
    swanlab.finish()
