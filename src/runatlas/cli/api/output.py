"""What ``runatlas api`` prints: a table for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["print_fields", "print_json", "print_table"]

_UNBOUNDED = 100_000


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def print_json(value: Any) -> None:
    """Print plain values as JSON, every digit of every number; NaN and ±Inf as the texts of that name."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=2))


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, Mapping):
        return json.dumps(_finite(value), ensure_ascii=False)
    return str(value)


def _console() -> Console:
    # Into a pipe nothing is cut to a width that nobody has.
    return Console(width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows below their columns' names; numbers with six significant digits."""
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    _console().print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing's fields, a line each."""
    width = max(map(len, fields), default=0) + 2
    for name, value in fields.items():
        click.echo(f"{name + ':':<{width}}{_cell(value)}")
