"""The columns of a table of runs: which there are, which are shown, and what a run has in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice, takewhile
from typing import Any
from urllib.parse import quote

import attrs

from runatlas.display import markup
from runatlas.model.config_name import Section
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import FilterSyntaxError, field_name, parse_field
from runatlas.model.filters import Field, Sort
from runatlas.model.metric import MetricDefinition, find_definition
from runatlas.model.run import RunRecord
from runatlas.model.run_value import flatten, value_of
from runatlas.server.pages.room import Room

__all__ = [
    "Cell",
    "Column",
    "KnownKey",
    "cells",
    "choose_columns",
    "find_columns",
    "known_keys",
    "ordered_columns",
    "shared_config",
    "split_names",
    "unread_columns",
]

_CONFIGS, _METRICS = 6, 4
_COLUMNS_MAX, _NAMES_ROOM = 24, 1200
"""How many columns are shown, and how long their names may be together in an address: links of the table have them."""
_KEYS_MAX, _KEY_LENGTH, _KEYS_ROOM = 150, 120, 20_000
"""How many keys are offered, how long each may be, and how much all of them may fill where one is written."""
_UNREAD, _UNREAD_LENGTH = 5, 200
"""How many columns that cannot be read are told of, and how long that may be of each."""
_ALWAYS = {"name", "state", "labels", "created_at", "duration", "pin", "baseline", "protected", "colors", "show"}
_ABSENT = object()
_ITEM = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|\[[^\]]*\]|\{[^}]*\}|[^,\n"\[{]|["\[{])+""")
_TAIL = re.compile(r"-?\d+(.*)", re.ASCII | re.DOTALL)
_TAIL_MAX = 12


@attrs.frozen
class Column:
    """A column of the table.

    Attributes:
        field: What it shows.
        name: As filters, orders and addresses call it, such as ``config.lr``.
    """

    field: Field
    name: str

    @classmethod
    def of(cls, kind: str, key: str) -> Column:
        """Make the column of a config or a metric."""
        field = Field("CONFIG" if kind == "config" else "SCALAR", key)
        return cls(field, field_name(field))

    @property
    def is_metric(self) -> bool:
        """Whether it shows a number that was measured."""
        return self.field.type == "SCALAR"

    @property
    def kind(self) -> str:
        """What stands before its key: ``config`` or ``summary``, and of a metric which statistic."""
        if self.field.type == "STABLE":
            return ""
        kind = "summary" if self.is_metric else "config"
        return kind if self.field.stat == "last" else f"{kind} · {self.field.stat}"

    @property
    def key(self) -> str:
        """The key of the config or the metric."""
        context = "".join(f" {name}={value}" for name, value in self.field.context)
        return f"{self.field.key.replace('_', ' ') if self.field.type == 'STABLE' else self.field.key}{context}"

    @property
    def is_asked_for(self) -> bool:
        """Whether a listing has to be asked for it: last values without context come with every run."""
        return self.is_metric and (self.field.stat != "last" or bool(self.field.context))


@attrs.frozen
class Cell:
    """What a run has in a column.

    Attributes:
        held: The value; ``None`` for none.
        kind: ``measured`` for a metric, ``number`` for another number, ``time``, or ``""``.
        pad: What a number lacks behind its point so that all of the column are aligned on it.
    """

    held: Any
    kind: str
    pad: str = ""


@attrs.frozen
class KnownKey:
    """A config or a metric that runs of the project have.

    Attributes:
        column: Its column.
        varies: Whether runs have different values of it.
        runs: How many of those that were looked at have it.
    """

    column: Column
    varies: bool
    runs: int


def known_keys(runs: Sequence[RunRecord]) -> tuple[KnownKey, ...]:
    """List the configs and metrics that runs have, configs that vary first, then metrics, then the other configs.

    Args:
        runs: Runs with config and summary.
    """
    configs = _flat(runs)
    counts = Counter(key for config in configs for key in config)
    metrics = Counter(key for run in runs for key in run.summary or {})
    same = shared_config(runs)
    found = [KnownKey(Column.of("config", key), key not in same, count) for key, count in _short(counts)]
    measured = [KnownKey(Column.of("summary", key), varies=True, runs=count) for key, count in _short(metrics)]
    varying = [known for known in found if known.varies]
    offered = (*varying, *measured, *(known for known in found if not known.varies))[:_KEYS_MAX]
    room = Room(_KEYS_ROOM)
    return tuple(takewhile(lambda known: room.takes(escape(known.column.name)), offered))


def _short(counts: Counter[str]) -> list[tuple[str, int]]:
    return [(key, count) for key, count in counts.most_common() if len(key) <= _KEY_LENGTH]


