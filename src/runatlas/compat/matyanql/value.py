"""The values of evaluated expressions, and the meter that bounds what is done with them."""

from __future__ import annotations

import ast
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

__all__ = ["BITS_MAX", "LENGTH_MAX", "EvaluationRefusedError", "Meter", "Record", "is_plain"]

LENGTH_MAX = 200_000
"""How long a text or list that an expression makes may be."""

BITS_MAX = 8192
"""How large a whole number that an expression makes may be."""

_LOOK_AT_CLOCK = 1000
_PLAIN = (bool, int, float, str, list, tuple, dict, set, frozenset, range, type(None))


class EvaluationRefusedError(Exception):
    """An expression asks for more than an evaluation does; unlike what Python would raise, it is told to the caller."""


def is_plain(value: Any) -> bool:
    """Return whether a value is a text, a number, a collection or ``None``."""
    return isinstance(value, _PLAIN)


class Record(ABC):
    """Something with attributes that expressions may read: those that it chooses to show, and no others."""

    @abstractmethod
    def attribute(self, name: str) -> Any:
        """Return an attribute; ``None`` if it is missing."""

    def item(self, key: Any) -> Any:  # noqa: ARG002  for those that have some
        """Return an item.

        Raises:
            TypeError: It has none.
        """
        raise TypeError("this has no items")

    def contains(self, item: Any) -> bool:  # noqa: ARG002  for those that have some
        """Return whether it has an item.

        Raises:
            TypeError: It has none.
        """
        raise TypeError("this contains nothing")

    def items(self) -> Iterator[Any]:
        """Return its items.

        Raises:
            TypeError: It has none.
        """
        raise TypeError("this has no items")


class Meter:
    """Counts the steps of evaluations.

    Args:
        seconds: How long all evaluations may take together; time between them does not count.
    """

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds
        self._used = 0.0
        self._left = 0
        self._unseen = 0
        self._since = 0.0

    def start(self, steps: int) -> None:
        """Begin an evaluation of so many steps."""
        self._left = steps
        self._unseen = 0
        self._since = time.monotonic()

    def stop(self) -> None:
        """End an evaluation."""
        self._used += time.monotonic() - self._since

    def charge(self, steps: int) -> None:
        """Take steps.

        Raises:
            EvaluationRefusedError: None are left, or time is up.
        """
        self._left -= steps
        self._unseen += steps
        if self._left < 0:
            raise EvaluationRefusedError("this takes too many steps for one run")
        if self._unseen >= _LOOK_AT_CLOCK:
            self._unseen = 0
            if self._used + time.monotonic() - self._since > self._seconds:
                raise EvaluationRefusedError("this takes too long")

    def charge_values(self, *values: Any) -> None:
        """Take a step for every item in values, however deep, and some for long texts.

        Raises:
            EvaluationRefusedError: None are left.
        """
        for value in values:
            if isinstance(value, str):
                self.charge(len(value) // 64)
            elif isinstance(value, (list, tuple, set, frozenset)):
                self._charge_items(value)
            elif isinstance(value, dict):
                self._charge_items(value.keys())
                self._charge_items(value.values())

    def _charge_items(self, items: Any) -> None:
        self.charge(len(items))
        for item in items:
            if not isinstance(item, (int, float, type(None))):
                self.charge_values(item)

    def checked(self, text: str) -> str:
        """Return a text that was made.

        Raises:
            EvaluationRefusedError: It is too long.
        """
        self.check_length(len(text))
        return text

    def check_length(self, length: int) -> None:
        """Allow a text or list of a length to be made.

        Raises:
            EvaluationRefusedError: It is too long.
        """
        if length > LENGTH_MAX:
            raise EvaluationRefusedError(f"a text or list of {length:,} is made, {LENGTH_MAX:,} are allowed")
        self.charge(length // 64)

    def check_bits(self, bits: int) -> None:
        """Allow a whole number of a size to be made.

        Raises:
            EvaluationRefusedError: It is too large.
        """
        if bits > BITS_MAX:
            raise EvaluationRefusedError(f"a number of {bits:,} bits is made, {BITS_MAX:,} are allowed")

    def check_combination(self, op: ast.operator, left: Any, right: Any) -> None:
        """Allow ``left op right`` to be made.

        Raises:
            EvaluationRefusedError: It would be too large.
        """
        if isinstance(left, int) and isinstance(right, int):
            self._check_whole(op, left, right)
            return
        sized = (str, list, tuple, set, frozenset, dict)
        if isinstance(op, ast.Mult):
            for value, times in ((left, right), (right, left)):
                if isinstance(value, (str, list, tuple)) and isinstance(times, int):
                    self.check_length(len(value) * max(times, 0))
        elif isinstance(left, sized) and isinstance(right, sized):
            self.check_length(len(left) + len(right))
            if isinstance(left, (set, frozenset, dict)):
                self.charge_values(left, right)

    def _check_whole(self, op: ast.operator, left: int, right: int) -> None:
        if isinstance(op, ast.Mult):
            self.check_bits(left.bit_length() + right.bit_length())
        elif isinstance(op, ast.Pow) and right > 0 and left.bit_length() > 1:
            self.check_bits((left.bit_length() - 1) * right)
        elif isinstance(op, ast.LShift) and right > 0 and left:
            self.check_bits(left.bit_length() + right)
