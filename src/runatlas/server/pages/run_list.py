"""A table of runs: what an address asks for, and the page of runs that answers it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from runatlas.errors import ValidationError
from runatlas.model.filter_language import FilterSyntaxError, parse_filter, parse_order
from runatlas.model.filters import Filter, Sort
from runatlas.model.page import Page, PageRequest
from runatlas.model.run import RunQuery, RunRecord, RunSelection
from runatlas.model.run_value import flatten
from runatlas.server.wire.endpoint import EndpointCall

__all__ = ["Column", "RunList", "run_list"]

_RUNS = 50
_FILTER_MAX = 10_000
_CONFIGS, _METRICS = 6, 4
_ABSENT = object()


@attrs.frozen
class Column:
    """A column of the table.

    Attributes:
        name: As filters, orders and addresses call it, such as ``config.lr``.
        kind: ``config`` or ``summary``.
        key: The key of the config or the metric.
    """

    name: str
    kind: str
    key: str


@attrs.frozen
class RunList:
    """One page of runs as a table.

    Attributes:
        filter, order: The texts that were asked for.
        problem: What is wrong with one of them; ``""`` if nothing is, and then the runs are there.
        columns: What is shown beside a run's own fields, what varies first.
        same: Config that all shown runs have in common.
        total: How many runs there are; ``None`` on later pages.
        notes: What the filter asks for and no run has.
        following: The cursor of the next page.
        asked: All parameters of the address but the cursor.
    """

    filter: str
    order: str
    problem: str
    runs: tuple[RunRecord, ...]
    columns: tuple[Column, ...]
    same: Mapping[str, Any]
    total: int | None
    notes: tuple[str, ...]
    following: str | None
    now_ms: int
    values: tuple[tuple[Any, ...], ...]

    @property
    def rows(self) -> Iterator[tuple[RunRecord, tuple[Any, ...]]]:
        """Each run with the values of the columns."""
        return zip(self.runs, self.values, strict=True)


def run_list(call: EndpointCall, workspace: str, project: str | None) -> RunList:
    """Read what an address asks for: ``filter``, ``order``, ``columns`` and ``after``.

    Args:
        call: Who asks, and how.
        workspace: Whose runs.
        project: Of which project; ``None`` for all of the workspace.

    Raises:
        NotFoundError: There is no such project or workspace.
    """
    filter_text = (call.value("filter") or "").strip()[:_FILTER_MAX]
    order_text = (call.value("order") or "").strip()[:_FILTER_MAX]
    cursor = call.value("after") or None
    problem, found = "", Page[RunRecord](())
    try:
        wanted, sorts = _read(filter_text, order_text)
    except FilterSyntaxError as error:
        problem = str(error)
    else:
        selection = RunSelection(workspace, project, filter=wanted)
        request = PageRequest(limit=_RUNS, cursor=cursor, with_total=cursor is None)
        try:
            found = call.services.runs.list_runs(call.user, RunQuery(selection, sorts, page=request))
        except ValidationError as error:
            problem = error.message
    columns, same = _columns(found.items, [name for text in call.values("columns") for name in text.split(",")])
    return RunList(
        filter_text,
        order_text,
        problem,
        found.items,
        columns,
        same,
        found.total,
        found.notes,
        found.next_cursor,
        call.services.store.clock(),
        tuple(_values(run, columns) for run in found.items),
    )


def _read(filter_text: str, order_text: str) -> tuple[Filter | None, tuple[Sort, ...]]:
    wanted = parse_filter(filter_text, argument="filter") if filter_text else None
    return wanted, parse_order(order_text) if order_text else ()


def _columns(runs: Sequence[RunRecord], chosen: Sequence[str]) -> tuple[tuple[Column, ...], dict[str, Any]]:
    """Choose the columns: those asked for; else configs that vary, then metrics that most of the runs have."""
    configs = [dict(flatten(run.config or {})) for run in runs]
    keys = list(dict.fromkeys(key for config in configs for key in config))
    same = {key: configs[0][key] for key in keys if len(runs) > 1 and _is_same(key, configs)}
    asked = [column for name in chosen if (column := _column(name.strip())) is not None]
    if asked:
        return tuple(asked), same
    differing = [key for key in keys if key not in same][:_CONFIGS]
    metrics = Counter(key for run in runs for key in run.summary or {}).most_common(_METRICS)
    made = [Column(f"config.{key}", "config", key) for key in differing]
    made += [Column(f"summary.{key}", "summary", key) for key, _ in metrics]
    return tuple(made), same


def _column(name: str) -> Column | None:
    kind, _, key = name.partition(".")
    return Column(name, kind, key) if kind in {"config", "summary"} and key else None


def _is_same(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    first = configs[0].get(key, _ABSENT)
    return all(config.get(key, _ABSENT) == first for config in configs)


def _values(run: RunRecord, columns: Sequence[Column]) -> tuple[Any, ...]:
    config = dict(flatten(run.config or {})) if any(column.kind == "config" for column in columns) else {}
    summary = run.summary or {}
    return tuple(config.get(each.key) if each.kind == "config" else summary.get(each.key) for each in columns)
