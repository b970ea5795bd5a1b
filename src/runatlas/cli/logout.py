"""``runatlas logout``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runatlas.credential import CredentialFile
from runatlas.settings import parse_host

__all__ = ["logout"]


@click.command()
@click.option("--host", help="The server to forget; the last login's if not given.")
def logout(host: str | None) -> None:
    """Forget the key that 'runatlas login' kept. The key itself stays valid: 'runatlas keys revoke' ends it."""
    file = CredentialFile.standard(os.environ, Path.home())
    try:
        removed = file.remove(None if host is None else parse_host(host, argument="--host")[0])
        now = file.current()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{file.path} cannot be changed: {error.strerror}") from error
    click.echo("there was no login" if removed is None else f"logged out of {removed.host}", err=True)
    if removed is not None and now is not None:
        click.echo(f"the login to {now.host} counts now", err=True)
