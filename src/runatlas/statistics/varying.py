"""What of the configs of runs varies, and what of it goes with a result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from runatlas.statistics.association import eta_squared, pearson, spearman
from runatlas.statistics.grouping import identity, rank, said
from runatlas.tables.value import ValueTable
from runatlas.terminal import are, counted

__all__ = ["correlate", "count_values", "differing", "varying_keys"]

_SAME_TOLD, _WHOLE_BITS = 20, 1024


def varying_keys(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the keys that are not the same in all rows, in order; a row without a key differs."""
    first: dict[str, Any] = {}
    counts: Counter[str] = Counter()
    varying: set[str] = set()
    for row in rows:
        counts.update(row.keys())
        for key, value in row.items():
            held = identity(value)
            if first.setdefault(key, held) != held:
                varying.add(key)
    return sorted(key for key, count in counts.items() if key in varying or count < len(rows))


def count_values(rows: Sequence[Mapping[str, Any]]) -> ValueTable:
    """Return the keys that vary, each with its values and how many runs have them.

    Args:
        rows: The config of each run, by flat keys.
    """
    keys = varying_keys(rows)
    held: list[list[list[Any]]] = []
    for key in keys:
        values: dict[Hashable, Any] = {}
        counts: Counter[Hashable] = Counter()
        for row in rows:
            if key in row:
                values.setdefault(name := identity(row[key]), row[key])
                counts[name] += 1
        held.append([[values[name], counts[name]] for name in sorted(values, key=lambda one: rank(values[one]))])
    same = len({key for row in rows for key in row}) - len(keys)
    told = [f"{counted(same, 'key')} of the config {are(same)} the same in {_everywhere(len(rows))}"] if same else []
    return ValueTable(
        {
            "key": [f"config.{key}" for key in keys],
            "distinct": [len(values) for values in held],
            "values": held,
            "missing": [len(rows) - sum(count for _, count in values) for values in held],
        },
        description="each value with the number of runs that have it",
        notes=told,
    )


def differing(rows: Sequence[Mapping[str, Any]], runs: Sequence[str]) -> ValueTable:
    """Return what is not the same in all runs, one row a run.

    Args:
        rows: What each run has.
        runs: Their ids.
    """
    keys = set(varying_keys(rows))
    names = [key for key in dict.fromkeys(key for row in rows for key in row) if key in keys]
    same = [f"{key}={said(value)}" for key, value in (rows[0].items() if rows else ()) if key not in keys]
    told = ", ".join(same[:_SAME_TOLD]) + (f" and {len(same) - _SAME_TOLD} more" if same[_SAME_TOLD:] else "")
    return ValueTable(
        {"run": list(runs), **{name: [row.get(name) for row in rows] for name in names}},
        notes=[f"the same in {_everywhere(len(rows))}: {told}"] if same else [],
    )


def _everywhere(count: int) -> str:
    return "the one run" if count == 1 else f"all {count:,} runs"


def correlate(
    rows: Sequence[Mapping[str, Any]], results: Sequence[float | None], metric: str, notes: Sequence[str] = ()
) -> ValueTable:
    """Return how much each key of the config that varies goes with a result, the strongest first.

    Args:
        rows: The config of each run, by flat keys.
        results: The result of each run; what is missing, NaN or infinite does not count.
        metric: What the result is called.
        notes: What is to be said before.
    """
    pairs = [(row, value) for row, value in zip(rows, results, strict=True) if _is_known(value)]
    found = sorted((_correlated(key, pairs) for key in varying_keys([row for row, _ in pairs])), key=_strength)
    names = ("key", "kind", "n", "distinct", "spearman", "pearson", "eta_squared")
    columns: list[list[Any]] = [list(column) for column in zip(*found, strict=True)] or [[] for _ in names]
    absent = len(rows) - len(pairs)
    missed = [f"{absent} of {len(rows)} runs do not count, as {metric} is missing, NaN or infinite"] if absent else []
    return ValueTable(
        dict(zip(names, columns, strict=True)),
        description=f"{metric} by each key that varies: Spearman's and Pearson's correlation of numbers, for other "
        "values eta squared, the share of the variance that lies between them; runs without a key are left out of it",
        notes=(
            *notes,
            *missed,
            "keys that vary together cannot be told apart by this, and with many keys, some correlate by chance",
        ),
    )


def _is_known(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    # A config may have whole numbers that no float can be.
    return isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _WHOLE_BITS


def _correlated(key: str, pairs: Sequence[tuple[Mapping[str, Any], Any]]) -> tuple[Any, ...]:
    held = [(row[key], float(result)) for row, result in pairs if key in row]
    distinct: dict[Hashable, list[float]] = {}
    for value, result in held:
        distinct.setdefault(identity(value), []).append(result)
    name = f"config.{key}"
    if all(_is_known(value) for value, _ in held):
        values = [float(value) for value, _ in held]
        results = [result for _, result in held]
        told = spearman(values, results), pearson(values, results)
        return (name, "number", len(held), len(distinct), *told, None)
    return name, "category", len(held), len(distinct), None, None, eta_squared(distinct.values())


def _strength(row: tuple[Any, ...]) -> tuple[float, str]:
    """The strongest first: a share of variance is compared with a squared correlation."""
    rho, eta = row[4], row[6]
    told = rho * rho if rho is not None else eta if eta is not None else -1.0
    return -told, row[0]
