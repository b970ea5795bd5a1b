"""What ``runatlas api`` prints: a table for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from runatlas.entities.collection import Collection
from runatlas.model.codec import with_float_texts
from runatlas.terminal import printable, printable_lines

__all__ = ["REFUSED", "print_fields", "print_json", "print_listing", "print_table", "refusal_text", "say", "say_notes"]

REFUSED = 4
"""The exit code of a plan that ``--commit`` would refuse."""

_UNBOUNDED = 100_000
_OPTIONS = (
    ("delete with force", "delete with --force"),
    ("others with force", "others with --force"),
    ("move with create", "move with --create"),
    ("copy with create", "copy with --create"),
    ("copy with suffix=", "copy with --suffix="),
    ("labels_added=", "--label-added "),
    ("labels_removed=", "--label-removed "),
    ("replace_labels=True", "--replace-labels"),
    ("or allow all", "or say --allow-all"),
    ("or a where that says which runs may all go, and then allow all", "or a --where and --allow-all"),
)


def print_json(value: Any) -> None:
    """Print plain values as JSON, every digit of every number; NaN and ±Inf as the texts of that name."""
    click.echo(json.dumps(with_float_texts(value), ensure_ascii=False, allow_nan=False, indent=2))


_FORMS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda value: "yes" if value else "no"),
    (float, lambda value: f"{value:.6g}"),
    (datetime, lambda value: value.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
    ((list, tuple), lambda value: ", ".join(map(str, value))),
    (Mapping, lambda value: json.dumps(with_float_texts(value), ensure_ascii=False)),
)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    form = next((form for kind, form in _FORMS if isinstance(value, kind)), str)
    return printable_lines(form(value)) or "-"


def _console() -> Console:
    # Into a pipe nothing is cut to a width that nobody has.
    return Console(width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows below their columns' names; numbers with six significant digits."""
    # As texts: the names of metrics and params are no markup.
    table = Table(*(Column(Text(printable(name))) for name in columns), box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    _console().print(table)


def print_listing(found: Collection[Any, Any], columns: Mapping[str, str], *, as_json: bool) -> None:
    """Print a listing: as JSON, or a row an item below their columns' names.

    Args:
        found: The listing.
        columns: Which attribute of an item each column shows, by its name.
        as_json: Whether JSON is wanted.
    """
    if as_json:
        print_json(found.json())
    else:
        print_table(tuple(columns), ([getattr(item, name) for name in columns.values()] for item in found))


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing's fields, a line each."""
    width = max(map(len, map(printable, fields)), default=0) + 2
    for name, value in fields.items():
        shown = _cell(value).replace("\n", "\n" + " " * width)
        click.echo(f"{printable(name) + ':':<{width}}{shown}")


def refusal_text(sentence: str) -> str:
    """Return what refuses a plan as it is said on the command line, where ``force`` and its like are options."""
    for said, option in _OPTIONS:
        sentence = sentence.replace(said, option)
    return sentence


def say(text: str, *, err: bool = True) -> None:
    """Print a sentence, to stderr as what is no data."""
    click.echo(printable_lines(text), err=err)


def say_notes(listing: Collection[Any, Any]) -> None:
    """Print what is asked for that nothing has, such as a mistyped key of a filter, to stderr."""
    for note in listing.notes:
        say(f"note: {note}")
