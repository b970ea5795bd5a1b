"""Filters and orders as text: a small subset of Python's expressions, read and never run.

::

    config.lr < 0.01 and (summary.loss <= 0.5 or 'baseline' in tags) and state == 'FINISHED'

====================================================  ====================================================
``state``, ``name``, ``tags``, ``created_at``, ...    the run's own fields (``STABLE_FIELDS``)
``config.model.width``, ``config["model.width"]``     a config value, or a section
``summary.loss``, ``summary["train/loss"].min``       a metric's last value, or another statistic of it
``summary["loss", {"split": "val"}]``                 the same in a context
``== != < <= > >=``, ``0.1 < config.lr <= 1``         comparisons with numbers, text, ``True`` and ``False``
``state in ['FINISHED', 'CRASHED']``                  one of several; also ``not in``
``'base' in name``, ``'baseline' in tags``            part of a text (in any case), or one of the labels
``name.startswith('run')``, ``endswith``              how a text begins and ends
``fnmatch(name, 'run-[0-9]*')``                       a pattern: ``*``, ``?``, ``[abc]``, ``[a-c]``, ``[!abc]``
``name.lower() == 'adam'``                            the same without regard to case
``config.layers == [64, 128]``                        a list; ``64 in config.layers`` is one of its elements
``len(tags) == 0``, ``not tags``, ``not group``       how many, how long; none at all
``config.lr is None``, ``is not None``                absence and presence
``created_at > '2026-01-02'``                         times: ISO 8601 (UTC) or ``datetime(2026, 1, 2)``
``created_at < ago('30d')``                           so long ago: ``s``, ``m``, ``h``, ``d``, ``w``
``inf``, ``nan``, ``float('nan')``                    numbers that are not finite; ``== nan`` finds NaN
``and``, ``or``, ``not``, parentheses                 as in Python
====================================================  ====================================================

Every name may begin with ``run.``; ``run.hparams.x`` is ``config["hparams.x"]`` and ``metrics`` is ``summary``.
"""

from __future__ import annotations

import ast
import json
import math
from keyword import iskeyword
from typing import cast
from unicodedata import normalize

from runatlas.model.codec import context_text
from runatlas.model.filter_field import BLANK_TEXTS, STABLE_FIELDS, find_stable_name
from runatlas.model.filters import And, Comparison, Field, Filter, Not, Operator, Or, Sort
from runatlas.model.glob import escape_glob
from runatlas.model.operand import (
    SCOPES,
    Value,
    describe,
    explain_call,
    fit_pattern,
    fit_value,
    is_lower,
    is_value,
    read_field,
    read_value,
)
from runatlas.model.syntax import FilterSyntaxError, FilterText

__all__ = ["FilterSyntaxError", "field_name", "parse_field", "parse_filter", "parse_order"]

_COMPARISONS_MAX = 500
_FOREIGN_VALUES = {"null": "None", "none": "None", "true": "True", "false": "False"}
"""Values as other languages spell them, in small letters, and ours."""

_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: "EQ",
    ast.NotEq: "NEQ",
    ast.GtE: "GTE",
    ast.LtE: "LTE",
    ast.Gt: "GT",
    ast.Lt: "LT",
}
_FLIPPED: dict[Operator, Operator] = {"GTE": "LTE", "LTE": "GTE", "GT": "LT", "LT": "GT"}


def parse_filter(text: str, *, argument: str = "filters") -> Filter:
    """Read a filter over runs; nothing in it is ever evaluated.

    Args:
        text: An expression as in this module's table, at the most 20,000 characters and 500 comparisons.
        argument: What the caller names the text, for the message of an error.

    Returns:
        The filter as a tree.

    Raises:
        TypeError: ``text`` is not a string.
        FilterSyntaxError: It cannot be read; the message points at the column.

    Example:
        >>> parse_filter("config.lr < 0.01")
        Comparison(field=Field(type='CONFIG', key='lr', stat='last', context=()), op='LT', value=0.01, lenient=False)
        >>> parse_filter("stat == 'FINISHED'")
        Traceback (most recent call last):
        runatlas.model.syntax.FilterSyntaxError: filters: unknown name 'stat', did you mean 'state'? (column 1)
            stat == 'FINISHED'
            ^
    """
    source = FilterText(text, argument)
    return _Conditions(source).read(source.tree)


def parse_field(text: str, *, argument: str = "field") -> Field:
    """Read one field as filters name it, such as ``"summary.loss.min"``.

    Raises:
        TypeError: ``text`` is not a string.
        FilterSyntaxError: It is no field; the message points at the column.
    """
    source = FilterText(text, argument)
    return read_field(source, source.tree)


