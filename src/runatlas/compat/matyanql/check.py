"""What the language of evaluated expressions is: everything else is refused before anything is evaluated."""

from __future__ import annotations

import ast
from collections.abc import Collection

from runatlas.compat.matyanql.function import FUNCTIONS, METHODS, NAMESPACES
from runatlas.model.syntax import FilterText
from runatlas.model.text import did_you_mean

__all__ = ["check_expression"]

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ALLOWED = (
    ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.Compare, ast.IfExp, ast.Call, ast.Attribute, ast.Subscript, ast.Slice,
    ast.Constant, ast.Name, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.Lambda, ast.NamedExpr,
    ast.JoinedStr, ast.FormattedValue, *_COMPREHENSIONS,
)  # fmt: skip


def check_expression(source: FilterText, tree: ast.expr, names: Collection[str]) -> None:
    """Refuse what is not part of the language.

    Args:
        source: The text, for errors.
        tree: What it says.
        names: The names of values that the expression will be given.

    Raises:
        FilterSyntaxError: It uses something else; the message points at the column.
    """
    bound = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            _check_name(source, node, {*names, *bound})
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            _check_node(source, node)


def _check_node(source: FilterText, node: ast.expr) -> None:
    if not isinstance(node, _ALLOWED):
        raise source.error(f"{ast.unparse(node)[:60]} cannot be asked for", node)
    if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
        raise source.error(f"{node.attr!r} cannot be asked for; names with '_' before them are not known", node)
    if isinstance(node, ast.Constant) and not (node.value is None or isinstance(node.value, (bool, int, float, str))):
        raise source.error("only texts, numbers, True, False and None are values", node)
    if isinstance(node, ast.Call):
        _check_call(source, node)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        raise source.error("'@' is not known here", node)
    elif isinstance(node, _COMPREHENSIONS) and any(part.is_async for part in node.generators):
        raise source.error("'async' is not known here", node)
    elif isinstance(node, ast.Lambda):
        given = node.args
        if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs or given.defaults:
            raise source.error("a lambda has plain arguments here", node)


def _check_name(source: FilterText, node: ast.Name, names: set[str]) -> None:
    if node.id.startswith("_") and node.id != "_":
        raise source.error(f"{node.id!r} cannot be asked for; names with '_' before them are not known", node)
    if node.id not in names and node.id not in FUNCTIONS and node.id not in NAMESPACES:
        hint = did_you_mean(node.id, names) or did_you_mean(node.id, [*FUNCTIONS, *NAMESPACES])
        known = "" if hint else f"; text needs quotes: '{node.id}'"
        raise source.error(f"unknown name {node.id!r}{hint}{known}", node)


def _check_call(source: FilterText, node: ast.Call) -> None:
    for word in node.keywords:
        if word.arg is None:
            raise source.error("'**' is not known in a call", node)
    called = node.func
    if isinstance(called, ast.Attribute):
        within = called.value
        if isinstance(within, ast.Name) and within.id in NAMESPACES:
            if called.attr not in NAMESPACES[within.id]:
                hint = did_you_mean(called.attr, NAMESPACES[within.id])
                raise source.error(f"{within.id} has no {called.attr!r} here{hint}", called)
        elif called.attr not in METHODS:
            hint = did_you_mean(called.attr, METHODS)
            raise source.error(f"the method {called.attr!r} is not known here{hint}", called)