def shared_config(runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return the config that several runs have in common; nothing of one run."""
    configs = _flat(runs)
    if len(configs) < 2:
        return {}
    return {key: held for key, held in configs[0].items() if _is_same(key, configs)}


def _flat(runs: Iterable[RunRecord]) -> list[dict[str, Any]]:
    return [dict(flatten(run.config or {})) for run in runs]


def _is_same(key: str, configs: Sequence[Mapping[str, Any]]) -> bool:
    first = configs[0].get(key, _ABSENT)
    return all(type(held := config.get(key, _ABSENT)) is type(first) and held == first for config in configs)


def find_columns(texts: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns that an address names, in its order; what is none is left out.

    Args:
        texts: Names with commas between them.
    """
    return _bounded(_column(name) for text in texts for name in split_names(text))


def unread_columns(texts: Iterable[str]) -> tuple[str, ...]:
    """Say what is wrong with columns that an address names and that are none, of several with the first ones.

    Args:
        texts: Names with commas between them.
    """
    return tuple(islice(filter(None, (_problem(name) for text in texts for name in split_names(text))), _UNREAD))


def _problem(name: str) -> str:
    if _column(name) is not None:
        return ""
    try:
        parse_field(name, argument="columns")
    except FilterSyntaxError as error:
        return f"columns: {error.reason}"[:_UNREAD_LENGTH]
    return ""


def ordered_columns(columns: Sequence[Column], sorts: Iterable[Sort]) -> tuple[Column, ...]:
    """Return columns with those before them that runs are ordered by and that are not among them.

    Args:
        columns: The columns.
        sorts: What runs are ordered by.
    """
    shown = {column.name for column in columns}
    missing = [column for sort in sorts if (column := _column_of(sort.field)) is not None and column.name not in shown]
    return _bounded([*missing, *columns]) if missing else tuple(columns)


def _bounded(columns: Iterable[Column | None]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for column in columns:
        if column is None or len(found) == _COLUMNS_MAX:
            continue
        if sum(len(quote(name)) for name in (*found, column.name)) <= _NAMES_ROOM:
            found.setdefault(column.name, column)
    return tuple(found.values())


def split_names(text: str) -> list[str]:
    """Return the names of a text, with commas or lines between them.

    Example:
        >>> split_names('config["a,b"].c, loss{"of": "x", "n": 1}.min,,name')
        ['config["a,b"].c', 'loss{"of": "x", "n": 1}.min', 'name']
    """
    return list(filter(None, map(str.strip, _ITEM.findall(text))))


def _column(name: str) -> Column | None:
    try:
        field = parse_field(name, argument="columns") if name else None
    except FilterSyntaxError:
        # A key that filters need quotes for, such as ``summary.train/loss``, is understood without them too.
        kind, _, key = name.partition(".")
        return Column.of(kind, key) if kind in {"config", "summary"} and key else None
    return None if field is None else _column_of(field)


def _column_of(field: Field) -> Column | None:
    if field.stat == "len" or (field.type == "STABLE" and field.key in _ALWAYS):
        return None
    return Column(field, field_name(field))


def choose_columns(
    runs: Sequence[RunRecord], sorts: Sequence[Sort] = (), definitions: Sequence[MetricDefinition] = ()
) -> tuple[Column, ...]:
    """Choose what is shown of runs if nothing is asked for: configs that vary, metrics with a goal, then frequent ones.

    Args:
        runs: The runs.
        sorts: What they are ordered by, which comes first.
        definitions: What the project says of its metrics.
    """
    same = shared_config(runs)
    keys = dict.fromkeys(key for config in _flat(runs) for key in config)
    differing = [key for key in keys if key not in same][:_CONFIGS]
    counts = [key for key, _ in Counter(key for run in runs for key in run.summary or {}).most_common()]
    metrics = sorted(counts, key=lambda key: _place(definitions, key))[:_METRICS]
    configs = (Column.of("config", key) for key in differing)
    return _bounded((*ordered_columns((), sorts), *configs, *(Column.of("summary", key) for key in metrics)))


def _place(definitions: Sequence[MetricDefinition], key: str) -> int:
    """Return where a metric comes among those that have a goal; behind all of them if it has none."""
    found = find_definition(definitions, key)
    return len(definitions) if found is None or found.goal is None else definitions.index(found)


def cells(runs: Sequence[RunRecord], columns: Sequence[Column]) -> Iterator[tuple[Cell, ...]]:
    """Yield what each run has in the columns.

    Args:
        runs: Runs with config, summary, and the statistics of those columns that are asked for, in order.
        columns: The columns.
    """
    asked = [column for column in columns if column.is_asked_for]
    rows = []
    for run in runs:
        told = dict(zip(asked, run.statistics or (), strict=False))
        rows.append([told.get(column) if column.is_asked_for else _held(run, column.field) for column in columns])
    by_column = [_aligned(column, values) for column, values in zip(columns, zip(*rows, strict=True), strict=False)]
    return zip(*by_column, strict=True) if columns else iter([()] * len(runs))


def _held(run: RunRecord, field: Field) -> Any:
    held = value_of(run, field)
    if isinstance(held, Section):
        return "{…}"
    return ", ".join(held) if isinstance(held, tuple) else None if held == "" else held


def _aligned(column: Column, values: Sequence[Any]) -> list[Cell]:
    tails = {place: _tail(column, held) for place, held in enumerate(values) if _is_number(held)}
    widest = min(max(map(len, tails.values()), default=0), _TAIL_MAX)
    if column.field.type == "STABLE" and STABLE_FIELDS[column.field.key] == "time":
        return [Cell(held, "time") for held in values]
    kind = "measured" if column.is_metric else "number"
    return [
        Cell(held, kind, _pad(tails[place], widest)) if place in tails else Cell(held, "measured" * column.is_metric)
        for place, held in enumerate(values)
    ]


def _is_number(held: Any) -> bool:
    return isinstance(held, (int, float)) and not isinstance(held, bool)


def _tail(column: Column, held: float) -> str:
    """Return what stands behind the whole digits of a number as it is shown."""
    shown = markup.number(held).text if column.is_metric else markup.value(held).text
    found = _TAIL.fullmatch(shown)
    return found[1] if found else ""


def _pad(tail: str, widest: int) -> str:
    lacking = widest - len(tail)
    if lacking <= 0:
        return ""
    return "0" * lacking if tail else "." + "0" * (lacking - 1)
