"""The curves of a chart as a picture, for browsers that run no script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runatlas.display.line_chart import COLORS, DASHES, Axis, Line, line_chart
from runatlas.model.codec import loads
from runatlas.server.pages.curves.points import Curves, View, read_view
from runatlas.server.pages.run_curves import Colored, colored
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.download import SANDBOX
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.tables.resampling import smoothed
from runatlas.terminal import counted

__all__ = ["CurvePictures"]

_AXES = {"step": "step", "time": "time (UTC)", "relative": "since the run began"}
_UNITS = ((48 * 3600, 86_400, "days"), (2 * 3600, 3600, "hours"), (180, 60, "minutes"))


class CurvePictures:
    """Answers with pictures of what charts are drawn of."""

    def __init__(self, curves: Curves) -> None:
        """Draw what others read: who looks at the same at one moment shares the reads."""
        self._curves = curves

    def show(self, call: EndpointCall) -> Answer:
        """Answer with a picture of the points of ``Curves.show``; ``log`` and ``smooth`` are as on pages.

        Raises:
            NotFoundError: There is no such project.
            ValidationError: The query is out of bounds.
        """
        read, view = self._curves.read(call), read_view(call)
        found = loads(read.content)
        colors = {} if read.color is None else colored(tuple(read.runs.values()), read.color)
        unit_s, unit = _unit(found["series"]) if found["x"] == "relative" else (1, "")
        title = _AXES.get(found["x"], found["x"]) + (f" ({unit})" if unit else "")
        picture = line_chart(
            f"Curves of {', '.join(dict.fromkeys(each['key'] for each in found['series'])) or 'nothing'}",
            list(_lines(found, colors, view, unit_s)),
            Axis(title, "time" if found["x"] == "time" else "number", "x" in view.log and found["x"] != "time"),
            Axis(log="y" in view.log),
            notes=_notes(found, view),
        )
        return Answer(picture, 200, "image/svg+xml", {"content-security-policy": SANDBOX})


def _lines(found: Mapping[str, Any], colors: Mapping[str, Colored], view: View, unit_s: int) -> Iterator[Line]:
    """Yield the lines as ``static/chart.js`` draws them."""
    series = found["series"]
    labels = list(dict.fromkeys(each["label"] for each in series))
    for place, each in enumerate(series):
        run, is_mean = found["runs"][each["run"]], "n" in each
        color, value, order = colors.get(run["cuid"], (place % COLORS, None, 0))
        who = f"{each['name']} ({each['n']})" if is_mean else run["name"] if value is None else value
        if len(labels) > 1:
            is_one = len(found["runs"]) == 1 and not is_mean and value is None
            who = each["label"] if is_one else f"{who} · {each['label']}"
        dash = DASHES[(place // COLORS if value is None else labels.index(each["label"])) % len(DASHES)]
        x = [None if at is None else at / unit_s for at in each["x"]] if unit_s > 1 else each["x"]
        points = list(zip(x, each["y"], strict=True))
        band = list(zip(x, each["low"], each["high"], strict=True)) if is_mean else ()
        weight = 0.0 if is_mean else float(view.smooth)
        if weight and len(points) > 1:
            yield Line(points, color, who, order, dash, is_raw=True)
            points = list(zip(x, smoothed([math.nan if y is None else y for y in each["y"]], weight), strict=True))
        yield Line(points, color, who, order, dash, band)


def _notes(found: Mapping[str, Any], view: View) -> Sequence[str]:
    series = found["series"]
    notes = [str(note) for note in found["notes"]]
    if found["following"] is not None:
        notes.append("these are too many curves to show all of them")
    ys = (y for each in series for name in ("y", "low") for y in each.get(name, ()))
    if "y" in view.log and any(y is not None and y <= 0 for y in ys):
        notes.append("values of 0 or less have no place on a logarithmic axis")
    notes += [f"there is no {key}" for key in found["absent"]]
    if found["missing"]:
        notes.append(f"{counted(len(found['missing']), 'run')} of them are gone")
    return [*notes, *(f"{each['key']}: {each['reason']}" for each in found["failures"])]


def _unit(series: Sequence[Mapping[str, Any]]) -> tuple[int, str]:
    """Return how many seconds a unit of time has in which the last point of all is a number of some size."""
    most = max((at for each in series for at in each["x"][-1:] if at is not None), default=0)
    return next(((size, name) for least, size, name in _UNITS if most > least), (1, "seconds"))
