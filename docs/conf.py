"""How the documentation is built: ``sphinx-build --fail-on-warning -b html docs site``."""

from __future__ import annotations

from importlib.metadata import version as installed_version

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
