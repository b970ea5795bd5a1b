"""``runatlas api`` commands about what people put around runs."""

from __future__ import annotations

from datetime import timedelta

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option
from runatlas.cli.api.output import print_fields, print_json, print_listing, print_table, say
from runatlas.model.codec import encode, loads
from runatlas.model.registry import STAGES, Stage

__all__ = [
    "annotate",
    "catalog",
    "compare",
    "folders",
    "ingestion_keys",
    "list_annotations",
    "models",
    "promote",
]


@click.command()
@click.argument("project")
@click.option("--create", "name", help="Make this folder.")
@click.option("--parent", help="Make it in the folder of this id, not at the top.")
@as_json_option
@api_command
def folders(api: Api, project: str, name: str | None, parent: str | None, *, as_json: bool) -> None:
    """List the folders of PROJECT, or make one."""
    found = api.project(project).folders()
    if name is not None:
        above = next((folder for folder in found if folder.id == parent), None) if parent else None
        if parent and above is None:
            raise click.UsageError(f"--parent: project {project} has no folder {parent!r}")
        made = (found.create(name) if above is None else above.create(name)).unwrap()
        print_json(made.json()) if as_json else click.echo(made.id)
        return
    print_listing(found, {"id": "id", "path": "path", "runs": "run_count"}, as_json=as_json)


@click.command(name="annotations")
@click.argument("run")
@as_json_option
@api_command
def list_annotations(api: Api, run: str, *, as_json: bool) -> None:
    """List the notes on RUN, oldest first."""
    columns = {"created": "created_at", "by": "author", "note": "text"}
    print_listing(api.run(run).annotations(), columns, as_json=as_json)


@click.command()
@click.argument("run")
@click.argument("note")
@click.option("--metadata", help="A JSON object to be kept beside the text.")
@as_json_option
@api_command
def annotate(api: Api, run: str, note: str, metadata: str | None, *, as_json: bool) -> None:
    """Note something on RUN."""
    kept = loads(metadata) if metadata else {}
    if not isinstance(kept, dict):
        raise click.UsageError("--metadata: expected a JSON object")
    made = api.run(run).annotate(note, kept).unwrap()
    print_json(made.json()) if as_json else click.echo(made.id)


@click.command()
@click.argument("run")
@click.option("--create", "name", help="Make a key of this name; its secret alone goes to stdout, this once.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="How long a new key works; a day otherwise.")
@click.option("--revoke", "key_id", help="Make the key of this id useless.")
@as_json_option
@api_command
def ingestion_keys(
    api: Api, run: str, name: str | None, hours: float | None, key_id: str | None, *, as_json: bool
) -> None:
    """List, make or revoke keys that only write to RUN.

    One that is made is shown in full this once.
    """
    target = api.run(run)
    if name is not None:
        life = None if hours is None else timedelta(hours=hours)
        click.echo(target.create_ingestion_key(name, life=life).unwrap().secret)
        return
    if key_id is not None:
        held = next((key for key in target.ingestion_keys() if key.id == key_id), None)
        if held is None:
            raise click.UsageError(f"--revoke: run {run} has no key {key_id!r}")
        held.revoke().unwrap()
        say(f"revoked {held.name}")
        return
    columns = {"id": "id", "name": "name", "created": "created_at"}
    columns |= {"expires": "expires_at", "revoked": "revoked_at", "used": "last_used_at"}
    print_listing(target.ingestion_keys(), columns, as_json=as_json)


@click.command()
@click.argument("run")
@as_json_option
@api_command
def catalog(api: Api, run: str, *, as_json: bool) -> None:
    """List the metrics of RUN with their contexts.

    No points are read.
    """
    entries = api.run(run).catalog().unwrap()
    if as_json:
        print_json([encode(entry) for entry in entries])
        return
    print_table(
        ("metric", "points", "contexts"),
        ((entry.key, entry.points, [dict(context) for context in entry.contexts if context]) for entry in entries),
    )


@click.command()
@click.argument("metric")
@click.argument("runs", nargs=-1, required=True)
@click.option("--all", "all_", is_flag=True, help="Every point.")
@as_json_option
@api_command
def compare(api: Api, metric: str, runs: tuple[str, ...], *, all_: bool, as_json: bool) -> None:
    """Read METRIC of RUNS, of whatever projects, into one table."""
    table = api.compare([(run, metric) for run in runs], all=all_).unwrap()
    if as_json:
        print_json(table.json())
        return
    held = table.to_arrow()
    print_table(held.column_names, zip(*(column.to_pylist() for column in held.columns), strict=True))


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


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("--stage", type=click.Choice(STAGES), default="production", show_default=True, help="Where it goes.")
@as_json_option
@api_command
def promote(api: Api, model: str, version: int, stage: Stage, *, as_json: bool) -> None:
    """Change the stage of a VERSION of MODEL.

    MODEL is workspace/name. The version in production before is archived.
    """
    found = api.model(model).promote(version, stage).unwrap()
    if as_json:
        print_json(found.json())
    else:
        print_fields({"model": found.model, "version": found.version, "stage": found.stage})
