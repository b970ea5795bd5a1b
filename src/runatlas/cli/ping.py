"""``runatlas ping``."""

from __future__ import annotations

import time
from contextlib import closing

import click

from runatlas.api.opener import open_backend
from runatlas.backends.contract import Backend
from runatlas.backends.http.retry import RetryPolicy
from runatlas.backends.http.session import Request, Session
from runatlas.cli.connection import connection_options
from runatlas.errors import ApiStatusError
from runatlas.model.codec import dumps
from runatlas.settings import ConnectionSettings

__all__ = ["ping"]


@click.command()
@connection_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ping(settings: ConnectionSettings, *, as_json: bool) -> None:
    """Ask the server, or open the directory, and say how long an answer took."""
    milliseconds = _round_trip(settings)
    if as_json:
        click.echo(dumps({"location": settings.location, "milliseconds": milliseconds}))
    else:
        click.echo(f"{settings.location} answered in {milliseconds:g} ms")


def _round_trip(settings: ConnectionSettings) -> float:
    """Return the milliseconds of a second question: the first one also connects, or opens."""
    with closing(_open(settings)) as asked:
        _ask(asked)
        begun = time.perf_counter()
        _ask(asked)
        return round((time.perf_counter() - begun) * 1000, 2)


def _open(settings: ConnectionSettings) -> Session | Backend:
    if settings.host is None:
        return open_backend(settings)
    return Session(settings.host, policy=RetryPolicy(total_s=settings.timeout_s))


def _ask(asked: Session | Backend) -> None:
    if isinstance(asked, Backend):
        asked.get_server()
        return
    try:
        asked.send(Request("GET", "/healthz"))
    except ApiStatusError as error:
        # Whatever it thinks of the question, it is there.
        if error.code >= 500:
            raise
