"""Everything public says what it is; every argument of a public function of the surface is described."""

from __future__ import annotations

import ast
import doctest
import importlib

import pytest
from support.source import Module, modules

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


def _public(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_")


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_public_things_have_a_docstring(module: Module) -> None:
    if module.name.endswith("__main__"):
        return
    assert ast.get_docstring(module.tree), f"{module.where} does not say what it is"
    missing = []
    for node in module.tree.body:
        if not _public(node):
            continue
        assert isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if not ast.get_docstring(node):
            missing.append(f"{module.where}:{node.lineno} {node.name}")
    assert not missing, missing


@pytest.mark.parametrize("module", [m for m in modules() if ">>> " in m.text], ids=lambda module: module.name)
def test_examples_in_docstrings_run(
    module: Module, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("doctest"))
    outcome = doctest.testmod(importlib.import_module(module.name), optionflags=FLAGS)
    assert outcome.attempted, f"{module.where}: its examples are not found by doctest"
    assert not outcome.failed
