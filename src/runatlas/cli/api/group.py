"""The group ``runatlas api`` and what its commands share."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from runatlas.api.entry import Api
from runatlas.api.opener import open_backend
from runatlas.cli.connection import connection_options
from runatlas.errors import NotFoundError, RunAtlasError
from runatlas.settings import ConnectionSettings
from runatlas.terminal import printable, printable_lines

__all__ = [
    "ApiGroup",
    "api_command",
    "as_json_option",
    "is_project_path",
    "limit_option",
    "mistakes_told",
    "output_option",
    "store_told",
]


class ApiGroup(click.Group):
    """Tells a mistake in an argument as one of usage, and a file that cannot be opened in one sentence."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command."""
        with mistakes_told():
            return super().invoke(ctx)


@contextmanager
def mistakes_told() -> Iterator[None]:
    """Tell a mistake in an argument as one of usage, and a file that cannot be opened in one sentence."""
    try:
        yield
    except RunAtlasError:
        raise
    except (TypeError, ValueError) as error:
        raise click.UsageError(printable_lines(str(error))) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise click.ClickException(f"not all of it could be written ({error.strerror})") from error
        if error.filename is None:
            raise
        raise click.ClickException(f"cannot open {printable(str(error.filename))} ({error.strerror})") from error


@contextmanager
def store_told(api: Api) -> Iterator[None]:
    """Name the store that was looked at where something is not there: it may be in another one."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(f"{error}; the store that was looked at is {printable(api.location)}") from error


@contextmanager
def _opened(settings: ConnectionSettings) -> Iterator[Api]:
    backend = open_backend(settings)
    try:
        yield Api(backend=backend)
    finally:
        backend.close()


def api_command(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the data is; the command gets an ``Api`` as ``api``.

    Args:
        command: Called with ``api`` and its own arguments.
    """

    @connection_options
    @wraps(command)
    def opened(settings: ConnectionSettings, **rest: Any) -> None:
        with _opened(settings) as api:
            command(api=api, **rest)

    return opened


def is_project_path(path: str) -> bool:
    """Tell whether a path is that of a project, and not of a run."""
    return path.removeprefix("/").count("/") == 1


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, exact and complete.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="This many at the most; else all of them.")
output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file, not to stdout."
)
