"""``runatlas login`` and ``runatlas logout``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from runatlas.api.opener import open_backend
from runatlas.cli.connection import settled
from runatlas.credential import Credential, CredentialFile
from runatlas.errors import AuthenticationError
from runatlas.model.account import UserRecord
from runatlas.settings import ConnectionSettings, parse_host
from runatlas.terminal import printable

__all__ = ["login", "logout"]


@click.command()
@click.option("--host", help="The server, such as http://127.0.0.1:5170; else RUNATLAS_API_HOST, or the last login's.")
@click.option("--key", help="The API key; without it, it is read from stdin, or asked for on a terminal.")
def login(host: str | None, key: str | None) -> None:
    """Check an API key with its server, and keep it in a file that only you can read.

    Where arguments do not say otherwise, everything uses that server and key from then on.
    """
    origin, found = _server(host)
    key = key or found or _ask(origin)
    settings = settled(host=origin, key=key)
    user = _check(settings)
    file = CredentialFile.standard(os.environ, Path.home())
    try:
        file.save(Credential(origin, settings.key, user.username))
    except OSError as error:
        raise click.ClickException(f"{file.path} cannot be written: {error.strerror}") from error
    click.echo(f"logged in to {origin} as {printable(user.username)}; kept in {file.path}", err=True)


def _server(host: str | None) -> tuple[str, str | None]:
    """Return the origin, and the key that its URL may carry."""
    try:
        if host is not None:
            return parse_host(host, argument="--host")
        settings = settled()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if settings.host is None:
        raise click.UsageError("say which server: --host http://name:port")
    return settings.host, None


def _ask(origin: str) -> str | None:
    """Read the key; empty where the server needs none."""
    if is_terminal():
        prompt = f"API key for {origin} (empty if it needs none)"
        key = click.prompt(prompt, hide_input=True, default="", show_default=False, err=True)
    else:
        key = sys.stdin.readline()
    return key.strip() or None


def is_terminal() -> bool:
    """Return whether somebody can be asked."""
    return sys.stdin.isatty()


def _check(settings: ConnectionSettings) -> UserRecord:
    backend = open_backend(settings)
    try:
        return backend.get_user()
    except AuthenticationError as error:
        raise click.ClickException(f"{settings.host} did not accept the key: {error.message}") from error
    finally:
        backend.close()


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
