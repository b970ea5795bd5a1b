"""``runatlas api`` commands that list."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, limit_option
from runatlas.cli.api.output import print_json, print_listing, print_table, say, say_notes
from runatlas.entities.collection import PAGE_SIZE
from runatlas.entities.run import Run
from runatlas.model.page import PAGE_LIMIT
from runatlas.model.run_value import flatten
from runatlas.model.series import COLUMN_CLASSES, COLUMN_TYPES
from runatlas.model.text import did_you_mean

__all__ = ["columns", "list_annotations", "models", "projects", "runs", "trash", "users", "workspaces"]


@click.command()
@click.argument("username", required=False)
@limit_option
@as_json_option
@api_command
def workspaces(api: Api, username: str | None, limit: int | None, *, as_json: bool) -> None:
    """List workspaces, or those that USERNAME belongs to."""
    found = api.workspaces(username, limit=limit)
    columns = {"workspace": "username", "name": "name", "type": "workspace_type", "role": "role"}
    print_listing(found, columns, as_json=as_json)


@click.command()
@click.argument("workspace", required=False)
@click.option("--sort", type=click.Choice(["create", "name"]), help="By creation or name; else by latest change.")
@click.option("--search", help="Part of the name, title or description.")
@limit_option
@as_json_option
@api_command
def projects(
    api: Api, workspace: str | None, sort: str | None, search: str | None, limit: int | None, *, as_json: bool
) -> None:
    """List projects, of WORKSPACE or of all."""
    found = api.projects(workspace, sort=sort, search=search, limit=limit)
    if as_json:
        print_json(found.json())
        return
    print_table(
        ("project", "runs", "running", "visibility", "updated", "description"),
        (
            (p.path, p.count["experiments"], p.count["running"], p.visibility, p.updated_at, p.description)
            for p in found
        ),
    )


@click.command()
@click.argument("path")
@click.option("-f", "--filter", "filters", help="Such as: config.lr < 0.01 and state == 'FINISHED'")
@click.option("--order", help="Such as: -summary.loss, created_at")
@click.option("--search", help="Part of the name or the id.")
@click.option("--config", "config_keys", multiple=True, help="Show this config value; repeat for more.")
@click.option("--metric", "metric_keys", multiple=True, help="Show the last value of this metric; repeat for more.")
@limit_option
@click.option("--size", type=click.IntRange(1, PAGE_LIMIT), help="One page of so many, and the cursor of the next one.")
@click.option("--after", metavar="CURSOR", help="The page that follows a cursor.")
@as_json_option
@api_command
def runs(  # noqa: PLR0917 - one argument an option
    api: Api,
    path: str,
    filters: str | None,
    order: str | None,
    search: str | None,
    config_keys: tuple[str, ...],
    metric_keys: tuple[str, ...],
    limit: int | None,
    size: int | None,
    after: str | None,
    *,
    as_json: bool,
) -> None:
    """List the runs of PATH.

    PATH is a project (workspace/project), or a workspace: then the runs of all its projects.
    """
    is_page = size is not None or after is not None
    if is_page and limit is not None:
        raise click.UsageError("--limit goes with a whole listing: a page is as long as --size says")
    found = whole = api.runs(path, filters, search=search, order=order, limit=limit)
    if is_page:
        found = whole.page(size or PAGE_SIZE, after)
    if as_json:
        print_json({**found.json(), **({"cursor": found.cursor} if is_page else {})})
        return
    names: tuple[str, ...] = ("project",) if "/" not in path else ()
    configs: set[str] = set()
    metrics: set[str] = set()
    shown = [
        [*(run.record.project for _ in names), *_run_row(run, config_keys, metric_keys, configs, metrics)]
        for run in found
    ]
    if shown:
        for what, asked, known in (("config", config_keys, configs), ("metric", metric_keys, metrics)):
            for key in asked:
                if key not in known:
                    say(f"no run of these has a {what} {key!r}{did_you_mean(key, known)}")
    print_table((*names, "id", "name", "state", "protected", "created", *config_keys, *metric_keys), shown)
    if filters or order:
        say_notes(whole)
    if found.cursor is not None:
        say(f"the next page: --after {found.cursor}")


def _run_row(
    run: Run, config_keys: tuple[str, ...], metric_keys: tuple[str, ...], configs: set[str], metrics: set[str]
) -> list[Any]:
    """Make the row of a run, and add the names that it knows to those that are known."""
    config = dict(flatten(run.config)) if config_keys else {}
    last = run.record.summary or {}
    configs.update(config)
    metrics.update(last)
    values = [config.get(key) for key in config_keys] + [last.get(key) for key in metric_keys]
    kept = (run.protected_reason or True) if run.protected else None
    return [run.id, run.name, run.state, kept, run.created_at, *values]


@click.command()
@click.argument("run")
@click.option("--search", help="Part of the name.")
@click.option("--class", "column_class", type=click.Choice(COLUMN_CLASSES), help="Logged by the user or measured.")
@click.option("--type", "column_type", type=click.Choice(COLUMN_TYPES), help="The data type.")
@limit_option
@as_json_option
@api_command
def columns(
    api: Api,
    run: str,
    search: str | None,
    column_class: str | None,
    column_type: str | None,
    *,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the columns of RUN (workspace/project/run)."""
    found = api.columns(run, search=search, column_class=column_class, column_type=column_type, limit=limit)
    if as_json:
        print_json(found.json())
        return
    print_table(
        ("key", "type", "class", "context", "points"),
        ((c.key, c.column_type, c.column_class, c.context or None, c.count) for c in found),
    )


