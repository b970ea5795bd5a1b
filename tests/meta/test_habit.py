"""What no module may contain."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.examples import TIMES
from support.source import ROOT, Module, modules

pytestmark = pytest.mark.xdist_group("source")

EDGES = {
    "runatlas.tracking.worker": "training must not fall",
    "runatlas.server.app": "a request must not take the server down",
    "runatlas.server.failure": "a request must not take the server down",
    "runatlas.server.schedule": "one evaluation must not end those that follow",
}
"""The modules that may catch everything, where it is logged and counted."""

BANNED_NAMES = {"utils", "helpers", "common", "misc", "util", "helper"}
BANNED_WORDS = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")


def _is_broad(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {item.id for item in caught if isinstance(item, ast.Name)}
    reraises = any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))
    return (handler.type is None or bool(names & {"Exception", "BaseException"})) and not reraises


def _calls(*names: str) -> list[tuple[Module, ast.Call, str]]:
    return [
        (module, node, node.func.id)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{module.where}:{number}"
        for module in modules()
        for number, line in enumerate(module.text.splitlines(), 1)
        if BANNED_WORDS.search(line)
    ]
    assert not found, found


def test_only_the_edges_catch_everything() -> None:
    found = [
        f"{module.where}:{node.lineno}"
        for module in modules()
        if module.name not in EDGES
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    assert not found, found


def test_only_the_command_line_prints() -> None:
    found = [f"{module.where}:{node.lineno}" for module, node, _ in _calls("print") if module.layer != "cli"]
    assert not found, found


def test_modules_are_named_for_what_they_hold() -> None:
    found = [module.where for module in modules() if set(module.name.split(".")) & BANNED_NAMES]
    assert not found, found


def test_no_pickle_and_no_evaluation() -> None:
    found = [f"{module.where}:{node.lineno} {name}" for module, node, name in _calls("eval", "exec")]
    found += [
        f"{module.where}:{item.line} {item.target}"
        for module in modules()
        for item in module.imports
        if item.target.split(".")[0] in {"pickle", "shelve"}
    ]
    assert not found, found


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


def test_what_the_page_for_contributors_names_is_there() -> None:
    page = (ROOT / "docs/contributing.md").read_text(encoding="utf-8")
    named = re.findall(r"\| `([\w/]+\.py)` \|", page)
    assert len(named) >= 20
    assert not [path for path in named if not (ROOT / "src/runatlas" / path).exists()]


def test_what_the_page_on_how_it_is_built_names_is_there() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    sources = {
        path: path.read_text(encoding="utf-8") for part in ("src", "tests") for path in (ROOT / part).rglob("*.py")
    }
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) >= 100
    missing = [
        f"{name}::{word}"
        for name, word in named
        if not any(f"/{path.relative_to(ROOT)}".endswith(f"/{name}") and word in text for path, text in sources.items())
    ]
    assert not missing, missing


def test_what_is_named_runs_in_this_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def workers(*arguments: str, keyword: str = "") -> int:
        monkeypatch.setattr(request.config, "args", [str(ROOT / argument) for argument in arguments])
        monkeypatch.setattr(request.config.option, "keyword", keyword)
        return int(request.config.hook.pytest_xdist_auto_num_workers(config=request.config))

    assert workers("tests/meta/test_habit.py") == 0
    assert workers("tests/unit", "tests/meta/test_habit.py::test_texts_name_no_machine") == 0
    assert workers("tests", keyword="machine") == 0
    assert workers("tests") >= 1
    assert workers("tests/unit", "tests/meta") >= 1


def _drawn() -> list[tuple[int, str]]:
    found = []

    @settings(max_examples=200, database=None, derandomize=True)
    @given(st.integers(), st.text())
    def draw(number: int, text: str) -> None:
        found.append((number, text))

    draw()
    return found


def test_the_same_examples_are_drawn_whatever_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _drawn()
    words = "\n".join(f"a{number} = {number * 1000 + 7}, 'a word {number}'" for number in range(100))
    (tmp_path / "loaded_meanwhile.py").write_text(words, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("loaded_meanwhile")
    monkeypatch.setitem(sys.modules, "one_more", module)  # so that their number has changed

    assert TIMES or _drawn() == before


def test_tests_of_a_group_run_in_one_process(request: pytest.FixtureRequest) -> None:
    """They share what is slow to make; a version of the runner that overlooks the mark makes it in every process."""
    is_distributed = hasattr(request.config, "workerinput")
    assert request.node.nodeid.endswith("@source") or not is_distributed
