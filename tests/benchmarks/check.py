"""What an answer must be: every adapter's counts and sums are compared with the data that was recorded."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks import dataset
from benchmarks.dataset import RunData

__all__ = [
    "built",
    "curves",
    "curves_by_run",
    "deleted",
    "expected_curves",
    "expected_listing",
    "expected_table",
    "history",
    "listing",
    "planned",
    "planned_count",
    "profiles",
    "purged",
    "table",
    "tracked",
]


_LARGE = 8_000_000
"""Bytes of a store to which those of an empty one do not matter."""


def built(adapter: Any, expected: tuple[int, int], _: Any) -> None:
    """The store holds as many runs and points as were recorded."""
    _equal(adapter.totals(), expected)


def expected_listing(runs: Iterable[RunData], *, filtered: bool) -> tuple[int, int, float]:
    """Return the number of runs, of params, and the sum of all last values."""
    count, params, total = 0, 0, 0.0
    for run in runs:
        if not filtered or dataset.matching(run):
            count, params, total = count + 1, params + len(run.params), total + sum(run.last.values())
    return count, params, total


def listing(_: Any, expected: tuple[int, int, float], answer: Any) -> None:
    """A listing is ``(name, params, last values)`` a run, or those three counts of it if it was only passed through."""
    if not isinstance(answer, tuple):
        answer = _counted(answer)
    _equal(answer, expected)


def expected_table(runs: Iterable[RunData]) -> tuple[int, float]:
    """Return the number of runs and the sum of their last losses."""
    losses = [run.last["loss"] for run in runs]
    return len(losses), sum(losses)


def table(_: Any, expected: tuple[int, float], answer: Sequence[float]) -> None:
    """A table shows the right column of last losses."""
    losses = [float(loss) for loss in answer]
    _equal((len(losses), sum(losses)), expected)


def history(_: Any, expected: tuple[int, float], answer: tuple[Any, Any]) -> None:
    """A history is ``(steps, values)``, ascending, nothing left out."""
    _equal(_digest(answer), expected)


def expected_curves(runs: Iterable[RunData]) -> tuple[int, int, float]:
    """Return the number of runs, of points, and their sum."""
    found = [run.metrics["loss"] for run in runs]
    return len(found), sum(map(len, found)), sum(map(sum, found))


def curves(_: Any, expected: tuple[int, int, float], answer: tuple[int, Iterable[Any]]) -> None:
    """The curves of many runs are ``(number of runs, every value)``."""
    runs, values = answer
    numbers = [float(number) for number in values]
    _equal((runs, len(numbers), sum(numbers)), expected)


def profiles(
    _: Any, expected: Mapping[str, Mapping[str, Any]], answer: Iterable[tuple[str, Mapping[str, Any]]]
) -> None:
    """A listing is ``(name, params)`` a run, every one of them just as it was recorded."""
    _equal(sorted(answer), sorted(expected.items()))


def curves_by_run(_: Any, expected: Mapping[str, Mapping[str, list[float]]], answer: Mapping[str, Any]) -> None:
    """The curves of each run by key are ``(steps, values)``, every point just as it was recorded."""
    _equal(sorted(answer), sorted(expected))
    for name, curves_of_run in answer.items():
        found = {key: (list(steps), list(values)) for key, (steps, values) in curves_of_run.items()}
        _equal(found, {key: (list(range(len(values))), values) for key, values in expected[name].items()})


def deleted(adapter: Any, expected: int, _: Any) -> None:
    """What was not deleted is still there, and nothing else."""
    _equal(len(adapter.handles()), expected)


def planned(_: Any, expected: int, answer: Any) -> None:
    """A plan takes as many runs as would be deleted, which are as many as would stay."""
    _equal(answer.total, expected)


def planned_count(_: Any, expected: int, answer: int) -> None:
    """A count is right."""
    _equal(answer, expected)


def purged(adapter: Any, expected: tuple[int, int], _: Any) -> None:
    """What was purged is gone; a system that frees the room of a large store leaves less than a quarter of it."""
    left, size = expected
    _equal(len(adapter.handles()), left)
    if adapter.frees_room and size > _LARGE:
        assert adapter.size() < size / 4, f"{adapter.size()} of {size} bytes are left"


def tracked(adapter: Any, expected: tuple[int, int], _: Any) -> None:
    """Every writer's run has every value of every key."""
    writers, steps = expected
    for writer in range(writers):
        for number, key in enumerate(dataset.TRACK_KEYS):
            found = _digest(adapter.history(f"writer-{writer}", key))
            _equal((key, *found), (key, steps, dataset.curve_sum(steps, metric=number)))


def _counted(answer: Iterable[tuple[str, Mapping[str, Any], Mapping[str, float]]]) -> tuple[int, int, float]:
    names, params, total = set(), 0, 0.0
    for name, run_params, last in answer:
        names.add(name)
        params += len(run_params)
        total += sum(last.values())
    return len(names), params, total


def _digest(answer: tuple[Any, Any]) -> tuple[int, float]:
    steps, values = answer
    numbers = list(_integers(steps))
    _equal(all(after > before for before, after in itertools.pairwise(numbers)), expected=True)
    _equal(len(numbers), len(values))
    return len(numbers), float(sum(float(value) for value in values))


def _integers(steps: Iterable[Any]) -> Iterator[int]:
    for step in steps:
        yield int(step)


def _equal(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"expected {expected!r}, found {found!r}")
