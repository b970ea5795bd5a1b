"""What a store can decide of a query: a filter of every run that can have a match, and of as few others as possible."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from typing import Any

from runatlas.model.filter_field import find_stable_name
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Operator, Or

__all__ = ["Prefilter"]

Constant = Callable[[ast.expr], "tuple[Any] | None"]
"""Returns the value of what asks for nothing, in a tuple; ``None`` for what does."""

_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: "EQ",
    ast.Is: "EQ",
    ast.NotEq: "NEQ",
    ast.IsNot: "NEQ",
    ast.Lt: "LT",
    ast.LtE: "LTE",
    ast.Gt: "GT",
    ast.GtE: "GTE",
}
_FLIPPED: dict[Operator, Operator] = {"LT": "GT", "GT": "LT", "LTE": "GTE", "GTE": "LTE", "EQ": "EQ", "NEQ": "NEQ"}
_OPPOSITE: dict[Operator, Operator] = {"LT": "GTE", "GTE": "LT", "GT": "LTE", "LTE": "GT", "EQ": "NEQ", "NEQ": "EQ"}
_HOLDS: dict[Operator, Callable[[float, float], bool]] = {
    "LT": lambda left, right: left < right,
    "LTE": lambda left, right: left <= right,
    "GT": lambda left, right: left > right,
    "GTE": lambda left, right: left >= right,
    "EQ": lambda left, right: left == right,
}
_TEXTS = {"hash": "id", "name": "name", "description": "description", "experiment": "project"}
_TIMES = {"created_at": "created_at", "creation_time": "created_at", "end_time": "finished_at"}
_FLAGS = (("archived",), ("is_archived",), ("active",))
_EXACT = 2**53
_MANY = 200
_TEXT_MAX = 200

_ARCHIVED = Field("STABLE", "archived")
_NOTHING = Or(())
_ACTIVE = Or(tuple(Comparison(Field("STABLE", "state"), "EQ", state) for state in ("RUNNING", "OFFLINE")))


class Prefilter:
    """The walk over one query.

    What Python raises makes no match, so that a condition needs to be right only where it can be answered.

    Args:
        constant: Evaluates what asks for nothing of a run.
        unnamed: Begins the names that runs without one are given.
    """

    def __init__(self, constant: Constant, unnamed: str) -> None:
        self._constant = constant
        self._unnamed = unnamed

    def read(self, node: ast.expr, *, positive: bool = True) -> Filter | None:
        """Return a filter of every run for which a condition can hold, or fail to; ``None`` for all.

        Args:
            node: The condition.
            positive: Whether it is to hold.
        """
        known = self._constant(node)
        if known is not None:
            return None if bool(known[0]) is positive else _NOTHING
        if isinstance(node, ast.BoolOp):
            parts = [self.read(item, positive=positive) for item in node.values]
            return _joined(parts, all_of=isinstance(node.op, ast.And) is positive)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.read(node.operand, positive=not positive)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            parts = [self._pair(sides[i], op, sides[i + 1], positive) for i, op in enumerate(node.ops)]
            return _joined(parts, all_of=positive)
        return self._bare(node, positive)

    def _bare(self, node: ast.expr, positive: bool) -> Filter | None:
        if isinstance(node, ast.Call):
            called = node.func
            is_tag = isinstance(called, ast.Attribute) and called.attr == "contains" and len(node.args) == 1
            return self._tag(called.value, node.args[0], positive) if is_tag else None  # type: ignore[attr-defined]
        path = self._path(node)
        if path in (("archived",), ("is_archived",)):
            return Comparison(_ARCHIVED, "EQ", positive)
        if path == ("active",):
            return _ACTIVE if positive else Not(_ACTIVE)
        # A metric is there if it has a step; its last value may be NaN.
        field = _scalar((*path, "last_step")) if path and len(path) == 2 else None
        return None if field is None else Comparison(field, "NEQ" if positive else "EQ", None)

    def _pair(self, left: ast.expr, op: ast.cmpop, right: ast.expr, positive: bool) -> Filter | None:
        if isinstance(op, (ast.In, ast.NotIn)):
            return self._member(left, right, positive is isinstance(op, ast.In))
        name = _OPERATORS[type(op)]
        value = self._constant(right)
        if value is None:
            left, name, value = right, _FLIPPED[name], self._constant(left)
        path = self._path(left)
        if path is None or value is None:
            return None
        if not positive and name not in {"EQ", "NEQ"} and path[0] not in _TIMES:
            # Neither holds for NaN.
            return None
        return self._compare(path, name if positive else _OPPOSITE[name], value[0])

    def _member(self, left: ast.expr, right: ast.expr, wanted: bool) -> Filter | None:
        items = self._constant(right)
        if items is None:
            return self._tag(right, left, wanted)
        path = self._path(left)
        if path is None or not isinstance(items[0], (list, tuple, set)) or len(items[0]) > _MANY:
            return None
        return _joined([self._compare(path, "EQ" if wanted else "NEQ", item) for item in items[0]], all_of=not wanted)

    def _tag(self, container: ast.expr, item: ast.expr, wanted: bool) -> Filter | None:
        value = self._constant(item)
        if self._path(container) != ("tags",) or value is None or not isinstance(value[0], str) or not value[0]:
            return None
        found = Comparison(Field("STABLE", "labels"), "CONTAIN", value[0])
        return found if wanted else Not(found)

    def _compare(self, path: tuple[Any, ...], op: Operator, value: Any) -> Filter | None:
        first = path[0]
        if first in {"tags", "duration"}:
            return None
        if first == "metrics":
            return _number(_scalar(path), op, value)
        if len(path) == 1 and first in _TEXTS:
            return self._text(first, op, value)
        if len(path) == 1 and first in _TIMES:
            return _time(Field("STABLE", _TIMES[first]), op, value)
        return _flag(first, op, value) if path in _FLAGS else _param(path, op, value)

    def _text(self, name: str, op: Operator, value: Any) -> Filter | None:
        if not isinstance(value, str) or op not in {"EQ", "NEQ"} or len(value) > _TEXT_MAX:
            return None
        if name == "name" and (not value or value.startswith(self._unnamed)):
            return None
        found = Comparison(Field("STABLE", _TEXTS[name]), "EQ", value)
        return found if op == "EQ" else Not(found)

    def _path(self, node: ast.expr) -> tuple[Any, ...] | None:
        """Return what is asked for of the run, name by name; ``None`` if it is anything else."""
        names: list[Any] = []
        while not isinstance(node, ast.Name):
            if isinstance(node, ast.Attribute):
                names.append(node.attr)
            elif isinstance(node, ast.Subscript):
                key = self._constant(node.slice)
                if key is None:
                    return None
                if isinstance(node.value, ast.Name) and node.value.id == "run":
                    # A subscript of the run is a param, whatever it is called.
                    return ("", key[0], *reversed(names))
                names.append(key[0])
            else:
                return None
            node = node.value
        if node.id == "config" and names:
            return ("", *reversed(names))
        return tuple(reversed(names)) if node.id == "run" and names else None


def _joined(parts: Sequence[Filter | None], *, all_of: bool) -> Filter | None:
    found = tuple(part for part in parts if part is not None)
    if all_of:
        return None if not found else found[0] if len(found) == 1 else And(found)
    if len(found) < len(parts):
        return None
    return found[0] if len(found) == 1 else Or(found)


def _scalar(path: tuple[Any, ...]) -> Field | None:
    """The metric's statistic; one asked for without a context may be of any, which a store does not choose."""
    if len(path) != 3 or path[0] != "metrics" or not isinstance(path[1], tuple) or len(path[1]) != 2:
        return None
    (key, context), stat = path[1], path[2]
    if not isinstance(key, str) or not isinstance(context, dict) or stat not in {"last", "last_step"}:
        return None
    plain = all(isinstance(name, str) and isinstance(value, str) for name, value in context.items())
    return Field("SCALAR", key, stat, tuple(sorted(context.items()))) if plain else None


