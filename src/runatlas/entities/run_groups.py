"""Runs in groups of equal values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, Unpack

import attrs

from runatlas.entities.argument import integer, text
from runatlas.entities.backend_handle import BackendHandle
from runatlas.entities.run_algebra import always
from runatlas.entities.run_plot import PlotOptions, draw
from runatlas.entities.run_statistics import FINISHED
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import field_name
from runatlas.model.filters import And, Field, Sort
from runatlas.model.instant import iso_text
from runatlas.model.page import Order
from runatlas.model.policy import Goal
from runatlas.model.run import RunQuery, RunRecord, RunSelection, RunState
from runatlas.model.run_group import GroupValue, Place, RunGroupRecord, group_filter, group_value, place_of
from runatlas.model.run_value import value_of
from runatlas.response import ApiResponse
from runatlas.statistics.aggregate import AggregateTable
from runatlas.statistics.estimate import Center, Spread
from runatlas.statistics.grouping import Duplicates
from runatlas.tables.frame import Tabled
from runatlas.tables.run_group import RunGroupTable
from runatlas.terminal import counted, none_has, printable

__all__ = ["RunGroups"]

if TYPE_CHECKING:
    from runatlas.charts.chart import Chart
    from runatlas.entities.runs import Runs

R = TypeVar("R", bound="Runs")


class RunGroups(Tabled, Generic[R]):
    """Runs in groups of equal values, counted by the store: no run is loaded before it is asked for.

    Iterating yields the values and the runs of each group, which are ``Runs`` again. Values are equal as filters have
    it: ``1``, ``1.0`` and ``True`` are, ``1`` and ``"1"`` are not. Runs that have nothing there make the group of
    ``None``.

    Args:
        fields: What the runs are grouped by.
        handle: The way to the backend.
        query: Tells which runs, and what they carry, when that is first needed.
        make: Makes a listing of a query.

    Example:
        >>> from runatlas import Api
        >>> groups = Api().project("ann/demo").runs().groups("config.model", "config.lr")  # doctest: +SKIP
        >>> groups["resnet", 0.1].delete()  # doctest: +SKIP
    """

    def __init__(
        self,
        fields: tuple[Field, ...],
        handle: BackendHandle,
        query: Callable[[], RunQuery],
        make: Callable[[RunQuery], R],
    ) -> None:
        self._fields = fields
        self._handle = handle
        self._given = query
        self._make = make
        self._settled: RunQuery | None = None
        self._known: tuple[RunGroupRecord, ...] | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """What the runs are grouped by, as filters name it."""
        return tuple(map(field_name, self._fields))

    @property
    def _query(self) -> RunQuery:
        if self._settled is None:
            self._settled = self._given()
        return self._settled

    @property
    def records(self) -> tuple[RunGroupRecord, ...]:
        """The groups as the backend counted them, when they were first asked for.

        Raises:
            RunAtlasError: The request failed.
            ValidationError: There are more than 20,000 groups.
        """
        if self._known is None:
            self._known = self._handle.backend.group_runs(self._query.selection, self._fields)
        return self._known

    def refresh(self) -> Self:
        """Count them anew when they are next asked for: what was changed meanwhile is not seen without it.

        Returns:
            The object itself.
        """
        selection = self._query.selection
        self._handle.forget("/".join(filter(None, (selection.workspace, selection.project))))
        self._settled = self._known = None
        return self

    @property
    def values(self) -> list[tuple[Any, ...]]:
        """The values of each group; times as ISO 8601."""
        return [tuple(map(_shown, self._fields, record.values)) for record in self.records]

    @property
    def notes(self) -> tuple[str, ...]:
        """What none of the runs has of what they are grouped by: mistyped, most likely."""
        columns = zip(self.fields, zip(*(record.values for record in self.records), strict=True), strict=False)
        absent = [name for name, held in columns if all(value is None for value in held)]
        return tuple(none_has(sum(record.count for record in self.records), name) for name in absent)

    def __iter__(self) -> Iterator[tuple[tuple[Any, ...], R]]:
        runs = self._runs()
        return ((values, runs(record)) for values, record in zip(self.values, self.records, strict=True))

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, values: Any) -> R:
        """Return the runs of a group: ``groups["resnet", 0.1]``.

        Raises:
            KeyError: There is no such group.
        """
        record = self._find(values)
        if record is None:
            raise KeyError(f"no run has {values!r} in {', '.join(self.fields)}")
        return self._runs()(record)

    def __contains__(self, values: Any) -> bool:
        return self._find(values) is not None

    def _find(self, values: Any) -> RunGroupRecord | None:
        several = isinstance(values, tuple) and len(values) == len(self._fields)
        # Of one field a tuple may be the values of a group, or the list that its runs have.
        read = [values] if several else []
        wanted = [_places(each) for each in (*read, *([(values,)] if len(self._fields) == 1 else []))]
        known = {_places(held): record for held, record in zip(self.values, self.records, strict=True)}
        return next((known[places] for places in wanted if places in known), None)

    def _ipython_key_completions_(self) -> list[Any]:
        """Complete the groups that were counted already."""
        if self._known is None:
            return []
        return [values if len(values) > 1 else values[0] for values in self.values]

    def _runs(self) -> Callable[[RunGroupRecord], R]:
        """Return what makes the runs of a group."""
        columns = zip(*(record.values for record in self.records), strict=True)
        lists = [[held for held in column if isinstance(held, tuple)] for column in columns]
        known = [list(dict.fromkeys(column)) for column in lists]
        query, asked = self._query, self._query.selection.filter

        def make(record: RunGroupRecord) -> R:
            wanted = group_filter(self._fields, record.values, known)
            both = wanted if asked is None else And((asked, wanted))
            selection = attrs.evolve(query.selection, filter=both)
            runs = self._make(attrs.evolve(query, selection=selection))
            runs._total = record.count  # noqa: SLF001 - they are counted already
            return runs

        return make

    # -- which of them ------------------------------------------------------------------------------------------

    def best(self, metric: str, n: int = 1, *, goal: Goal | None = None) -> R:
        """Return the best runs of each group.

        Args:
            metric: The metric, as ``Runs.best`` takes it: ``"val_loss"`` means the best value that it ever had.
            n: How many of each group at the most; those without a value, or with NaN, are none of them.
            goal: ``"min"`` if the smallest is the best, ``"max"`` if the largest is; without it as
                ``project.define_metric`` recorded it.

        Raises:
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds, or nothing says which way is better.
        """
        return self._parted(metric, n, goal)[0]

    def rest(self, metric: str, n: int = 1, *, goal: Goal | None = None) -> R:
        """Return all runs that are not among the ``best`` of their group: ``groups.rest("val_loss", 3).delete()``.

        Args:
            metric: The metric, as ``best`` takes it.
            n: How many of each group are not in it.
            goal: As ``best`` takes it.

        Raises:
            RunAtlasError: A request failed.
            TypeError: An argument has another type.
            ValueError: An argument is out of bounds, or nothing says which way is better.
        """
        return self._parted(metric, n, goal)[1]

    def _parted(self, metric: str, n: int, goal: Goal | None) -> tuple[R, R]:
        """Part the runs by whether they are among the best of their group."""
        most, selection = integer(n, "n", least=1), self._query.selection
        field, direction = self._make(RunQuery(selection))._better(text(metric, "metric"), goal)  # noqa: SLF001
        order: Order = "ASC" if direction == "min" else "DESC"
        parts: tuple[list[str], list[str]] = ([], [])
        taken: Counter[tuple[Place, ...]] = Counter()
        for run in self._make(RunQuery(selection, sorts=(Sort(field, order),), statistics=(field,))):
            (value,), place = run.record.statistics or (None,), self._place(run.record)
            is_best = value is not None and not math.isnan(value) and taken[place] < most
            taken[place] += is_best
            parts[not is_best].append(run.cuid)
        asked = always(*self._fields, field)
        chosen = (RunSelection(selection.workspace, selection.project, ids=tuple(ids), filter=asked) for ids in parts)
        best, rest = (self._make(attrs.evolve(self._query, selection=part)) for part in chosen)
        return best, rest

    def _place(self, record: RunRecord) -> tuple[Place, ...]:
        return tuple(place_of(group_value(field, value_of(record, field))) for field in self._fields)

    def stats(
        self,
        metrics: str | Sequence[str],
        *,
        over: str | None = None,
        center: Center = "mean",
        spread: Spread = "ci95",
        task: str | None = None,
        states: Collection[RunState] | None = FINISHED,
        duplicates: Duplicates = "refuse",
    ) -> ApiResponse[AggregateTable]:
        """Tell what each group amounts to: ``Runs.aggregate`` by the fields that these groups are made by.

        Args:
            metrics: Metrics with the statistic that counts of each run, such as ``"val_loss.min"``.
            over: What is averaged over, such as ``"config.seed"``.
            center: ``mean``, ``median`` or ``iqm``.
            spread: ``ci95``, ``sd``, ``se``, ``minmax`` or ``quartiles``.
            task: What tells tasks apart whose runs are put together.
            states: Runs in these states count; ``None`` for all.
            duplicates: What becomes of several runs of a group that have one value of ``over``.

        Returns:
            One row a group.

        Raises:
            ImportError: SciPy or NumPy is needed and not installed.
            TypeError: An argument has another type.
            ValueError: An argument cannot be understood, or two runs have one value of ``over``.
        """
        return self._make(self._query).aggregate(
            metrics,
            by=self.fields,
            over=over,
            center=center,
            spread=spread,
            task=task,
            states=states,
            duplicates=duplicates,
        )

    def plot(self, keys: str | Sequence[str] | None = None, **options: Unpack[PlotOptions]) -> Chart:
        """Draw metrics with a colour each group: the mean of its runs and the band that they lie in.

        Args:
            keys: One metric or several; ``None`` for every one, a panel each.
            **options: What ``Runs.plot`` takes, but for ``color``. ``band`` is ``"minmax"`` unless given; with ``None``
                it is a line each run, as with ``smooth`` and another axis than steps.

        Returns:
            The chart, which a notebook shows.

        Raises:
            ImportError: matplotlib is not installed.
            RunAtlasError: A request failed.
            TypeError: An argument has another type, or is ``color``.
            ValueError: An argument cannot be understood.

        Example:
            >>> from runatlas import Api, Run
            >>> for rate in (0.1, 0.1, 0.01):
            ...     with Run(repo="./experiments", experiment="groups") as made:
            ...         made["lr"] = rate
            ...         made.log({"loss": rate})
            >>> runs = Api("./experiments").projects(search="groups").first().runs()
            >>> runs.groups("config.lr").plot("loss")
            <Chart: 2 lines of loss by step>
        """
        if "color" in options:
            raise TypeError("color: colours stand for the groups; leave it out")
        if {"x", "x_axis", "smooth"}.isdisjoint(options):
            options.setdefault("band", "minmax")
        runs = self._make(self._query)
        return draw(runs, keys, options, by=(", ".join(self.fields), self._fields))

    # -- as a table ---------------------------------------------------------------------------------------------

    def table(self) -> RunGroupTable:
        """Return one row a group: its values, how many runs it has, in which states, and when they were made.

        Raises:
            RunAtlasError: The request failed.
        """
        return RunGroupTable(self.fields, self.records, self.values, self.notes)

    def __repr__(self) -> str:
        told = "" if self._known is None else f": {counted(len(self._known), 'group')}"
        return f"RunGroups(by {printable(', '.join(self.fields))}{told})"


def _shown(field: Field, value: GroupValue) -> Any:
    is_time = field.type == "STABLE" and STABLE_FIELDS[field.key] == "time"
    return iso_text(value) if is_time and isinstance(value, int) else value


def _places(values: Iterable[Any]) -> tuple[Place, ...]:
    return tuple(map(place_of, values))
