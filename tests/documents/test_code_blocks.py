"""Every code block of README and docs runs, from the top, in a directory where ``runatlas demo`` has run."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from support.document import REAL_RUNS, ROOT, SETUP, WRITER, Reader, blocks, documents

pytestmark = pytest.mark.xdist_group("documents")

_PICTURE = re.compile(r"!\[[^]]*\]\(((?!(?:docs/)?images/pages-)[^)]*)\)")


@pytest.fixture(scope="session")
def demo_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which ``runatlas demo`` has run."""
    directory = tmp_path_factory.mktemp("demo")
    reader = Reader(ROOT / "README.md", directory)
    reader._shell("runatlas demo")
    return directory


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_every_block_runs(path: Path, demo_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "here"
    shutil.copytree(demo_directory, directory)
    (directory / REAL_RUNS.name).symlink_to(REAL_RUNS)
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setenv("LOGNAME", WRITER)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    reader = Reader(path, directory)
    try:
        for block in blocks(path):
            reader.run(block)
    finally:
        reader.close()


def test_every_picture_is_drawn_by_the_code_above_it_or_is_of_a_page() -> None:
    # Those of pages are made in a browser: tests/browser/test_pictures.py has them all.
    shown = {path: _PICTURE.findall(path.read_text(encoding="utf-8")) for path in documents()}
    assert shown == {path: [block.picture for block in blocks(path) if block.picture] for path in documents()}
    saved = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs/images").iterdir()}
    assert {name for name in saved if not name.startswith("images/pages-")} == {
        picture for pictures in shown.values() for picture in pictures
    }


def test_the_readme_sets_up_with_exactly_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    installs = [line.removeprefix("$ ") for line in text.splitlines() if "pip install" in line]
    assert tuple(installs) == SETUP
