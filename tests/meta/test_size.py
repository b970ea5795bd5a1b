"""Files of at most 600 lines, function bodies of at most 60: split by meaning."""

from __future__ import annotations

import ast

import pytest
from support.source import modules

pytestmark = pytest.mark.xdist_group("source")

FILE_LINES = 600
BODY_LINES = 60


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        body = body[1:]
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_files_are_not_too_long() -> None:
    lengths = {module.where: len(module.text.splitlines()) for module in modules()}
    long = [f"{where}: {lines} lines" for where, lines in lengths.items() if lines > FILE_LINES]
    assert not long, f"over {FILE_LINES} lines: {long}"


def test_functions_are_not_too_long() -> None:
    long = [
        f"{module.where}:{node.lineno} {node.name}: {_body_lines(node)} lines"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _body_lines(node) > BODY_LINES
    ]
    assert not long, f"over {BODY_LINES} lines: {long}"
