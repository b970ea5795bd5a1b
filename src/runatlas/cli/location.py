"""The options that say where a store is, for commands that open it without a server."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from runatlas.server.services.services import Services

__all__ = ["is_new_store", "store_location", "tell_of_new_store"]


def store_location(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--dir``, ``--database`` and ``--blobs-dir`` to a command.

    Args:
        command: Called with ``location`` (a path or a URL) and ``blobs_dir``, and its own arguments.

    Returns:
        The command with the options.
    """

    @click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="The directory.")
    @click.option("--database", help="A database, as postgresql://user:password@host/name.")
    @click.option("--blobs-dir", type=click.Path(path_type=Path, file_okay=False), help="Where files lie beside it.")
    @wraps(command)
    def located(directory: Path | None, database: str | None, blobs_dir: Path | None, **rest: Any) -> None:
        if (directory is None) == (database is None):
            raise click.UsageError("give either --dir or --database")
        if database is not None and not database.startswith(("postgresql://", "postgres://")):
            raise click.BadParameter("it begins with postgresql://", param_hint="--database")
        if database is not None and blobs_dir is None:
            raise click.UsageError("--database needs --blobs-dir: files do not lie in the database")
        command(location=directory if directory is not None else database, blobs_dir=blobs_dir, **rest)

    return located


def is_new_store(location: Path | str) -> bool:
    """Tell whether opening a store makes it. Of a database only its server can say that.

    Args:
        location: As a command got it.
    """
    return isinstance(location, Path) and not Services.is_at(location)


def tell_of_new_store(location: Path | str) -> None:
    """Say that a store was made: a path that was mistyped looks like one whose runs are lost.

    Args:
        location: As a command got it.
    """
    click.echo(f"made a new, empty store in {location}: there was none", err=True)
