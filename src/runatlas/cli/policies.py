"""``runatlas policies``: what projects hold, what its evaluations did, and evaluation where no server does it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import ApiGroup, api_command, as_json_option, limit_option
from runatlas.cli.api.output import print_json, print_table, say
from runatlas.cli.clean import chosen_policies, policy_options
from runatlas.cli.connection import hint
from runatlas.entities.held_policy import HeldPolicy, evaluation_json, policy_json
from runatlas.model.held_policy import EVERY, EvaluationRecord
from runatlas.model.instant import iso_text
from runatlas.model.policy import Policy
from runatlas.server.schedule import evaluate_due
from runatlas.server.services.services import Services
from runatlas.settings import embedded_directory

__all__ = ["policies"]


@click.group(cls=ApiGroup)
def policies() -> None:
    """Let projects clean themselves up by policies that they hold.

    A server evaluates them when they are due; where there is none, 'runatlas policies evaluate' does, for cron. They
    report only until they are switched to act.
    """


@policies.command()
@click.argument("names", metavar="PATH NAME | [NAME...]", nargs=-1)
@policy_options
@click.option("--every", default=EVERY, show_default=True, help="How often it is evaluated: 12h, 1d, 1w.")
@click.option("--act", "acts", is_flag=True, help="Delete; without it the evaluations report only.")
@as_json_option
@api_command
def hold(
    api: Api,
    names: tuple[str, ...],
    fields: dict[str, Any],
    file: Path | None,
    every: str,
    *,
    all_: bool,
    acts: bool,
    as_json: bool,
) -> None:
    """Let the project PATH hold a policy by NAME, in place of the one of that name.

    With --policy it is the policies NAME of a file, or --all of them, each in its own project.
    """
    if file is not None:
        chosen = chosen_policies(api, file, names, fields, all_=all_)
        held = [policy.hold(every=every, acts=acts).unwrap() for policy in chosen]
    elif len(names) != 2 or all_:
        raise click.UsageError("give PATH and NAME, or --policy with NAMES or --all")
    else:
        held = [api.project(names[0]).hold_policy(names[1], every=every, acts=acts, **fields).unwrap()]
    if as_json:
        print_json({"list": [policy.json() for policy in held]})
        return
    for policy in held:
        does = "deletes" if policy.acts else "reports only"
        say(f"{policy.project} holds the policy {policy.name!r}, which {does}, every {policy.every}", err=False)


@policies.command(name="list")
@click.argument("path")
@as_json_option
@api_command
def list_(api: Api, path: str, *, as_json: bool) -> None:
    """List the policies that the project PATH holds."""
    held = list(api.project(path).held_policies())
    if as_json:
        print_json({"list": [policy.json() for policy in held]})
        return
    print_table(("policy", "does", "every", "held by", "evaluated", "due", "says"), map(_held_row, held))


def _held_row(policy: HeldPolicy) -> tuple[object, ...]:
    does = "deletes" if policy.acts else "reports"
    times = policy.evaluated_at, policy.next_at
    return (policy.name, does, policy.every, policy.held_by, *times, _policy_text(policy.policy))


def _policy_text(policy: Policy) -> str:
    return "; ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in policy_json(policy).items()
    )


@policies.command()
@click.argument("path")
@click.argument("name", required=False)
@limit_option
@as_json_option
@api_command
def log(api: Api, path: str, name: str | None, limit: int | None, *, as_json: bool) -> None:
    """Say what evaluations of the policies of PATH did, newest first; of one policy if NAME is given."""
    project = api.project(path)
    found = project.evaluations(limit=limit) if name is None else project.held_policy(name).log(limit=limit)
    if as_json:
        print_json({"list": [item.json() for item in found]})
        return
    _print_log(item.record for item in found)


def _print_log(records: Iterable[EvaluationRecord]) -> None:
    columns = ("project", "policy", "at", "outcome", "taken", "kept", "entry", "why")
    print_table(columns, map(_log_row, records))


def _log_row(record: EvaluationRecord) -> tuple[object, ...]:
    why = record.reason or ", ".join(
        f"{rule.runs} {'go' if rule.goes else 'stay'} by {rule.rule}" for rule in record.rules
    )
    counts = record.taken, record.kept
    return record.project, record.name, iso_text(record.at_ms), record.outcome, *counts, record.trash_id, why


@policies.command()
@click.argument("path")
@click.argument("name")
@click.option("--act/--report", "acts", required=True, help="Whether it deletes, or reports only.")
@api_command
def switch(api: Api, path: str, name: str, *, acts: bool) -> None:
    """Let the policy NAME of PATH delete from its next evaluation on, with your rights, or report only."""
    policy = api.project(path).held_policy(name).switch(acts).unwrap()
    does = "deletes" if policy.acts else "reports only"
    say(f"the policy {policy.name!r} {does}; it is due at {policy.next_at}", err=False)


@policies.command()
@click.argument("path")
@click.argument("name")
@api_command
def release(api: Api, path: str, name: str) -> None:
    """Let PATH hold the policy NAME no longer; its log stays, and so does what lies in the trash."""
    api.project(path).held_policy(name).release().unwrap()
    told = hint("runatlas", "policies", "log", path, name)
    say(f"{path} holds the policy {name!r} no longer; {told} tells what it did", err=False)


@policies.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@as_json_option
def evaluate(directory: Path | None, *, as_json: bool) -> None:
    """Evaluate the policies that are due in the store in DIRECTORY, as a server does: for cron, where none runs.

    DIRECTORY is the one that runs would use here if left out. Exits with 1 if a policy was refused or failed.
    """
    with closing(Services.open(directory or embedded_directory(), create=False)) as services:
        done = list(evaluate_due(services))
    if as_json:
        print_json({"list": [evaluation_json(record) for record in done]})
    elif done:
        _print_log(done)
    else:
        say("no policy is due")
    click.get_current_context().exit(int(any(record.reason for record in done)))
