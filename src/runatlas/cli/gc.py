"""``runatlas gc``: what nobody needs any more, removed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from runatlas.cli.api.output import print_json, print_table, say
from runatlas.model.codec import encode
from runatlas.server.store.engine import Store
from runatlas.server.store.garbage import Leftovers, collect_garbage, find_leftovers
from runatlas.settings import embedded_directory
from runatlas.terminal import counted, size_text
from runatlas.tracking.sync import LeftSpool, collect_spools

__all__ = ["gc"]


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--dry-run", is_flag=True, help="Say what there is, and remove nothing.")
@click.option("--compact", is_flag=True, help="Write the database anew without its free pages; writers wait meanwhile.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gc(directory: Path | None, *, dry_run: bool, compact: bool, as_json: bool) -> None:
    """Remove what crashes and time left in the store in DIRECTORY.

    DIRECTORY is the one that runs would use here if left out. What is younger than a day, and what a living process
    uses, is left alone. Records that were never sent are told and kept: 'runatlas sync' sends them.
    """
    if dry_run and compact:
        raise click.UsageError("give either --dry-run or --compact")
    place = directory or embedded_directory()
    with closing(Store.open(place, create=False)) as store:
        before = store.database_bytes()
        found = [*find_leftovers(store)]
        spools = collect_spools(place, dry_run=dry_run)
        if not dry_run:
            collect_garbage(store)
            store.shrink()
            if compact:
                store.compact()
        after = store.database_bytes()
    spent = [left for left in spools if not left.records]
    found.append(Leftovers("spools that were sent", len(spent), sum(left.bytes for left in spent)))
    _tell(found, [left for left in spools if left.records], (before, after), dry_run=dry_run, as_json=as_json)


def _tell(
    found: list[Leftovers], unsent: list[LeftSpool], database: tuple[int, int], *, dry_run: bool, as_json: bool
) -> None:
    if as_json:
        kept = [{"spool": str(left.path), "records": left.records, "bytes": left.bytes} for left in unsent]
        sizes = {"database_bytes_before": database[0], "database_bytes_after": database[1]}
        print_json({"leftovers": encode(found), "unsent": kept, "dry_run": dry_run, **sizes})
        return
    print_table(
        ("would be removed" if dry_run else "removed", "count", "size"),
        [(item.kind, item.count, size_text(item.bytes)) for item in found],
    )
    if not dry_run:
        say(f"the database had {size_text(database[0])}, and has {size_text(database[1])}", err=False)
    for left in unsent:
        say(f"{left.path}: {counted(left.records, 'record')} not sent, and kept; 'runatlas sync' sends them")
