"""What no module may contain."""

from __future__ import annotations

import ast
import re

import pytest
from support.source import ROOT, Module, modules

EDGES = {
    "runatlas.tracking.sender": "training must not fall",
    "runatlas.server.app": "a request must not take the server down",
    "runatlas.server.failure": "a request must not take the server down",
}
"""The modules that may catch everything, where it is logged and counted."""

BANNED_NAMES = {"utils", "helpers", "common", "misc", "util", "helper"}
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_nothing_is_left_for_later(module: Module) -> None:
    found = [f"{module.where}:{n}" for n, line in enumerate(module.text.splitlines(), 1) if BANNED_WORDS.search(line)]
    assert not found, found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_only_the_two_edges_catch_everything(module: Module) -> None:
    def broad(handler: ast.ExceptHandler) -> bool:
        caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        names = {item.id for item in caught if isinstance(item, ast.Name)}
        reraises = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
        return (handler.type is None or bool(names & {"Exception", "BaseException"})) and not reraises

    found = [
        f"{module.where}:{node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and broad(node)
    ]
    assert not found or module.name in EDGES, found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_only_the_command_line_prints(module: Module) -> None:
    found = [
        f"{module.where}:{node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not found or module.layer == "cli", found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_modules_are_named_for_what_they_hold(module: Module) -> None:
    assert not set(module.name.split(".")) & BANNED_NAMES


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_no_pickle_and_no_evaluation(module: Module) -> None:
    calls = [
        f"{module.where}:{node.lineno} {node.func.id}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    ]
    pickles = [
        f"{module.where}:{item.line}" for item in module.imports if item.target.split(".")[0] in {"pickle", "shelve"}
    ]
    assert not calls + pickles


def test_texts_name_no_machine() -> None:
    texts = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "pyproject.toml"]
    texts += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    wrong = re.compile("/" + r"(work|root|opt|tmp/x)/")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in texts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if wrong.search(line)
    ]
    assert not found, found


@pytest.mark.xdist_group("together")
def test_tests_of_a_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """They share what is slow to make; a version of the runner that overlooks the mark makes it in every process."""
    is_distributed = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@together") or not is_distributed
