"""``runatlas fsck``: a store, read as a whole."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from runatlas.model.codec import dumps, encode
from runatlas.server.store.check import Damage, check_store
from runatlas.server.store.engine import Store
from runatlas.settings import embedded_directory
from runatlas.terminal import counted, printable

__all__ = ["check_directory", "fsck"]


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fsck(directory: Path | None, *, as_json: bool) -> None:
    """Read all of the store in DIRECTORY, and say what is damaged and which runs that touches.

    DIRECTORY is the one that runs would use here if left out. Every point and every file is read against its checksum,
    and what is counted against what is there. Nothing is changed. Exit code 1 if something is damaged.
    """
    check_directory(directory or embedded_directory(), as_json=as_json)


def check_directory(directory: Path, *, as_json: bool = False) -> None:
    """Check a store, and print what is damaged as it is found.

    Raises:
        ClickException: Something is.
    """
    found: list[Damage] = []
    touched: set[str] = set()
    with closing(Store.open(directory, create=False)) as store:
        for damage in check_store(store):
            found.append(damage)
            touched.update(damage.runs)
            if not as_json:
                click.echo(printable(str(damage)))
    if as_json:
        click.echo(dumps({"damages": encode(found), "runs": sorted(touched)}))
    elif not found:
        click.echo(f"everything in {directory} can be read")
    elif touched:
        click.echo("runs that are touched:")
        for path in sorted(touched):
            click.echo(f"  {printable(path)}")
    if found:
        told = f"{counted(len(found), 'damage')} in {directory}; where nothing else is said, restore it from a backup"
        raise click.ClickException(told)
