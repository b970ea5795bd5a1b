"""``runatlas sync``: what runs left in their spools, sent."""

from __future__ import annotations

from pathlib import Path

import click

from runatlas.cli.connection import settled
from runatlas.model.codec import dumps, encode
from runatlas.settings import embedded_directory
from runatlas.terminal import counted, printable
from runatlas.tracking.sync import SyncReport
from runatlas.tracking.sync import sync as send_spools

__all__ = ["sync"]


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--host", help="Send it to this server, not where each run belongs.")
@click.option("--key", help="The API key; better kept by 'runatlas login' or in RUNATLAS_API_KEY.")
@click.option(
    "--to", "target", type=click.Path(path_type=Path, file_okay=False), help="Send everything to this directory."
)
@click.option("--discard", is_flag=True, help="Delete what is left of runs that were deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def sync(
    directory: Path | None, *, host: str | None, key: str | None, target: Path | None, discard: bool, as_json: bool
) -> None:
    """Send what runs left in DIRECTORY: recorded offline, or while their store was away.

    DIRECTORY is a store's directory; the one that runs would use here if left out. Runs may still be going on: what
    they have written so far is sent. Sending something twice changes nothing. Exit code 1 if something is left.
    """
    if host is not None and target is not None:
        raise click.UsageError("give either --host or --to")
    if key is not None and host is None:
        raise click.UsageError("--key needs --host")
    settings = settled(host=host, key=key, directory=target) if host or target else None
    reports = []
    for report in send_spools(directory or embedded_directory(), settings, discard=discard):
        reports.append(report)
        if not as_json:
            _tell(report)
    if as_json:
        click.echo(dumps([encode(report) | {"spool": str(report.spool)} for report in reports]))
    elif not reports:
        click.echo("nothing is left to send", err=True)
    if not all(report.is_done and not report.damaged and not report.refused for report in reports):
        click.get_current_context().exit(1)


def _tell(report: SyncReport) -> None:
    facts = [f"{counted(report.sent, 'record')} sent"]
    if report.refused:
        facts.append(f"{report.refused} refused")
    if report.damaged:
        facts.append(f"{report.damaged} damaged")
    if report.is_live:
        facts.append("still going on")
    elif not report.is_done:
        facts.append("the rest stays here")
    name = printable(report.run or report.spool.name)
    click.echo(f"{name}: {', '.join(facts)}")
    if report.problem:
        click.echo(f"{name}: {printable(report.problem)}", err=True)
