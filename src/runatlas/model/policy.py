"""Policies of clean-up: which runs go, which stay, and why; no input or output, so one meaning wherever one is written.

A policy looks at the runs that its ``where`` finds. It groups them first, then keeps in each group; keeps are ORed and
win over every deletion. What no keep holds and is older than ``older_than`` goes.

Ages count from the end of a run: ``finished_at``, of a run that crashed without a word when it was last heard of. A run
that goes on has none, and one in the future is none yet: such a run is never older than anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

import attrs

from runatlas.errors import ConflictError, shortened
from runatlas.model.data_cut import THIN_MAX
from runatlas.model.duration import HOUR_MS, parse_duration
from runatlas.model.filter_field import STABLE_FIELDS
from runatlas.model.filter_language import parse_field, parse_filter
from runatlas.model.filters import Field, Filter
from runatlas.model.text import did_you_mean
from runatlas.terminal import counted

__all__ = [
    "Best",
    "JudgedRun",
    "Policy",
    "Rule",
    "Verdict",
    "judge",
    "make_policy",
    "parse_best",
    "read_policy",
    "require_bounds",
]

_BEST = re.compile(r"(?P<metric>.+):(?P<count>[0-9]{1,9})(?::(?P<goal>[^:]*))?", re.ASCII | re.DOTALL)
_MANY = 100
_SHOWN = 3
_ORDINALS = {1: "st", 2: "nd", 3: "rd"}

Goal = Literal["min", "max"]


@attrs.frozen
class Policy:
    """A policy as it is written; what it means says ``read_policy``.

    Attributes:
        where: A filter: only these runs are looked at; ``""`` for all.
        older_than: Only runs that ended longer ago go, such as ``30d``, ``12h``, ``2w``, ``1y6m``.
        keep_last: So many of each group stay, those that were made last.
        keep_within: Runs that did not end longer ago stay.
        keep_best: The best of each group stay: ``val_loss:3`` for the three with the lowest value that it ever had,
            ``val_acc:3:max`` with the highest.
        keep_labels: Runs that have one of these labels stay.
        group_by: Fields as filters name them, such as ``config.model``; ``()`` makes one group of all.
        max: More runs than these never go at once, whatever else is said.
        allow_all: Whether all runs of a group may go; that takes a ``where``.
        thin: The runs stay, and of what they recorded go the points that thinning to so many leaves out.
    """

    where: str = ""
    older_than: str = ""
    keep_last: int | None = None
    keep_within: str = ""
    keep_best: tuple[str, ...] = ()
    keep_labels: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    max: int | None = None
    allow_all: bool = False
    thin: int | None = None


_TEXTS = ("where", "older_than", "keep_within")
_LISTS = ("keep_best", "keep_labels", "group_by")
_COUNTS = ("keep_last", "max", "thin")


@attrs.frozen
class Best:
    """How many runs stay for their values of a metric, and which values are good."""

    metric: str
    count: int
    goal: Goal = "min"


@attrs.frozen
class Rule:
    """A policy that was understood.

    Attributes:
        policy: As it is written.
        older_than_ms, keep_within_ms: ``None`` if it does not say.
    """

    policy: Policy
    where: Filter | None
    older_than_ms: int | None
    keep_within_ms: int | None
    best: tuple[Best, ...]
    groups: tuple[Field, ...]


@attrs.frozen
class JudgedRun:
    """What a policy looks at.

    Attributes:
        finished_at_ms: When it ended; ``None`` if nobody said.
        heard_at_ms: When it was last heard of.
        labels: Its labels.
        values: The best value of each metric of ``Rule.best``, in that order; ``None`` if it has none.
        groups: What it has in each field of ``Rule.groups``, as people read it; ``None`` for nothing.
    """

    cuid: str
    state: str
    created_at_ms: int
    finished_at_ms: int | None = None
    heard_at_ms: int | None = None
    labels: tuple[str, ...] = ()
    values: tuple[float | None, ...] = ()
    groups: tuple[str | None, ...] = ()

    @property
    def ended_at_ms(self) -> int | None:
        """When it ended, as far as one can tell; ``None`` while it goes on."""
        if self.finished_at_ms is None and self.state != "RUNNING":
            return self.heard_at_ms
        return self.finished_at_ms

    def is_older(self, span_ms: int, now_ms: int) -> bool:
        """Whether it ended longer ago than a span."""
        ended_ms = self.ended_at_ms
        return ended_ms is not None and now_ms - ended_ms > span_ms


class Verdict(NamedTuple):
    """What a policy says of a run: whether it goes, why it goes or stays, and which parts of the policy say so."""

    goes: bool
    reason: str
    rules: tuple[str, ...] = ()


# -- reading -----------------------------------------------------------------------------------------------------


def parse_best(text: str) -> Best:
    """Read which runs stay for their values of a metric.

    Args:
        text: ``METRIC:COUNT`` for the lowest values, ``METRIC:COUNT:max`` for the highest.

    Raises:
        TypeError: ``text`` is not a string.
        ValueError: It does not say how many, or another goal.

    Example:
        >>> parse_best("val_acc:3:max")
        Best(metric='val_acc', count=3, goal='max')
    """
    if not isinstance(text, str):
        raise TypeError(f"keep_best: expected text such as 'val_loss:3', got {type(text).__name__}")
    found = _BEST.fullmatch(text)
    if found is None or found["goal"] not in {None, "min", "max"} or not int(found["count"]):
        raise ValueError(
            f"keep_best: {shortened(repr(text))} says no metric and how many; "
            "write such as 'val_loss:3' for the lowest, 'val_acc:3:max' for the highest"
        )
    return Best(found["metric"], int(found["count"]), cast(Goal, found["goal"] or "min"))


def make_policy(**fields: Any) -> Policy:
    """Make a policy of what a caller gave; it is checked.

    Args:
        **fields: The attributes of ``Policy``; ``None`` means that it is not given, one text stands for a list of one.

    Raises:
        TypeError: There is no such field, or it has another type.
        ValueError: It cannot be understood, or is empty.
    """
    known = [field.name for field in attrs.fields(Policy)]
    for name in fields:
        if name not in known:
            raise TypeError(f"a policy has {', '.join(known)}, and no {name!r}{did_you_mean(name, known)}")
    given = {name: value for name, value in fields.items() if value is not None}
    for name in _LISTS:
        if name in given:
            given[name] = _texts(given[name], name)
    for name in (*_TEXTS, *_LISTS):
        value = given.get(name)
        if value == "" or (isinstance(value, tuple) and "" in value):
            # An unset variable of a script looks like this, and would take all that the rule was to spare.
            raise ValueError(f"{name}: the text is empty; leave {name} out if it is not meant")
    policy = Policy(**given)
    read_policy(policy)
    return policy


def _texts(value: object, argument: str) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not all(isinstance(item, str) for item in texts):
        raise TypeError(f"{argument}: expected a text or a list of texts, got {type(value).__name__}")
    if len(texts) > _MANY:
        raise ValueError(f"{argument}: {len(texts)} are too many, {_MANY} are allowed")
    return tuple(texts)


def read_policy(policy: Policy) -> Rule:
    """Understand a policy.

    Args:
        policy: The policy.

    Raises:
        TypeError: A field has another type.
        ValueError: A field cannot be understood, or nothing says which runs may go.

    Example:
        >>> read_policy(Policy(keep_last=5))
        Traceback (most recent call last):
        ValueError: the policy says what stays but not what may go; give where or older_than
    """
    for name in _TEXTS:
        if not isinstance(getattr(policy, name), str):
            raise TypeError(f"{name}: expected text, got {type(getattr(policy, name)).__name__}")
    for name in _LISTS:
        _texts(getattr(policy, name), name)
    for name in _COUNTS:
        _check_count(getattr(policy, name), name)
    if policy.thin is not None and policy.thin > THIN_MAX:
        raise ValueError(f"thin: {policy.thin} is too large; write up to {THIN_MAX}")
    if type(policy.allow_all) is not bool:
        raise TypeError(f"allow_all: expected true or false, got {type(policy.allow_all).__name__}")
    rule = Rule(
        policy,
        where=parse_filter(policy.where, argument="where") if policy.where else None,
        older_than_ms=parse_duration(policy.older_than, argument="older_than") if policy.older_than else None,
        keep_within_ms=parse_duration(policy.keep_within, argument="keep_within") if policy.keep_within else None,
        best=tuple(parse_best(text) for text in policy.keep_best),
        groups=tuple(_parse_group(text) for text in policy.group_by),
    )
    if rule.where is None and rule.older_than_ms is None:
        empty = policy == Policy(max=policy.max, allow_all=policy.allow_all)
        said = "is empty" if empty else "says what stays but not what may go"
        raise ValueError(f"the policy {said}; give where or older_than")
    if rule.where is None and policy.allow_all:
        raise ValueError("allow_all: it goes with where, which says which runs may all go")
    return rule


def _check_count(value: object, argument: str) -> None:
    if value is None:
        return
    if type(value) is not int:
        raise TypeError(f"{argument}: expected a whole number, got {type(value).__name__}")
    if not 1 <= value < 2**63:
        raise ValueError(
            f"{argument}: {value} is too {'small' if value < 1 else 'large'}; write 1 or more, or leave it out"
        )


def _parse_group(text: str) -> Field:
    field = parse_field(text, argument="group_by")
    is_whole = field.type == "STABLE" and STABLE_FIELDS[field.key] in {"text", "bool"} and field.key != "colors"
    if field.stat == "len" or not (is_whole or field.type == "CONFIG"):
        raise ValueError(
            f"group_by: runs cannot be grouped by {text!r}; use a config value such as config.model, or a field of text"
            " such as group or job_type"
        )
    return field


# -- judging -----------------------------------------------------------------------------------------------------


def judge(rule: Rule, runs: Sequence[JudgedRun], now_ms: int) -> list[Verdict]:
    """Tell of each run that a policy looks at whether it goes, and why.

    Args:
        rule: The policy.
        runs: All runs that its ``where`` finds.
        now_ms: The time, in Unix milliseconds.

    Returns:
        A verdict a run, in their order.
    """
    kept: list[list[_Keep]] = [[] for _ in runs]
    for places in _places_by_group(runs).values():
        which = _group_text(rule, runs[places[0]])
        for place, keep in _keeps_of_group(rule, runs, places):
            kept[place].append(keep._replace(reason=keep.reason + which))
    return [_verdict(rule, run, keeps, now_ms) for run, keeps in zip(runs, kept, strict=True)]


class _Keep(NamedTuple):
    """A part of the policy that keeps a run, and how."""

    rule: str
    reason: str


def _places_by_group(runs: Sequence[JudgedRun]) -> dict[tuple[str | None, ...], list[int]]:
    places: dict[tuple[str | None, ...], list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault(run.groups, []).append(place)
    return places


def _group_text(rule: Rule, run: JudgedRun) -> str:
    """Say which group a run is of, behind what is said of the run; ``""`` if there are no groups."""
    named = zip(rule.policy.group_by, run.groups, strict=True)
    parts = [f"{name}={shortened(value)}" if value is not None else f"no {name}" for name, value in named]
    return f" of {', '.join(parts)}" if parts else ""


def _keeps_of_group(rule: Rule, runs: Sequence[JudgedRun], places: Sequence[int]) -> Iterator[tuple[int, _Keep]]:
    newest = sorted(places, key=lambda place: (-runs[place].created_at_ms, runs[place].cuid))
    last = rule.policy.keep_last or 0
    for place in newest[:last]:
        yield place, _Keep(f"keep_last {last}", f"one of the last {last}" if last > 1 else "the last one")
    for index, (best, written) in enumerate(zip(rule.best, rule.policy.keep_best, strict=True)):
        signed = -1.0 if best.goal == "max" else 1.0
        valued: list[tuple[float, int]] = []
        for place in newest:
            value = runs[place].values[index]
            if value is not None and not math.isnan(value):
                valued.append((signed * value, place))
        valued.sort(key=lambda pair: pair[0])  # stable: of equals the newest comes first
        for rank, (_, place) in enumerate(valued[: best.count], 1):
            yield place, _Keep(f"keep_best {written}", f"{_ordinal(rank)}best {shortened(best.metric)}")


def _ordinal(rank: int) -> str:
    if rank == 1:
        return ""
    ending = "th" if rank % 100 in {11, 12, 13} else _ORDINALS.get(rank % 10, "th")
    return f"{rank}{ending} "


def _verdict(rule: Rule, run: JudgedRun, keeps: list[_Keep], now_ms: int) -> Verdict:
    policy, ended = rule.policy, _end_text(run, now_ms)
    labels = [label for label in run.labels if label in policy.keep_labels]
    keeps = [_Keep(f"keep_labels {label}", f"label {label}") for label in labels] + keeps
    if rule.keep_within_ms is not None and not run.is_older(rule.keep_within_ms, now_ms):
        within = f"keep_within {policy.keep_within}"
        keeps.append(_Keep(within, f"{ended}, kept within {policy.keep_within}"))
    if keeps:
        rules = tuple(dict.fromkeys(keep.rule for keep in keeps))
        return Verdict(goes=False, reason="; ".join(keep.reason for keep in keeps), rules=rules)
    if rule.older_than_ms is None:
        return Verdict(goes=True, reason=shortened(policy.where), rules=("where",))
    age = (f"older_than {policy.older_than}",)
    if not run.is_older(rule.older_than_ms, now_ms):
        return Verdict(goes=False, reason=f"{ended}, not older than {policy.older_than}", rules=age)
    where = f"{shortened(policy.where)}; " if policy.where else ""
    return Verdict(goes=True, reason=f"{where}{ended}, older than {policy.older_than}", rules=age)


def _end_text(run: JudgedRun, now_ms: int) -> str:
    ended_ms = run.ended_at_ms
    if ended_ms is None:
        return "not finished"
    hours = (now_ms - ended_ms) // HOUR_MS
    if hours < 0:
        return "finished in the future"
    ago = f"{hours // 24} d" if hours >= 24 else f"{hours} h" if hours else "less than an hour"
    return f"{'last heard of' if run.finished_at_ms is None else 'finished'} {ago} ago"


def require_bounds(rule: Rule, runs: Sequence[JudgedRun], goes: Sequence[bool]) -> None:
    """Refuse to take more than the policy allows at once, or all runs of a group, which may all be thinned.

    Args:
        rule: The policy.
        runs: The runs that it looks at.
        goes: Whether each goes, after all that keeps it.

    Raises:
        ConflictError: It would.
    """
    total, most = sum(goes), rule.policy.max
    if most is not None and total > most:
        took = counted(total, "run")
        raise ConflictError(f"the policy would take {took}, and its max is {most}; raise that if it is meant")
    if rule.policy.allow_all or rule.policy.thin is not None:
        return
    emptied = [places for places in _places_by_group(runs).values() if all(goes[place] for place in places)]
    if not emptied:
        return
    shown = [_group_text(rule, runs[places[0]]) for places in emptied[:_SHOWN]]
    more = f", and of {counted(len(emptied) - _SHOWN, 'more group')}" if len(emptied) > _SHOWN else ""
    way = "or allow all" if rule.where is not None else "or a where that says which runs may all go, and then allow all"
    raise ConflictError(
        f"the policy would take {_all_of(sum(map(len, emptied)))}{' and'.join(shown)}{more} that it looks at; "
        f"add a keep, {way} if that is meant"
    )


def _all_of(runs: int) -> str:
    return "the only run" if runs == 1 else f"all {counted(runs, 'run')}"
