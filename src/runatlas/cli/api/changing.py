"""``runatlas api`` commands that change something."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, is_project_path, store_told
from runatlas.cli.api.output import REFUSED, print_fields, print_json, print_listing, refusal_text, say
from runatlas.cli.api.transfer import runs_at
from runatlas.cli.connection import hint
from runatlas.entities.deletion import Deletion, DeletionPlan, kept_lines
from runatlas.entities.run import Run
from runatlas.entities.runs import Runs
from runatlas.entities.update import Update, UpdatePlan
from runatlas.errors import ConflictError
from runatlas.model.codec import loads
from runatlas.model.registry import STAGES, Stage
from runatlas.model.run import RUN_STATES
from runatlas.model.trash import PurgeRecord
from runatlas.response import ApiResponse
from runatlas.terminal import counted, printable_lines, size_text

__all__ = [
    "annotate",
    "create",
    "cut",
    "delete",
    "folders",
    "ingestion_keys",
    "promote",
    "protect",
    "purge",
    "restore",
    "unprotect",
    "update",
]


@click.command()
@click.argument("path")
@click.option("--visibility", type=click.Choice(["PUBLIC", "PRIVATE"]), default="PRIVATE", show_default=True)
@click.option("--description", help="What it is about.")
@as_json_option
@api_command
def create(api: Api, path: str, visibility: str, description: str | None, *, as_json: bool) -> None:
    """Make the project PATH.

    PATH is workspace/project, or the name alone for your own workspace. Of a text that can be no name one is made, and
    the text is the project's title.
    """
    workspace, slash, name = path.removeprefix("/").partition("/")
    made = api.create_project(
        workspace if slash else None,
        name if slash else workspace,
        visibility="PUBLIC" if visibility == "PUBLIC" else "PRIVATE",
        description=description,
    ).unwrap()
    if as_json:
        print_json(made.json())
    else:
        print_fields({"path": made.path, "visibility": made.visibility, "url": made.url})


@click.command()
@click.argument("path")
@click.option("-f", "--filter", "filters", help="With a project: change these runs of it.")
@click.option("--name", help="The new name.")
@click.option("--description", help="The new description.")
@click.option("--label", "labels", multiple=True, help="The labels from now on; repeat for more.")
@click.option("--label-added", "labels_added", multiple=True, help="Add this label and keep the others; repeat.")
@click.option("--label-removed", "labels_removed", multiple=True, help="Take this label away; repeat for more.")
@click.option(
    "--replace-labels", is_flag=True, default=None, help="With --label: also of several runs that have different ones."
)
@click.option("--group", help="The runs' new group.")
@click.option("--job-type", help="The runs' new job type.")
@click.option("--state", type=click.Choice(RUN_STATES), help="How the runs stand: for those that nobody ended.")
@click.option("--error", help="Why they ended.")
@click.option("--show/--hide", "show", default=None, help="Whether the runs are shown in comparisons.")
@click.option("--visibility", type=click.Choice(["PUBLIC", "PRIVATE"]), help="The project's.")
@click.option("--dry-run", is_flag=True, help="Show what would change of which runs, and change nothing.")
@as_json_option
@api_command
def update(api: Api, path: str, filters: str | None, *, dry_run: bool, as_json: bool, **given: Any) -> None:
    """Change PATH: a run, a project, or some of its runs.

    With --filter it is the runs of a project.

    'runatlas undo' takes a change back.
    """
    changes = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value not in (None, ())
    }
    if not changes:
        raise click.UsageError("say what to change, such as --name or --label; 'runatlas api update --help' lists all")
    is_project = filters is None and is_project_path(path)
    if is_project and (dry_run or not {*changes} <= {"name", "description", "labels", "visibility"}):
        only = "--name, --description, --label and --visibility only, and no --dry-run"
        raise click.UsageError(f"{path!r} is a project, which has {only}; --filter says which runs of it to change")
    if not is_project and "visibility" in changes:
        raise click.UsageError("--visibility goes with a project, not with runs")
    target: Any = api.project(path) if is_project else runs_at(api, path, filters)
    answer = target.update(**changes, **({"commit": False} if dry_run else {}))
    if isinstance(answer.error, ConflictError):
        raise click.ClickException(printable_lines(refusal_text(str(answer.error))))
    outcome = answer.unwrap()
    if as_json:
        print_json(outcome.json())
    if isinstance(outcome, UpdatePlan):
        _show_plan(outcome, as_json=as_json)
        return
    for note in outcome.notes if isinstance(outcome, Update) else ():
        say(f"note: {note}")
    say(f"changed {counted(outcome.total, 'run') if isinstance(outcome, Update) else path}")
    if answer.change is not None:
        say(f"{hint('runatlas', 'undo', answer.change.id, '--commit')} takes that back")


def _show_plan(plan: UpdatePlan, *, as_json: bool) -> None:
    if plan.refusal:
        say(f"without --dry-run this is refused: {refusal_text(plan.refusal)}")
    if not as_json:
        say(refusal_text(repr(plan)), err=False)
    say("nothing was changed")
    if plan.refusal or plan.missing:
        click.get_current_context().exit(REFUSED if plan.refusal else 1)


@click.command()
@click.argument("path")
@click.option("-f", "--filter", "filters", help="With a project: protect these runs of it.")
@click.option("--reason", default="", help="Why; a refused deletion says it.")
@api_command
def protect(api: Api, path: str, filters: str | None, reason: str) -> None:
    """Keep runs from being deleted until they are unprotected.

    PATH is a run, or with --filter a project.
    """
    say(f"protected {_named(path, _runs_meant(api, path, filters).protect(reason).unwrap())}")


@click.command()
@click.argument("path")
@click.option("-f", "--filter", "filters", help="With a project: unprotect these runs of it.")
@api_command
def unprotect(api: Api, path: str, filters: str | None) -> None:
    """Let runs be deleted again.

    PATH is a run, or with --filter a project.
    """
    say(f"unprotected {_named(path, _runs_meant(api, path, filters).unprotect().unwrap())}")


def _runs_meant(api: Api, path: str, filters: str | None) -> Run | Runs:
    """Return a run, or those of a project that a filter says."""
    if filters is None and is_project_path(path):
        raise click.UsageError(f"{path!r} is a project: --filter says which runs of it, or write {path}/RUN for one")
    return api.run(path) if filters is None else api.runs(path, filters)


def _named(path: str, done: object) -> str:
    return counted(done.total, "run") if isinstance(done, Update) else path


@click.command()
@click.argument("path")
@click.argument("runs", nargs=-1)
@click.option("-f", "--filter", "filters", help="With a project: only these runs of it.")
@click.option("--commit", is_flag=True, help="Delete; without it the plan is shown and nothing happens.")
@click.option("--force", is_flag=True, help="Take also what is guarded, but for protected runs.")
@click.option("--save", metavar="FILE", help="Write the plan to a file, for 'runatlas api apply'.")
@as_json_option
@api_command
def delete(
    api: Api,
    path: str,
    runs: tuple[str, ...],
    filters: str | None,
    *,
    commit: bool,
    force: bool,
    save: str | None,
    as_json: bool,
) -> None:
    """Delete a run, a project, or some of its runs.

    Of a project the RUNS named go, those of --filter, or all of it. Runs that are protected, pinned, a baseline,
    running, or behind a model in staging or production are kept, and listed.

    Deleted things lie in the trash: 'runatlas api trash' lists them, 'runatlas api restore' brings them back.
    """
    if runs and filters is not None:
        raise click.UsageError(
            "give either RUNS or --filter; a filter is one text, in quotes: --filter \"state == 'CRASHED'\""
        )
    target: Any
    if not is_project_path(path):
        if runs or filters is not None:
            raise click.UsageError("RUNS and --filter go with a project, not with a run")
        target = api.run(path)
    else:
        target = api.project(path) if filters is None else api.runs(path, filters)
    verb = partial(target.delete_runs, list(runs)) if runs else target.delete
    _settle(partial(verb, force=force), commit=commit, save=save, as_json=as_json)


_Answer = ApiResponse[DeletionPlan] | ApiResponse[Deletion]


def _settle(verb: Callable[..., _Answer], *, commit: bool, save: str | None, as_json: bool) -> None:
    """Plan a deletion or do it, save the plan where that is wanted, and say what came of it."""
    if commit and save is not None:
        raise click.UsageError("--save writes what would be deleted, and --commit deletes it: give one of them")
    outcome = _outcome(verb(commit=commit))
    if save is not None and isinstance(outcome, DeletionPlan):
        outcome.save(save)
    _print_outcome(outcome, as_json=as_json)
    if save is not None:
        say(f"the plan is in {save}; {hint('runatlas', 'api', 'apply', save)} shows it, with --commit it deletes")
    _exit_if_refused(outcome)


@click.command()
@click.argument("path")
@click.option("--metric", "metrics", multiple=True, help="Delete this metric, or thin it; repeat for more.")
@click.option("--media", multiple=True, help="Delete the images, sounds or texts of this name; repeat for more.")
@click.option("--artifact", "artifacts", multiple=True, help="Delete this file; repeat for more.")
@click.option("--steps", help="With --metric or --media: only these steps, such as 10:20, 10: or :20.")
@click.option("--rewind", type=int, metavar="STEP", help="Delete all metrics and media after this step.")
@click.option("--thin", type=int, metavar="K", help="Keep K points of each metric, evenly spread, and the extremes.")
@click.option("-f", "--filter", "filters", help="With a project: only these runs of it.")
@click.option("--commit", is_flag=True, help="Delete; without it the plan is shown and nothing happens.")
@click.option("--force", is_flag=True, help="Take also what is guarded, but for protected runs.")
@click.option("--save", metavar="FILE", help="Write the plan to a file, for 'runatlas api apply'.")
@as_json_option
@api_command
def cut(
    api: Api,
    path: str,
    filters: str | None,
    *,
    commit: bool,
    force: bool,
    save: str | None,
    as_json: bool,
    **what: Any,
) -> None:
    """Delete data of a run, or of runs of a project.

    Metrics, media or files of these names, what came after a step, or what thinning leaves out. The same runs are kept
    as from deletion. What is cut lies in the trash: 'runatlas api restore' brings it back.
    """
    verb = _cut(runs_at(api, path, filters), **what)
    _settle(partial(verb, force=force), commit=commit, save=save, as_json=as_json)


def _cut(
    target: Any,
    *,
    metrics: tuple[str, ...],
    media: tuple[str, ...],
    artifacts: tuple[str, ...],
    steps: str | None,
    rewind: int | None,
    thin: int | None,
) -> Callable[..., _Answer]:
    """Tell which verb the options mean."""
    said = [bool(metrics) and thin is None, bool(media), bool(artifacts), rewind is not None, thin is not None]
    if said.count(True) != 1:
        raise click.UsageError("say what is to be deleted: one of --metric, --media, --artifact, --rewind and --thin")
    if steps is not None and not (media or said[0]):
        raise click.UsageError("--steps goes with --metric or --media")
    if thin is not None:
        return partial(target.thin, thin, keys=list(metrics) or None)
    if rewind is not None:
        return partial(target.rewind, rewind)
    if artifacts:
        return partial(target.delete_artifacts, list(artifacts))
    return partial(target.delete_media if media else target.delete_metrics, list(media or metrics), steps=_steps(steps))


_STEPS = re.compile(r"(-?[0-9]{1,19})?(?:(:)(-?[0-9]{1,19})?)?", re.ASCII)


def _steps(text: str | None) -> tuple[int | None, int | None] | None:
    found = None if text is None else _STEPS.fullmatch(text)
    if text is not None and (found is None or text in {"", ":"}):
        raise click.UsageError(f"--steps: {text!r:.50} is no range of steps; write 10:20, 10: or :20, or 10 for one")
    if found is None:
        return None
    first, colon, last = found.groups()
    return None if first is None else int(first), int(first) if not colon else None if last is None else int(last)


@click.command()
@click.argument("plan")
@click.option("--commit", is_flag=True, help="Delete; without it the plan is shown and nothing happens.")
@as_json_option
@api_command
def apply(api: Api, plan: str, *, commit: bool, as_json: bool) -> None:
    """Delete what the file PLAN says, all of it or nothing.

    Nothing goes if one of its runs is not as it was.

    'runatlas api delete --save PLAN' writes such a file.
    """
    found = api.load_plan(plan)
    outcome = _outcome(found.apply()) if commit else found
    _print_outcome(outcome, as_json=as_json)
    _exit_if_refused(outcome)


def _outcome(answer: _Answer) -> DeletionPlan | Deletion:
    if isinstance(answer.error, ConflictError):
        raise click.ClickException(printable_lines(refusal_text(str(answer.error))))
    return answer.unwrap()


def _print_outcome(outcome: DeletionPlan | Deletion, *, as_json: bool) -> None:
    refusal = refusal_text(outcome.refusal) if isinstance(outcome, DeletionPlan) else ""
    if refusal:
        say(f"with --commit this is refused: {refusal}")
    if as_json:
        print_json(outcome.json())
    elif isinstance(outcome, Deletion):
        print_fields({**outcome.json(), "kept": len(outcome.kept)})
        for line in kept_lines(outcome.kept):
            say(f"- {line}", err=False)
        if not outcome.trash_id:
            say("nothing was deleted: nothing that may go was found")
        elif outcome.kind == "data":
            say(f"{hint('runatlas', 'api', 'restore', outcome.trash_id)} brings back what was cut")
        else:
            say(f"{hint('runatlas', 'api', 'restore', outcome.trash_id)} brings {counted(outcome.runs, 'run')} back")
    else:
        say(repr(outcome), err=False)
        say("nothing was deleted; add --commit to delete" if outcome.total and not refusal else "nothing was deleted")


def _exit_if_refused(outcome: DeletionPlan | Deletion) -> None:
    if isinstance(outcome, DeletionPlan) and outcome.refusal:
        # What is not there is no question of leave: with --commit it fails, too.
        click.get_current_context().exit(1 if outcome.missing else REFUSED)


@click.command()
@click.argument("entry")
@click.argument("runs", nargs=-1)
@api_command
def restore(api: Api, entry: str, runs: tuple[str, ...]) -> None:
    """Bring back what lies in the trash as ENTRY.

    All of it, or the RUNS named by id or cuid; 'runatlas api trash --entry ENTRY' lists them.
    """
    with store_told(api):
        back = api.restore(entry, list(runs) or None).unwrap()
    what = "what was cut out of " if back.kind == "data" else ""
    say(f"brought back {what}{counted(back.runs, 'run')} of {back.workspace}/{back.project}")


@click.command()
@click.argument("entry", required=False)
@click.option("--all", "all_", is_flag=True, help="Also what has not expired.")
@click.option("--commit", is_flag=True, help="Remove for good; without it the counts are shown and nothing happens.")
@as_json_option
@api_command
def purge(api: Api, entry: str | None, *, all_: bool, commit: bool, as_json: bool) -> None:
    """Remove what lies in the trash for good.

    ENTRY alone, or what has expired, with the files nothing else needs.
    """
    with store_told(api):
        done = api.purge(entry, expired_only=not all_ and entry is None, commit=commit).unwrap()
    if as_json:
        print_json(attrs.asdict(done))
        return
    say(_purged(done), err=False)
    sizes = {"bytes of points": done.point_bytes, "bytes of files": done.bytes}
    stored = {"store before": done.bytes_before, "store after": done.bytes_after}
    known = {name: size for name, size in (sizes | stored).items() if size is not None}
    print_fields({name: size_text(size) for name, size in known.items()})
    if entry is None and not all_:
        _tell_of_the_rest((api.trash().total or 0) - (done.entries if done.dry_run else 0))
    if done.dry_run and done.entries:
        say("nothing was removed; add --commit to remove")


def _purged(done: PurgeRecord) -> str:
    counts = ((done.runs, "run"), (done.points, "point"), (done.blobs, "file"))
    text = f"{'would remove' if done.dry_run else 'removed'} {counted(done.entries, 'entry')}: "
    text += ", ".join(counted(number, noun) for number, noun in counts)
    if done.bytes_before is None or done.bytes_after is None or done.bytes_after >= done.bytes_before:
        return text
    return f"{text}; the store is {size_text(done.bytes_before - done.bytes_after)} smaller"


def _tell_of_the_rest(entries: int) -> None:
    if entries > 0:
        stay = "has not expired and stays" if entries == 1 else "have not expired and stay"
        say(f"{counted(entries, 'entry')} {stay}; --all takes what lies in workspaces that you own")


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
