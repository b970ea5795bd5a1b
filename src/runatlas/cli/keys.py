"""``runatlas keys``: API keys of a directory or a database, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from runatlas.cli.location import is_new_store, store_location, tell_of_new_store
from runatlas.errors import ConflictError
from runatlas.model.instant import iso_text
from runatlas.server.services.services import Services

__all__ = ["keys"]


@contextmanager
def _opened(location: Path | str, blobs_dir: Path | None, *, create: bool = False) -> Iterator[Services]:
    services = Services.open(location, blobs_dir=blobs_dir, create=create)
    try:
        yield services
    finally:
        services.close()


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    The first key's user becomes an administrator; from then on the server asks everyone for a key.
    """


@keys.command()
@click.argument("user")
@store_location
def create(location: Path | str, blobs_dir: Path | None, user: str) -> None:
    """Make a key for USER, and USER if there is none.

    The key alone goes to stdout, this once. A new user sees the own workspace and what is PUBLIC; owners of other
    workspaces let USER in: api.workspace(NAME).set_member(USER, "MEMBER").
    """
    is_new = is_new_store(location)
    with _opened(location, blobs_dir, create=True) as services:
        if is_new:
            tell_of_new_store(location)
        owner = services.owner()
        with suppress(ConflictError):
            services.admin.create_user(owner, user)
            click.echo(
                f"made user {user}, who sees the workspace {user!r} and what is PUBLIC; api.workspace(NAME).set_member("
                f"{user!r}, 'MEMBER') lets {user} into another",
                err=True,
            )
        click.echo(services.accounts.create_key(owner, user).secret)


@keys.command(name="list")
@click.argument("user")
@store_location
def list_(location: Path | str, blobs_dir: Path | None, user: str) -> None:
    """List USER's keys, revoked ones included.

    A line is: id, first characters, when made, last used and revoked, with tabs between them.
    """
    with _opened(location, blobs_dir) as services:
        for key in services.accounts.list_keys(services.owner(), user):
            times = (key.created_at_ms, key.last_used_at_ms, key.revoked_at_ms)
            click.echo("\t".join([key.id, key.prefix, *("-" if time is None else iso_text(time) for time in times)]))


@keys.command()
@click.argument("key_id")
@store_location
def revoke(location: Path | str, blobs_dir: Path | None, key_id: str) -> None:
    """Make the key of that id useless at once."""
    with _opened(location, blobs_dir) as services:
        key = services.accounts.revoke_key(services.owner(), key_id)
    click.echo(f"revoked {key.prefix}… of {key.username}", err=True)
