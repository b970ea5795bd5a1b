"""One row a group of runs: the centre of each metric, its interval, and the values that it is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, overload

import attrs
from arro3.core import Array, DataType, Table

from runatlas.display.markup import Html, joined, more, note, table, written
from runatlas.model.codec import dumps
from runatlas.model.policy import Goal
from runatlas.statistics.estimate import Estimate, estimate, estimate_over_tasks
from runatlas.statistics.grouping import (
    Grouping,
    LeftOut,
    Member,
    choose_members,
    identity,
    left_out_words,
    split,
    unknown_fields,
)
from runatlas.tables.frame import Frame
from runatlas.tables.run import arrow_column
from runatlas.terminal import counted, printable

__all__ = ["AggregateRow", "AggregateTable", "aggregate"]


@attrs.frozen
class AggregateRow:
    """What a group amounts to.

    Attributes:
        group: The values of the fields that tell groups apart.
        runs: How many runs it has, also those that do not count.
        estimates: What each metric amounts to.
        left_out: What does not count, and why.
    """

    group: tuple[Any, ...]
    runs: int
    estimates: tuple[Estimate, ...]
    left_out: tuple[LeftOut, ...]


class AggregateTable(Frame, Sequence[dict[str, Any]]):
    """Groups of runs as rows: ``table[0]["val_loss.min"]`` has ``center``, ``low``, ``high`` and ``n``.

    In Arrow, pandas, CSV and Parquet each metric has the columns ``<metric>``, ``<metric>.low``, ``<metric>.high``,
    ``<metric>.n`` and ``<metric>.values`` (JSON text); ``left_out`` names the runs that do not count, and ``interval``
    says in words what the interval is.

    Attributes:
        by: The fields that tell groups apart.
        metrics: The metrics, as they were asked for.
        description: What the centre and the interval are, and over what.
        notes: What does not count, and which intervals there are none of.
        goals: Which way is better, of each metric: ``min``, ``max``, ``None`` where nothing says it.
    """

    _html_rows: ClassVar[int] = 100

    def __init__(
        self,
        rows: Sequence[AggregateRow],
        *,
        by: Sequence[str],
        metrics: Sequence[str],
        description: str,
        notes: Sequence[str] = (),
        goals: Mapping[str, Goal | None] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        self.rows = tuple(rows)
        self.by = tuple(by)
        self.metrics = tuple(metrics)
        self.description = description
        self.notes = tuple(notes)
        self.goals = dict(goals or {})
        self.units = dict(units or {})
        self.total = len(self.rows)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        parts = ("", ".low", ".high", ".n", ".values")
        own = (f"{metric}{part}" for metric in self.metrics for part in parts)
        return (*self.by, "runs", *own, "left_out", "interval")

    @property
    def num_rows(self) -> int:
        """How many groups it has."""
        return len(self.rows)

    def to_arrow(self) -> Table:
        """Return an Arrow table; the values of a group are JSON text."""
        columns: dict[str, Any] = {
            name: arrow_column([row.group[place] for row in self.rows]) for place, name in enumerate(self.by)
        }
        columns["runs"] = Array([row.runs for row in self.rows], DataType.int64())
        for place, metric in enumerate(self.metrics):
            found = [row.estimates[place] for row in self.rows]
            for part, name in (("center", ""), ("low", ".low"), ("high", ".high")):
                columns[metric + name] = Array([getattr(item, part) for item in found], DataType.float64())
            columns[f"{metric}.n"] = Array([item.n for item in found], DataType.int64())
            columns[f"{metric}.values"] = Array([dumps(list(item.values)) for item in found], DataType.string())
        columns["left_out"] = Array([_left_out_text(row.left_out) for row in self.rows], DataType.string())
        columns["interval"] = Array([self.description] * len(self.rows), DataType.string())
        return Table.from_pydict(columns)

    def json(self) -> dict[str, Any]:
        """Return the description, the notes and the rows as plain values."""
        rows = [
            {
                **dict(zip(self.by, row.group, strict=True)),
                "runs": row.runs,
                **{name: _plain(item) for name, item in zip(self.metrics, row.estimates, strict=True)},
                "left_out": [attrs.asdict(item) for item in row.left_out],
            }
            for row in self.rows
        ]
        return {"description": self.description, "notes": list(self.notes), "rows": rows}

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        found = self.rows[index]
        return list(map(self._row, found)) if isinstance(found, tuple) else self._row(found)

    def __len__(self) -> int:
        return len(self.rows)

    def _row(self, row: AggregateRow) -> dict[str, Any]:
        return {
            **dict(zip(self.by, row.group, strict=True)),
            "runs": row.runs,
            **dict(zip(self.metrics, row.estimates, strict=True)),
            "left_out": row.left_out,
        }

    def best(self, metric: str, *, goal: Goal | None = None) -> dict[str, Any] | None:
        """Return the row with the best centre: look at its interval, too, and at ``n``.

        Args:
            metric: The metric, as it was asked for.
            goal: ``"min"`` or ``"max"``; without it as ``project.define_metric`` recorded it.

        Returns:
            The row; ``None`` if no group has a value.

        Raises:
            ValueError: There is no such column, or nothing says which way is better.
        """
        if metric not in self.metrics:
            raise ValueError(f"metric: this table has {', '.join(self.metrics)}, not {metric!r}")
        direction = goal or self.goals.get(metric)
        if direction not in {"min", "max"}:
            raise ValueError(f"goal: say which way {metric!r} is better: 'min' or 'max'")
        place, sign = self.metrics.index(metric), 1 if direction == "min" else -1
        centers = [(sign * center, row) for row in self.rows if (center := row.estimates[place].center) is not None]
        return self._row(min(centers, key=lambda pair: pair[0])[1]) if centers else None

    def texts(self) -> list[tuple[str, ...]]:
        """Return the head and the rows as people read them: each metric with its interval and n in one cell."""
        rows = [(*map(_text, row.group), str(row.runs), *map(_cell, row.estimates)) for row in self.rows]
        return [tuple(map(printable, (*self.by, "runs", *self._titles(self.metrics)))), *rows]

    def __str__(self) -> str:
        cells = self.texts()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        return "\n".join([*lines, *map(printable, (self.description, *self.notes))])

    def _rows_shown(self) -> Html:
        rows = [(*row.group, row.runs, *map(_cell, row.estimates)) for row in self.rows[: self._html_rows]]
        return joined(
            table((*self.by, "runs", *self._titles(self.metrics)), rows), more(len(self.rows) - len(rows), "group")
        )

    def _told(self) -> Html:
        return joined(*map(note, (self.description, *self.notes)), super()._told())


def _plain(item: Estimate) -> dict[str, Any]:
    return {
        "center": item.center,
        "low": item.low,
        "high": item.high,
        "n": item.n,
        "values": list(item.values),
        "text": str(item),
    }


def _cell(item: Estimate) -> str:
    return f"{item} (n = {item.n})".lstrip()


def _text(value: Any) -> str:
    return "" if value is None else printable(written(value))


def _left_out_text(left_out: Sequence[LeftOut]) -> str | None:
    if not left_out:
        return None
    return ", ".join(f"{item.run}: {f'{item.metric} ' if item.metric else ''}{item.reason}" for item in left_out)


def aggregate(
    members: Sequence[Member],
    metrics: Sequence[str],
    grouping: Grouping,
    goals: Mapping[str, Goal | None] | None = None,
    *,
    units: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> AggregateTable:
    """Make one row a group of runs.

    Args:
        members: The runs, each with its value of every metric.
        metrics: The metrics, as columns are named.
        grouping: What is grouped by what, averaged over what, and how.
        goals: Which way is better, of each metric.
        units: The units of metrics that have one.
        notes: What is to be said before.

    Raises:
        ImportError: SciPy or NumPy is needed and not installed.
        ValueError: Its parts do not belong together, or several runs of a group have one value of ``over``.
    """
    grouping.check()
    groups = [_aggregate(values, held, metrics, grouping) for values, held in split(members, lambda one: one.group)]
    rows = [row for row, _ in groups]
    left_out = [item for row in rows for item in row.left_out]
    told = [*notes, *unknown_fields(members, grouping), *left_out_words(left_out, len(members))]
    repeated = sum(count for _, count in groups)
    if repeated:
        verb = "counts" if repeated == 1 else "count"
        told.append(f"{counted(repeated, 'run')} {verb} beside another of the same group and {grouping.over}")
    return AggregateTable(
        rows,
        by=grouping.by,
        metrics=metrics,
        description=grouping.words,
        notes=(*told, *_missing_intervals(rows, metrics, grouping)),
        goals=goals,
        units=units,
    )


def _aggregate(
    group: tuple[Any, ...], members: Sequence[Member], metrics: Sequence[str], grouping: Grouping
) -> tuple[AggregateRow, int]:
    chosen, left_out, repeated = choose_members(members, grouping)
    estimates = []
    for place, metric in enumerate(metrics):
        values: list[tuple[Any, float]] = []
        for member in chosen:
            value = member.values[place]
            if value is not None and math.isfinite(value):
                values.append((member.task, value))
            else:
                left_out.append(LeftOut(member.run, metric, _reason(value, metric)))
        if grouping.task is None:
            estimates.append(estimate([value for _, value in values], grouping.center, grouping.spread))
        else:
            tasks: dict[Any, list[float]] = {}
            for task, value in values:
                tasks.setdefault(identity(task), []).append(value)
            estimates.append(estimate_over_tasks(list(tasks.values()), grouping.center))
    return AggregateRow(group, len(members), tuple(estimates), tuple(left_out)), repeated


def _reason(value: float | None, metric: str) -> str:
    if value is None:
        return f"no {metric}"
    return "NaN" if math.isnan(value) else "infinite"


def _missing_intervals(rows: Sequence[AggregateRow], metrics: Sequence[str], grouping: Grouping) -> list[str]:
    """Say how many groups have a centre and no interval, and why."""
    notes = []
    for place, metric in enumerate(metrics):
        without = [found for row in rows if (found := row.estimates[place]).n and found.low is None]
        if not without:
            continue
        single = sum(found.n == 1 for found in without)
        if single:
            notes.append(f"{metric}: {single} of {len(rows)} groups have one value, and so no interval")
        if len(without) > single:
            why = "too few values for an interval of a median" if grouping.task is None else "one run of each task"
            notes.append(f"{metric}: {len(without) - single} of {len(rows)} groups have {why}")
    return notes
