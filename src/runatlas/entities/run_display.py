"""What a notebook shows of runs: many in a table, and one as a card."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runatlas.backends.contract import Backend
from runatlas.display.markup import (
    Html,
    block,
    facts,
    failure,
    folded,
    heading,
    joined,
    lasting,
    more,
    note,
    number,
    table,
    text,
    tree,
    unbroken,
    value,
    when,
)
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.frozen import BuiltIn
from runatlas.errors import NotSupportedError, RunAtlasError
from runatlas.model import codec
from runatlas.model.annotation import AnnotationQuery
from runatlas.model.filters import Field
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.instant import iso_text
from runatlas.model.metric import find_definition
from runatlas.model.page import PageRequest
from runatlas.model.run import RunRecord, RunSelection
from runatlas.model.run_value import flatten
from runatlas.model.series import CatalogEntry, PointQuery, SummaryRecord
from runatlas.tables.metric import Reading, make_run_metric_table
from runatlas.tables.series import Series, series_label
from runatlas.tables.statistic import StatisticItem, Statistics, SummaryItem, make_summary_item
from runatlas.terminal import counted

__all__ = ["Catalog", "Summaries", "card_parts", "metric_units", "show_run", "show_runs"]

_CONFIGS, _METRICS = 6, 4
"""How many columns of a table of runs are of their configs, and how many of their last values."""
_TOLD = 8
_SUMMARIES = 50
_STATISTICS = ("latest", "min", "max", "avg", "median", "std", "count")
_SERIES, _POINTS = 12, 60
"""How many series a card shows, and how many points of each."""
_PAGE = PageRequest(limit=10, with_total=True)


def show_runs(records: Sequence[RunRecord], asked: Sequence[Field] = ()) -> Html:
    """Show runs in a table: what differs in its columns, what is the same in all once above.

    Args:
        records: The runs, one at least.
        asked: The configs and metrics that they were filtered and ordered by, which come first.
    """
    configs = [dict(flatten(record.config or {})) for record in records]
    keys = dict.fromkeys(key for config in configs for key in config)
    same = {key: configs[0][key] for key in keys if _is_same(key, configs)} if len(records) > 1 else {}
    wanted = dict.fromkeys(field.key for field in asked if field.type == "CONFIG")
    differing = [key for key in (*(key for key in wanted if key in keys), *keys) if key not in same]
    shown = list(dict.fromkeys(differing))[:_CONFIGS]
    ordered = {field.key for field in asked if field.type == "SCALAR"}
    chosen = _chosen_metrics(records, asked)
    first, metrics = ([name for name in chosen if (name in ordered) == is_first] for is_first in (True, False))
    now_ms = time.time_ns() // 1_000_000
    are_named = any(record.name not in {"", record.id} for record in records)
    rows = [
        (
            *(record.name if are_named else record.id, record.state),
            *(number((record.summary or {}).get(name)) for name in first),
            *(config.get(key) for key in shown),
            *(number((record.summary or {}).get(name)) for name in metrics),
            *(_when(record.created_at_ms), unbroken(lasting(record.duration_s(now_ms)))),
            record.id if are_named else None,
        )
        for record, config in zip(records, configs, strict=True)
    ]
    named = ("name", "run") if are_named else ("run", "")
    head = (
        *(named[0], "state"),
        *first,
        *(f"config.{key}" for key in shown),
        *(*metrics, "created", "lasted", named[1]),
    )
    told = [more(len(keys) - len(same) - len(shown), "differing config")] if len(keys) - len(same) > _CONFIGS else []
    if any(record.config is None or record.summary is None for record in records):
        told.append(note("listed without config and last values, which runs() lists too"))
    return joined(_shared(same, len(records)), table(head, rows), *told)


def _shared(same: Mapping[str, Any], runs: int) -> Html | None:
    """Tell what all runs of a table have in common."""
    if not same:
        return None
    if len(same) <= _TOLD:
        told = ", ".join(f"{value(key).text} = {value(held).text}" for key, held in same.items())
        return note(Html(f"the same in all {runs}: {told}"))
    return folded(f"the same in all {runs}: {counted(len(same), 'config')}", tree(same))


def _is_same(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    first = configs[0].get(key)
    is_nan = isinstance(first, float) and first != first  # noqa: PLR0124
    return all(
        key in config and (config[key] == first or (is_nan and config[key] != config[key])) for config in configs
    )


def _chosen_metrics(records: Sequence[RunRecord], asked: Sequence[Field]) -> list[str]:
    """Return the metrics that were asked for, then those that most of the runs have."""
    found = Counter(name for record in records for name in record.summary or {})
    wanted = [field.key for field in asked if field.type == "SCALAR" and field.key in found]
    return list(dict.fromkeys((*wanted, *(name for name, _ in found.most_common(_METRICS + len(wanted))))))[:_METRICS]


def _when(time_ms: int | None) -> Html | None:
    return None if time_ms is None else when(iso_text(time_ms))


class Summaries(dict[str, SummaryItem], metaclass=BuiltIn):
    """What the series of a run amount to, by key: shows itself as a table, and is a dict to all that takes one.

    Args:
        records: What the store says of the series.
        handle: The way to the backend, which is asked for units when it is shown.
        project: The run's project.
    """

    __slots__ = ("_handle", "_keys", "_project")

    def __init__(self, records: Sequence[SummaryRecord], handle: BackendHandle, project: ProjectPath) -> None:
        labels = [series_label(record.key, record.context) for record in records]
        super().__init__(zip(labels, map(make_summary_item, records), strict=True))
        self._keys = [record.key for record in records[:_SUMMARIES]]
        self._handle = handle
        self._project = project

    def _repr_html_(self) -> str:
        shown = list(zip(self._keys, self.items(), strict=False))
        told, failed = metric_units(self._handle, self._project, self._keys)
        rows = (
            (f"{label} ({told[key]})" if key in told else label, item["step"], *_figures(item))
            for key, (label, item) in shown
        )
        body = table(("metric", "last step", *_STATISTICS), rows)
        return block(joined(body, more(len(self) - len(shown), "metric"), failed)).text

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class Catalog(tuple[CatalogEntry, ...]):
    """The metrics of a run: a tuple, which shows itself as a table."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = ((entry.key, _contexts(entry), entry.points) for entry in self[:_SUMMARIES])
        return block(joined(table(("key", "contexts", "points"), rows), more(len(self) - _SUMMARIES, "metric"))).text


