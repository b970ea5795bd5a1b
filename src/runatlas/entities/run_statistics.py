"""What many runs amount to together: aggregates, comparisons, and what of their configs goes with their results."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import attrs

from runatlas.entities.argument import choice, integer, one_or_more
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.metric_name import make_metric
from runatlas.entities.metric_reading import make_metric_request, read_metrics
from runatlas.entities.run_query import has_number, make_groups
from runatlas.model.config_name import Section
from runatlas.model.filters import And, Field, Sort
from runatlas.model.ids import ProjectPath
from runatlas.model.metric import MetricDefinition, find_definition
from runatlas.model.policy import Goal
from runatlas.model.run import RUN_STATES, RunPart, RunRecord, RunSelection, RunState
from runatlas.model.run_value import field_value, flatten, value_of
from runatlas.response import ApiResponse
from runatlas.statistics.aggregate import AggregateTable, aggregate
from runatlas.statistics.compare import compare
from runatlas.statistics.curve import aggregate_runs
from runatlas.statistics.estimate import Center, Spread
from runatlas.statistics.grouping import AllBut, Duplicates, Grouping, Member, identity, said, split
from runatlas.statistics.varying import correlate, count_values, differing, varying_keys
from runatlas.tables.metric import make_metric_table
from runatlas.tables.run import RunTable
from runatlas.tables.series import Series
from runatlas.tables.value import ValueTable
from runatlas.terminal import none_has

if TYPE_CHECKING:
    from runatlas.entities.run import Run
    from runatlas.entities.runs import Runs

__all__ = ["FINISHED", "By", "RunStatistics"]

By: TypeAlias = str | Sequence[str] | AllBut
"""Fields that tell groups apart, or every key that varies but some."""

FINISHED: tuple[RunState, ...] = ("FINISHED",)
"""The states of the runs that count unless told otherwise."""


class RunStatistics(ABC):
    """Runs of which statistics can be asked."""

    _handle: BackendHandle

    @abstractmethod
    def _read_records(
        self, parts: Sequence[RunPart], statistics: Sequence[Field], config_keys: Sequence[str] | None = None
    ) -> Iterator[RunRecord]:
        """Read the runs with these parts and statistics, a page a request; of configs perhaps these names only."""

    @abstractmethod
    def _place(self) -> tuple[str, str | None]:
        """Return the workspace, and the project if all of them are of one."""

    @abstractmethod
    def _table(self) -> RunTable:
        """Return one row a run."""

    @abstractmethod
    def selection(self) -> RunSelection:
        """Return these runs as a selection."""

    @abstractmethod
    def _notes_of(self, fields: Sequence[Field]) -> tuple[str, ...]:
        """Ask what of these configs and metrics no run has."""

    @abstractmethod
    def _first_of(self, selection: RunSelection, sorts: Sequence[Sort], n: int | None) -> Runs:
        """Return the first runs of a selection in an order; without ``n`` all."""

    def _definitions(self, metrics: Mapping[str, Field]) -> dict[str, MetricDefinition]:
        """Read what their project says of metrics, by what they are called."""
        workspace, project = self._place()
        told = () if project is None else self._handle.backend.get_project(ProjectPath(workspace, project)).metrics
        found = {name: find_definition(told, field.key) for name, field in metrics.items()}
        return {name: held or MetricDefinition(metrics[name].key) for name, held in found.items()}

    def _near(self, fields: Sequence[Field], results: Sequence[Sequence[Any]]) -> tuple[str, ...]:
        """Say which of these fields no run of the project has, and what is near; asks if none of these has one.

        Args:
            fields: The fields.
            results: What each run has of them.
        """
        looked = [(place, field) for place, field in enumerate(fields) if field.type != "STABLE"]
        absent = [field for place, field in looked if all(result[place] is None for result in results)]
        return self._notes_of(absent) if results and absent else ()

    def _read_curves(self, cuids: Sequence[str], keys: Sequence[str]) -> Iterable[Series]:
        """Read all points of these metrics of some of the runs."""
        request = make_metric_request(keys, sample=1, all=True, range_query=None, context=None, ignore_timestamp=True)
        chosen = RunSelection(*self._place(), ids=tuple(cuids))
        return make_metric_table(read_metrics(self._handle, chosen, request, project_id=str)).series

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

        One request for each thousand runs, and one for the project; no point of a series is read. What does not count
        is counted and named: runs in other states, values that are NaN or infinite, runs without the metric. A group of
        one value has no interval.

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
        names = one_or_more(metrics, "metrics")
        fields = [make_metric(name) for name in names]
        grouping = Grouping(
            by=() if isinstance(by, AllBut) else one_or_more(by, "by", empty=True),
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
            found, members = columns.members(self._read_records(columns.parts, fields, columns.config_keys))
            told = self._definitions(dict(zip(names, fields, strict=True)))
            near = self._near(fields, [one.values for one in members])
            goals = {name: told[name].goal for name in names}
            return aggregate(members, names, found, goals, units=_units(told), notes=near)

        return ApiResponse.of(read)

    def table(self, metrics: str | Sequence[str] = ()) -> ApiResponse[RunTable]:
        """Return one row a run: its own fields, ``config.…`` and ``summary.…``.

        Args:
            metrics: Columns beside the last values, named as ``aggregate`` names metrics: ``"val_loss.min"`` makes the
                column ``summary.val_loss.min``, ``'loss{"split":"val"}'`` that of the last value in a context.

        Returns:
            The table; metrics that no run has are ``missing``.

        Raises:
            TypeError: ``metrics`` is no list of texts.
            ValueError: A metric cannot be understood.
        """
        names = one_or_more(metrics, "metrics", empty=True)
        if not names:
            return ApiResponse.of(self._table)
        fields = [make_metric(name) for name in names]

        def read() -> RunTable:
            records = list(self._read_records(("config", "summary"), fields))
            units = _units(self._definitions(dict(zip(names, fields, strict=True))), "summary.")
            notes = self._near(fields, [one.statistics or (None,) * len(fields) for one in records])
            return RunTable(records, metrics=names, units=units, notes=notes)

        return ApiResponse.of(read)

    def summary(self, metrics: str | Sequence[str]) -> ApiResponse[ValueTable]:
        """Return what these metrics amount to in each run, in one request for each thousand runs, and one for units.

        Args:
            metrics: Metrics with the statistic that is wanted: ``"val_loss.min"``, ``"val_acc.max"``; without one the
                last value. ``'loss{"split":"val"}'`` is one of a context.

        Returns:
            One row a run: ``run``, ``name``, ``state``, and a column for each metric; ``None`` where a run has none.
            A metric that is called as one of these three has the column ``summary.state``, say.

        Raises:
            TypeError: ``metrics`` is no list of texts.
            ValueError: A metric cannot be understood.
        """
        names = one_or_more(metrics, "metrics")
        fields = [make_metric(name) for name in names]

        def read() -> ValueTable:
            records = list(self._read_records((), fields))
            columns = {shown: [getattr(one, name) for one in records] for shown, name in _OWN.items()}
            shown = [f"summary.{name}" if name in _OWN else name for name in names]
            held = [one.statistics or (None,) * len(fields) for one in records]
            for place, column in enumerate(shown):
                columns[column] = [results[place] for results in held]
            pairs = zip(names, shown, strict=True)
            absent = [name for name, column in pairs if records and all(value is None for value in columns[column])]
            told = self._definitions(dict(zip(shown, fields, strict=True)))
            notes = (*(none_has(len(records), name) for name in absent), *self._near(fields, held))
            return ValueTable(columns, notes=notes, units=_units(told))

        return ApiResponse.of(read)

    @overload
    def best(self, metric: str, n: None = None, *, goal: Goal | None = None) -> Run | None: ...
    @overload
    def best(self, metric: str, n: int, *, goal: Goal | None = None) -> Runs: ...
    def best(self, metric: str, n: int | None = None, *, goal: Goal | None = None) -> Run | Runs | None:
        """Return the best of these runs, whatever their state.

        Runs without the metric are never the best, nor are those whose value is NaN; of equally good ones that comes
        first which a listing has first: pinned, then newer ones.

        Args:
            metric: The metric: ``"val_loss"`` means the best value that it ever had, ``"val_loss.last"`` its last one;
                ``'loss{"split":"val"}'`` is one of a context.
            n: How many; without it the one that is best.
            goal: ``"min"`` or ``"max"``; without it as ``project.define_metric`` recorded it.

        Returns:
            The run, ``None`` if no run has the metric, with a ``UserWarning`` that says what is near if no run of the
            project has it; with ``n`` so many runs, the best first.

        Raises:
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: The metric cannot be understood, or nothing says which way is better.
        """
        most = None if n is None else integer(n, "n", least=1)
        field, direction = self._better(metric, goal)
        selection = self.selection()
        wanted = has_number(field) if selection.filter is None else (selection.filter, *has_number(field))
        chosen = attrs.evolve(selection, filter=And(wanted))
        found = self._first_of(chosen, (Sort(field, "ASC" if direction == "min" else "DESC"),), most or 1)
        if most is not None:
            return found
        best = found.first()
        if best is None:
            for said_of_it in self._notes_of((field,)):
                warnings.warn(f"best: {said_of_it}", stacklevel=2)
        return best

    def _better(self, metric: str, goal: Goal | None) -> tuple[Field, Goal]:
        """Return which statistic of a metric makes a run better than another, and which way."""
        direction = _goal(goal) or self._definitions({metric: make_metric(metric)})[metric].goal
        if direction is None:
            raise ValueError(
                f"goal: nothing says which way {metric!r} is better; give goal='min' or goal='max', or say it once for "
                f"the project: project.define_metric({make_metric(metric).key!r}, goal='min')"
            )
        return make_metric(metric, stat=direction), direction

    def compare(
        self,
        field: str,
        first: Any,
        second: Any,
        metrics: str | Sequence[str],
        *,
        pair: str | None = None,
        goal: Goal | None = None,
        states: Collection[RunState] | None = FINISHED,
        duplicates: Duplicates = "refuse",
    ) -> ApiResponse[ValueTable]:
        """Compare the runs that have one value of a field with those that have another.

        Args:
            field: The field, such as ``"config.lr"``.
            first: One value.
            second: The other.
            metrics: Metrics with the statistic that counts of each run, as ``aggregate`` takes them.
            pair: What makes pairs of runs, such as ``"config.seed"``: their differences are averaged, with the interval
                of Student's t. Without it the means of both groups are compared, with the interval of Welch's t.
            goal: ``"min"`` or ``"max"``; without it as ``project.define_metric`` recorded it.
            states: Runs in these states count; ``None`` for all.
            duplicates: What becomes of several runs of one side with one value of ``pair``: ``"refuse"`` or
                ``"newest"``.

        Returns:
            One row a metric: ``difference`` (second less first) from ``low`` to ``high``, how many ``pairs``, and
            ``improvement``: how often the second is better, from 0 to 1. Runs without a partner are named in ``notes``.

        Raises:
            ImportError: SciPy is not installed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood, or two runs could be the partner of one.
        """
        names = one_or_more(metrics, "metrics")
        fields = [make_metric(name) for name in names]
        if duplicates == "keep":
            raise ValueError("duplicates: a run has one partner; use 'refuse' or 'newest'")
        grouping = Grouping(by=(field,), over=pair, states=_states(states), duplicates=duplicates, is_paired=True)
        grouping.check()
        columns, given = _Columns(grouping, (field,)), _goal(goal)

        def read() -> ValueTable:
            found, members = columns.members(self._read_records(columns.parts, fields, columns.config_keys))
            sides = tuple(
                [one for one in members if identity(one.group[0]) == identity(side)] for side in (first, second)
            )
            for side, value in zip(sides, (first, second), strict=True):
                if not side:
                    if members and all(one.group[0] is None for one in members):
                        raise ValueError(f"field: {none_has(len(members), field)}")
                    known = ", ".join(said(group[0]) for group, _ in split(members, lambda one: one.group)[:5])
                    raise ValueError(f"no run has {field}={said(value)}; there are {known or 'no runs'}")
            told = {} if given else self._definitions(dict(zip(names, fields, strict=True)))
            return compare(
                (sides[0], sides[1]),
                names,
                found,
                names=(f"{field}={said(first)}", f"{field}={said(second)}"),
                goals={name: given or told[name].goal for name in names},
            )

        return ApiResponse.of(read)

    def aggregate_curves(
        self,
        keys: str | Sequence[str],
        *,
        by: By = (),
        over: str | None = None,
        center: Center = "mean",
        spread: Spread = "ci95",
        states: Collection[RunState] | None = FINISHED,
        duplicates: Duplicates = "refuse",
        resample: int | None = None,
    ) -> ApiResponse[ValueTable]:
        """Tell what the curves of groups of runs amount to at each step.

        Every point of these metrics is read. A step counts where all runs of a group that begin before and end after it
        have a point: when a run ends, n falls, and nothing is carried forward.

        Args:
            keys: Metric keys.
            by: What tells groups apart, as ``aggregate`` takes it.
            over: What is averaged over.
            center: The centre.
            spread: The interval.
            states: Runs in these states count; ``None`` for all.
            duplicates: What becomes of several runs of a group that have one value of ``over``.
            resample: Read the curves of a group at so many steps, equally far apart, each on the line between its own
                points: for runs that log at different steps. Never done unless it is asked for.

        Returns:
            One row a group, metric and step: ``center``, ``low``, ``high``, ``n``.

        Raises:
            ImportError: SciPy or NumPy is needed and not installed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood, or two runs have one value of ``over``.
        """
        names = one_or_more(keys, "keys")
        grouping = Grouping(
            by=() if isinstance(by, AllBut) else one_or_more(by, "by", empty=True),
            over=over,
            center=center,
            spread=spread,
            states=_states(states),
            duplicates=duplicates,
        )
        grouping.check()
        count = None if resample is None else integer(resample, "resample", least=2, most=100_000)
        columns = _Columns(grouping, by)

        def read() -> ValueTable:
            found, members = columns.members(self._read_records(columns.parts, (), columns.config_keys))
            return aggregate_runs(members, names, found, self._read_curves, resample=count)

        return ApiResponse.of(read)

    def varying(self) -> ApiResponse[ValueTable]:
        """Tell which keys of the config are not the same in all these runs, and which values they have.

        Returns:
            One row a key: ``distinct`` values, ``values`` as pairs of a value and its number of runs, and how many runs
            are ``missing`` it.
        """
        return ApiResponse.of(lambda: count_values(_flat(self._read_records(("config",), ()))))

    def diff(self) -> ApiResponse[ValueTable]:
        """Tell how these runs differ: in state, config and last values; what is the same in all is left out.

        Returns:
            One row a run, one column for each that differs; ``notes`` tell what is the same.
        """

        def read() -> ValueTable:
            records = list(self._read_records(("config", "summary"), ()))
            rows = [
                {
                    **{name: getattr(record, name) for name in _TOLD},
                    **{f"config.{key}": value for key, value in flatten(record.config or {})},
                    **{f"summary.{key}": value for key, value in (record.summary or {}).items()},
                }
                for record in records
            ]
            return differing(rows, [record.id for record in records])

        return ApiResponse.of(read)

    def correlation(self, metric: str, *, states: Collection[RunState] | None = FINISHED) -> ApiResponse[ValueTable]:
        """Tell how much each key of the config that varies goes with a result.

        Args:
            metric: The metric with the statistic that counts of each run, as ``aggregate`` takes it.
            states: Runs in these states count; ``None`` for all.

        Returns:
            One row a key, the strongest first: ``n`` runs, Spearman's and Pearson's correlation of numbers, or
            ``eta_squared`` of other values: the share of the variance that lies between them.

        Raises:
            TypeError: An argument has another type.
            ValueError: The metric cannot be understood.
        """
        wanted, counted = make_metric(metric), _states(states)

        def read() -> ValueTable:
            records = list(self._read_records(("config",), [wanted]))
            chosen = [record for record in records if counted is None or record.state in counted]
            others = Counter(record.state for record in records if counted is not None and record.state not in counted)
            notes = [
                f"{count} of {len(records)} runs do not count, as they are {state}" for state, count in others.items()
            ]
            results = [(record.statistics or (None,))[0] for record in chosen]
            if results and all(result is None for result in results):
                notes += self._notes_of((wanted,))
            return correlate(_flat(chosen), results, metric, notes)

        return ApiResponse.of(read)


_TOLD = ("name", "state", "group", "job_type", "labels")
_OWN = {"run": "id", "name": "name", "state": "state"}


class _Columns:
    """What is read of runs so that they can be grouped."""

    def __init__(self, grouping: Grouping, by: By) -> None:
        __tracebackhide__ = True
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

    @property
    def config_keys(self) -> tuple[str, ...] | None:
        """The names in configs that are looked at; ``None`` for all."""
        named = (*self._by, *self._over, *self._task)
        return None if self._rest is not None else tuple(field.key for field in named if field.type == "CONFIG")

    def members(self, records: Iterable[RunRecord]) -> tuple[Grouping, list[Member]]:
        """Return what is grouped by what, now that the runs are known, and the runs: no record is kept."""
        if self._rest is not None:
            return self._by_all_but(self._rest, list(records))
        by = self._by
        return self._grouping, [self._member(one, tuple(field_value(one, field) for field in by)) for one in records]

    def _by_all_but(self, rest: AllBut, records: Sequence[RunRecord]) -> tuple[Grouping, list[Member]]:
        configs = _flat(records)
        known = {field.key for field in (*self._over, *self._task) if field.type == "CONFIG"}
        keys = [key for key in varying_keys(configs) if key not in {*rest.keys, *known}]
        grouping = attrs.evolve(self._grouping, by=tuple(f"config.{key}" for key in keys))
        pairs = zip(records, configs, strict=True)
        return grouping, [self._member(one, tuple(map(config.get, keys))) for one, config in pairs]

    def _member(self, one: RunRecord, group: tuple[Any, ...]) -> Member:
        over = _held(one, self._over[0], "pair" if self._grouping.is_paired else "over") if self._over else None
        task = _held(one, self._task[0], "task") if self._task else None
        return Member(one.id, one.cuid, one.state, one.created_at_ms, group, over, task, one.statistics or ())


def _held(record: RunRecord, field: Field, argument: str) -> Any:
    """Return what a run has in a field; a section of the config has no value, and is refused."""
    if field.type != "CONFIG":
        return field_value(record, field)
    held = value_of(record, field)
    if isinstance(held, Section):
        inner = min(held.names, default="…")
        raise ValueError(  # noqa: TRY004 - it is the caller's value that is wrong
            f"{argument}: config.{field.key} of run {record.id!r} is a section, which has no value; "
            f"name a key in it, such as config.{field.key}.{inner}"
        )
    return held


def _flat(records: Iterable[RunRecord]) -> list[dict[str, Any]]:
    return [dict(flatten(record.config or {})) for record in records]


def _goal(given: Goal | None) -> Goal | None:
    goals: tuple[Goal, ...] = ("min", "max")
    return None if given is None else choice(given, goals, "goal")


def _units(told: Mapping[str, MetricDefinition], before: str = "") -> dict[str, str]:
    """Return the units of those that have one, by the name of the column."""
    return {f"{before}{name}": held.unit for name, held in told.items() if held.unit}


def _states(given: Collection[RunState] | None) -> tuple[RunState, ...] | None:
    if given is None:
        return None
    if isinstance(given, str):
        raise TypeError("states: expected a list of states, such as ('FINISHED', 'CRASHED'), or None for all")
    return tuple(choice(state, RUN_STATES, "states") for state in given)
