"""The command ``runatlas api``."""

from __future__ import annotations

import click

from runatlas.cli.api import changing, listing, reading, transfer
from runatlas.cli.api.group import ApiGroup

__all__ = ["api"]


@click.group(cls=ApiGroup)
def api() -> None:
    """Query, export and clean up runs: tables by default, --json for programs.

    Where the data is: --dir or --host, else as an Api() without arguments finds it.
    """


for _command in (
    listing.workspaces,
    listing.projects,
    listing.runs,
    listing.columns,
    listing.users,
    listing.trash,
    reading.run,
    reading.metrics,
    reading.summary,
    reading.logs,
    reading.medias,
    reading.export,
    changing.create,
    changing.update,
    changing.protect,
    changing.unprotect,
    changing.delete,
    changing.cut,
    changing.apply,
    changing.restore,
    changing.purge,
    changing.folders,
    transfer.move,
    transfer.copy,
    transfer.merge,
    transfer.rename_project,
    transfer.rename_metric,
    listing.list_annotations,
    changing.annotate,
    changing.ingestion_keys,
    reading.catalog,
    reading.compare,
    listing.models,
    changing.promote,
):
    api.add_command(_command)
