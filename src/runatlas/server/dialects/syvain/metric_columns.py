"""Reading metrics column by column: one batch a series, also as a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt
from litestar.types import ASGIApp, Receive, Scope, Send

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.codec import encode_json
from runatlas.model.ids import RunPath
from runatlas.server.dialects.syvain.envelope import answer
from runatlas.server.dialects.syvain.field import objects, read_object
from runatlas.server.dialects.syvain.metadata import as_texts, metadata_of, text_hash
from runatlas.server.services.events import EventSeries
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall
from runatlas.server.wire.field import flag, known_fields, text
from runatlas.server.wire.worker import in_thread, send_pieces

__all__ = ["query_catalog", "query_series"]

_SELECTED_MAX = 64
_FILTERS_MAX = 32
_ID_MAX = 200
_NAME = re.compile(r"[ -~]{1,256}")
_PLAIN = re.compile(r"[A-Za-z0-9._~-]")
_PATH_MAX = 512
_STREAM = "application/vnd.syvain.metric-series+ndjson"


@attrs.frozen
class _Choice:
    """Which series of an experiment: of one name or all, and what their metadata must have."""

    name: str | None
    wanted: tuple[tuple[str, str | None], ...]

    def takes(self, name: str, metadata: dict[str, str]) -> bool:
        if self.name is not None and self.name != name:
            return False
        return all(key in metadata and value in {None, metadata[key]} for key, value in self.wanted)


def is_plain_name(name: str) -> bool:
    """Tell whether the clients that ask for columns accept a metric's name: one bad batch would fail all.

    Example:
        >>> is_plain_name("train/loss"), is_plain_name("v\\u00e9locit\\u00e9")
        (True, False)
    """
    if not _NAME.fullmatch(name):
        return False
    return 1 + sum(1 if _PLAIN.match(letter) else 3 for letter in name) <= _PATH_MAX


def _located(call: EndpointCall, ids: list[str]) -> dict[str, RunPath]:
    try:
        return call.services.runs.locate_runs(call.user, list(dict.fromkeys(ids)))
    except NotFoundError as error:
        raise NotFoundError(error.message.replace("no run", "no experiment")) from None


def query_catalog(call: EndpointCall) -> Answer:
    """List the metrics of experiments, each with the names in its metadata."""
    body = read_object(call, ("experimentIds",))
    ids = body.get("experimentIds")
    if not isinstance(ids, list) or not 1 <= len(ids) <= _SELECTED_MAX or not all(isinstance(i, str) for i in ids):
        raise ValidationError(f"experimentIds: expected a list of 1 to {_SELECTED_MAX} ids")
    made = []
    for cuid, run in _located(call, ids).items():
        kept = call.services.events.kept_metadata(call.user, run)
        for entry in call.services.catalog.get_catalog(call.user, run):
            if is_plain_name(entry.key):
                names = sorted({name for context in entry.contexts for name in metadata_of(context, kept)})
                made.append({"experimentId": cuid, "metricName": entry.key, "metadataKeys": names})
    return answer(made)


def query_series(call: EndpointCall) -> Answer | ASGIApp:
    """Return series, ordered within each."""
    body = read_object(call, ("series", "order", "stream"))
    choices: dict[str, list[_Choice]] = {}
    for item in objects(body, "series", _SELECTED_MAX, least=1):
        cuid, choice = _choice(item)
        choices.setdefault(cuid, []).append(choice)
    order = body.get("order")
    if not isinstance(order, dict):
        raise ValidationError("order: expected an object")
    known_fields(order, ("axis", "direction"), "order")
    axis, direction = order.get("axis"), order.get("direction")
    if axis not in ("step", "timestamp") or direction not in ("asc", "desc"):
        raise ValidationError("order: expected an axis of step or timestamp, and a direction of asc or desc")
    stream = flag(body, "stream")
    located = _located(call, list(choices))

    def batches() -> Iterator[dict[str, Any]]:
        for cuid, run in located.items():
            yield from _batches(call, (cuid, run), choices[cuid], (str(axis), direction == "desc"))

    return _Stream(batches) if stream else answer(list(batches()))


def _choice(item: dict[str, Any]) -> tuple[str, _Choice]:
    known_fields(item, ("experimentId", "metricName", "metadataFilter"), "a series")
    name = text(item, "metricName", least=1, most=500) if "metricName" in item else None
    wanted = []
    for part in objects(item, "metadataFilter", _FILTERS_MAX) if "metadataFilter" in item else ():
        known_fields(part, ("key", "value"), "a metadata filter")
        value = part.get("value")
        if "value" in part and not isinstance(value, str):
            raise ValidationError("value: expected text")
        wanted.append((text(part, "key", least=1, most=10_000), value))
    return text(item, "experimentId", least=1, most=_ID_MAX), _Choice(name, tuple(wanted))


def _batches(
    call: EndpointCall, experiment: tuple[str, RunPath], choices: list[_Choice], order: tuple[str, bool]
) -> Iterator[dict[str, Any]]:
    cuid, run = experiment
    names = {choice.name for choice in choices}
    keys = None if None in names else {name for name in names if name is not None}
    kept = call.services.events.kept_metadata(call.user, run)
    found: dict[tuple[str, str], tuple[dict[str, str], list[EventSeries]]] = {}
    for series in call.services.events.read_series(call.user, run, keys):
        metadata = as_texts(metadata_of(series.context, kept))
        if is_plain_name(series.key) and any(choice.takes(series.key, metadata) for choice in choices):
            found.setdefault((series.key, text_hash(metadata)), (metadata, []))[1].append(series)
    for (name, digest), (metadata, members) in found.items():
        columns = _columns(members, *order)
        if columns["value"]:
            yield {
                "experimentId": cuid,
                "metricName": name,
                "metadataHash": digest,
                "metadata": metadata,
                "data": columns,
            }


def _columns(members: list[EventSeries], axis: str, descending: bool) -> dict[str, list[Any]]:
    steps = np.concatenate([series.steps for series in members])
    times = np.concatenate([series.times_ms for series in members])
    values = np.concatenate([series.values for series in members])
    gaps = np.concatenate([series.stepless for series in members])
    order = _order(steps if axis == "step" else times, np.isfinite(values), descending=descending)
    found: list[int | None] = steps[order].tolist()
    for place in np.flatnonzero(gaps[order]).tolist():
        found[place] = None
    return {"steps": found, "timestamp": times[order].tolist(), "value": values[order].tolist()}


def _order(axis: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], *, descending: bool) -> npt.NDArray[np.int64]:
    """Return the places of the points that JSON can tell, in order; equal ones in the order of arrival."""
    places = np.flatnonzero(kept)
    # The bitwise complement turns the order round without overflow.
    chosen = ~axis[places] if descending else axis[places]
    found: npt.NDArray[np.int64] = places[np.argsort(chosen, kind="stable")]
    return found


@attrs.frozen
class _Stream:
    """Batches on their way out, a line each, and at the end how many there were; an ASGI application.

    What fails once lines have been sent cuts the body off: the last line is what tells that all is there.
    """

    batches: Callable[[], Iterator[dict[str, Any]]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Send the batches as they are read, in worker threads."""
        lines = self._lines()
        first = await in_thread(next, lines)
        headers = [
            (name.encode(), value.encode())
            for name, value in Answer(media_type=_STREAM).all_headers()
            if name != "content-length"
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        await send_pieces(lines, receive, send)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _lines(self) -> Iterator[bytes]:
        batches = rows = 0
        for batch in self.batches():
            batches += 1
            rows += len(batch["data"]["value"])
            yield encode_json(batch) + b"\n"
        yield encode_json({"kind": "complete", "batchCount": batches, "rowCount": rows}) + b"\n"
