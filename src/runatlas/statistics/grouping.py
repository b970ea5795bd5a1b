"""Runs put together by what they have in common, with those that do not count counted and named."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import Any, Literal, TypeAlias, get_args

import attrs

from runatlas.display.markup import written
from runatlas.model.codec import dumps
from runatlas.model.run_group import place_of
from runatlas.statistics.estimate import Center, Spread, check_estimate, interval_words
from runatlas.terminal import none_has

__all__ = [
    "DUPLICATES",
    "AllBut",
    "Duplicates",
    "Grouping",
    "LeftOut",
    "Member",
    "all_but",
    "choose_members",
    "identity",
    "left_out_words",
    "rank",
    "said",
    "split",
    "unknown_fields",
]

Duplicates: TypeAlias = Literal["refuse", "newest", "keep"]
DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)

_NAMED_MAX = 5


@attrs.frozen
class AllBut:
    """Every key of the config that varies among the runs, except these."""

    keys: tuple[str, ...]


def all_but(*keys: str) -> AllBut:
    """Group by every key of the config that varies among the runs, except these.

    Args:
        *keys: Keys of the config, such as ``"seed"`` or ``"config.seed"``.

    Returns:
        What ``by=`` of an aggregate takes.

    Raises:
        TypeError: A key is no text.
        ValueError: No key is given.

    Example:
        >>> all_but("config.seed", "optim.name")
        AllBut(keys=('seed', 'optim.name'))
    """
    if not all(isinstance(key, str) for key in keys):
        raise TypeError("all_but: expected keys of the config, such as 'seed'")
    if not keys:
        raise ValueError("all_but: name at least one key, such as 'seed'")
    return AllBut(tuple(key.removeprefix("config.") for key in keys))


@attrs.frozen
class Member:
    """A run as an aggregate sees it.

    Attributes:
        run: Its id.
        cuid: The store's id of it.
        state: Its state.
        created_at_ms: When it was made.
        group: What it has in the fields of ``by``.
        over: What it has in the field that is averaged over; ``None`` for nothing.
        task: What it has in the field of tasks; ``None`` for nothing.
        values: What it has of each metric; ``None`` for nothing.
    """

    run: str
    cuid: str
    state: str
    created_at_ms: int
    group: tuple[Any, ...] = ()
    over: Any = None
    task: Any = None
    values: tuple[Any, ...] = ()


@attrs.frozen
class LeftOut:
    """A run, or its value of one metric, that does not count.

    Attributes:
        run: The run's id.
        metric: The metric; ``""`` if nothing of the run counts.
        reason: Why, such as ``CRASHED``, ``NaN`` or ``no config.seed``.
    """

    run: str
    metric: str
    reason: str


@attrs.frozen
class Grouping:
    """What is grouped by what, averaged over what, and how.

    Attributes:
        by: The fields that tell groups apart.
        over: The field that is averaged over; ``None`` for runs, whatever they differ in.
        center: The centre.
        spread: The interval.
        task: The field that tells tasks apart.
        states: The states of the runs that count; ``None`` for all.
        duplicates: What becomes of several runs of a group that have one value of ``over``.
        is_paired: Whether ``over`` makes pairs: it was given as ``pair``.
    """

    by: tuple[str, ...]
    over: str | None = None
    center: Center = "mean"
    spread: Spread = "ci95"
    task: str | None = None
    states: tuple[str, ...] | None = ("FINISHED",)
    duplicates: Duplicates = "refuse"
    is_paired: bool = False

    def check(self) -> None:
        """Check that its parts belong together.

        Raises:
            ValueError: They do not.
        """
        check_estimate(self.center, self.spread, by_task=self.task is not None)
        if self.duplicates not in DUPLICATES:
            raise ValueError(f"duplicates: expected one of {', '.join(DUPLICATES)}, got {self.duplicates!r}")
        if self.is_paired and self.over in self.by:
            raise ValueError(f"pair: {self.over!r} tells the two sides apart, and cannot make pairs of them")
        for name, field in (("over", self.over), ("task", self.task)):
            if field is not None and field in self.by:
                raise ValueError(f"by: {field!r} is {name} already, and cannot tell groups apart as well")

    @property
    def words(self) -> str:
        """What the centre and the interval are."""
        return interval_words(self.center, self.spread, self.over or "runs", task=self.task)


def identity(value: Any) -> Hashable:
    """Return what is equal for values that filters and groups hold for equal; of an object its JSON text.

    Example:
        >>> identity(1) == identity(1.0) != identity("1"), identity([1, 2]) == identity([1.0, 2])
        (True, True)
    """
    return ("json", dumps(value)) if isinstance(value, dict) else place_of(value)


def rank(value: Any) -> tuple[int, Any]:
    """Return a key that sorts values of several types: numbers, then texts, then all others, nothing at the end."""
    if value is None:
        return 3, ""
    if isinstance(value, (int, float)):
        return (2, "NaN") if isinstance(value, float) and math.isnan(value) else (0, value)
    return (1, value) if isinstance(value, str) else (2, dumps(value))


def said(value: Any) -> str:
    """Write a value for a sentence, not too long: texts in quotation marks."""
    return repr(value) if isinstance(value, str) else written(value)


def split(
    members: Iterable[Member], key: Callable[[Member], tuple[Any, ...]]
) -> list[tuple[tuple[Any, ...], list[Member]]]:
    """Put members of one key together, groups in the order of their keys."""
    groups: dict[Hashable, tuple[tuple[Any, ...], list[Member]]] = {}
    for member in members:
        values = key(member)
        groups.setdefault(tuple(map(identity, values)), (values, []))[1].append(member)
    return sorted(groups.values(), key=lambda group: tuple(map(rank, group[0])))


def choose_members(members: Sequence[Member], grouping: Grouping) -> tuple[list[Member], list[LeftOut], int]:
    """Return those members of one group that count, and those that do not.

    Args:
        members: The runs of a group.
        grouping: How they are grouped.

    Returns:
        The members that count, those that do not, and how many count although another has their value of ``over``.

    Raises:
        ValueError: Several have one value of ``over``, and nothing says what becomes of them.
    """
    kept: list[Member] = []
    left_out: list[LeftOut] = []
    for member in members:
        if grouping.states is not None and member.state not in grouping.states:
            left_out.append(LeftOut(member.run, "", member.state))
        elif grouping.over is not None and member.over is None:
            left_out.append(LeftOut(member.run, "", f"no {grouping.over}"))
        elif grouping.task is not None and member.task is None:
            left_out.append(LeftOut(member.run, "", f"no {grouping.task}"))
        else:
            kept.append(member)
    if grouping.over is None:
        return kept, left_out, 0
    newest: dict[Hashable, Member] = {}
    repeated = 0
    for member in kept:
        taken = (identity(member.over), identity(member.task))
        known = newest.setdefault(taken, member)
        if known is not member:
            repeated += 1
            _require_choice(grouping, known, member)
            newest[taken] = max(known, member, key=lambda one: one.created_at_ms)
    if not repeated or grouping.duplicates == "keep":
        return kept, left_out, repeated
    reason = f"an older run of its {grouping.over}"
    taken_runs = {id(member) for member in newest.values()}
    left_out += [LeftOut(member.run, "", reason) for member in kept if id(member) not in taken_runs]
    return list(newest.values()), left_out, 0


def _require_choice(grouping: Grouping, first: Member, second: Member) -> None:
    if grouping.duplicates != "refuse":
        return
    where = ", ".join(f"{name}={said(value)}" for name, value in zip(grouping.by, first.group, strict=True))
    absent = [name for name, value in zip(grouping.by, first.group, strict=True) if value is None]
    lacking = f"no run of this group has {' or '.join(absent)}, and " if absent else ""
    if grouping.is_paired:
        raise ValueError(
            f"pair: runs {first.run!r} and {second.run!r} of {where} both have {grouping.over}={said(first.over)}, and "
            "a run has one partner; filter the runs by what else they differ in, or say duplicates='newest' for the "
            "newest of each"
        )
    raise ValueError(
        f"over: {lacking}runs {first.run!r} and {second.run!r} of {where or 'the one group'} both have "
        f"{grouping.over}={said(first.over)}, and would count twice; group by what else they differ in "
        f"(by=all_but({(grouping.over or '').removeprefix('config.')!r}) takes all of it), or say "
        "duplicates='newest' for the newest of each, or duplicates='keep' if each is a value of its own"
    )


def unknown_fields(members: Sequence[Member], grouping: Grouping) -> list[str]:
    """Say which fields of ``by`` no run has: they are mistyped, or there is nothing to tell apart by them."""
    empty = (name for place, name in enumerate(grouping.by) if all(one.group[place] is None for one in members))
    return [none_has(len(members), name) for name in empty] if members else []


def left_out_words(left_out: Sequence[LeftOut], total: int) -> tuple[str, ...]:
    """Say which runs and values do not count: a sentence a reason, with the first few named.

    Args:
        left_out: What does not count.
        total: How many runs there are.

    Example:
        >>> left_out_words([LeftOut("a", "", "CRASHED"), LeftOut("b", "loss", "NaN")], 7)
        ('left out, as CRASHED: 1 of 7 runs (a)', 'left out of loss, as NaN: 1 of 7 runs (b)')
    """
    reasons: dict[tuple[str, str], dict[str, None]] = {}
    for item in left_out:
        reasons.setdefault((item.metric, item.reason), {})[item.run] = None
    return tuple(
        f"left out{f' of {metric}' if metric else ''}, as {reason}: {len(runs)} of {total} runs ({_some(runs)})"
        for (metric, reason), runs in reasons.items()
    )


def _some(names: dict[str, None]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(islice(names, _NAMED_MAX)) + (f" and {more} more" if more > 0 else "")
