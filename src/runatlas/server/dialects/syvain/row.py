"""Reading metrics row by row, as the older client does."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from runatlas.errors import ValidationError
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import RunPath
from runatlas.model.run import RunRecord
from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.field import limit_of, query_whole
from runatlas.server.dialects.syvain.metadata import metadata_of, same_json
from runatlas.server.dialects.syvain.record import path_of, slug_of
from runatlas.server.services.events import EventSeries
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import known_fields, optional, text
from runatlas.server.wire.payload import parse_json

__all__ = ["compare_metrics", "list_metrics"]

_ROWS = 1000
_ROWS_MAX = 100_000
_SERIES_MAX = 64
_SORTS = ("step", "client_timestamp", "server_timestamp")
_FIRST = -(2**63)
_ANY = object()


@attrs.frozen(eq=False)
class _Part:
    """Some rows of one series: the places of its points."""

    run: RunRecord
    selector: int
    series: EventSeries
    metadata: dict[str, Any]
    places: npt.NDArray[np.int64]
    received_ms: npt.NDArray[np.int64]


@attrs.frozen
class _Filter:
    """What of the series' metadata is asked for: a name, with whatever value or just this one."""

    key: str | None
    value: Any = _ANY

    def takes(self, metadata: dict[str, Any]) -> bool:
        if self.key is None:
            return True
        return self.key in metadata and (self.value is _ANY or same_json(metadata[self.key], self.value))


@attrs.frozen
class _Bounds:
    """Which points are asked for; both ends count."""

    steps: tuple[int | None, int | None]
    times: tuple[int | None, int | None]

    def places(self, series: EventSeries) -> npt.NDArray[np.int64]:
        kept = np.isfinite(series.values)
        if self.steps != (None, None):
            kept &= ~series.stepless
        for column, (low, high) in ((series.steps, self.steps), (series.times_ms, self.times)):
            if low is not None:
                kept &= column >= low
            if high is not None:
                kept &= column <= high
        return np.flatnonzero(kept)


def list_metrics(call: EndpointCall) -> Answer:
    """Return rows of one experiment."""
    name = call.value("metric_name")
    step = query_whole(call, "step")
    wanted = _filter(call.value("metadata_key"), call.value("metadata_value"), call.value("metadata_value_json"))
    bounds = _bounds(call)
    if step is not None:
        low, high = bounds.steps
        narrowed = (step if low is None else max(low, step), step if high is None else min(high, step))
        bounds = attrs.evolve(bounds, steps=narrowed)
    order = _order_of(call, _SORTS)
    limit = limit_of(call, _ROWS, _ROWS_MAX)
    run = path_of(call)
    parts = _parts(call, run, name, wanted, bounds)
    return answer({"rows": _rows(call, parts, order, limit)})


def compare_metrics(call: EndpointCall) -> Answer:
    """Return rows of several series, merged."""
    selectors = [_selector(given) for given in call.values("series")]
    if not 1 <= len(selectors) <= _SERIES_MAX:
        raise ValidationError(f"series: expected 1 to {_SERIES_MAX} of them, got {len(selectors)}")
    bounds, order = _bounds(call), _order_of(call, (*_SORTS, "series"))
    limit = limit_of(call, _ROWS, _ROWS_MAX)
    parts: list[_Part] = []
    for place, (cuid, name, wanted) in enumerate(selectors):
        run = path_of(attrs.evolve(call, params={"experiment": cuid}))
        parts += _parts(call, run, name, wanted, bounds, selector=place)
    return answer({"rows": _rows(call, parts, order, limit)})


def _selector(given: str) -> tuple[str, str, _Filter]:
    value = _json(given, "series")
    if not isinstance(value, dict):
        raise ValidationError("series: expected a JSON object")
    names = ("experiment_id", "metric_name", "metadata_key", "metadata_value", "metadata_value_json")
    known_fields(value, names, "series")
    # The client leaves nulls in.
    wanted = _filter(*(optional(text, value, name, most=10_000) for name in names[2:]))
    return text(value, "experiment_id", least=1, most=200), text(value, "metric_name", least=1, most=1000), wanted


def _json(given: str, what: str) -> Any:
    try:
        return parse_json(given.encode(errors="surrogateescape"))
    except ValidationError as error:
        raise ValidationError(f"{what}: {error.message}") from error


def _filter(key: str | None, value: str | None, value_json: str | None) -> _Filter:
    if value is not None and value_json is not None:
        raise ValidationError("metadata_value, metadata_value_json: give one of them")
    if key is None:
        if value is not None or value_json is not None:
            raise ValidationError("metadata_key: a value needs a key")
        return _Filter(None)
    if value_json is not None:
        return _Filter(key, _json(value_json, "metadata_value_json"))
    return _Filter(key) if value is None else _Filter(key, value)


def _bounds(call: EndpointCall) -> _Bounds:
    steps = query_whole(call, "from_step"), query_whole(call, "to_step")
    return _Bounds(steps, (query_whole(call, "from_time"), query_whole(call, "to_time")))