def field_name(field: Field) -> str:
    """Return what filters call a field, as ``parse_field`` reads it.

    Example:
        >>> field_name(Field("SCALAR", "train/loss", "min"))
        'summary["train/loss"].min'
    """
    if field.type == "STABLE":
        return field.key
    is_config = field.type == "CONFIG"
    parts = field.key.split(".") if is_config else [field.key]
    key = f".{field.key}" if all(map(_is_word, parts)) else f"[{json.dumps(field.key, ensure_ascii=False)}]"
    name = f"{'config' if is_config else 'summary'}{key}{context_text(field.context)}"
    return name if field.stat == "last" else f"{name}.{field.stat}"


def _is_word(part: str) -> bool:
    """Tell whether a part of a key is read as it is without quotes."""
    return part.isidentifier() and not iskeyword(part) and normalize("NFKC", part) == part


def parse_order(text: str, *, argument: str = "order") -> tuple[Sort, ...]:
    """Read an order over runs: fields with commas between them, ``-`` before one for descending.

    Raises:
        TypeError: ``text`` is not a string.
        FilterSyntaxError: It cannot be read; the message points at the column.

    Example:
        >>> [(sort.field.key, sort.order) for sort in parse_order("-summary.loss, created_at")]
        [('loss', 'DESC'), ('created_at', 'ASC')]
    """
    source = FilterText(text, argument)
    items = source.tree.elts if isinstance(source.tree, ast.Tuple) else [source.tree]
    if not items:
        raise source.error("an order names at least one field")
    return tuple(_read_sort(source, item) for item in items)


def _read_sort(source: FilterText, node: ast.expr) -> Sort:
    descending = False
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        descending, node = isinstance(node.op, ast.USub), node.operand
    field = read_field(source, node)
    if field == Field("STABLE", "labels") or field.stat == "len":
        raise source.error("runs cannot be ordered by their labels, nor by a length", node)
    return Sort(field, "DESC" if descending else "ASC")