def _contexts(entry: CatalogEntry) -> str | None:
    """Write the contexts of a metric; nothing if it has none but the ordinary one."""
    return ", ".join(codec.context_text(one) or "{}" for one in entry.contexts) if any(entry.contexts) else None


def metric_units(
    handle: BackendHandle, project: ProjectPath | None, keys: Iterable[str]
) -> tuple[dict[str, str], Html | None]:
    """Ask which units a project says of metrics, for what is shown; a failure is told below.

    Args:
        handle: The way to the backend.
        project: The project; ``None`` where runs are of several.
        keys: The metrics; without any, nothing is asked.
    """
    wanted = set(keys)
    if project is None or not wanted:
        return {}, None
    try:
        told = handle.backend.get_project(project).metrics
    except RunAtlasError as error:
        return {}, failure(f"units are not known: {error.message}", type(error).__name__)
    return {key: found.unit for key in wanted if (found := find_definition(told, key)) and found.unit}, None


def _figures(item: SummaryItem) -> Iterator[Html]:
    return (_statistic(item[name]) for name in _STATISTICS)  # type: ignore[literal-required]


def _statistic(held: StatisticItem | float | None) -> Html:
    if isinstance(held, dict):
        step = "" if held["step"] is None else f" at {held['step']:,}"
        return joined(number(held["value"]), text(step))
    return number(held)


def show_run(record: RunRecord, *parts: Html) -> Html:
    """Show one run as a card.

    Args:
        record: What is known of it.
        parts: What was read of it beside.
    """
    flags = ("pin", "baseline", "archived", "protected")
    told = {
        "path": str(record.path),
        "created": _when(record.created_at_ms),
        "ended": _when(record.finished_at_ms),
        "lasted": lasting(record.duration_s(time.time_ns() // 1_000_000)),
        "by": record.user and record.user.username,
        "group": record.group,
        "job type": record.job_type,
        "labels": ", ".join(record.labels),
        "is": ", ".join(name for name in flags if getattr(record, name)),
        "protected for": record.protected_reason,
        "description": record.description,
    }
    config = note("its config was not listed: run.config loads it")
    if record.config is not None:
        config = folded(f"config ({len(record.config):,})", tree(record.config))
    crash = failure(record.error, record.state) if record.error else None
    return joined(heading(record.name or record.id, record.state), crash, facts(told), config, *parts)


def last_values(record: RunRecord) -> Html | None:
    """Show the last values that a record holds."""
    held = record.summary or {}
    rows = ((name, number(last)) for name, last in list(held.items())[:_SERIES])
    return joined(table(("metric", "last"), rows), more(len(held) - _SERIES, "metric")) if held else None


def card_parts(handle: BackendHandle, path: RunPath, record: RunRecord) -> Iterator[Html]:
    """Yield what a card shows beside a run's record: the course of its metrics, its files and its notes.

    They are one request each; the first that fails is told in place of the rest.

    Args:
        handle: The way to the backend.
        path: The run.
        record: What is known of it.
    """
    for read in (_courses, _files, _notes):
        try:
            found = read(handle.backend, path)
        except NotSupportedError:
            found = None
        except RunAtlasError as error:
            yield joined(
                last_values(record) if read is _courses else None, failure(error.message, type(error).__name__)
            )
            return
        if found is not None:
            yield found


def _courses(backend: Backend, path: RunPath) -> Html | None:
    selection = RunSelection(path.workspace, path.project, ids=(path.run,))
    query = PointQuery(selection, sample=_POINTS, column_class="CUSTOM", point_limit=_SERIES * _POINTS)
    block = backend.read_points(query)
    reading = Reading(
        blocks=(block,),
        keys=None,
        sample=_POINTS,
        requested_sample=None,
        timed=True,
        statistics=Statistics(tuple),
        project_id=str,
    )
    series = make_run_metric_table(reading).series
    is_cut = block.next_cursor is not None or len(series) > _SERIES
    left = note("… and more metrics: run.summary() tells of all") if is_cut else None
    rows = ((label, item.total, *rest) for item in series[:_SERIES] for label, _, *rest in [item.shown()])
    return joined(table(Series.SHOWN, rows), left) if series else None


def _files(backend: Backend, path: RunPath) -> Html | None:
    page = backend.list_artifacts(path, _PAGE)
    if not page.items:
        return None
    rows = ((item.name, f"{item.size:,}", item.mime_type) for item in page.items)
    return joined(table(("file", "bytes", "type"), rows), _rest(page.total, len(page.items), "file"))


def _notes(backend: Backend, path: RunPath) -> Html | None:
    page = backend.list_annotations(path, AnnotationQuery(page=_PAGE))
    if not page.items:
        return None
    rows = ((value(item.text, 400), item.author, _when(item.created_at_ms)) for item in page.items)
    left = None if page.next_cursor is None else note("… and more: run.annotations() lists all")
    return joined(table(("note", "by", "at"), rows), left)


def _rest(total: int | None, shown: int, noun: str) -> Html | None:
    return None if total is None else more(total - shown, noun)
