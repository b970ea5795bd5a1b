"""``runatlas api`` commands that put runs and projects elsewhere, and give projects and metrics other names."""

from __future__ import annotations

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, is_project_path
from runatlas.cli.api.output import REFUSED, print_json, refusal_text, say
from runatlas.cli.connection import hint
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.entities.transfer import Transfer, TransferPlan
from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.transfer import DONE
from runatlas.response import ApiResponse
from runatlas.terminal import counted, printable_lines

__all__ = ["copy", "merge", "move", "rename_metric", "rename_project", "runs_at"]


_commit_option = click.option("--commit", is_flag=True, help="Do it; without it the plan is shown and nothing happens.")


@click.command()
@click.argument("path")
@click.argument("folder", required=False)
@click.option("--project", help="Move to this project, not into a folder.")
@click.option("-f", "--filter", "filters", help="With --project: PATH is a project, and these runs of it move.")
@click.option("--create", is_flag=True, help="With --project: make it if it is not there.")
@_commit_option
@as_json_option
@api_command
def move(
    api: Api,
    path: str,
    folder: str | None,
    project: str | None,
    filters: str | None,
    *,
    create: bool,
    commit: bool,
    as_json: bool,
) -> None:
    """Put a run into a folder, or runs into a project.

    FOLDER is a folder's id; without it PATH is in no folder, at once.

    With --project PATH is a run, or a project all of whose runs move. They keep their ids and folders.
    """
    if project is None:
        if filters is not None or create or commit:
            raise click.UsageError("--filter, --create and --commit go with --project")
        if is_project_path(path):
            raise click.UsageError(f"{path!r} is a project: '--project TARGET' says where its runs move to")
        api.run(path).move(folder).unwrap()
        say(f"moved {path}")
        return
    if folder is not None:
        raise click.UsageError("give either FOLDER or --project")
    target = runs_at(api, path, filters)
    if isinstance(target, Run):
        _show(target.move(project=project, create=create, commit=commit), as_json=as_json)
    else:
        _show(target.move(project, create=create, commit=commit), as_json=as_json)


@click.command()
@click.argument("path")
@click.argument("target")
@click.option("-f", "--filter", "filters", help="PATH is a project: these runs of it.")
@click.option("--create", is_flag=True, help="Make TARGET if it is not there.")
@click.option("--suffix", default="", help="What to put behind ids that are taken there, such as -copy.")
@_commit_option
@as_json_option
@api_command
def copy(
    api: Api,
    path: str,
    target: str,
    filters: str | None,
    suffix: str,
    *,
    create: bool,
    commit: bool,
    as_json: bool,
) -> None:
    """Copy the run PATH, or runs of a project, to TARGET.

    TARGET is a name, or workspace/project. Copies are not pinned and not protected.
    """
    runs = runs_at(api, path, filters)
    _show(runs.copy(target, create=create, suffix=suffix, commit=commit), as_json=as_json)


@click.command()
@click.argument("path")
@click.argument("target")
@_commit_option
@as_json_option
@api_command
def merge(api: Api, path: str, target: str, *, commit: bool, as_json: bool) -> None:
    """Move all runs of the project PATH to the project TARGET.

    PATH goes to the trash then. What lies in its trash comes back into TARGET.
    """
    _show(api.project(path).merge_into(target, commit=commit), as_json=as_json)


@click.command()
@click.argument("path")
@click.argument("name")
@_commit_option
@as_json_option
@api_command
def rename_project(api: Api, path: str, name: str, *, commit: bool, as_json: bool) -> None:
    """Give the project PATH another NAME.

    Nothing is found by the old path any more.
    """
    _show(api.project(path).rename(name, commit=commit), as_json=as_json)


@click.command()
@click.argument("path")
@click.argument("old")
@click.argument("new")
@click.option("-f", "--filter", "filters", help="PATH is a project: in these runs of it.")
@_commit_option
@as_json_option
@api_command
def rename_metric(api: Api, path: str, old: str, new: str, filters: str | None, *, commit: bool, as_json: bool) -> None:
    """Give the metric or media OLD of runs the key NEW.

    PATH is a run or a project. In all contexts; none of the runs may have NEW there.
    """
    _show(runs_at(api, path, filters).rename_metric(old, new, commit=commit), as_json=as_json)


def runs_at(api: Api, path: str, filters: str | None) -> Run | Runs:
    """Return the run at a path, or the runs of a project."""
    if is_project_path(path):
        return api.runs(path, filters)
    if filters is not None:
        raise click.UsageError("--filter goes with a project, not with a run")
    return api.run(path)


def _show(answer: ApiResponse[TransferPlan] | ApiResponse[Transfer], *, as_json: bool) -> None:
    if isinstance(answer.error, ConflictError | NotFoundError):
        raise click.ClickException(printable_lines(refusal_text(str(answer.error))))
    outcome = answer.unwrap()
    if as_json:
        print_json(outcome.json())
    if isinstance(outcome, Transfer):
        runs = f"{counted(outcome.total, 'run')} " if outcome.kind != "rename" else ""
        done = f"{DONE[outcome.kind]} {runs}to {outcome.target}"
        if outcome.kind == "rename_metric":
            done = f"renamed to {outcome.target!r} in {counted(outcome.total, 'run')}"
        for note in outcome.notes:
            say(f"note: {note}")
        say(done)
        if outcome.change is not None:
            say(f"{hint('runatlas', 'undo', outcome.change.id, '--commit')} takes that back")
        return
    if not as_json:
        say(refusal_text(repr(outcome)), err=False)
    done = DONE[outcome.record.kind]
    is_possible = not (outcome.refusal or outcome.missing) and (outcome.total or outcome.project)
    say(f"nothing was {done}; add --commit to do it" if is_possible else f"nothing was {done}")
    if outcome.refusal or outcome.missing:
        click.get_current_context().exit(REFUSED if outcome.refusal else 1)
