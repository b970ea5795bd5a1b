"""What a run logged beside numbers: pictures, sounds, films, texts, distributions and figures, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import attrs

from runatlas.model.codec import dumps
from runatlas.model.media import MediaItem, MediaQuery, MediaRecord
from runatlas.model.series import Context
from runatlas.server.pages.page import count_of, run_path, whole_of
from runatlas.server.pages.run_view import own_link, run_page, view_run
from runatlas.server.wire.answer import Answer
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["show_figure", "show_media"]

_ROOM, _STEPS = 100, 2000
"""How much of a page things may fill: a picture takes one part of it."""
_TEXT = 4000
_BARS = 64
_SEEN = {"image": "image", "audio": "audio", "video": "video"}


@attrs.frozen
class Thing:
    """One object of a step as it is shown.

    Attributes:
        kind: ``image``, ``audio``, ``video``, ``text``, ``bars``, ``figure``, ``values`` or ``file``.
        link: Where its bytes are.
        bars: How high each bar of a distribution is, from 0 to 1; then its outer edges.
        place: Among the objects of its key and step.
    """

    kind: str
    item: MediaItem
    link: str | None
    place: int
    bars: tuple[float, ...] = ()
    edges: tuple[float, float] = (0.0, 0.0)


@attrs.frozen
class Shelf:
    """The objects of one key at one step; ``left`` more are not shown."""

    key: str
    context: Context
    step: int
    things: tuple[Thing, ...]
    left: int


def show_media(call: EndpointCall) -> Answer:
    """Show the media of a step; without one those of the last step of every key."""
    shown = view_run(call)
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
        shelves=_shelves(call, found.items),
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
    items = [item for record in found if record.column_type == "FIGURE" for item in record.items]
    return Answer(dumps((items[place].data if place < len(items) else None) or {}).encode())


def _thinned(steps: Sequence[int]) -> list[int]:
    """Return steps for a slider: of many the same distance apart, the last with them."""
    if len(steps) <= _STEPS:
        return list(steps)
    return [steps[place * (len(steps) - 1) // (_STEPS - 1)] for place in range(_STEPS)]


def _shelves(call: EndpointCall, records: Sequence[MediaRecord]) -> list[Shelf]:
    room = _ROOM
    places: dict[str, int] = {}
    made = []
    for record in records:
        first = places.get(record.key, 0)
        places[record.key] = first + len(record.items)
        things: list[Thing] = []
        for place, item in enumerate(record.items, first):
            if room <= 0:
                break
            things.append(_thing(call, record, item, place))
            room -= _size(things[-1])
        made.append(Shelf(record.key, record.context, record.step, tuple(things), len(record.items) - len(things)))
    return made


def _thing(call: EndpointCall, record: MediaRecord, item: MediaItem, place: int) -> Thing:
    link = None if item.url is None else own_link(call, item.url)
    if item.data is None:
        return Thing(_SEEN.get(item.mime_type.partition("/")[0].lower(), "file"), item, link, place)
    if record.column_type == "FIGURE":
        return Thing("figure", item, link, place)
    if record.column_type == "DISTRIBUTION":
        return _distribution(item, place)
    return Thing("text" if isinstance(item.data.get("text"), str) else "values", item, link, place)


def _size(thing: Thing) -> int:
    """Return how much of a page a thing fills."""
    text = thing.item.data.get("text") if thing.kind == "text" and thing.item.data else None
    return 4 if thing.kind == "bars" else 1 + len((text or "")[:_TEXT]) // 500


def _distribution(item: MediaItem, place: int) -> Thing:
    data: Mapping[str, Any] = item.data or {}
    weights, edges = _numbers(data.get("data")), _numbers(data.get("range"))
    if not weights or len(edges) != len(("low", "high")):
        return Thing("values", item, None, place)
    several = -(-len(weights) // _BARS)
    bars = [sum(weights[start : start + several]) for start in range(0, len(weights), several)]
    most = max(bars) or 1
    return Thing("bars", item, None, place, tuple(max(bar / most, 0.0) for bar in bars), (edges[0], edges[1]))


def _numbers(held: Any) -> list[float]:
    """Return a list of finite numbers; an empty one if it is anything else."""
    if not isinstance(held, (list, tuple)):
        return []
    found = [each for each in held if isinstance(each, (int, float)) and not isinstance(each, bool) and isfinite(each)]
    return found if len(found) == len(held) else []
