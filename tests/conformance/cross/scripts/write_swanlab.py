"""Write the runs with SwanLab's tracker."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import swanlab


def _begin(given: dict[str, Any], content: dict[str, Any]) -> None:
    swanlab.init(
        project="cross",
        workspace=given["username"],
        name=content["name"],
        description=content["description"],
        config=content["config"],
        tags=content["tags"],
        id=content["id"],
        resume="allow",
        # What the machine does is not asked for.
        settings=swanlab.Settings(probe=swanlab.Settings.Probe(monitor=False)),
    )
    for key, context, rows in content["series"]:
        for step, value in rows:
            # Its steps count from 0, and it has no contexts.
            if step >= 0 and not context:
                swanlab.log({key: value}, step=step)


def _whole(given: dict[str, Any], content: dict[str, Any]) -> None:
    _begin(given, content)
    for key, context, step, text in content["texts"]:
        if not context:
            swanlab.log({key: swanlab.Text(text)}, step=step)
    for key, step, caption, picture in content["images"]:
        Path("picture.png").write_bytes(base64.b64decode(picture))
        swanlab.log({key: swanlab.Image("picture.png", caption=caption)}, step=step)
    for key, step, caption, sound in content["audios"]:
        Path("sound.wav").write_bytes(base64.b64decode(sound))
        swanlab.log({key: swanlab.Audio("sound.wav", caption=caption)}, step=step)
    for name, data in content["artifacts"].items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(data, encoding="utf-8")
        swanlab.save(name)
    for line in content["lines"]:
        print(line)
    swanlab.finish()


def main(given: dict[str, Any]) -> None:
    swanlab.login(api_key=given["key"], host=given["host"], save=True)
    _whole(given, given["whole"])
    _begin(given, given["failed"])
    swanlab.finish(state="crashed", error=given["failed"]["error"])
