"""``runatlas verify``."""

from __future__ import annotations

from pathlib import Path

import click

from runatlas.api.opener import open_backend
from runatlas.cli.connection import connection_options
from runatlas.cli.fsck import check_directory
from runatlas.model.codec import dumps
from runatlas.settings import ConnectionSettings
from runatlas.terminal import printable

__all__ = ["verify"]


@click.command()
@click.argument("store", required=False, metavar="DIRECTORY")
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(settings: ConnectionSettings, store: str | None, *, as_json: bool) -> None:
    """Say where the data is, who you are there, and what decided so.

    With a DIRECTORY, do what 'runatlas fsck' does.
    """
    if store is not None:
        check_directory(Path(store), as_json=as_json)
        return
    backend = open_backend(settings)
    try:
        user = backend.get_user()
        server = backend.get_server()
    finally:
        backend.close()
    facts = {
        "location": settings.location,
        "source": settings.source,
        "username": user.username,
        "administrator": server.root,
        "product": server.product,
        "version": server.version,
    }
    if as_json:
        click.echo(dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name + ':':15}{str(value).lower() if isinstance(value, bool) else printable(str(value))}")
