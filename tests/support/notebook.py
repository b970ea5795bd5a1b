"""Running the cells of a notebook in this process as Jupyter would, and comparing what they show with what is saved."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from support.page import check_html

__all__ = ["read_notebook", "run_notebook", "told_by", "words_of", "write_notebook"]

_QUIET = {"HistoryManager": {"enabled": False}, "InteractiveShell": {"xmode": "Plain", "colors": "nocolor"}}
_CHANGING = (
    (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "TIME"),
    (r"\b[0-9a-z]{20,40}\b", "ID"),
)
"""What is another one each time: times and ids, where they were made by running the cells."""


def read_notebook(path: Path) -> dict[str, Any]:
    """Read a notebook."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["nbformat"] == 4
    return found


def write_notebook(path: Path, notebook: Mapping[str, Any]) -> None:
    """Write a notebook as Jupyter does."""
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def words_of(notebook: Mapping[str, Any]) -> str:
    """Return what a notebook says between its cells, as Markdown."""
    return "\n\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def run_notebook(path: Path) -> dict[str, Any]:
    """Run the cells of a notebook from the top, in this directory.

    Returns:
        The notebook with what they show.

    Raises:
        AssertionError: A cell raises.
    """
    from IPython.core.interactiveshell import InteractiveShell  # which every process that collects tests would import
    from traitlets.config import Config

    notebook = read_notebook(path)
    main = sys.modules["__main__"]
    shell: Any = InteractiveShell.instance(config=Config(_QUIET), ipython_dir=str(Path.cwd() / ".ipython"))
    shell.display_formatter.active_types = shell.display_formatter.format_types  # all that a kernel asks for
    try:
        codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for number, cell in enumerate(codes, 1):
            cell |= {"execution_count": number, "outputs": _run(shell, "".join(cell["source"]), number)}
    finally:
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
        sys.modules["__main__"] = main
    return notebook


def _run(shell: Any, source: str, number: int) -> list[dict[str, Any]]:
    """Run a cell, and return what it prints, then what it displays, and what its last line is."""
    from IPython.utils.capture import capture_output

    results: list[dict[str, Any]] = []

    def show(value: object) -> None:
        if value is not None:
            made = _output(*shell.display_formatter.format(value))
            results.append({"output_type": "execute_result", "execution_count": number, **made})

    shell.display_trap.hook = show
    with capture_output() as shown:
        done = shell.run_cell(source)
    assert done.success, f"cell {number}:\n{source}\n{shown.stdout}{shown.stderr}"
    printed = [
        {"name": name, "output_type": "stream", "text": _saved(text)}
        for name, text in (("stdout", shown.stdout), ("stderr", shown.stderr))
        if text
    ]
    displayed = [{"output_type": "display_data", **_output(item.data, item.metadata)} for item in shown.outputs]
    return [*printed, *displayed, *results]


def _output(data: Mapping[str, str | bytes], metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"data": {kind: _saved(held) for kind, held in data.items()}, "metadata": metadata or {}}


def _saved(held: str | bytes) -> str | list[str]:
    if isinstance(held, bytes):
        return base64.b64encode(held).decode()
    return held.replace(str(Path.cwd()), "~").splitlines(keepends=True)


def told_by(notebook: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return each cell and what is read in what it shows, without what is another one each time.

    Raises:
        AssertionError: A cell shows HTML that is not valid, or that has something to run or to fetch.
    """
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [
        ("".join(cell["source"]), [text for output in cell["outputs"] for text in _texts(output)]) for cell in codes
    ]


def _texts(output: Mapping[str, Any]) -> Sequence[str]:
    data = output.get("data", {"text/plain": output.get("text", [])})
    read = [f"{kind}: {_read(kind, ''.join(held))}" for kind, held in sorted(data.items())]
    for pattern, name in _CHANGING:
        read = [re.sub(pattern, name, text) for text in read]
    return read


def _read(kind: str, held: str) -> str:
    return check_html(held) if kind == "text/html" else "" if kind.startswith("image/") else held
