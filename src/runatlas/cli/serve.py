"""``runatlas serve``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import click

from runatlas.cli.location import is_new_store, store_location, tell_of_new_store
from runatlas.process.server_note import ServerNote
from runatlas.server import process
from runatlas.server.pages.report.maker import MadeReport
from runatlas.server.settings import ServerSettings
from runatlas.settings import parse_host

__all__ = ["run_server", "serve"]

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - named, not bound
"""Where this machine reaches a server that is bound to all addresses."""


@click.command()
@store_location
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=5170, show_default=True, help="0 takes a free one.")
@click.option(
    "--public-url",
    "--origin",
    "origin",
    help="What people and links call the server, such as https://runs.example.org, behind a proxy.",
)
@click.option(
    "--grace", type=click.IntRange(0), default=10, show_default=True, help="Seconds that running requests get to end."
)
@click.option(
    "--connections", type=click.IntRange(16), default=2000, show_default=True, help="How many may be open at a time."
)
@click.option(
    "--work-time",
    type=click.FloatRange(0, min_open=True),
    default=30,
    show_default=True,
    help="Seconds that a request may keep the store at work; one that writes, ten times as long.",
)
@click.option(
    "--stall-time",
    type=click.FloatRange(0, min_open=True),
    default=30,
    show_default=True,
    help="Seconds in which a client has to send or take at least 30 KiB of what is under way.",
)
def serve(
    location: Path | str,
    blobs_dir: Path | None,
    *,
    host: str,
    port: int,
    origin: str | None,
    grace: int,
    connections: int,
    work_time: float,
    stall_time: float,
) -> None:
    """Serve a directory, or a database, over HTTP until it is interrupted.

    Without accounts it answers this machine only, and whoever asks owns everything. Once a key was made
    (runatlas keys create USER), everybody needs one.
    """
    try:
        public = origin if origin is None else _public_origin(origin)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    what = location if isinstance(location, Path) else "the database"
    is_new = is_new_store(location)

    def announce(address: str) -> None:
        if is_new:
            tell_of_new_store(location)
        click.echo(f"RunAtlas serves {what} at {address}", err=True)

    run_server(
        ServerSettings(
            location,
            blobs_dir,
            host,
            port,
            public,
            shutdown_s=grace,
            connections=connections,
            work_s=work_time,
            stall_s=stall_time,
        ),
        announce,
    )


def _public_origin(said: str) -> str:
    """Return what links begin with.

    Raises:
        ValueError: It is no URL of a server, or one below a path: pages name each other from the root of a host.
    """
    origin = parse_host(said, argument="--public-url")[0]
    path = urlsplit(origin).path
    if path:
        raise ValueError(
            f"--public-url: the server needs a host of its own, not the path {path!r} below one; "
            f"write 'https://runs.example.org' and let the proxy hand on all of it"
        )
    return origin


def run_server(settings: ServerSettings, announce: Callable[[str], None]) -> None:
    """Serve until it is interrupted; meanwhile a directory's server is found by a note in the directory.

    Args:
        settings: What to serve, and where.
        announce: Called with the address that is bound once it accepts connections.

    Raises:
        ClickException: The address cannot be bound.
        StoreError: The store cannot be used, or is not safe to serve at that address.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    note = ServerNote(settings.location) if isinstance(settings.location, Path) else None

    def note_and_announce(address: str) -> None:
        if note is not None:
            note.write(settings.origin or _reached(address))
        announce(address)

    try:
        process.serve(attrs.evolve(settings, reports=_make_report), announce=note_and_announce)
    except OSError as error:
        raise click.ClickException(
            f"cannot serve at {settings.host}:{settings.port} ({error.strerror or error}); choose another --port"
        ) from error
    finally:
        if note is not None:
            note.remove()


def _make_report(*asked: Any) -> MadeReport:
    """Make a report for a page; what that takes is imported when the first one is asked for."""
    from runatlas.cli.report_maker import make_report  # noqa: PLC0415 - a server begins without it

    return make_report(*asked)


def _reached(address: str) -> str:
    host = urlsplit(address).netloc.rpartition(":")[0]
    return address.replace(host, _EVERYWHERE.get(host, host), 1)
