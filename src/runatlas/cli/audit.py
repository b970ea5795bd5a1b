"""``runatlas audit`` and ``runatlas undo``: who changed what, and the way back."""

from __future__ import annotations

from typing import Any, get_args

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, limit_option, mistakes_told, store_told
from runatlas.cli.api.output import REFUSED, print_json, print_table, say
from runatlas.cli.connection import hint
from runatlas.entities.change import Change
from runatlas.errors import ConflictError
from runatlas.model.change import ChangeKind
from runatlas.response import ApiResponse
from runatlas.tables.plan import field_rows
from runatlas.terminal import counted, printable_lines

__all__ = ["audit", "undo"]

_SHOWN = 20


@click.command()
@click.argument("path", required=False)
@click.option("--kind", type=click.Choice(get_args(ChangeKind)), metavar="KIND", help="Only these: update, move, ….")
@click.option("--by", help="Only what this user did.")
@click.option("--since", help="Only what was done since a date, or in the last 12h, 7d, 2w.")
@limit_option
@as_json_option
@api_command
def audit(api: Api, path: str | None, *, as_json: bool, **asked: Any) -> None:
    """List what was changed, newest first: when, who, by which door, what.

    In PATH, a workspace, a project or a run, or everywhere. 'runatlas undo ID' takes a change back.
    """
    with mistakes_told():
        found = api.audit(path, **asked)
    if as_json:
        print_json(found.json())
        return
    columns = ("id", "at", "by", "door", "kind", "where", "what", "taken back")
    print_table(columns, ((item.id, *_row(item)) for item in found))


def _row(change: Change) -> tuple[object, ...]:
    where = f"{change.workspace}/{change.project}" if change.project else change.workspace
    undone = change.undone_by or ("no" if change.can_undo else "-")
    return change.at, change.by, change.door, change.kind, where, change.what, undone


@click.command()
@click.argument("change", metavar="ID")
@click.option("--commit", is_flag=True, help="Take it back; without it that is shown and nothing happens.")
@as_json_option
@api_command
def undo(api: Api, change: str, *, commit: bool, as_json: bool) -> None:
    """Take the change ID back: all of it or nothing.

    ID is the change's in 'runatlas audit'. What was changed again since is not taken back, and named.
    """
    found = api.change(change)
    with store_told(api):
        found.json()
    answer = found.undo(commit=commit)
    if not commit:
        _show(found, answer, as_json=as_json)
        return
    if isinstance(answer.error, ConflictError):
        raise click.ClickException(printable_lines(str(answer.error)))
    done = answer.unwrap()
    if as_json:
        print_json(done.json())
    say(done.what)
    if done.can_undo:
        say(f"{hint('runatlas', 'undo', done.id, '--commit')} takes that back in turn")


def _show(change: Change, answer: ApiResponse[Change], *, as_json: bool) -> None:
    """Say what taking a change back would do, or why it would not."""
    refusal = str(answer.error) if isinstance(answer.error, ConflictError) else ""
    if not refusal:
        answer.unwrap()
    if as_json:
        runs = [run.json() for run in change.list_runs()]
        print_json({"change": change.json(), "runs": runs, "refusal": refusal})
    else:
        say(f"{change.what}, by {change.by} at {change.at}", err=False)
        fields = list(field_rows(run.record for run in change.list_runs(limit=_SHOWN)))
        if fields:
            columns = ("run", "field", "was made" if refusal else "now", "would be")
            print_table(columns, ((row.run, row.field, row.after, row.before) for row in fields))
        if change.runs > _SHOWN:
            say(f"and of {counted(change.runs - _SHOWN, 'run')} more; --json has all", err=False)
    say(f"with --commit this is refused: {refusal}" if refusal else "nothing was taken back; add --commit to do it")
    if refusal:
        click.get_current_context().exit(REFUSED)
