"""How the documentation is built: ``sphinx-build --fail-on-warning -b html docs site``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from importlib.metadata import version as installed_version
from typing import Any

from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx

project = "RunAtlas"
author = "The RunAtlas authors"
project_copyright = "The RunAtlas authors"
version = release = installed_version("runatlas")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["site"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = "RunAtlas"
html_static_path = ["static"]
html_css_files = ["notebook.css"]

_plain: dict[str, list[str]] = {}


def _keep(_app: Sphinx, what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Keep a property's text before napoleon takes what stands before its first colon for a type."""
    if what == "property" and not any(line.endswith(":") for line in lines):
        _plain[name] = list(lines)


def _put_back(_app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    lines[:] = _plain.pop(name, lines)


class NotebookParser(MystParser):
    """Reads a notebook as the page that it is: its words, its cells, and what was saved of what they show."""

    supported = ("notebook",)

    def parse(self, inputstring: str, document: Any) -> None:
        """Read it as Markdown."""
        cells = json.loads(inputstring)["cells"]
        super().parse("\n\n".join(part for cell in cells for part in _parts(cell)), document)


def _parts(cell: Mapping[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield _fenced("python", source)
    for output in cell["outputs"]:
        data = {
            kind: "".join(held) for kind, held in output.get("data", {"text/plain": output.get("text", "")}).items()
        }
        if "text/html" in data:
            yield _fenced("{raw} html", f'<div class="cell-output">{data["text/html"]}</div>')
        elif "image/png" in data:
            size = "".join(f' {name}="{held}"' for name, held in output["metadata"].get("image/png", {}).items())
            image = f'<img src="data:image/png;base64,{data["image/png"]}" alt="{escape(data["text/plain"])}"{size}>'
            yield _fenced("{raw} html", f'<div class="cell-output">{image}</div>')
        else:
            yield _fenced("text", data["text/plain"])


def _fenced(info: str, content: str) -> str:
    fence = "`" * 12
    return f"{fence}{info}\n{content}\n{fence}"


def setup(app: Sphinx) -> None:
    """Read notebooks, and go before and after napoleon, whose priority is 500."""
    app.add_source_suffix(".ipynb", "notebook")
    app.add_source_parser(NotebookParser)
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _put_back, priority=600)
