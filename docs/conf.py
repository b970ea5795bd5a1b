"""How the documentation is built: ``sphinx-build --fail-on-warning -b html docs site``."""

from __future__ import annotations

from importlib.metadata import version as installed_version

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

_plain: dict[str, list[str]] = {}


def _keep(_app: Sphinx, what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    """Keep a property's text before napoleon takes what stands before its first colon for a type."""
    if what == "property" and not any(line.endswith(":") for line in lines):
        _plain[name] = list(lines)


def _put_back(_app: Sphinx, _what: str, name: str, _obj: object, _options: object, lines: list[str]) -> None:
    lines[:] = _plain.pop(name, lines)


def setup(app: Sphinx) -> None:
    """Go before and after napoleon, whose priority is 500."""
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _put_back, priority=600)