class _Conditions:
    """The walk over the conditions of one text."""

    def __init__(self, source: FilterText) -> None:
        self._source = source
        self._comparisons = 0

    def read(self, node: ast.expr) -> Filter:
        """Read a condition."""
        if isinstance(node, ast.BoolOp):
            items = tuple(self.read(value) for value in node.values)
            return And(items) if isinstance(node.op, ast.And) else Or(items)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return Not(self.read(node.operand))
        if isinstance(node, ast.Compare):
            return self._read_chain(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return And(()) if node.value else Or(())
        return self._read_bare(node)

    def _read_bare(self, node: ast.expr) -> Filter:
        if isinstance(node, ast.Call):
            return self._read_test(node)
        if is_value(node) or not isinstance(node, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)):
            raise self._source.error(
                f"{describe(node)} is no condition; compare a field, as in state == 'FINISHED'", node
            )
        field = read_field(self._source, node)
        kind = STABLE_FIELDS[field.key] if field.type == "STABLE" else None
        if kind == "bool":
            return self._compare(field, "EQ", True, node)
        if kind == "labels" or (kind == "text" and field.key in {"user", "colors", *BLANK_TEXTS}):
            return self._compare(field, "NEQ", None, node)
        if field == Field("STABLE", "name"):
            return self._compare(field, "NEQ", "", node)
        what = ast.unparse(node)
        raise self._source.error(f"{what} is no condition; compare it with a value, or write {what} is not None", node)

    def _read_test(self, node: ast.Call) -> Filter:
        """Read a condition that is a call: of a text's beginning, end or pattern, or for NaN."""
        self._count(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        is_method = isinstance(node.func, ast.Attribute)
        if name == "isnan" and len(node.args) == 1 and not node.keywords:
            return self._compare(read_field(self._source, node.args[0]), "EQ", math.nan, node)
        if name in {"startswith", "endswith"} and is_method and len(node.args) == 1 and not node.keywords:
            given = node.args[0]
            texts = given.elts if isinstance(given, ast.Tuple) else [given]
            held = cast(ast.Attribute, node.func).value
            before, after = ("", "*") if name == "startswith" else ("*", "")
            found = tuple(self._fit_text(held, item, before=before, after=after) for item in texts)
            return found[0] if len(found) == 1 else Or(found)
        if name == "fnmatch" and len(node.args) == 2 and not node.keywords:
            return self._fit_text(node.args[0], node.args[1])
        raise explain_call(self._source, node)

    def _fit_text(self, held: ast.expr, node: ast.expr, *, before: str | None = None, after: str = "") -> Filter:
        """Read a text, with what may stand around it, or (``before`` is ``None``) a pattern."""
        any_case = is_lower(held)
        field = read_field(self._source, _without_lower(self._source, held))
        value = read_value(self._source, node)
        if any_case and isinstance(value, str) and value != value.lower():
            raise self._source.error(f"after .lower() the text is in small letters too: {value.lower()!r}", node)
        if before is not None and isinstance(value, str):
            value = f"{before}{escape_glob(value)}{after}"
        return Comparison(field, "IGLOB" if any_case else "GLOB", fit_pattern(self._source, field, value, node))

    def _count(self, node: ast.expr) -> None:
        self._comparisons += 1
        if self._comparisons > _COMPARISONS_MAX:
            raise self._source.error(f"these are too many comparisons, {_COMPARISONS_MAX} are allowed", node)

    def _read_chain(self, node: ast.Compare) -> Filter:
        sides = [node.left, *node.comparators]
        items = tuple(self._read_pair(sides[i], op, sides[i + 1]) for i, op in enumerate(node.ops))
        return items[0] if len(items) == 1 else And(items)

    def _read_pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Filter:
        self._count(left)
        if isinstance(operator, (ast.In, ast.NotIn)):
            return self._read_membership(left, right, negated=isinstance(operator, ast.NotIn))
        if is_value(left) and is_value(right):
            for side in (left, right):
                read_value(self._source, side)
            raise self._source.error("two values are compared; one side must be a field, such as config.lr", left)
        if not is_value(left) and not is_value(right):
            field = read_field(self._source, left)
            raise self._explain_two_fields(field, right)
        if is_lower(left) or is_lower(right):
            return self._read_lower(left, operator, right)
        flipped = is_value(left)
        field = read_field(self._source, right if flipped else left)
        place = left if flipped else right
        value = read_value(self._source, place)
        if isinstance(operator, (ast.Is, ast.IsNot)):
            if not (value is None or isinstance(value, bool)):
                raise self._source.error("'is' is for None, True and False; write == or !=", place)
            return self._compare(field, "EQ" if isinstance(operator, ast.Is) else "NEQ", value, place)
        op = _OPERATORS[type(operator)]
        return self._compare(field, _FLIPPED.get(op, op) if flipped else op, value, place)

    def _read_lower(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Filter:
        held, value = (left, right) if is_lower(left) else (right, left)
        if not isinstance(operator, (ast.Eq, ast.NotEq)):
            raise self._source.error(
                "after .lower() comes == or !=, 'in' and a list, .startswith() or .endswith()", held
            )
        found = self._fit_text(held, value, before="")
        return Not(found) if isinstance(operator, ast.NotEq) else found

    def _explain_two_fields(self, field: Field, right: ast.expr) -> FilterSyntaxError:
        if isinstance(right, ast.Name) and right.id.lower() in _FOREIGN_VALUES:
            return self._source.error(f"write {_FOREIGN_VALUES[right.id.lower()]} instead of {right.id}", right)
        if isinstance(right, ast.Name) and find_stable_name(right.id) is None and right.id not in SCOPES:
            return self._source.error(f"unknown name {right.id!r}; text needs quotes: '{right.id}'", right)
        read_field(self._source, right)
        return self._source.error(f"{field.key!r} is compared with another field; one side must be a value", right)

    def _read_membership(self, left: ast.expr, right: ast.expr, *, negated: bool) -> Filter:
        if isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            if is_lower(left):
                for _ in right.elts[1:]:
                    self._count(left)
                either = Or(tuple(self._fit_text(left, item, before="") for item in right.elts))
                return Not(either) if negated else either
            field = read_field(self._source, left)
            values = tuple(
                fit_value(self._source, field, "IN", read_value(self._source, item), item) for item in right.elts
            )
            return Comparison(field, "NOT IN" if negated else "IN", values)
        if is_value(right):
            raise self._source.error("after 'in' comes a list in brackets, or a field", right)
        if not is_value(left):
            raise self._source.error("before 'in' comes a text in quotes when a field comes after it", left)
        right = _without_lower(self._source, right) if is_lower(right) else right
        found = self._compare(self._read_container(right), "CONTAIN", read_value(self._source, left), left)
        return Not(found) if negated else found

    def _read_container(self, node: ast.expr) -> Field:
        if isinstance(node, ast.Name) and node.id in SCOPES:
            raise self._source.error(f"ask for presence as in {node.id}.x is not None", node)
        return read_field(self._source, node)

    def _compare(self, field: Field, op: Operator, value: Value, node: ast.AST) -> Comparison:
        return Comparison(field, op, fit_value(self._source, field, op, value, node))


def _without_lower(source: FilterText, node: ast.expr) -> ast.expr:
    """Return what ``.lower()`` is called of."""
    if not is_lower(node):
        return node
    if node.args or node.keywords:
        raise source.error("lower() takes nothing in its parentheses, as in name.lower() == 'a'", node)
    return cast(ast.Attribute, node.func).value
