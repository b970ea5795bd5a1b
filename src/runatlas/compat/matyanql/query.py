"""MatyanQL, matyan's query language: one Python expression, which holds for a run or for a trace of it.

What a store can decide is decided there (``MatyanQuery.runs``), the rest by evaluating the expression for the runs that
are left. Nothing is ever executed as Python; ``evaluation`` walks the expression within bounds. A run for which Python
would raise, because ``None`` is compared or an item is missing, is no match.

==================================================== ===========================================================
``run.hash``, ``.name``, ``.description``            texts
``run.experiment``                                   a text, or ``None``
``run.tags``                                         texts; also ``run.tags.contains('t')``
``run.active``, ``.archived``, ``.is_archived``      true or false
``run.created_at``, ``.creation_time``, ``.end_time`` Unix seconds; ``None`` for the end of a run that goes on
``run.duration``                                     seconds; 0.0 of a run that goes on
``run.metrics['m']``, ``run.metrics['m', {...}]``    ``.last``, ``.last_step``, ``.min``, ``.max``, ``.avg``, ``.count``
``run.anything``, ``run['anything']``                a param, ``None`` if it is missing, at every level
``metric``, ``images``, ``audios``, ``texts``,       in the search of that name: ``.name``, ``.context``, ``.last``,
``distributions``, ``figures``                       ``.last_step``, ``.run``
==================================================== ===========================================================
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import UTC
from typing import Any

import attrs

from runatlas.compat.matyanql.check import check_expression
from runatlas.compat.matyanql.function import FUNCTIONS, NAMESPACES
from runatlas.compat.matyanql.interpreter import RAISED, Evaluation
from runatlas.compat.matyanql.prefilter import Prefilter
from runatlas.compat.matyanql.queried_run import TRACE_FIELDS, MatyanRun, MatyanTrace
from runatlas.compat.matyanql.value import EvaluationRefusedError
from runatlas.model.filters import And, Comparison, Field, Filter
from runatlas.model.instant import parse_iso
from runatlas.model.syntax import FilterSyntaxError, FilterText

__all__ = ["SEQUENCES", "UNNAMED", "MatyanQuery", "parse_matyan"]

SEQUENCES = frozenset({"metric", "images", "audios", "texts", "distributions", "figures"})
"""What a trace is called in the search of its kind."""

UNNAMED = "Run: "
"""What stands before the id where a run without a name needs one."""

_SELECT = re.compile(r"select\b.*?\bif\b", re.IGNORECASE | re.DOTALL)
_CONSTANT_STEPS = 10_000
_ARCHIVED = {"archived", "is_archived"}
_TIMES = {"created_at", "creation_time", "end_time"}
_NOT_ARCHIVED = Comparison(Field("STABLE", "archived"), "EQ", value=False)


@attrs.frozen(eq=False)
class MatyanQuery:
    """A query that was read.

    Attributes:
        runs: Holds for every run that can have a match.
        needs_metrics: Whether runs are asked for their metrics.
    """

    runs: Filter | None
    needs_metrics: bool
    _text: str
    _argument: str
    _sequence: str | None
    _evaluation: Evaluation | None

    def matches(self, run: MatyanRun, trace: MatyanTrace | None = None) -> bool:
        """Tell whether a run that ``runs`` holds for is asked for, or a trace of it.

        Args:
            run: The run.
            trace: The trace, where traces are searched.

        Raises:
            FilterSyntaxError: The query asks for more than is done for one.
        """
        if self._evaluation is None:
            return True
        names: dict[str, Any] = {"run": run, "config": run.params}
        if self._sequence is not None:
            names[self._sequence] = trace
        try:
            return bool(self._evaluation.value(names))
        except RAISED:
            return False
        except EvaluationRefusedError as error:
            raise FilterSyntaxError(str(error), self._text, 1, self._argument) from None


def parse_matyan(
    text: str, *, sequence: str | None = None, argument: str = "query", utc_offset_min: float = 0
) -> MatyanQuery:
    """Read a query. Unless it compares ``run.archived`` or ``run.is_archived``, archived runs are left out.

    Args:
        text: The query; empty for everything. ``SELECT ... IF`` before it is left out.
        sequence: What is searched: ``metric``, ``images``, ``audios``, ``texts``, ``distributions`` or ``figures``;
            ``None`` for runs.
        argument: What the caller names the text, for the message of an error.
        utc_offset_min: How many minutes east of UTC ``datetime(...)`` is read.

    Raises:
        TypeError: ``text`` is no string.
        FilterSyntaxError: It cannot be read, or asks for what is not known; the message points at the column.

    Example:
        >>> query = parse_matyan("run.opt == 'adam' and metric.name.startswith('lo')", sequence="metric")
        >>> query.runs.items[1]
        Comparison(field=Field(type='CONFIG', key='opt', ...), op='EQ', value='adam', lenient=False)
    """
    if isinstance(text, str):
        selected = _SELECT.match(text)
        text = " " * selected.end() + text[selected.end() :] if selected else text
        if not text.strip():
            return MatyanQuery(_NOT_ARCHIVED, False, text, argument, sequence, None)
    source = FilterText(text, argument)
    tree = source.tree
    _check_names(source, tree, sequence)
    check_expression(source, tree, {"run", "config", sequence or "run"})
    tree = _Times(utc_offset_min).visit(_without_trace_run(tree))
    evaluation = Evaluation(tree, utc_offset_s=utc_offset_min * 60)
    wanted = _prefilter(tree, evaluation)
    if not _compares_archived(tree):
        wanted = _NOT_ARCHIVED if wanted is None else And((_NOT_ARCHIVED, wanted))
    return MatyanQuery(wanted, _asks(tree, "metrics"), text, argument, sequence, evaluation)


def _check_names(source: FilterText, tree: ast.expr, sequence: str | None) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in SEQUENCES and node.id != sequence:
            known = "'run'" if sequence is None else f"'run' and {sequence!r}"
            raise source.error(f"{node.id!r} cannot be asked for here; this query knows {known}", node)
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.attr.startswith("_"):
            continue
        if node.value.id == sequence and node.attr not in TRACE_FIELDS:
            raise source.error(f"{sequence} has {', '.join(TRACE_FIELDS)}, not {node.attr!r}", node)


def _prefilter(tree: ast.expr, evaluation: Evaluation) -> Filter | None:
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    stored |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    if stored & {"run", "config", *SEQUENCES}:
        return None
    return Prefilter(_constants_of(evaluation, stored), UNNAMED).read(tree)


def _constants_of(evaluation: Evaluation, bound: set[str]) -> Callable[[ast.expr], tuple[Any] | None]:
    """Return what tells the value of a part that asks for nothing of a run."""
    known = (FUNCTIONS.keys() | NAMESPACES.keys()) - bound

    def constant(node: ast.expr) -> tuple[Any] | None:
        if any(isinstance(part, ast.Name) and part.id not in known for part in ast.walk(node)):
            return None
        try:
            return (evaluation.value({}, node, steps=_CONSTANT_STEPS),)
        except (*RAISED, EvaluationRefusedError):
            return None

    return constant


class _TraceRun(ast.NodeTransformer):
    """``metric.run`` is ``run``."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr == "run" and isinstance(node.value, ast.Name) and node.value.id in SEQUENCES:
            return ast.copy_location(ast.Name("run", ast.Load()), node)
        self.generic_visit(node)
        return node


def _without_trace_run(node: ast.expr) -> ast.expr:
    found: ast.expr = _TraceRun().visit(node)
    return found


class _Times(ast.NodeTransformer):
    """Times of a run may be compared with ISO 8601 text, which becomes the Unix seconds that the run has."""

    def __init__(self, utc_offset_min: float) -> None:
        self._offset_s = utc_offset_min * 60

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        self.generic_visit(node)
        if any(_is_of_run(side, _TIMES) for side in (node.left, *node.comparators)):
            node.left = self._instant(node.left)
            node.comparators = [self._instant(side) for side in node.comparators]
        return node

    def _instant(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            return node
        try:
            moment = parse_iso(node.value)
        except ValueError:
            return node
        zone_s = 0.0
        if moment.tzinfo is None:
            moment, zone_s = moment.replace(tzinfo=UTC), self._offset_s
        return ast.copy_location(ast.Constant(moment.timestamp() - zone_s), node)


def _is_of_run(node: ast.expr, names: set[str]) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in names:
        return False
    return isinstance(node.value, ast.Name) and node.value.id == "run"


def _compares_archived(tree: ast.expr) -> bool:
    return any(
        _is_of_run(side, _ARCHIVED)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
    )


def _asks(tree: ast.expr, name: str) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(tree))
