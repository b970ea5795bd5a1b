"""Conditions on one trace: its name, its context and how it stands. Answered here, as Python would."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from runatlas.model.filter_text import FilterText

__all__ = ["TRACE_NAMES", "TraceCondition", "read_trace_condition"]

TRACE_NAMES = frozenset({"metric", "images", "audios", "texts", "distributions", "figures"})
"""What a trace is called in the search of its kind."""

_FIELDS = ("name", "context", "last", "last_step")
_METHODS = ("startswith", "endswith")

_Test = Callable[[Mapping[str, Any]], Any]


@attrs.frozen
class TraceCondition:
    """A condition on a trace."""

    _test: _Test

    def holds(self, trace: Mapping[str, Any]) -> bool:
        """Tell whether it holds; what Python cannot compare is not a match.

        Args:
            trace: Its ``name``, ``context``, ``last`` and ``last_step``.
        """
        try:
            return bool(self._test(trace))
        except TypeError:
            return False


def read_trace_condition(source: FilterText, node: ast.expr, sequence: str) -> TraceCondition:
    """Read a condition on a trace.

    Args:
        source: The text, for errors.
        node: The condition.
        sequence: What the trace is called.

    Raises:
        FilterSyntaxError: It asks for something that traces do not have, or in a way that is not known.
    """
    reader = _TraceReader(source, sequence)
    return TraceCondition(reader.read_comparison(node) if isinstance(node, ast.Compare) else reader.read(node))


def _contains(item: Any, container: Any) -> bool:
    return item in container


_OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: _contains,
    ast.NotIn: lambda item, container: item not in container,
}


class _TraceReader:
    def __init__(self, source: FilterText, sequence: str) -> None:
        self._source = source
        self._sequence = sequence

    def read_comparison(self, node: ast.Compare) -> _Test:
        sides = [self.read(side) for side in (node.left, *node.comparators)]
        operators = [_OPERATORS[type(op)] for op in node.ops]

        def test(trace: Mapping[str, Any]) -> bool:
            values = [side(trace) for side in sides]
            return all(compare(values[i], values[i + 1]) for i, compare in enumerate(operators))

        return test

    def read(self, node: ast.expr) -> _Test:
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            return self._read_field(node)
        if isinstance(node, ast.Call):
            return self._read_call(node)
        try:
            value = ast.literal_eval(node)
        except ValueError:
            name = self._sequence
            reason = f"{ast.unparse(node)} cannot be asked for; compare {name}.name, .context, .last or .last_step with"
            raise self._source.error(f"{reason} a value", node) from None
        return lambda _: value

    def _read_field(self, node: ast.Attribute | ast.Subscript) -> _Test:
        path = self._path(node)
        if path[0] not in _FIELDS or (len(path) > 1 and path[0] != "context"):
            raise self._source.error(f"{self._sequence} has {', '.join(_FIELDS)}, not {'.'.join(path)!r}", node)

        def read(trace: Mapping[str, Any]) -> Any:
            value: Any = trace
            for part in path:
                # What is missing is None at every level, as MatyanQL has it.
                value = value.get(part) if isinstance(value, Mapping) else None
            return value

        return read

    def _path(self, node: ast.expr) -> list[str]:
        if isinstance(node, ast.Name) and node.id == self._sequence:
            return []
        if isinstance(node, ast.Attribute):
            return [*self._path(node.value), node.attr]
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            return [*self._path(node.value), node.slice.value]
        raise self._source.error(f"{ast.unparse(node)} is no field of {self._sequence}", node)

    def _read_call(self, node: ast.Call) -> _Test:
        called = node.func
        if not isinstance(called, ast.Attribute) or called.attr not in _METHODS or len(node.args) != 1 or node.keywords:
            raise self._source.error(f"calls are not known here, but for {' and '.join(_METHODS)} of a text", node)
        text, argument, name = self.read(called.value), self.read(node.args[0]), called.attr

        def test(trace: Mapping[str, Any]) -> bool:
            value, part = text(trace), argument(trace)
            if not isinstance(value, str) or not isinstance(part, str):
                return False
            return value.startswith(part) if name == "startswith" else value.endswith(part)

        return test
