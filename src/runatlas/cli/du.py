"""``runatlas du``: what takes how much room."""

from __future__ import annotations

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option
from runatlas.cli.api.output import print_json, print_table, say
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.usage import USAGE_GROUPS, SpaceItem, StoreSpace, UsageGroup
from runatlas.terminal import size_text

__all__ = ["du"]


@click.command()
@click.argument("path", required=False)
@click.option("--by", type=click.Choice(USAGE_GROUPS), help="What to tell apart; else what lies directly in PATH.")
@click.option(
    "--limit", type=click.IntRange(1, PAGE_LIMIT), default=PAGE_LIMIT, help="This many at the most, the largest."
)
@as_json_option
@api_command
def du(api: Api, path: str | None, by: UsageGroup | None, limit: int, *, as_json: bool) -> None:
    """Say how much room runs take, largest first.

    PATH is a workspace, a project or a run; all that you may see if left out. Files that several need count in each of
    them, and once in the total; what lies in the trash counts until it is purged.
    """
    found = api.usage(path, by=by, limit=limit).unwrap()
    if as_json:
        print_json(found.json())
        return
    rows = [_row(item, item.name) for item in found.items]
    print_table(
        (found.by, "size", "runs", "points", "of points", "files", "of files", "in the trash"),
        [*rows, _row(found.total, "total")],
    )
    if found.groups > len(found.items):
        say(f"the largest {len(found.items)} of {found.groups}; --limit tells more")
    if found.store is not None:
        say(_store_text(found.store, found.total.trashed_bytes), err=False)


def _store_text(store: StoreSpace, trashed: int) -> str:
    points, files, rest = map(size_text, (store.point_bytes, store.file_bytes, store.rest_bytes))
    return (
        f"the store has {size_text(store.bytes)}: {points} of points and {files} of files, of which "
        f"{size_text(trashed)} in the trash, and {rest} for the rest of the database: runs, configs, logs, indexes, "
        "free pages"
    )


def _row(item: SpaceItem, name: str) -> tuple[object, ...]:
    points, files, trash = map(size_text, (item.point_bytes, item.file_bytes, item.trashed_bytes))
    return name, size_text(item.bytes), item.runs, item.points, points, item.files, files, trash
