"""Every notebook of the docs runs on the real runs that it names, and has saved what its cells show.

``RUNATLAS_SAVE_DOCS=1 pytest tests/documents/test_notebooks.py`` saves it anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.document import REAL_RUNS, ROOT, SAVES, WRITER, Reader, blocks_of
from support.notebook import read_notebook, run_notebook, told_by, words_of, write_notebook

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
LARGEST = 400_000

pytestmark = pytest.mark.xdist_group("notebooks")


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the command that every notebook begins with has run."""
    directory = tmp_path_factory.mktemp("imported")
    (directory / REAL_RUNS.name).symlink_to(REAL_RUNS)
    commands = {path: blocks_of(words_of(read_notebook(path)), path.name) for path in NOTEBOOKS}
    first = next(iter(commands))
    assert [[block.body for block in found] for found in commands.values()] == [
        [block.body for block in commands[first]]
    ] * len(NOTEBOOKS)
    reader = Reader(first, directory)
    for block in commands[first]:
        reader.run(block)
    return directory


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_saved_what_its_cells_show(
    path: Path, imported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "here"
    shutil.copytree(imported, directory, symlinks=True)
    monkeypatch.chdir(directory)
    monkeypatch.setenv("HOME", str(directory))
    monkeypatch.setenv("LOGNAME", WRITER)
    made = run_notebook(path)
    if SAVES:
        write_notebook(path, made)
    assert told_by(read_notebook(path)) == told_by(made)
    assert path.stat().st_size < LARGEST
