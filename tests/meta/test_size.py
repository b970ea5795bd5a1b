"""Files of at most 500 lines, function bodies under 40: split by meaning."""

from __future__ import annotations

import ast

import pytest
from support.source import Module, modules

FILE_LINES = 500
BODY_LINES = 40


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_sizes(module: Module) -> None:
    assert len(module.text.splitlines()) <= FILE_LINES, f"{module.where} is over {FILE_LINES} lines"
    long = [
        f"{module.where}:{node.lineno} {node.name}: {_body_lines(node)} lines"
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _body_lines(node) > BODY_LINES
    ]
    assert not long, long
