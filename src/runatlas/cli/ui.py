"""``runatlas ui``."""

from __future__ import annotations

import threading
import webbrowser
from urllib.parse import urlsplit

import click

from runatlas.cli.serve import run_server
from runatlas.process.server_note import ServerNote
from runatlas.server.settings import ServerSettings
from runatlas.settings import resolve

__all__ = ["ui"]


@click.command()
@click.argument("location", metavar="[DIR]", required=False)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where to serve; a free port unless given.")
@click.option("--browser/--no-browser", default=True, help="Whether to open it; the address is printed in any case.")
def ui(location: str | None, *, port: int, browser: bool) -> None:
    """Look at the runs of a directory in the browser.

    Where nothing serves the directory yet, this does, for this machine only, until it is interrupted. Without DIR it
    is what an Api() without arguments finds. In place of DIR, the url of a run or a project in it leads to its page.
    """
    try:
        found = resolve(location)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    url = urlsplit(location or "")
    page = f"/{url.fragment}" if url.scheme == "file" and url.fragment.startswith("@") else ""
    if found.directory is None:
        click.echo(f"the runs are on a server ({found.source})", err=True)
        _show(found.location, browser=browser)
        return
    running = ServerNote(found.directory).read()
    if running is not None:
        click.echo(f"{found.directory} is served already", err=True)
        _show(running + page, browser=browser)
        return

    def announce(address: str) -> None:
        click.echo(f"RunAtlas serves {found.directory} until Ctrl-C", err=True)
        # In a thread of its own, for a browser in a terminal is waited for.
        threading.Thread(target=_show, args=(address + page,), kwargs={"browser": browser}, daemon=True).start()

    run_server(ServerSettings(found.directory, port=port, makes_store=False), announce)


def _show(address: str, *, browser: bool) -> None:
    click.echo(address)
    if browser and not webbrowser.open(address):
        click.echo("no browser can be opened here; open that address in one", err=True)
