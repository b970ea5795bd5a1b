"""Everything public says what it is; every argument of a public function of the surface is described."""

from __future__ import annotations

import ast
import doctest
import importlib
from pathlib import Path

import pytest
from support.source import modules

pytestmark = pytest.mark.xdist_group("source")

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def _undescribed(tree: ast.Module) -> list[str]:
    return [
        f"{node.lineno} {node.name}"
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if not node.name.startswith("_") and not ast.get_docstring(node) and not _is_overload(node)
    ]


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """One of several signatures of a function, whose docstring stands where it is written."""
    return any(isinstance(found, ast.Name) and found.id == "overload" for found in node.decorator_list)


def test_public_things_have_a_docstring() -> None:
    described = [module for module in modules() if not module.name.endswith("__main__")]
    missing = [module.where for module in described if not ast.get_docstring(module.tree)]
    missing += [f"{module.where}:{thing}" for module in described for thing in _undescribed(module.tree)]
    assert not missing, f"these do not say what they are: {missing}"


def test_examples_in_docstrings_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = []
    for module in modules():
        if ">>> " not in module.text:
            continue
        directory = tmp_path / module.name
        directory.mkdir()
        monkeypatch.chdir(directory)
        outcome = doctest.testmod(importlib.import_module(module.name), optionflags=FLAGS)  # prints what differs
        if not outcome.attempted:
            wrong.append(f"{module.where}: its examples are not found by doctest")
        if outcome.failed:
            wrong.append(f"{module.where}: {outcome.failed} of {outcome.attempted} examples fail")
    assert not wrong, wrong
