"""``runatlas demo``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click
from rich.console import Console

__all__ = ["demo"]

_NEEDED = ("numpy", "sqlalchemy", "matplotlib")
_DATABASE = "runatlas.db"


@click.command()
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="./runatlas-demo",
    show_default=True,
    help="The directory to make, or to go on with.",
)
def demo(directory: Path) -> None:
    """Train a dozen small networks, record them, and show what can be done with the runs.

    A directory of an earlier demonstration is gone on with: runs that are there stay as they are.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(f"the demo needs {', '.join(missing)}; install it with: pip install 'runatlas[all]'")
    _check_directory(directory)
    from runatlas.demo.performance import perform  # noqa: PLC0415 - needs what may be missing

    shown = str(directory) if directory.is_absolute() else f"./{directory.as_posix()}"
    perform(directory, shown=shown, console=Console())


def _check_directory(directory: Path) -> None:
    """Refuse a directory that holds something else: nothing of it must get mixed up with a store."""
    if directory.exists() and not (directory / _DATABASE).exists() and any(directory.iterdir()):
        name = click.format_filename(directory)
        raise click.ClickException(f"{name} holds other files and no store; name another directory with --dir")