def _flag(name: str, op: Operator, value: Any) -> Filter | None:
    if not isinstance(value, (int, float)) or op not in {"EQ", "NEQ"} or value not in {0, 1}:
        return None
    wanted = bool(value) is (op == "EQ")
    if name == "active":
        return _ACTIVE if wanted else Not(_ACTIVE)
    return Comparison(_ARCHIVED, "EQ", wanted)


def _number(field: Field | None, op: Operator, value: Any) -> Filter | None:
    if field is None or (value is None and op == "EQ"):
        return None if field is None else Comparison(field, "EQ", None)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or op == "NEQ":
        return None
    return Comparison(field, op, value) if math.isfinite(value) and abs(value) < _EXACT else None


def _time(field: Field, op: Operator, value: Any) -> Filter | None:
    """Compare a time; the store's are whole milliseconds, so that a millisecond more or less is let through."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 2**40 or op == "NEQ":
        return None
    low, high = math.floor(value * 1000) - 1, math.ceil(value * 1000) + 1
    at_least, at_most = Comparison(field, "GTE", low), Comparison(field, "LTE", high)
    return And((at_least, at_most)) if op == "EQ" else at_least if op in {"GT", "GTE"} else at_most


def _param(path: tuple[Any, ...], op: Operator, value: Any) -> Filter | None:
    names = path[1:] if path[0] == "" else path
    if not all(isinstance(name, str) and name and "." not in name for name in names) or op == "NEQ":
        return None
    if len(path) == 1 and find_stable_name(names[0]) is not None:
        return None
    key = ".".join(names)
    if len(key.encode()) > _TEXT_MAX:
        return None
    field = Field("CONFIG", key)
    if value is None or isinstance(value, str):
        known = op == "EQ" and (value is None or len(value) <= _TEXT_MAX)
        return Comparison(field, "EQ", value) if known else None
    if not isinstance(value, (int, float)) or not math.isfinite(value) or abs(value) >= _EXACT:
        return None
    # True is 1 and False is 0 in Python.
    flags = [Comparison(field, "EQ", flag) for flag in (True, False) if _HOLDS[op](float(flag), value)]
    number = Comparison(field, op, int(value) if isinstance(value, bool) else value)
    return Or((number, *flags)) if flags else number
