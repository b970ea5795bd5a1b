"""MatyanQL, document 001's language: conditions on runs and on the traces in them. Nothing is ever evaluated as Python.

Conditions on runs become the filters that texts and dicts become (``expression``), with MatyanQL's names beside ours::

    run.hash, run.experiment, run.active, run.is_archived        the run's own fields
    run.creation_time, run.created_at, run.end_time              times: Unix seconds, datetime(...) or ISO 8601 text
    run.duration, run.tags, run.name, run.description
    run.hparams.lr, run["hparams"]["lr"], run.anything_else      params
    run.metrics["loss"].last, run.metrics["loss", {"subset": "val"}].last_step

Conditions on traces are answered where the traces are: ``metric.name``, ``metric.context.subset``, ``metric.last``,
``metric.last_step``; ``images``, ``audios``, ``texts``, ``distributions`` and ``figures`` in the searches of those
names.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from runatlas.model.expression import FilterSyntaxError, parse_filter
from runatlas.model.filter_text import FilterText
from runatlas.model.filters import And, Filter, Not, Or
from runatlas.model.matyan_name import translate
from runatlas.model.matyan_trace import TRACE_NAMES, TraceCondition, read_trace_condition

__all__ = ["MatyanQuery", "parse_matyan"]

_SELECT = re.compile(r"select\b.*?\bif\b", re.IGNORECASE | re.DOTALL)


@attrs.frozen
class _RunLeaf:
    """A condition on the run; ``place`` is its number in ``MatyanQuery.run_conditions``."""

    place: int
    filter: Filter


@attrs.frozen
class _All:
    items: tuple[_Node, ...]


@attrs.frozen
class _Any:
    items: tuple[_Node, ...]


@attrs.frozen
class _None:
    item: _Node


_Node: TypeAlias = "_RunLeaf | TraceCondition | _All | _Any | _None"


@attrs.frozen
class MatyanQuery:
    """A query that was read.

    Attributes:
        runs: Holds for every run that can have a match, and, without conditions on traces, for no other; ``None`` for
            all.
        run_conditions: What has to be known of each run to answer ``matches``; none if ``runs`` says enough.
    """

    runs: Filter | None
    run_conditions: tuple[Filter, ...]
    _tree: _Node

    def matches(self, trace: Mapping[str, Any], answers: Sequence[bool]) -> bool:
        """Tell whether a trace of a run that ``runs`` holds for is asked for.

        Args:
            trace: Its ``name``, ``context``, ``last`` and ``last_step``.
            answers: Whether each of ``run_conditions`` holds for its run.
        """
        return _holds(self._tree, trace, answers)


def parse_matyan(text: str, *, sequence: str | None = None, argument: str = "query") -> MatyanQuery:
    """Read a query.

    Args:
        text: The query; empty for everything. ``SELECT ... IF`` before it is left out.
        sequence: What is searched: ``metric``, ``images``, ``audios``, ``texts``, ``distributions`` or ``figures``;
            ``None`` for runs.
        argument: What the caller names the text, for the message of an error.

    Raises:
        TypeError: ``text`` is no string.
        FilterSyntaxError: It cannot be read, or asks for what cannot be expressed; the message points at the column.

    Example:
        >>> query = parse_matyan("run.active and metric.name == 'loss'", sequence="metric")
        >>> query.runs
        Comparison(field=Field(type='STABLE', key='state', ...), op='EQ', value='RUNNING', lenient=False)
        >>> query.matches({"name": "loss", "context": {}}, [])
        True
    """
    if isinstance(text, str):
        selected = _SELECT.match(text)
        text = " " * selected.end() + text[selected.end() :] if selected else text
        if not text.strip():
            return MatyanQuery(None, (), _All(()))
    source = FilterText(text, argument)
    reader = _Reader(source, text, sequence, argument)
    tree = reader.read(source.tree)
    conditions = tuple(leaf.filter for leaf in reader.leaves)
    return MatyanQuery(_superset(tree, positive=True), () if _is_plain(tree) else conditions, tree)


class _Reader:
    """The walk over the conditions of one query."""

    def __init__(self, source: FilterText, text: str, sequence: str | None, argument: str) -> None:
        self.leaves: list[_RunLeaf] = []
        self._source = source
        self._text = text
        self._sequence = sequence
        self._argument = argument

    def read(self, node: ast.expr) -> _Node:
        if isinstance(node, ast.BoolOp):
            items = tuple(self.read(value) for value in node.values)
            return _All(items) if isinstance(node.op, ast.And) else _Any(items)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return _None(self.read(node.operand))
        node = _without_trace_run(node)
        names = {item.id for item in ast.walk(node) if isinstance(item, ast.Name)} & TRACE_NAMES
        if not names:
            return self._read_run(node)
        if self._sequence is None or names != {self._sequence}:
            other = sorted(names - {self._sequence or ""})[0]
            known = "'run'" if self._sequence is None else f"'run' and {self._sequence!r}"
            raise self._source.error(f"{other!r} cannot be asked for here; this query knows {known}", node)
        return read_trace_condition(self._source, node, self._sequence)

    def _read_run(self, node: ast.expr) -> _Node:
        try:
            found = parse_filter(ast.unparse(translate(self._source, node)), argument=self._argument)
        except FilterSyntaxError as error:
            if error.text == self._text:
                raise
            # The condition was translated: the error points at the condition as it was written.
            column = self._source.error("", node).place
            raise FilterSyntaxError(error.reason, self._text, column, self._argument) from None
        leaf = _RunLeaf(len(self.leaves), found)
        self.leaves.append(leaf)
        return leaf


class _TraceRun(ast.NodeTransformer):
    """``metric.run`` is ``run``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr == "run" and isinstance(node.value, ast.Name) and node.value.id in TRACE_NAMES:
            return ast.copy_location(ast.Name("run", ast.Load()), node)
        self.generic_visit(node)
        return node


