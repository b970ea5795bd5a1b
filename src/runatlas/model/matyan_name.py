"""MatyanQL's names for what a run has, as our filters call it."""

from __future__ import annotations

import ast
from datetime import datetime, timezone

from runatlas.model.filter_text import FilterText
from runatlas.model.run_field import find_stable_name

__all__ = ["translate"]

_NAMES = {
    "hash": "id",
    "experiment": "project",
    "is_archived": "archived",
    "creation_time": "created_at",
    "end_time": "finished_at",
    "tags": "labels",
    "metrics": "summary",
}
_TIMES = {"created_at", "finished_at", "updated_at", "pinned_at"}
_SCOPES = {"config", "hparams", "summary", "metrics"}


def translate(source: FilterText, node: ast.expr) -> ast.expr:
    """Return a condition on a run in our own language.

    Args:
        source: The text, for errors.
        node: A comparison, or something that holds or not by itself.

    Raises:
        FilterSyntaxError: It asks for something in a way that cannot be expressed.
    """
    if isinstance(node, ast.Compare):
        return _compare(source, node)
    if isinstance(node, ast.Call):
        return _call(source, node)
    if _is_active(node):
        return _state("==")
    found = _field(node)
    # A metric holds if there is one.
    if isinstance(found, ast.Subscript) and isinstance(found.value, ast.Name) and found.value.id == "summary":
        return ast.Compare(found, [ast.IsNot()], [ast.Constant(None)])
    return found


def _compare(source: FilterText, node: ast.Compare) -> ast.expr:
    sides = [node.left, *node.comparators]
    if any(_is_active(side) for side in sides):
        return _compare_active(source, node, sides)
    fields = [_field(side) for side in sides]
    if any(isinstance(side, ast.Name) and side.id in _TIMES for side in fields):
        fields = [_instant(side) for side in fields]
    return ast.Compare(fields[0], node.ops, fields[1:])


def _compare_active(source: FilterText, node: ast.Compare, sides: list[ast.expr]) -> ast.expr:
    values = [side.value for side in sides if isinstance(side, ast.Constant)]
    if len(sides) != 2 or not values or not isinstance(values[0], bool):
        raise source.error("run.active is compared with True or False", node)
    same = isinstance(node.ops[0], (ast.Eq, ast.Is))
    if not same and not isinstance(node.ops[0], (ast.NotEq, ast.IsNot)):
        raise source.error("run.active is compared by == or !=", node)
    return _state("==" if values[0] == same else "!=")


def _call(source: FilterText, node: ast.Call) -> ast.expr:
    """``run.tags.contains('t')``; no other call is a condition."""
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "contains" and len(node.args) == 1 and not node.keywords:
        field = _field(called.value)
        if isinstance(field, ast.Name) and field.id == "labels":
            return ast.Compare(node.args[0], [ast.In()], [field])
    raise source.error("a call is no condition, but for run.tags.contains('t'); compare a field with a value", node)


def _state(op: str) -> ast.expr:
    return ast.parse(f"state {op} 'RUNNING'", mode="eval").body


def _is_active(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "active" and _is_run(node.value)


def _is_run(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "run"


def _field(node: ast.expr) -> ast.expr:
    """Translate the first name after ``run``; what follows it stays."""
    if isinstance(node, ast.Attribute) and _is_run(node.value):
        return _first(node.attr)
    if isinstance(node, ast.Subscript) and _is_run(node.value):
        return ast.Subscript(ast.Name("config"), node.slice)
    if isinstance(node, ast.Attribute):
        return ast.Attribute(_field(node.value), node.attr)
    if isinstance(node, ast.Subscript):
        return _inner(_field(node.value), node.slice)
    return node


def _first(name: str) -> ast.expr:
    known = _NAMES.get(name) or find_stable_name(name) or (name if name in _SCOPES else None)
    return ast.Attribute(ast.Name("config"), name) if known is None else ast.Name(known)


def _inner(value: ast.expr, key: ast.expr) -> ast.expr:
    """``config["a"]["b"]`` is ``config["a.b"]``."""
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id == "config":
        outer = value.slice
        names = [part.value for part in (outer, key) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if len(names) == 2:
            return ast.Subscript(value.value, ast.Constant(".".join(names)))
    return ast.Subscript(value, key)


def _instant(node: ast.expr) -> ast.expr:
    """Unix seconds, as MatyanQL has times, as text."""
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool) or not isinstance(node.value, (int, float)):
        return node
    try:
        moment = datetime.fromtimestamp(node.value, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return node
    return ast.Constant(moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))
