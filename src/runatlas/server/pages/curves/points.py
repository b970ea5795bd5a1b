"""Curves for charts: a few points of chosen metrics of chosen runs, as JSON."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

import attrs

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps
from runatlas.model.filters import Field
from runatlas.model.page import PageRequest
from runatlas.model.ranges import RangeQuery
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.series import SAMPLE_MAX, Context, PointBlock, PointQuery, SeriesSlice
from runatlas.server.pages.address import run_address
from runatlas.server.pages.curves.bands import RunBand, color_field, color_parts, gather_bands, read_band, value_words
from runatlas.server.pages.page import project_path, whole_of
from runatlas.server.pages.shared_reads import SharedReads
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.statistics.curve import BANDS, Band
from runatlas.terminal import printable

__all__ = ["CURVE_KEYS", "CURVE_RUNS", "CurveRead", "Curves", "View", "read_view", "series_label", "series_name"]

CURVE_RUNS, CURVE_KEYS = 50, 50
"""Of how many runs, and how many metrics, curves are drawn at once."""

_POINTS = 600
_READS = 16
"""How many answers are held for those who ask the same within a second."""
_BLOCK_POINTS = 60_000
_BAND_POINTS = CURVE_RUNS * SAMPLE_MAX
_ACROSS_POINTS = 15_000
_AXES = ("step", "time", "relative")

_NAME, _KEY = 200, 1000
_SMOOTH = re.compile(r"0(\.\d{1,4})?")

Across: TypeAlias = Mapping[tuple[str, Context], tuple[list[int], list[float]]]


@attrs.frozen
class View:
    """How the charts of a page are drawn, as its address says.

    Attributes:
        x: ``step``, ``time``, ``relative``, or the key of a metric.
        log: Which axes are logarithmic: ``x``, ``y``, both or none of them.
        smooth: How much curves are smoothed: 0 to 0.99.
    """

    x: str
    log: str
    smooth: str


def read_view(call: EndpointCall) -> View:
    """Read how charts are drawn; what cannot be read is as if it was not there."""
    log = "".join(axis for axis in "xy" if axis in "".join(call.values("log"))[:10])
    smooth = call.value("smooth") or ""
    return View((call.value("x") or "step")[:_KEY], log, smooth if _SMOOTH.fullmatch(smooth) else "0")


@attrs.frozen
class _Asked:
    runs: tuple[str, ...]
    keys: tuple[str, ...]
    x: str
    points: int
    range: RangeQuery | None
    cursor: str | None
    band: Band | None
    color: Field | None


@attrs.frozen
class CurveRead:
    """What charts are drawn of.

    Attributes:
        content: The points, as JSON.
        runs: The runs that may be seen, by cuid.
        color: What colours stand for.
    """

    content: bytes
    runs: Mapping[str, RunRecord]
    color: Field | None


class Curves:
    """Answers charts with points of metrics; who looks at the same charts at one moment shares the reads."""

    def __init__(self) -> None:
        self._reads = SharedReads[bytes](_READS)

    def show(self, call: EndpointCall) -> Answer:
        """Answer with points of metrics, sampled: the query names ``runs`` and ``keys``, each once or several times.

        ``x`` is ``step``, ``time`` (Unix milliseconds), ``relative`` (seconds since the run began) or another metric's
        key; ``points`` is how many a curve has at the most, ``from`` and ``to`` are steps. What does not fit into one
        answer comes with ``after=`` its ``following``. With ``band`` (``minmax``, ``sd``, ``ci95``) the curves of one
        metric are put together, by what runs have in the field ``color``: their mean, and the band around it.

        Raises:
            NotFoundError: There is no such project.
            ValidationError: The query is out of bounds.
        """
        return Answer(self.read(call).content)

    def read(self, call: EndpointCall) -> CurveRead:
        """Read what ``show`` answers with.

        Raises:
            NotFoundError: There is no such project.
            ValidationError: The query is out of bounds.
        """
        path, asked = project_path(call), _read(call)
        selection = RunSelection(path.workspace, path.project, ids=asked.runs)
        # Who may see a project sees all of its runs: beyond this, the answer is the same for everybody.
        query = RunQuery(
            selection,
            parts=color_parts(asked.color),
            config_keys=(asked.color.key,) if asked.color is not None and asked.color.type == "CONFIG" else None,
            page=PageRequest(limit=CURVE_RUNS),
        )
        runs = {run.cuid: run for run in call.services.runs.list_runs(call.user, query).items}
        read = _curves if asked.band is None else _bands
        content = self._reads.get((path, asked, frozenset(runs)), lambda: read(call, selection, asked, runs))
        return CurveRead(content, runs, asked.color)


def _bands(call: EndpointCall, selection: RunSelection, asked: _Asked, runs: Mapping[str, RunRecord]) -> bytes:
    (key,) = asked.keys
    query = PointQuery(selection, keys=(key,), range=asked.range, sample=asked.points, point_limit=_BAND_POINTS)
    block = call.services.points.read_points(call.user, query)
    failures = [(each.path, each.key, each.reason) for each in block.failures]
    bands: Sequence[RunBand] = ()
    notes: Sequence[str] = ()
    if block.next_cursor is not None:
        failures.append(("", key, "these are too many curves to put together; draw fewer runs"))
    elif asked.band is not None:
        try:
            bands, notes = gather_bands(block, runs, asked.color, asked.band)
        except ImportError as error:  # of what intervals of a mean are worked out with
            failures.append(("", key, str(error)))
    names = list(runs)
    return dumps(
        {
            "x": "step",
            "runs": [_run(run.cuid, run.name or run.id, run) for run in runs.values()],
            "series": [_band(each, names, asked.color is not None) for each in bands],
            "missing": [printable(name) for name in block.missing],
            "absent": [] if block.series or failures else [printable(key)],
            "failures": _failures(failures),
            "notes": notes,
            "following": None,
        }
    ).encode()


def _band(found: RunBand, names: Sequence[str], is_by_value: bool) -> dict[str, Any]:
    """Write a mean as a curve with a band, in the colour of the first of its runs."""
    points = found.band.points
    return {
        "run": names.index(found.runs[0]),
        "key": found.key,
        "label": series_label(found.key, found.context),
        "name": value_words(found.value) if is_by_value else "all runs",
        "n": found.band.n,
        "total": len(points),
        "x": [point.step for point in points],
        "y": [point.estimate.center for point in points],
        "low": [_finite(point.estimate.low) for point in points],
        "high": [_finite(point.estimate.high) for point in points],
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _failures(failures: Sequence[tuple[str, str, str]]) -> list[dict[str, str]]:
    return [{"run": printable(run), "key": printable(key), "reason": printable(why)} for run, key, why in failures]


def _curves(call: EndpointCall, selection: RunSelection, asked: _Asked, runs: Mapping[str, RunRecord]) -> bytes:
    block = call.services.points.read_points(
        call.user,
        PointQuery(
            selection,
            keys=asked.keys,
            range=asked.range,
            sample=asked.points,
            cursor=asked.cursor,
            point_limit=_BLOCK_POINTS,
        ),
    )
    across = {} if asked.x in _AXES else _across(call, selection, asked)
    return dumps(_content(block, runs, asked, across)).encode()


def _read(call: EndpointCall) -> _Asked:
    asked = _Asked(
        runs=tuple(dict.fromkeys(call.values("runs"))),
        keys=tuple(dict.fromkeys(call.values("keys"))),
        x=call.value("x") or "step",
        points=whole_of(call, "points") or _POINTS,
        range=None,
        cursor=call.value("after") or None,
        band=read_band(call.value("band") or ""),
        color=color_field((call.value("color") or "")[:_KEY]),
    )
    if not 1 <= len(asked.runs) <= CURVE_RUNS:
        raise ValidationError(f"runs: curves are drawn of 1 to {CURVE_RUNS} runs, got {len(asked.runs)}")
    if not 1 <= len(asked.keys) <= CURVE_KEYS:
        raise ValidationError(f"keys: curves are drawn of 1 to {CURVE_KEYS} metrics, got {len(asked.keys)}")
    if not 1 <= asked.points <= SAMPLE_MAX:
        raise ValidationError(f"points: a curve has 1 to {SAMPLE_MAX} points, got {asked.points}")
    if call.value("band") and asked.band is None:
        raise ValidationError(f"band: expected one of {', '.join(BANDS)}")
    if asked.band is not None and (asked.x != "step" or len(asked.keys) > 1 or asked.cursor):
        raise ValidationError("band: it is drawn of one metric along steps, without x and after")
    start, end = whole_of(call, "from"), whole_of(call, "to")
    if start is None and end is None:
        return asked
    try:
        return attrs.evolve(asked, range=RangeQuery(start=start, end=end))
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _across(call: EndpointCall, selection: RunSelection, asked: _Asked) -> Across:
    """Read the metric that the curves go along: steps and values, by run and context."""
    block = call.services.points.read_points(
        call.user,
        PointQuery(
            selection,
            keys=(asked.x,),
            range=asked.range,
            sample=_ACROSS_POINTS,
            point_limit=_ACROSS_POINTS * CURVE_RUNS,
        ),
    )
    steps, values = _listed(block.steps), _listed(block.values)
    return {(block.runs[part.run][0], part.context): (steps[_rows(part)], values[_rows(part)]) for part in block.series}


def _content(block: PointBlock, runs: Mapping[str, RunRecord], asked: _Asked, across: Across) -> dict[str, Any]:
    values = _listed(block.values)
    series: list[dict[str, Any]] = []
    failures = [(each.path, each.key, each.reason) for each in block.failures]
    axis = _axis(block, runs, asked, across)
    for part in block.series:
        along = axis(part)
        if along is None:
            run = runs[block.runs[part.run][0]]
            failures.append((str(run.path), part.key, f"the run has no {asked.x} to go along"))
            continue
        series.append(
            {
                "run": part.run,
                "key": part.key,
                "name": series_name(part.key, part.context),
                "label": series_label(part.key, part.context),
                "total": part.total,
                "x": along,
                "y": list(map(_finite, values[_rows(part)])),
            }
        )
    had = {part.key for part in block.series} | {each.key for each in block.failures}
    is_whole = asked.cursor is None and block.next_cursor is None
    return {
        "x": asked.x,
        "runs": [_run(cuid, name or run_id, runs.get(cuid)) for cuid, run_id, name in block.runs],
        "series": series,
        "missing": [printable(name) for name in block.missing],
        "absent": [printable(key) for key in asked.keys if key not in had] if is_whole else [],
        "failures": _failures(failures),
        "notes": [],
        "following": block.next_cursor,
    }


def _axis(
    block: PointBlock, runs: Mapping[str, RunRecord], asked: _Asked, across: Across
) -> Callable[[SeriesSlice], Sequence[Any] | None]:
    """Return what tells where the points of a series lie; ``None`` for one that has nothing to lie along."""
    steps, times = _listed(block.steps), _listed(block.times_ms)
    if asked.x == "step":
        return lambda part: steps[_rows(part)]
    if asked.x == "time":
        return lambda part: times[_rows(part)]

    def since_begin(part: SeriesSlice) -> Sequence[Any]:
        run = runs.get(block.runs[part.run][0])
        begun = times[part.start] if run is None else run.created_at_ms
        return [round((time - begun) / 1000, 3) for time in times[_rows(part)]]

    def along_metric(part: SeriesSlice) -> Sequence[Any] | None:
        cuid = block.runs[part.run][0]
        held = across.get((cuid, part.context)) or across.get((cuid, ()))
        return None if held is None else [_value_at(held, step) for step in steps[_rows(part)]]

    return since_begin if asked.x == "relative" else along_metric


def _value_at(held: tuple[list[int], list[float]], step: int) -> float | None:
    """Return the last value that a metric had until a step."""
    place = bisect_right(held[0], step) - 1
    value = held[1][place] if place >= 0 else None
    return _finite(value)


def _listed(column: Any) -> list[Any]:
    found: list[Any] = column.to_pylist()
    return found


def _rows(part: SeriesSlice) -> slice:
    return slice(part.start, part.start + part.length)


def series_label(key: str, context: Context) -> str:
    """Return what a series is called beside its run."""
    return printable(key) + "".join(f" {printable(name)}={printable(str(held))}" for name, held in context)


def series_name(key: str, context: Context) -> str:
    """Return what tells a series from the others of its run, for scripts."""
    return hashlib.sha256(dumps([key, dict(context)]).encode()).hexdigest()[:16]


def _run(cuid: str, name: str, run: RunRecord | None) -> dict[str, Any]:
    return {
        "cuid": cuid,
        "name": printable(name[:_NAME]),
        "address": None if run is None else run_address(run.path, run.cuid),
        "state": None if run is None else run.state,
    }
