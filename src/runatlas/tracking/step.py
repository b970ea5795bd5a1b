"""Automatic steps: each series counts its own."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from runatlas.model import codec
from runatlas.model.series import Context
from runatlas.tracking.entry import SYSTEM_PREFIX

__all__ = ["STEP_MAX", "STEP_MIN", "SeriesKey", "StepCounter", "series_key"]

STEP_MIN, STEP_MAX = -(2**63) + 1, 2**63 - 1
"""Where steps and epochs lie; the store keeps the lowest 64-bit number for itself."""

SeriesKey: TypeAlias = tuple[str, Context, tuple[type[Any], ...]]
"""A series: its name, its context, and the types in it, for ``True == 1`` are two contexts."""


def series_key(key: str, context: Context) -> SeriesKey:
    """Return what tells a series from others."""
    return (key, context, tuple(type(value) for _, value in context)) if context else (key, (), ())


class StepCounter:
    """The next step of every series. A step that is given moves the count on, never back."""

    def __init__(self) -> None:
        self._first: Mapping[tuple[str, str], int] = {}
        self._unknown = 0
        self._next: dict[SeriesKey, int] = {}

    def begin(self, first: Mapping[tuple[str, str], int]) -> None:
        """Set where series begin that have not counted yet; of several calls the furthest place counts.

        Args:
            first: Where, by key and canonical context text.
        """
        self._first = {**first, **{key: max(step, first.get(key, step)) for key, step in self._first.items()}}

    def rewind(self, step: int, *, is_known: bool) -> None:
        """Let series begin right after a step at the latest; those of the system count on.

        Args:
            step: The last one that stays.
            is_known: Whether it was told where all series are; else those that were not begin after that step too.
        """
        following = min(step + 1, STEP_MAX)
        self._first = {
            (key, context): first if key.startswith(SYSTEM_PREFIX) else min(first, following)
            for (key, context), first in self._first.items()
        }
        self._unknown = 0 if is_known else following

    def take(self, key: str, context: Context, step: int | None) -> int:
        """Return the step of one record."""
        return self.take_many(series_key(key, context), (step,))[0]

    def take_many(self, series: SeriesKey, steps: Sequence[int | None]) -> array[int]:
        """Return the steps of records that follow each other, given or counted."""
        following = self._following(series)
        taken = array("q")
        for step in steps:
            taken.append(following if step is None else step)
            following = min(max(following, taken[-1] + 1), STEP_MAX)
        self._next[series] = following
        return taken

    def pass_over(self, series: SeriesKey, highest: int) -> None:
        """Take note of steps that were all given."""
        self._next[series] = min(max(self._following(series), highest + 1), STEP_MAX)

    def count(self, series: SeriesKey, length: int) -> array[int]:
        """Return the next steps of a series."""
        following = self._following(series)
        if following + length > STEP_MAX:
            return self.take_many(series, [None] * length)
        self._next[series] = following + length
        return array("q", range(following, following + length))

    def _following(self, series: SeriesKey) -> int:
        found = self._next.get(series)
        if found is None:
            begun = 0 if series[0].startswith(SYSTEM_PREFIX) else self._unknown
            found = self._first.get((series[0], codec.context_text(series[1])), begun) if self._first else begun
        return found
