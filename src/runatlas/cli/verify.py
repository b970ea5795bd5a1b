"""``runatlas verify``."""

from __future__ import annotations

import click

from runatlas.api.place import open_backend
from runatlas.cli.connection import connection_options
from runatlas.model.codec import dumps
from runatlas.settings import ConnectionSettings

__all__ = ["verify"]


@click.command()
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(settings: ConnectionSettings, *, as_json: bool) -> None:
    """Say where the data is, who you are there, and what decided so."""
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
        click.echo(f"{name + ':':15}{str(value).lower() if isinstance(value, bool) else value}")
