"""What ``track`` and ``log`` are given: checked as a whole, then recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from runatlas.model.series import Context
from runatlas.tracking.checks import as_context, as_name, as_number, as_whole, flatten
from runatlas.tracking.entry import Objects
from runatlas.tracking.object_encoding import objects_of, take_object
from runatlas.tracking.recorder import Recorder

__all__ = ["PLAIN", "Values"]

PLAIN = frozenset({float, int, bool})
"""Types whose values are numbers as they are."""

_NAMES_MAX, _CONTEXTS_MAX = 100_000, 1_000

_now = time.time


class Values:
    """Checks numbers and objects before any of them is recorded; remembers the names and contexts that were good.

    Attributes:
        known: The names that are good without a context.
    """

    def __init__(self) -> None:
        self.known: set[str] = set()
        self._contexts: dict[Any, tuple[Context, set[str]]] = {}
        self._steps: dict[tuple[str, Context], int] = {}

    def record(self, recorder: Recorder | None, data: Mapping[str, Any], step: Any, epoch: Any, context: Any) -> None:
        """Check everything, then record it."""
        number, group = as_whole(step, "step"), as_whole(epoch, "epoch")
        place, known = self._in_context(context)
        numbers: dict[str, Any] = {}
        objects: dict[str, tuple[Any, ...]] = {}
        for name, value in flatten(data):
            if name not in known:
                as_name(name)
                if len(known) < _NAMES_MAX:
                    known.add(name)
            if type(value) in PLAIN:
                numbers[name] = value
            elif items := objects_of(value, name):
                objects[name] = items
            else:
                numbers[name] = as_number(value, name)
        if recorder is None:
            return
        recorder.losses.check()
        now = _now()
        if numbers:
            recorder.put((now, numbers, number, group, place))
        for name, items in objects.items():
            if number is not None:
                self._tell_replaced(recorder, name, place, number)
            recorder.put(Objects(now, name, tuple(map(take_object, items)), number, group, place))

    def _tell_replaced(self, recorder: Recorder, name: str, place: Context, step: int) -> None:
        """Warn of objects that take the place of the last ones: unlike numbers, a step has them once."""
        before = self._steps.get((name, place))
        if before == step:
            recorder.losses.warn(
                "replaced",
                f"{name!r} had objects at step {step} already, which these replace; track those of one step as a list",
            )
        if before is not None or len(self._steps) < _NAMES_MAX:
            self._steps[name, place] = step

    def _in_context(self, context: Any) -> tuple[Context, set[str]]:
        """A context in its canonical form, and the names that are known to be good with it."""
        if not context and (context is None or isinstance(context, Mapping)):
            return (), self.known
        key: Any = None
        if type(context) is dict:
            # True and 1 are equal, and two contexts.
            key = (tuple(context.items()), tuple(map(type, context.values())))
            try:
                found = self._contexts.get(key)
            except TypeError:
                found = None
            if found is not None:
                return found
        made = as_context(context), set[str]()
        if key is not None and len(self._contexts) < _CONTEXTS_MAX:
            self._contexts[key] = made
        return made
