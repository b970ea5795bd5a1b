"""The options that say where the data is, for commands that work on a directory and on a server alike."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from runatlas.api.opener import open_backend
from runatlas.backends.contract import Backend
from runatlas.settings import ConnectionSettings, resolve

__all__ = ["connection_options", "hint", "opened_backend", "settled"]


_PLACE = "runatlas.place"


def hint(*words: str) -> str:
    """Write another command over the same data, as it is to be typed: with ``--dir`` or ``--host`` as given here.

    Args:
        words: The command.

    Returns:
        The command in quotation marks.
    """
    text = shlex.join((*words, *click.get_current_context().meta.get(_PLACE, ())))
    return f'"{text}"' if "'" in text else f"'{text}'"


def connection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--host``, ``--key`` and ``--dir`` to a command.

    Args:
        command: Called with ``settings`` and its own arguments.

    Returns:
        The command with the options.
    """

    @click.option("--host", help="The server, such as http://127.0.0.1:5170.")
    @click.option("--key", help="The API key; better kept by 'runatlas login' or in RUNATLAS_API_KEY.")
    @click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="The directory.")
    @wraps(command)
    def connected(host: str | None, key: str | None, directory: Path | None, **rest: Any) -> None:
        given = {"--host": host, "--dir": None if directory is None else str(directory)}
        words = [word for option, value in given.items() if value is not None for word in (option, value)]
        click.get_current_context().meta[_PLACE] = tuple(words)
        command(settings=settled(host=host, key=key, directory=directory), **rest)

    return connected


def settled(*, host: str | None = None, key: str | None = None, directory: Path | None = None) -> ConnectionSettings:
    """Settle where the data is; a mistake is one of usage."""
    try:
        return resolve(host=host, key=key, directory=directory)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@contextmanager
def opened_backend(directory: Path | None, host: str | None) -> Iterator[Backend]:
    """Open what the options name, or what an ``Api()`` would find, to write to it, and close it at the end."""
    backend = open_backend(settled(host=host, directory=directory), create=True)
    try:
        yield backend
    finally:
        backend.close()
