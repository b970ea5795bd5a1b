"""What many runs amount to together: aggregates, comparisons, and what of their configs goes with their results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import attrs

from runatlas.entities.argument import choice, texts
from runatlas.entities.metric_name import make_metric
from runatlas.entities.run_query import field_value, make_groups
from runatlas.model.config_name import Section
from runatlas.model.filters import Field
from runatlas.model.run import RUN_STATES, RunPart, RunRecord, RunState
from runatlas.model.run_value import flatten, value_of
from runatlas.response import ApiResponse
from runatlas.statistics.aggregate import AggregateTable, aggregate
from runatlas.statistics.estimate import Center, Spread
from runatlas.statistics.grouping import AllBut, Duplicates, Grouping, Member, identity
from runatlas.tables.value import ValueTable

__all__ = ["By", "RunStatistics", "varying_keys"]

By: TypeAlias = str | Sequence[str] | AllBut
"""Fields that tell groups apart, or every key that varies but some."""

FINISHED: tuple[RunState, ...] = ("FINISHED",)


class RunStatistics(ABC):
    """Runs of which statistics can be asked."""

    __slots__ = ()

    @abstractmethod
    def _read_records(self, parts: Sequence[RunPart], statistics: Sequence[Field]) -> Iterator[RunRecord]:
        """Read the runs with these parts and statistics, a page a request."""

    def aggregate(
        self,
        metrics: str | Sequence[str],
        *,
        by: By = (),
        over: str | None = None,
        center: Center = "mean",
        spread: Spread = "ci95",
        task: str | None = None,
        states: Collection[RunState] | None = FINISHED,
        duplicates: Duplicates = "refuse",
    ) -> ApiResponse[AggregateTable]:
        """Tell what groups of runs amount to: of each metric the centre, an interval, n and the values.

        One request for each thousand runs; no point of a series is read. What does not count is counted and named: runs
        in other states, values that are NaN or infinite, runs without the metric. A group of one value has no interval.

        Args:
            metrics: Metrics with the statistic that counts of each run: ``"val_loss.min"``, ``"val_acc.last"``, also
                ``max``, ``avg``, ``std``, ``count``; without one the last value. ``'loss{"split":"val"}.min'`` is one
                of a context.
            by: What tells groups apart: fields as filters name them, or ``all_but("seed")``: every key of the config
                that varies among these runs, but that one. Nothing makes one group of all.
            over: What is averaged over, such as ``"config.seed"``; runs without it do not count. Without it every run
                counts, whatever the runs differ in.
            center: ``mean``, ``median``, or ``iqm``: the mean of the middle half.
            spread: ``ci95``: a 95 % interval (of a mean Student's t; of a median between order statistics; of an
                interquartile mean by the bootstrap). ``sd`` or ``se``: the standard deviation (n - 1) or error.
                ``minmax``, ``quartiles``: where the values lie.
            task: What tells tasks apart whose runs are put together, as rliable does: the interval is a bootstrap of
                runs within each task.
            states: Runs in these states count; ``None`` for all.
            duplicates: What becomes of several runs of a group that have one value of ``over``: they are refused, the
                ``"newest"`` counts, or ``"keep"``: each counts.

        Returns:
            One row a group; ``description`` and ``notes`` say what the interval is and what does not count.

        Raises:
            ImportError: SciPy or NumPy is needed and not installed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood, arguments do not belong together, or two runs have one value
                of ``over``.
        """
        names = _names(metrics)
        fields = [make_metric(name) for name in names]
        grouping = Grouping(
            by=() if isinstance(by, AllBut) else _names(by, "by", empty=True),
            over=over,
            center=center,
            spread=spread,
            task=task,
            states=_states(states),
            duplicates=duplicates,
        )
        grouping.check()
        columns = _Columns(grouping, by)

        def read() -> AggregateTable:
            found, members = columns.members(list(self._read_records(columns.parts, fields)))
            return aggregate(members, names, found)

        return ApiResponse.of(read)

    def summary(self, metrics: str | Sequence[str]) -> ApiResponse[ValueTable]:
        """Return what these metrics amount to in each run, in one request for each thousand runs.

        Args:
            metrics: Metrics with the statistic that is wanted: ``"val_loss.min"``, ``"val_acc.max"``; without one the
                last value. ``'loss{"split":"val"}'`` is one of a context.

        Returns:
            One row a run: ``run``, ``name``, ``state``, and a column for each metric; ``None`` where a run has none.

        Raises:
            TypeError: ``metrics`` is no list of texts.
            ValueError: A metric cannot be understood.
        """
        names = _names(metrics)
        fields = [make_metric(name) for name in names]

        def read() -> ValueTable:
            records = list(self._read_records((), fields))
            columns = {shown: [getattr(one, name) for one in records] for shown, name in _OWN.items()}
            for place, name in enumerate(names):
                columns[name] = [(record.statistics or ())[place] for record in records]
            absent = [name for name in names if records and all(value is None for value in columns[name])]
            return ValueTable(columns, notes=[f"none of {len(records)} runs has {name}" for name in absent])

        return ApiResponse.of(read)


_OWN = {"run": "id", "name": "name", "state": "state"}


class _Columns:
    """What is read of runs so that they can be grouped."""

    def __init__(self, grouping: Grouping, by: By) -> None:
        self._grouping = grouping
        self._rest = by if isinstance(by, AllBut) else None
        self._by = make_groups(grouping.by or None)
        self._over, self._task = (make_groups(name) for name in (grouping.over, grouping.task))

    @property
    def parts(self) -> tuple[RunPart, ...]:
        """What the listing must carry."""
        types = {field.type for field in (*self._by, *self._over, *self._task)}
        is_configured = self._rest is not None or "CONFIG" in types
        return (*(("config",) if is_configured else ()), *(("summary",) if "SCALAR" in types else ()))

    def members(self, records: Sequence[RunRecord]) -> tuple[Grouping, list[Member]]:
        """Return what is grouped by what, now that the runs are known, and the runs."""
        grouping, by = self._grouping, self._by
        if self._rest is not None:
            known = {field.key for field in (*self._over, *self._task) if field.type == "CONFIG"}
            keys = [key for key in varying_keys(records) if key not in {*self._rest.keys, *known}]
            by = tuple(Field("CONFIG", key) for key in keys)
            grouping = attrs.evolve(grouping, by=tuple(f"config.{key}" for key in keys))
        nothing: list[Any] = [None] * len(records)
        overs, tasks = (
            _column(records, fields[0], name) if fields else nothing
            for fields, name in ((self._over, "over"), (self._task, "task"))
        )
        groups = zip(*(_column(records, field, "by") for field in by), strict=True) if by else [()] * len(records)
        rows = zip(records, groups, overs, tasks, strict=True)
        return grouping, [
            Member(one.id, one.name, one.state, one.created_at_ms, group, over, task, one.statistics or ())
            for one, group, over, task in rows
        ]


def _column(records: Sequence[RunRecord], field: Field, argument: str) -> list[Any]:
    """Return what runs have in a field; a section of the config has no value, and is refused."""
    if field.type != "CONFIG":
        return [field_value(record, field) for record in records]
    found = [value_of(record, field) for record in records]
    for record, held in zip(records, found, strict=True):
        if isinstance(held, Section):
            inner = min(held.names, default="…")
            raise ValueError(  # noqa: TRY004 - it is the caller's value that is wrong
                f"{argument}: config.{field.key} of run {record.id!r} is a section, which has no value; "
                f"name a key in it, such as config.{field.key}.{inner}"
            )
    return found


def varying_keys(records: Sequence[RunRecord]) -> list[str]:
    """Return the keys of configs that are not the same in all runs, in order; a run without a key differs."""
    first: dict[str, Any] = {}
    counts: dict[str, int] = {}
    varying: set[str] = set()
    for record in records:
        for key, value in flatten(record.config or {}):
            held = identity(value)
            counts[key] = counts.get(key, 0) + 1
            if first.setdefault(key, held) != held:
                varying.add(key)
    return sorted(key for key, count in counts.items() if key in varying or count < len(records))


def _names(given: str | Sequence[str], argument: str = "metrics", *, empty: bool = False) -> tuple[str, ...]:
    return texts([given] if isinstance(given, str) else given, argument, empty=empty)


def _states(given: Collection[RunState] | None) -> tuple[RunState, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        raise TypeError("states: expected a list of states, such as ('FINISHED', 'CRASHED'), or None for all")
    return tuple(choice(state, RUN_STATES, "states") for state in given)
