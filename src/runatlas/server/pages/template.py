"""From plain values to a page: templates that escape whatever is not HTML already."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from runatlas.display import markup
from runatlas.display.graphic import sparkline
from runatlas.model.instant import iso_text
from runatlas.server.pages.address import (
    model_address,
    picture_address,
    project_address,
    run_address,
    user_address,
    with_query,
    workspace_address,
)
from runatlas.server.pages.room import Room, filled, fitting_lines
from runatlas.terminal import counted, size_text

__all__ = ["STATIC", "asset_version", "rendered"]

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"


@cache
def asset_version() -> str:
    """Tell one state of the files of pages from another: it is a part of their addresses."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.iterdir()):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def _html(found: markup.Html | None) -> Markup:
    return Markup("" if found is None else found.text)  # noqa: S704 - made of escaped texts


def _when(time_ms: int | None) -> Markup:
    """Show a time to the second in UTC, with the zone for programs."""
    if not time_ms:
        return Markup("")
    iso = iso_text(time_ms)
    return Markup('<time datetime="{}">{}</time>').format(iso, iso[:19].replace("T", " "))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "said": lambda given, most=markup.LONG: _html(markup.text(str(given), most)),
        "cell": lambda given, *most: _html(markup.value(given, *most)),
        "measured": lambda given: _html(markup.number(given)),
        "lines": lambda given, most=100_000: _html(markup.lines(given, most)),
        "lines_within": fitting_lines,
        "sparkline": lambda given: _html(sparkline(given)),
        "when": _when,
        "lasting": markup.lasting,
        "counted": counted,
        "sized": size_text,
    }
    made.globals |= {
        "asset_version": asset_version(),
        "filled": filled,
        "model_address": model_address,
        "picture_address": picture_address,
        "project_address": project_address,
        "room": Room,
        "run_address": run_address,
        "user_address": user_address,
        "workspace_address": workspace_address,
        "zip": zip,
        "with_query": with_query,
    }
    return made


def rendered(template: str, **context: Any) -> bytes:
    """Return a page.

    Args:
        template: Its name, such as ``home.html``.
        context: What it shows.
    """
    return _environment().get_template(template).render(**context).encode("utf-8", "backslashreplace")