def _without_trace_run(node: ast.expr) -> ast.expr:
    found: ast.expr = _TraceRun().visit(node)
    return found


def _superset(tree: _Node, *, positive: bool) -> Filter | None:
    """A filter of every run for which the tree can hold (or fail to), whatever its traces are; ``None`` for all."""
    if isinstance(tree, _RunLeaf):
        return tree.filter if positive else Not(tree.filter)
    if isinstance(tree, TraceCondition):
        return None
    if isinstance(tree, _None):
        return _superset(tree.item, positive=not positive)
    parts = [_superset(item, positive=positive) for item in tree.items]
    if isinstance(tree, _All) == positive:
        needed = tuple(part for part in parts if part is not None)
        return None if not needed else needed[0] if len(needed) == 1 else And(needed)
    if any(part is None for part in parts):
        return None
    return Or(tuple(part for part in parts if part is not None))


def _is_plain(tree: _Node) -> bool:
    """Whether what the superset says of a run is all that has to be known of it: conditions joined by ``and`` only."""
    if isinstance(tree, _All):
        return all(_is_plain(item) for item in tree.items)
    return not (_has_runs(tree) and _has_traces(tree))


def _has_runs(tree: _Node) -> bool:
    if isinstance(tree, (_All, _Any)):
        return any(_has_runs(item) for item in tree.items)
    return _has_runs(tree.item) if isinstance(tree, _None) else isinstance(tree, _RunLeaf)


def _has_traces(tree: _Node) -> bool:
    if isinstance(tree, (_All, _Any)):
        return any(_has_traces(item) for item in tree.items)
    return _has_traces(tree.item) if isinstance(tree, _None) else isinstance(tree, TraceCondition)


def _holds(tree: _Node, trace: Mapping[str, Any], answers: Sequence[bool]) -> bool:
    if not answers and not _has_traces(tree):
        # The runs were chosen by it already.
        return True
    if isinstance(tree, _RunLeaf):
        return answers[tree.place]
    if isinstance(tree, TraceCondition):
        return tree.holds(trace)
    if isinstance(tree, _None):
        return not _holds(tree.item, trace, answers)
    combine = all if isinstance(tree, _All) else any
    return combine(_holds(item, trace, answers) for item in tree.items)
