from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runatlas.tracking.environment import read_environment, read_git, read_packages


def git(directory: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", "-C", str(directory), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-b", "trunk")
    (tmp_path / "train.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "Begin")
    git(tmp_path, "remote", "add", "origin", "https://ann:hunter2@example.org/a.git")
    return tmp_path


def test_a_working_tree_tells_its_commit_without_its_password(tree: Path) -> None:
    found = read_git(tree)

    assert (found["branch"], found["author"], found["subject"], found["dirty"]) == ("trunk", "Ann", "Begin", False)
    assert found["remote"] == "https://***@example.org/a.git"
    assert len(found["commit"]) == 40
    (tree / "train.py").write_text("2")
    assert read_git(tree)["dirty"] is True


def test_a_directory_without_git_tells_nothing(tmp_path: Path) -> None:
    assert read_git(tmp_path) == {}
    assert read_git(tmp_path / "none") == {}


def test_the_process_is_described_and_secrets_are_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["train.py", "--token", "hunter2", "--lr", "0.1"])
    (tmp_path / "conda-meta").mkdir()
    (tmp_path / "conda-meta" / "numpy-2.0-0.json").write_text("{}")
    profile = read_environment({"API_KEY": "hunter2", "SHELL": "sh", "CONDA_PREFIX": str(tmp_path)}, tmp_path)

    assert profile.metadata["arguments"] == ["train.py", "--token", "***", "--lr", "0.1"]
    assert profile.metadata["environment"]["API_KEY"] == "***"
    assert profile.metadata["environment"]["SHELL"] == "sh"
    assert profile.metadata["executable"] == sys.executable
    assert profile.conda == "numpy-2.0-0\n"
    assert "hunter2" not in str(profile)


def test_the_packages_are_listed_with_versions() -> None:
    assert f"pytest=={pytest.__version__}" in read_packages().splitlines()
