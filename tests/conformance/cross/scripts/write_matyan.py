"""Write the runs with matyan's client."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from matyan_client import Run
from matyan_client.objects import Audio, Distribution, Figure, Image, Text


def _begin(given: dict[str, Any], content: dict[str, Any]) -> Run:
    run = Run(content["id"], repo=given["url"], experiment=given["project"], capture_terminal_logs=True)
    run.name = content["name"]
    run.description = content["description"]
    for key, value in content["config"].items():
        run[key] = value
    for tag in content["tags"]:
        run.add_tag(tag)
    for name, context, rows in content["series"]:
        for step, value in rows:
            run.track(value, name=name, step=step, context=context)
    return run


def _whole(given: dict[str, Any], content: dict[str, Any]) -> None:
    run = _begin(given, content)
    for name, context, step, text in content["texts"]:
        run.track(Text(text), name=name, step=step, context=context)
    for name, step, caption, picture in content["images"]:
        run.track(Image(base64.b64decode(picture), caption=caption), name=name, step=step)
    for name, step, caption, sound in content["audios"]:
        Path("sound.wav").write_bytes(base64.b64decode(sound))
        run.track(Audio("sound.wav", caption=caption), name=name, step=step)
    for name, step, figure in content["figures"]:
        run.track(Figure(figure), name=name, step=step)
    for name, step, samples in content["distributions"]:
        run.track(Distribution(samples, bin_count=2), name=name, step=step)
    for name, data in content["artifacts"].items():
        Path("file").write_text(data, encoding="utf-8")
        run.log_artifact("file", name=name)
    for line in content["lines"]:
        print(line)
    say = {"DEBUG": run.log_debug, "INFO": run.log_info, "WARN": run.log_warning, "ERROR": run.log_error}
    for level, message in content["records"]:
        say[level](message)
    run.close()


def main(given: dict[str, Any]) -> None:
    _whole(given, given["whole"])
    _begin(given, given["failed"]).close()
