"""What a cut takes of runs: the series, media and files, and how much they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import attrs
import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal_column,
    or_,
    select,
    true,
)

from runatlas.errors import ConflictError
from runatlas.model.data_cut import DataCut
from runatlas.model.series import MEDIA_TYPES, NUMERIC_TYPES
from runatlas.model.text import did_you_mean
from runatlas.server.store.blob_ref import known_blobs
from runatlas.server.store.media import decode_items
from runatlas.server.store.point_chunk import ChunkError, Points, decode_chunk, join
from runatlas.server.store.point_reading import run_paths
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import artifacts, blob_refs, chunks, media, model_versions, series
from runatlas.server.store.series import SeriesRow
from runatlas.server.store.statement import member_of, rows
from runatlas.server.store.summary import Summary
from runatlas.server.store.trash import Weight

__all__ = [
    "Counted",
    "CutSeries",
    "Held",
    "Portion",
    "count_media",
    "find_cut",
    "find_portions",
    "find_unknown",
    "going",
    "groups",
    "only_parted",
    "portions_of",
    "read_parted",
    "weigh_portions",
]

_GROUP_POINTS = 2_000_000
_GROUP_SERIES = 500
"""How many points and series are in memory at once while series are parted."""

_EXTREMES = 4
"""The points that stay of a thinned series beside those that are asked for: first, last, smallest and largest."""

Mask = npt.NDArray[np.bool_]


@attrs.define
class Portion:
    """What is cut out of one run.

    Attributes:
        point_bytes: Of the points as they are stored; of a series that is parted about as many.
        media: Steps that have media.
        files: The hashes of what artifacts and media name.
        file_bytes: How large these are.
        leaving: Those of them that the run needs for nothing else.
    """

    points: int = 0
    point_bytes: int = 0
    media: int = 0
    artifacts: int = 0
    files: set[str] = attrs.field(factory=set)
    file_bytes: int = 0
    leaving: set[str] = attrs.field(factory=set)

    @property
    def weight(self) -> tuple[int, int, int]:
        """Points, files and bytes of both."""
        return self.points, len(self.files), self.point_bytes + self.file_bytes


class CutSeries(NamedTuple):
    """A series that something is cut from.

    Attributes:
        is_whole: Whether all of it is.
    """

    id: int
    run_pk: int
    key: str
    context: str
    column_class: str
    column_type: str
    name: str
    points: int
    point_bytes: int
    chunk_count: int
    is_whole: bool

    @property
    def is_media(self) -> bool:
        """Whether it has media, and no points."""
        return self.column_type in MEDIA_TYPES

    def row(self, id_: int, *, chunk_count: int = 0, summary: Summary | None = None) -> SeriesRow:
        """Return it as the row that it, or what is cut of it, becomes."""
        identity = (self.key, self.context, self.column_class, self.column_type, self.name)
        return SeriesRow(*identity, id_, chunk_count, summary=summary)


_READ = ("id", "run_pk", "key", "context", "column_class", "column_type", "name", "count", "bytes", "chunk_count")


def find_cut(connection: Connection, run_keys: Sequence[int], cut: DataCut) -> list[CutSeries]:
    """Find the series of runs that something is cut from."""
    is_media = series.c.column_type.in_(MEDIA_TYPES)
    kinds: list[ColumnElement[bool]] = []
    if cut.metrics is None:
        of_own = series.c.column_class == "CUSTOM" if cut.has_bounds else true()
        kinds.append(and_(~is_media, of_own))
    elif cut.metrics:
        kinds.append(and_(~is_media, member_of(series.c.key, "metrics", cut.metrics)))
    if cut.media is None:
        kinds.append(is_media)
    elif cut.media:
        kinds.append(and_(is_media, member_of(series.c.key, "media", cut.media)))
    if not kinds:
        return []
    wanted = [member_of(series.c.run_pk, "runs", run_keys), or_(*kinds)]
    is_whole: ColumnElement[int] = literal_column("1")
    if cut.thin is not None:
        is_whole = literal_column("0")
        wanted += [series.c.column_type.in_(NUMERIC_TYPES), series.c.count > cut.thin + _EXTREMES]
    elif cut.has_bounds:
        within = and_(series.c.first_step >= cut.low, series.c.last_step <= cut.high)
        is_whole = case((within, 1), else_=0)
        wanted += [series.c.count > 0, series.c.last_step >= cut.low, series.c.first_step <= cut.high]
    columns = (*(series.c[name] for name in _READ), is_whole)
    found = rows(connection, select(*columns).where(*wanted).order_by(series.c.run_pk, series.c.id))
    return [CutSeries(*row) for row in found]


def find_portions(connection: Connection, run_keys: Sequence[int], cut: DataCut) -> dict[int, Portion]:
    """Measure what a cut takes of runs, by row; runs that nothing is cut from are left out.

    Raises:
        ConflictError: Points that must be looked at are damaged.
    """
    found = find_cut(connection, run_keys, cut)
    parted = only_parted(found)
    counted = _count_steps(connection, parted, cut) if cut.thin is None else _count_thinned(connection, parted, cut)
    return portions_of(connection, run_keys, cut, found, counted)


def only_parted(found: Iterable[CutSeries]) -> list[CutSeries]:
    """Return those whose points are parted."""
    return [one for one in found if not (one.is_whole or one.is_media)]


Counted = Iterable[tuple[CutSeries, int, int]]
"""How many points of a series are cut, and about how many bytes these have."""


def portions_of(
    connection: Connection, run_keys: Sequence[int], cut: DataCut, found: Sequence[CutSeries], counted: Counted
) -> dict[int, Portion]:
    """Put together what is cut of each run.

    Args:
        connection: An open transaction, in which the media and files are still where they were.
        run_keys: The runs.
        cut: What is cut.
        found: Of which series.
        counted: How many points of those that are parted.
    """
    portions: defaultdict[int, Portion] = defaultdict(Portion)
    whole = [(one, 0, 0) if one.is_media else (one, one.points, one.point_bytes) for one in found if one.is_whole]
    for one, points, size in (*whole, *counted):
        portion = portions[one.run_pk]
        portion.points += points
        portion.point_bytes += size
    for one in found:
        steps = count_media(connection, one, cut) if one.is_media else 0
        if steps:
            portions[one.run_pk].media += steps
    _find_files(connection, run_keys, cut, found, portions)
    return dict(portions)


def _inside(cut: DataCut) -> Any:
    return and_(chunks.c.min_step >= cut.low, chunks.c.max_step <= cut.high)


def _count_steps(connection: Connection, parted: Sequence[CutSeries], cut: DataCut) -> Counted:
    """Count the points at the steps of a cut; only chunks that reach beyond it are read."""
    for group in groups(parted):
        by_id = {one.id: one for one in group}
        of_series = member_of(chunks.c.series_id, "series", by_id)
        overlapping = of_series, chunks.c.max_step >= cut.low, chunks.c.min_step <= cut.high
        counts, sizes = dict.fromkeys(by_id, 0), dict.fromkeys(by_id, 0)
        summed = select(chunks.c.series_id, func.sum(chunks.c.count), func.sum(func.length(chunks.c.data)))
        whole = summed.where(*overlapping, _inside(cut)).group_by(chunks.c.series_id)
        for series_id, count, size in rows(connection, whole):
            counts[series_id], sizes[series_id] = int(count), int(size)
        edges = select(chunks.c.series_id, chunks.c.data).where(*overlapping, ~_inside(cut))
        for series_id, data in rows(connection, edges):
            with _reading(connection, by_id[series_id]):
                points = decode_chunk(data)
            count = int(going(points, cut).sum())
            counts[series_id] += count
            sizes[series_id] += len(data) * count // len(points)
        yield from ((one, counts[one.id], sizes[one.id]) for one in group if counts[one.id])


def _count_thinned(connection: Connection, parted: Sequence[CutSeries], cut: DataCut) -> Counted:
    for one, held in read_parted(connection, parted):
        count = int(going(join([points for _, _, points in held]), cut).sum())
        if count:
            yield one, count, one.point_bytes * count // one.points


_MEDIA_STEPS = Prepared(
    select(func.count()).where(
        media.c.series_id == bindparam("series_id"), media.c.step >= bindparam("low"), media.c.step <= bindparam("high")
    ),
    *("series_id", "low", "high"),
)


def count_media(connection: Connection, one: CutSeries, cut: DataCut) -> int:
    """Count the steps of a series of media that are cut."""
    return one.points if one.is_whole else int(_MEDIA_STEPS.first(connection, one.id, cut.low, cut.high)[0])


_FILES_AT_ONCE = 200
_ARTIFACTS = select(artifacts.c.run_pk, artifacts.c.name, artifacts.c.sha256).where(
    member_of(artifacts.c.run_pk, "runs")
)
_MEDIA = (
    select(series.c.run_pk, media.c.series_id, media.c.step, media.c["items"])
    .join(series, series.c.id == media.c.series_id)
    .where(member_of(series.c.run_pk, "runs"))
)


def _find_files(
    connection: Connection,
    run_keys: Sequence[int],
    cut: DataCut,
    found: Sequence[CutSeries],
    portions: dict[int, Portion],
) -> None:
    """Note which files the cut artifacts and media name, and which of these their run needs for nothing else."""
    cut_media = {one.id: one.is_whole for one in found if one.is_media}
    touched = {one.run_pk for one in found if one.is_media}
    if cut.artifacts:
        names = member_of(artifacts.c.name, "names", cut.artifacts)
        having = select(artifacts.c.run_pk).where(member_of(artifacts.c.run_pk, "runs", run_keys), names)
        touched |= {run_pk for (run_pk,) in rows(connection, having)}
    wanted = sorted(touched)
    for first in range(0, len(wanted), _FILES_AT_ONCE):
        values = {"runs": wanted[first : first + _FILES_AT_ONCE]}
        needed: defaultdict[int, set[str]] = defaultdict(set)
        for run_pk, name, sha256 in rows(connection, _ARTIFACTS, values):
            if name in cut.artifacts:
                portions[run_pk].artifacts += 1
                portions[run_pk].files.add(sha256)
            else:
                needed[run_pk].add(sha256)
        for run_pk, series_id, step, text in rows(connection, _MEDIA, values):
            goes = series_id in cut_media and (cut_media[series_id] or cut.low <= step <= cut.high)
            hashes = {item.sha256 for item in decode_items(text) if item.sha256 is not None}
            if hashes:
                (portions[run_pk].files if goes else needed[run_pk]).update(hashes)
        for run_pk in values["runs"]:
            if run_pk in portions:
                portions[run_pk].leaving = portions[run_pk].files - needed[run_pk]
    sizes = known_blobs(connection, set[str]().union(*(portion.files for portion in portions.values())))
    for portion in portions.values():
        portion.file_bytes = sum(sizes.get(sha256, 0) for sha256 in portion.files)


_REFS = select(blob_refs.c.sha256, blob_refs.c.run_pk).where(
    member_of(blob_refs.c.sha256, "hashes"),
    ~exists().where(model_versions.c.sha256 == blob_refs.c.sha256),
)


def weigh_portions(connection: Connection, portions: Mapping[int, Portion]) -> Weight:
    """Count what is cut of runs beside points; a file that several of them need counts once."""
    leaving = set[str]().union(*(portion.leaving for portion in portions.values()))
    referring: defaultdict[str, set[int]] = defaultdict(set)
    for sha256, run_pk in rows(connection, _REFS, {"hashes": leaving}):
        referring[sha256].add(run_pk)
    freed = [
        sha256
        for sha256, refs in referring.items()
        if all(run_pk in portions and sha256 in portions[run_pk].leaving for run_pk in refs)
    ]
    return Weight(
        sum(portion.media for portion in portions.values()),
        sum(portion.artifacts for portion in portions.values()),
        sum(known_blobs(connection, freed).values()),
    )


def find_unknown(connection: Connection, run_keys: Sequence[int], cut: DataCut) -> tuple[str, ...]:
    """Say which keys and names of a cut none of the runs has: mistyped, most likely."""
    is_media = series.c.column_type.in_(MEDIA_TYPES)
    of_runs = member_of(series.c.run_pk, "runs", run_keys)
    sources: tuple[tuple[str, Collection[str] | None, Any], ...] = (
        ("metric", cut.metrics, select(series.c.key).where(of_runs, ~is_media)),
        ("media", cut.media, select(series.c.key).where(of_runs, is_media)),
        ("file", cut.artifacts, select(artifacts.c.name).where(member_of(artifacts.c.run_pk, "runs", run_keys))),
    )
    notes: list[str] = []
    for what, names, statement in sources:
        if names:
            there = {name for (name,) in rows(connection, statement.distinct())}
            missing = [name for name in names if name not in there][: _NOTES_MAX - len(notes)]
            near = sorted(there)[:_NEAR_MAX]
            notes += [f"none of these runs has the {what} {name!r}{did_you_mean(name, near)}" for name in missing]
    return tuple(notes)


_NOTES_MAX = 20
_NEAR_MAX = 2000
"""How many unknown names are told, and among how many known ones each is looked for."""


def going(points: Points, cut: DataCut) -> Mask:
    """Tell of each point whether it is cut."""
    steps = points.steps
    if cut.thin is None:
        return (steps >= cut.low) & (steps <= cut.high)
    is_ordered = bool((steps[1:] > steps[:-1]).all())
    # With the places, as it sorts then: a table of hashes takes seconds for a million steps.
    there = steps if is_ordered else np.unique(steps, return_index=True)[0]
    if len(there) <= cut.thin + _EXTREMES:
        return np.zeros(len(steps), bool)
    places = np.linspace(0, len(there) - 1, cut.thin + 2).round().astype(np.intp)
    kept: list[npt.NDArray[np.int64]] = [there[places]]
    known = ~np.isnan(points.values)
    if known.any():
        values = points.values[known]
        kept += [steps[known][values == extreme].min(keepdims=True) for extreme in (values.min(), values.max())]
    if not is_ordered:
        return ~np.isin(steps, np.concatenate(kept))
    goes = np.ones(len(steps), bool)
    goes[np.searchsorted(steps, np.concatenate(kept))] = False
    return goes


Held = list[tuple[int, int, Points]]
"""Chunks of a series in the order of arrival: row, bytes, points."""


def read_parted(connection: Connection, parted: Sequence[CutSeries]) -> Iterator[tuple[CutSeries, Held]]:
    """Read all of some series, one after the other."""
    for group in groups(parted):
        held: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        of_series = member_of(chunks.c.series_id, "series", [one.id for one in group])
        statement = select(chunks.c.series_id, chunks.c.id, chunks.c.data).where(of_series).order_by(chunks.c.id)
        for series_id, chunk_id, data in rows(connection, statement):
            held[series_id].append((chunk_id, data))
        for one in group:
            with _reading(connection, one):
                found = [(chunk_id, len(data), decode_chunk(data)) for chunk_id, data in held.pop(one.id, ())]
                if (there := sum(len(points) for _, _, points in found)) != one.points:
                    raise ChunkError(f"the series has {one.points} points, and its chunks have {there}")
            yield one, found


def groups(parted: Sequence[CutSeries]) -> Iterator[Sequence[CutSeries]]:
    """Yield series a few at a time, as many as fit into memory."""
    start, total = 0, 0
    for place, one in enumerate(parted):
        if place > start and (total + one.points > _GROUP_POINTS or place - start == _GROUP_SERIES):
            yield parted[start:place]
            start, total = place, 0
        total += one.points
    if start < len(parted):
        yield parted[start:]


@contextmanager
def _reading(connection: Connection, one: CutSeries) -> Iterator[None]:
    """Tell of damaged points whose they are.

    Raises:
        ConflictError: They are.
    """
    try:
        yield
    except ChunkError as error:
        path = run_paths(connection, [one.run_pk]).get(one.run_pk, f"run {one.run_pk}")
        raise ConflictError(
            f"the points of {one.key!r} of {path} cannot be parted: {error}; leave that run out, or cut all of the "
            "metric"
        ) from error