@click.command()
@click.option("--create", "username", help="Make this user; the password is asked for, or read from stdin.")
@click.option("--reset-password", "forgetful", help="Print a one-time password for this user, who forgot the other.")
@limit_option
@as_json_option
@api_command
def users(api: Api, username: str | None, forgetful: str | None, limit: int | None, *, as_json: bool) -> None:
    """List the users, make one, or help one (administrators).

    Those of the whole installation.
    """
    desk = api.self_hosted()
    if forgetful is not None:
        say(desk.reset_password(forgetful).unwrap().password, err=False)
        return
    if username is not None:
        password = click.prompt("password", hide_input=True, err=True)
        made = desk.create_user(username, password).unwrap()
        say(f"made user {made.username}")
        return
    found = list(islice(desk.get_users(all=True), limit))
    if as_json:
        print_json([user.json() for user in found])
        return
    print_table(("user", "name", "email"), ((user.username, user.name, user.email) for user in found))


@click.command()
@click.argument("workspace", required=False)
@click.option("--entry", help="The runs of this entry instead.")
@limit_option
@as_json_option
@api_command
def trash(api: Api, workspace: str | None, entry: str | None, limit: int | None, *, as_json: bool) -> None:
    """List what was deleted and can be brought back."""
    if entry is not None:
        runs = {"run": "path", "name": "name", "state": "state", "created": "created_at", "cuid": "cuid"}
        print_listing(api.trash_entry(entry).list_runs(limit=limit), runs, as_json=as_json)
        return
    entries = {"entry": "id", "what": "kind", "project": "project_path", "runs": "runs"}
    entries |= {"deleted": "deleted_at", "by": "deleted_by", "until": "expires_at"}
    print_listing(api.trash(workspace, limit=limit), entries, as_json=as_json)


@click.command(name="annotations")
@click.argument("run")
@as_json_option
@api_command
def list_annotations(api: Api, run: str, *, as_json: bool) -> None:
    """List the notes on RUN, oldest first."""
    columns = {"created": "created_at", "by": "author", "note": "text"}
    print_listing(api.run(run).annotations(), columns, as_json=as_json)


@click.command()
@click.argument("workspace", required=False)
@click.option("--versions", "name", help="List the versions of this model.")
@as_json_option
@api_command
def models(api: Api, workspace: str | None, name: str | None, *, as_json: bool) -> None:
    """List models, or the versions of one.

    Those of WORKSPACE, or of your own.
    """
    if name is not None:
        versions = api.model(f"{workspace or api.user().username}/{name}").versions()
        columns = {"version": "version", "stage": "stage", "run": "run_path"}
        columns |= {"artifact": "artifact", "created": "created_at"}
        print_listing(versions, columns, as_json=as_json)
        return
    shown = {"model": "name", "latest": "latest", "production": "production"}
    print_listing(api.models(workspace), shown, as_json=as_json)
