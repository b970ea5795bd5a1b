"""What a run logged beside numbers: pictures, sounds, films, texts, distributions and figures, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import isfinite
from typing import Any

import attrs

from runatlas.model.codec import dumps
from runatlas.model.media import MediaItem, MediaQuery, MediaRecord
from runatlas.server.pages.page import count_of, run_path, whole_of
from runatlas.server.pages.run_view import own_link, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_figure", "show_media"]

_THINGS, _STEPS = 100, 1000
_BARS = 64
_SEEN = {"image": "image", "audio": "audio", "video": "video"}
_UNSEEN = {"image/tiff", "image/tif"}
"""What no common browser shows."""
_BINS, _FIGURE_TYPE = {"bin_count", "range", "data"}, "application/vnd.plotly.v1+json"


@attrs.frozen
class Thing:
    """One object of a step as it is shown.

    Attributes:
        record: Of which key and step it is.
        kind: ``image``, ``audio``, ``video``, ``text``, ``bars``, ``figure``, ``values`` or ``file``.
        link: Where its bytes are.
        bars: How high each bar of a distribution is, from 0 to 1; then its outer edges.
        place: Among the objects of its key and step.
        left_out: How many values of a distribution are in none of its bars, because they are not finite.
    """

    record: MediaRecord
    kind: str
    item: MediaItem
    link: str | None
    place: int
    bars: tuple[float, ...] = ()
    edges: tuple[float, float] = (0.0, 0.0)
    left_out: int = 0


def show_media(call: EndpointCall) -> Answer:
    """Show the media of a step; without one those of the last step of every key; those after ``skip`` others."""
    shown, skip = view_run(call), count_of(call, "skip") or 0
    key, step = call.value("key") or None, whole_of(call, "step")
    found = call.services.media.list_media(
        call.user, shown.run.path, MediaQuery(None if key is None else (key,), step=step)
    )
    keys = call.services.media.list_media(call.user, shown.run.path, MediaQuery()).items if key else found.items
    steps = found.steps
    return run_page(
        call,
        shown,
        "run_media.html",
        tab="media",
        things=list(islice(_things(call, found.items), skip, skip + _THINGS)),
        skip=skip,
        count=sum(len(record.items) for record in found.items),
        keys=list(dict.fromkeys(record.key for record in keys)),
        key=key or "",
        step=step,
        steps=_thinned(steps),
        total=len(steps),
        before=max((each for each in steps if step is not None and each < step), default=None),
        after=min((each for each in steps if step is not None and each > step), default=None),
    )


def show_figure(call: EndpointCall) -> Answer:
    """Answer with a figure as JSON, which a script draws: an empty one if there is none at that place."""
    key, step, place = call.value("key") or "", whole_of(call, "step"), count_of(call, "item") or 0
    found = call.services.media.list_media(call.user, run_path(call), MediaQuery((key,), step=step)).items
    items = [item for record in found for item in record.items]
    return Answer(dumps((items[place].data if place < len(items) else None) or {}).encode())


def _thinned(steps: Sequence[int]) -> list[int]:
    """Return steps for a slider: of many the same distance apart, the last with them."""
    if len(steps) <= _STEPS:
        return list(steps)
    return [steps[place * (len(steps) - 1) // (_STEPS - 1)] for place in range(_STEPS)]


def _things(call: EndpointCall, records: Sequence[MediaRecord]) -> Iterator[Thing]:
    places: dict[str, int] = {}
    for record in records:
        first = places.get(record.key, 0)
        places[record.key] = first + len(record.items)
        for place, item in enumerate(record.items, first):
            yield _thing(call, record, item, place)


def _thing(call: EndpointCall, record: MediaRecord, item: MediaItem, place: int) -> Thing:
    link = None if item.url is None else own_link(call, item.url)
    if item.data is None:
        mime_type = item.mime_type.lower()
        kind = "file" if mime_type in _UNSEEN else _SEEN.get(mime_type.partition("/")[0], "file")
        return Thing(record, kind, item, link, place)
    # A step may hold several kinds of things, of which its record names the first.
    is_text = isinstance(item.data.get("text"), str)
    if not (is_text and len(item.data) == 1):
        if record.column_type == "DISTRIBUTION" or item.data.keys() >= _BINS:
            return _distribution(record, item, place)
        if record.column_type == "FIGURE" or item.mime_type == _FIGURE_TYPE:
            return Thing(record, "figure", item, link, place)
    return Thing(record, "text" if is_text else "values", item, link, place)


def _distribution(record: MediaRecord, item: MediaItem, place: int) -> Thing:
    data: Mapping[str, Any] = item.data or {}
    weights, edges = _numbers(data.get("data")), _numbers(data.get("range"))
    if not weights or len(edges) != len(("low", "high")):
        return Thing(record, "values", item, None, place)
    several = -(-len(weights) // _BARS)
    bars = [sum(weights[start : start + several]) for start in range(0, len(weights), several)]
    most = max(bars) or 1
    heights = tuple(max(bar / most, 0.0) for bar in bars)
    left_out = item.meta.get("non_finite")
    counted = left_out if type(left_out) is int else 0
    return Thing(record, "bars", item, None, place, heights, (edges[0], edges[1]), counted)


def _numbers(held: Any) -> list[float]:
    """Return a list of finite numbers; an empty one if it is anything else."""
    if not isinstance(held, (list, tuple)):
        return []
    found = [each for each in held if isinstance(each, (int, float)) and not isinstance(each, bool) and isfinite(each)]
    return found if len(found) == len(held) else []
