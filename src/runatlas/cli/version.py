"""``runatlas version``."""

from __future__ import annotations

import platform
from importlib import metadata

import click

from runatlas.model.codec import dumps

__all__ = ["version"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with Python and platform.")
def version(*, as_json: bool) -> None:
    """Print the version of RunAtlas."""
    own = metadata.version("runatlas")
    if not as_json:
        click.echo(own)
        return
    click.echo(dumps({"runatlas": own, "python": platform.python_version(), "platform": platform.platform()}))
