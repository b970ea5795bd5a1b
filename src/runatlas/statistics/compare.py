"""Two values of a field against each other: how much a result differs between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from runatlas.model.policy import Goal
from runatlas.statistics.difference import mean_difference, paired_difference, probability_larger
from runatlas.statistics.estimate import mean
from runatlas.statistics.grouping import Grouping, LeftOut, Member, choose_members, identity, left_out_words
from runatlas.tables.value import ValueTable

__all__ = ["compare"]


def compare(
    sides: tuple[Sequence[Member], Sequence[Member]],
    metrics: Sequence[str],
    grouping: Grouping,
    *,
    names: tuple[str, str],
    goals: Mapping[str, Goal | None],
) -> ValueTable:
    """Compare two groups of runs: one row a metric.

    Args:
        sides: The runs of the first and of the second value, each with its value of every metric.
        metrics: The metrics.
        grouping: ``over`` is what pairs a run of one side with one of the other; ``None`` compares the groups.
        names: What the sides are called.
        goals: Which way is better, of each metric.

    Raises:
        ImportError: SciPy is not installed.
        ValueError: Two runs of one side could be the partner of one of the other.
    """
    chosen = [choose_members(side, grouping) for side in sides]
    left_out = [item for _, items, _ in chosen for item in items]
    notes: list[str] = []
    rows: list[dict[str, Any]] = []
    for place, metric in enumerate(metrics):
        known, dropped = zip(*(_known(members, place, metric) for members, _, _ in chosen), strict=True)
        left_out += [item for items in dropped for item in items]
        rows.append(_compared(metric, known, grouping, goals.get(metric)))
        if grouping.over is not None:
            notes += _unpaired(metric, known, grouping.over, names)
            huge = (member for member, one, other in _pairs(known) if not math.isfinite(other - one))
            left_out += [LeftOut(member.run, metric, "a difference that is not finite") for member in huge]
    total = sum(map(len, sides))
    columns = {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    return ValueTable(columns, description=_words(grouping, names), notes=(*left_out_words(left_out, total), *notes))


def _known(members: Sequence[Member], place: int, metric: str) -> tuple[list[tuple[Member, float]], list[LeftOut]]:
    found: list[tuple[Member, float]] = []
    left_out: list[LeftOut] = []
    for member in members:
        value = member.values[place]
        if value is None:
            left_out.append(LeftOut(member.run, metric, f"no {metric}"))
        elif not math.isfinite(value):
            left_out.append(LeftOut(member.run, metric, "NaN" if math.isnan(value) else "infinite"))
        else:
            found.append((member, value))
    return found, left_out


def _compared(
    metric: str, known: Sequence[Sequence[tuple[Member, float]]], grouping: Grouping, goal: Goal | None
) -> dict[str, Any]:
    first, second = ([value for _, value in side] for side in known)
    if grouping.over is None:
        found, count = mean_difference(first, second), None
    else:
        pairs = [(one, other) for _, one, other in _pairs(known) if math.isfinite(other - one)]
        found, count = paired_difference([one for one, _ in pairs], [other for _, other in pairs]), len(pairs)
        first, second = [one for one, _ in pairs], [other for _, other in pairs]
    larger = probability_larger(first, second)
    return {
        "metric": metric,
        "first": mean(first) if first else None,
        "second": mean(second) if second else None,
        "difference": found.center,
        "low": found.low,
        "high": found.high,
        "text": str(found),
        "pairs": count,
        "n_first": len(first),
        "n_second": len(second),
        "goal": goal,
        "improvement": None if goal is None or larger is None else larger if goal == "max" else 1 - larger,
        "larger": larger,
    }


def _pairs(known: Sequence[Sequence[tuple[Member, float]]]) -> list[tuple[Member, float, float]]:
    """Return each run of the second side that has a partner, with the values of the partner and its own."""
    partners = {identity(member.over): value for member, value in known[0]}
    return [
        (member, held, value) for member, value in known[1] if (held := partners.get(identity(member.over))) is not None
    ]


def _unpaired(
    metric: str, known: Sequence[Sequence[tuple[Member, float]]], over: str, names: tuple[str, str]
) -> list[str]:
    """Name the runs that have no partner."""
    notes: list[str] = []
    for side, other, name in ((0, 1, names[1]), (1, 0, names[0])):
        there = {identity(member.over) for member, _ in known[other]}
        reason = f"no partner of {name} with its {over}"
        members = [member for member, _ in known[side]]
        alone = [LeftOut(one.run, metric, reason) for one in members if identity(one.over) not in there]
        notes += left_out_words(alone, len(known[side]))
    return notes


def _words(grouping: Grouping, names: tuple[str, str]) -> str:
    first, second = names
    end = (
        "improvement: of all pairs of a run of either, the share in which the second is better (Mann and Whitney; ties "
        "count half), larger: in which it is larger"
    )
    if grouping.over is None:
        return f"difference: mean of {second} less mean of {first} ± half of its 95 % interval (Welch's t); {end}"
    return (
        f"difference: mean over pairs of one {grouping.over} of {second} less {first} ± half of its 95 % confidence "
        f"interval (Student's t, n - 1 degrees of freedom); {end}"
    )