def _order_of(call: EndpointCall, known: Sequence[str]) -> tuple[list[str], bool]:
    """Read which keys to sort by, the most significant first, and whether descending."""
    names = [name for given in call.values("sort_by") for name in given.split(",") if name]
    for name in names:
        if name not in known:
            raise ValidationError(f"sort_by: expected {', '.join(known)}")
    direction = call.value("sort_direction") or "asc"
    if direction not in {"asc", "desc"}:
        raise ValidationError("sort_direction: expected asc or desc")
    return names, direction == "desc"


def _parts(
    call: EndpointCall, path: RunPath, name: str | None, wanted: _Filter, bounds: _Bounds, *, selector: int = 0
) -> list[_Part]:
    run = call.services.runs.get_run(call.user, path)
    kept = call.services.events.kept_metadata(call.user, path)
    parts = []
    for series in call.services.events.read_series(call.user, path, None if name is None else [name]):
        metadata = metadata_of(series.context, kept)
        if not wanted.takes(metadata):
            continue
        places = bounds.places(series)
        if len(places):
            parts.append(_Part(run, selector, series, metadata, places, _received(call, path, series, places)))
    return parts


def _received(
    call: EndpointCall, path: RunPath, series: EventSeries, places: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """When the points arrived; of one that was no event, its own time is all there is."""
    ids = [series.event_ids[place] for place in places.tolist()]
    known = call.services.events.received_times(call.user, path, [name for name in ids if name is not None])
    own = series.times_ms[places].tolist()
    times = [time if name is None else known.get(name, time) for name, time in zip(ids, own, strict=True)]
    return np.array(times, np.int64)


def _rows(
    call: EndpointCall, parts: Sequence[_Part], order: tuple[list[str], bool], limit: int
) -> list[dict[str, Any]]:
    if not parts:
        return []
    owners = np.concatenate([np.full(len(part.places), place) for place, part in enumerate(parts)])
    places = np.concatenate([part.places for part in parts])
    received = np.concatenate([part.received_ms for part in parts])
    chosen = _sorted(parts, received, order)[:limit]
    describe = _Describer(call, call.value("include_experiment_meta_as_of") == "true")
    return [
        describe.row(parts[owner], place, time)
        for owner, place, time in zip(
            owners[chosen].tolist(), places[chosen].tolist(), received[chosen].tolist(), strict=True
        )
    ]


def _sorted(
    parts: Sequence[_Part], received: npt.NDArray[np.int64], order: tuple[list[str], bool]
) -> npt.NDArray[np.int64]:
    """Return the places of all rows in order; without keys as they were stored."""
    names, descending = order
    columns: dict[str, Callable[[], npt.NDArray[np.int64]]] = {
        "step": lambda: np.concatenate([_steps(part) for part in parts]),
        "client_timestamp": lambda: np.concatenate([part.series.times_ms[part.places] for part in parts]),
        "server_timestamp": lambda: received,
        "series": lambda: np.concatenate([np.full(len(part.places), part.selector) for part in parts]),
    }
    keys = [columns[name]() for name in reversed(names)]
    if not keys:
        return np.arange(len(received))
    found: npt.NDArray[np.int64] = np.lexsort([~key for key in keys] if descending else keys)
    return found


def _steps(part: _Part) -> npt.NDArray[np.int64]:
    """The steps of a part; a point that came without one is before all others."""
    steps: npt.NDArray[np.int64] = np.where(part.series.stepless, _FIRST, part.series.steps)[part.places]
    return steps


class _Describer:
    """Makes rows, and finds what their experiments said of themselves when the events arrived."""

    def __init__(self, call: EndpointCall, with_experiment: bool) -> None:
        self._call = call
        self._with_experiment = with_experiment
        self._versions: dict[str, list[tuple[int, str, str]]] = {}

    def row(self, part: _Part, place: int, received_ms: int) -> dict[str, Any]:
        """Make a row of one point."""
        series, run = part.series, part.run
        description, metadata = self._as_of(run, received_ms) if self._with_experiment else (None, None)
        return {
            "event_id": series.event_ids[place] or _made_id(run, series, place),
            "org_id": run.workspace,
            "experiment_id": run.cuid,
            "experiment_slug": slug_of(run),
            "metric_name": series.key,
            "metric_value": float(series.values[place]),
            "step": None if series.stepless[place] else int(series.steps[place]),
            "event_metadata_json": dumps(part.metadata),
            "client_timestamp_ms": int(series.times_ms[place]),
            "server_timestamp_ms": received_ms,
            "experiment_description": description,
            "experiment_metadata_json": metadata,
        }

    def _as_of(self, run: RunRecord, time_ms: int) -> tuple[str, str]:
        if run.cuid not in self._versions:
            earlier: Iterable[Any] = self._call.services.events.earlier_versions(self._call.user, run.path)
            self._versions[run.cuid] = [tuple(version) for version in earlier]
        for until_ms, description, config in self._versions[run.cuid]:
            if time_ms < until_ms:
                return description, dumps(loads(config))
        return run.description, dumps(run.config or {})


def _made_id(run: RunRecord, series: EventSeries, place: int) -> str:
    """Name a point that came without an event id: the same at each reading."""
    told = f"{run.cuid}/{series.key}/{dumps(dict(series.context))}/{place}"
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:32]
