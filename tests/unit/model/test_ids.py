"""Names, ids and paths."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runatlas.model.ids import (
    ProjectPath,
    RunPath,
    new_cuid,
    validate_project_name,
    validate_run_id,
    validate_workspace_name,
)


def test_new_ids_are_short_and_different() -> None:
    made = {new_cuid() for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"[a-z][a-z0-9]{20}", cuid) for cuid in made)


@pytest.mark.parametrize("name", ["a", "Ann-1_b", "0" * 25])
def test_workspace_names(name: str) -> None:
    assert validate_workspace_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 26, "a b", "a.b", "ä", "a/b", "a\n", "~"])
def test_wrong_workspace_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"^owner: .* is not a workspace name"):
        validate_workspace_name(name, argument="owner")


@pytest.mark.parametrize("name", ["a", "My.project+1_2-3", "...", "0" * 100])
def test_project_names(name: str) -> None:
    assert validate_project_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 101, ".", "..", "a b", "a/b", "é", "a\n", "a\x00"])
def test_wrong_project_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: .* is not a project name"):
        validate_project_name(name)


@pytest.mark.parametrize("run_id", ["a", "run 1", "é=1,b=[2]", "x" * 512, "...", "~"])
def test_run_ids(run_id: str) -> None:
    assert validate_run_id(run_id) == run_id


@pytest.mark.parametrize(
    "run_id", ["", " a", "a ", "x" * 513, ".", "..", *(f"a{c}b" for c in '<>:"/\\|?*#%\x00\n\x7f\ud800')]
)
def test_wrong_run_ids(run_id: str) -> None:
    with pytest.raises(ValueError, match=r"^run: .* is not a run id"):
        validate_run_id(run_id)


@pytest.mark.parametrize("validate", [validate_workspace_name, validate_project_name, validate_run_id])
@pytest.mark.parametrize("value", [None, 5, b"a", ["a"]])
def test_names_are_text(validate: Any, value: Any) -> None:
    with pytest.raises(TypeError, match=r"^it: expected a string, got"):
        validate(value, argument="it")


def test_paths() -> None:
    run = RunPath.parse("/ann/demo/r 1")
    assert run == RunPath("ann", "demo", "r 1")
    assert str(run) == "ann/demo/r 1"
    assert run.project_path == ProjectPath.parse("ann/demo")
    assert run.project_path.run("r 1") == run
    assert str(run.project_path) == "ann/demo"


@pytest.mark.parametrize("text", ["", "/", "a", "a/b/c", "a//b", "//a/b", "a/b/", "a b/c", "a/.."])
def test_wrong_project_paths(text: str) -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        ProjectPath.parse(text)


@pytest.mark.parametrize("text", ["", "a/b", "a/b/c/d", "a/b/", "a/b/..", "a/b/x?y"])
def test_wrong_run_paths(text: str) -> None:
    with pytest.raises(ValueError, match=r"^path: "):
        RunPath.parse(text)


@given(st.text(max_size=30))
def test_every_path_that_parses_prints_as_it_was(text: str) -> None:
    try:
        path = RunPath.parse(text)
    except ValueError:
        return
    assert str(path) == text.removeprefix("/")
    assert RunPath.parse(str(path)) == path
