"""``runatlas clean``: what a policy takes of a project, shown with reasons, and deleted when that is said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import attrs
import click

from runatlas.api.entry import Api
from runatlas.cli.api.group import api_command, as_json_option, mistakes_told
from runatlas.cli.api.output import print_json, refusal_text, say
from runatlas.cli.connection import hint
from runatlas.entities.cleaning import FilePolicy
from runatlas.entities.deletion import Deletion, DeletionPlan
from runatlas.errors import ConflictError, RunAtlasError
from runatlas.model.policy import Policy
from runatlas.response import ApiResponse
from runatlas.tables.plan import ReportRow, ReportTable
from runatlas.terminal import counted

__all__ = ["chosen_policies", "clean", "policy_options"]

_FILE = "A file of policies."
_FAILED, _WOULD_GO, _REFUSED = 1, 3, 4


@attrs.define
class _Cleaning:
    """One policy: what it would take, what it took, or why it was refused.

    Attributes:
        name: The policy's name; ``""`` if it came as options.
    """

    name: str
    path: str
    answer: ApiResponse[DeletionPlan]
    deletion: Deletion | None = None
    refusal: RunAtlasError | None = None

    @property
    def plan(self) -> DeletionPlan | None:
        """The plan, if there is one."""
        return self.answer.data

    @property
    def error(self) -> RunAtlasError | None:
        """Why it was not planned, or not applied."""
        return self.answer.error or self.refusal

    def apply(self) -> None:
        """Delete what is planned."""
        if self.plan is not None:
            done = self.plan.apply()
            self.deletion, self.refusal = done.data, done.error

    def foresee(self) -> None:
        """Find out why deleting what is planned would be refused."""
        if self.plan is not None:
            self.refusal = self.plan.record.refusal

    def report(self) -> Iterator[ReportRow]:
        """Tell what became of each run; why the policy was refused or failed stands in a row of its own."""
        outcome, entry = "planned", ""
        if self.error is not None:
            outcome = "refused" if isinstance(self.error, ConflictError) else "failed"
            yield ReportRow(self.name, outcome, "", None, refusal_text(str(self.error)))
        elif self.deletion is not None:
            outcome, entry = "thinned" if self.deletion.kind == "data" else "deleted", self.deletion.trash_id
        if self.plan is not None:
            yield from (ReportRow(self.name, outcome, entry, item) for item in self.plan.items)
            yield from (ReportRow(self.name, "kept", "", item) for item in self.plan.kept)

    def json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "policy": self.name or None,
            "path": self.path,
            "plan": None if self.plan is None else self.plan.json(),
            "deletion": None if self.deletion is None else self.deletion.json(),
            "error": None if self.error is None else refusal_text(str(self.error)),
        }


_POLICY_OPTIONS = (
    click.option("-w", "--where", help="A filter: look at these runs only."),
    click.option("--older-than", help="Only what ended longer ago goes: 12h, 30d, 2w, 1y6m."),
    click.option("--keep-last", type=int, help="Keep so many of each group, those that were made last."),
    click.option("--keep-within", help="Keep what did not end longer ago."),
    click.option("--keep-best", multiple=True, help="Keep the best: val_loss:3, or val_acc:3:max; repeat for more."),
    click.option("--keep-label", "keep_labels", multiple=True, help="Keep what has this label; repeat for more."),
    click.option("--group-by", multiple=True, help="Keep in each group: config.model,group; repeat for more."),
    click.option("--thin", type=int, help="Keep the runs, and so many points of each of their metrics."),
    click.option("--max", "max_", type=int, help="Refuse to take more runs than these, whatever else is said."),
    click.option("--allow-all", is_flag=True, help="With --where: all of a group may go."),
)


def policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say a policy, or name some of a file.

    Args:
        command: Called with ``fields``, what the options say of a policy, with ``file`` and ``all_``, and its own
            arguments.

    Returns:
        The command with the options.
    """

    @click.option("--policy", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help=_FILE)
    @click.option("--all", "all_", is_flag=True, help="With --policy: all policies of the file.")
    @wraps(command)
    def told(max_: int | None, group_by: tuple[str, ...], **rest: Any) -> None:
        groups = tuple(part.strip() for text in group_by for part in text.split(","))
        names = [field.name for field in attrs.fields(Policy) if field.name in rest]
        said = {**{name: rest.pop(name) for name in names}, "max": max_, "group_by": groups}
        fields = {name: value for name, value in said.items() if value not in (None, ()) and value is not False}
        command(fields=fields, **rest)

    for option in reversed(_POLICY_OPTIONS):
        told = option(told)
    return told


@click.command()
@click.argument("names", metavar="[PATH | NAME...]", nargs=-1)
@policy_options
@click.option("--force", is_flag=True, help="Take also what is guarded, but for protected runs.")
@click.option("--commit", is_flag=True, help="Delete; without it the plan is shown and nothing happens.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Write all runs and reasons as CSV.")
@click.option("--exit-code", is_flag=True, help="Exit with 3 if something would go, 4 if a policy was refused.")
@as_json_option
@api_command
def clean(
    api: Api,
    names: tuple[str, ...],
    fields: dict[str, Any],
    file: Path | None,
    report: Path | None,
    *,
    all_: bool,
    force: bool,
    commit: bool,
    exit_code: bool,
    as_json: bool,
) -> None:
    """Delete runs of PATH by a policy: what it says may go, but for what it keeps and what is guarded.

    PATH is a project or a workspace. With --policy it is the policies NAME of a file, or --all of them.

    The runs that --where finds are grouped, and the keeps hold in each group: whatever a keep holds stays. A policy is
    refused that would take all runs of a group, or more than --max. Deleted runs lie in the trash: 'runatlas api
    restore' brings them back.
    """
    done: list[_Cleaning] = []
    with mistakes_told():
        if file is None:
            asked = _of_path(api, names, fields, all_=all_, force=force)
        else:
            chosen = chosen_policies(api, file, names, fields, all_=all_)
            asked = (_Cleaning(each.name, each.project, each.clean(force=force)) for each in chosen)
        for item in asked:  # planned one after the other: the next policy sees what is left
            done.append(item)
            if not commit:
                item.foresee()
            _write_report(report, done)
            if not as_json:
                _show(item)
            if commit:
                item.apply()
                _write_report(report, done)
            if not as_json:
                _tell(item, commit=commit)
    if as_json:
        print_json({"list": [item.json() for item in done]})
    click.get_current_context().exit(_status(done, commit=commit, exit_code=exit_code))


def _of_path(api: Api, names: Sequence[str], fields: dict[str, Any], *, all_: bool, force: bool) -> Iterator[_Cleaning]:
    if len(names) != 1 or all_:
        raise click.UsageError("give one PATH, or --policy with NAMES or --all")
    path = names[0].removeprefix("/")
    yield _Cleaning("", path, api.clean(path, force=force, **fields))


def chosen_policies(
    api: Api, file: Path, names: Sequence[str], fields: Collection[str], *, all_: bool
) -> Iterator[FilePolicy]:
    """Yield the policies of a file that the arguments of a command name.

    Args:
        api: Where the data is.
        file: The file.
        names: Of which policies.
        fields: What options say of a policy: nothing, as the file says it.
        all_: Whether all of them are meant.

    Raises:
        click.UsageError: The arguments contradict each other, or the file has no such policy.
    """
    if fields:
        raise click.UsageError(f"with --policy the file says it: leave out --{next(iter(fields)).replace('_', '-')}")
    known = {policy.name: policy for policy in api.policies(file)}
    for name in names:
        if name not in known:
            raise click.UsageError(f"{file} has no policy {name!r}; it has {', '.join(known)}")
    if bool(names) == all_:
        raise click.UsageError(f"give the NAMES of policies or --all; {file} has {', '.join(known)}")
    return (policy for policy in known.values() if all_ or policy.name in names)


def _write_report(path: Path | None, done: Sequence[_Cleaning]) -> None:
    if path is not None:
        ReportTable([row for item in done for row in item.report()]).to_csv(path)


def _show(item: _Cleaning) -> None:
    if item.name:
        say(f"policy {item.name!r} of {item.path}", err=False)
    if item.plan is None:
        return
    if item.refusal is not None:
        say(f"with --commit this is refused: {refusal_text(str(item.refusal))}")
    say(repr(item.plan), err=False)


def _tell(item: _Cleaning, *, commit: bool) -> None:
    if item.error is not None and (commit or item.plan is None):
        which = f"policy {item.name!r}: " if item.name else ""
        say(f"Error: {which}{refusal_text(str(item.error))}")
    elif item.error is not None:
        say("nothing was deleted")
    elif item.deletion is None:
        say("nothing was deleted; add --commit to delete")
    elif item.deletion.runs:
        back = hint("runatlas", "api", "restore", item.deletion.trash_id)
        what, it = counted(item.deletion.runs, "run"), "it" if item.deletion.runs == 1 else "them"
        if item.deletion.kind == "data":
            say(f"thinned the metrics of {what}; {back} brings their points back")
        else:
            say(f"deleted {what}; {back} brings {it} back")
    elif commit:
        say("nothing was deleted: there is nothing to delete")


def _status(done: Sequence[_Cleaning], *, commit: bool, exit_code: bool) -> int:
    errors = [item.error for item in done if item.error is not None]
    if errors:
        refused = exit_code and all(isinstance(error, ConflictError) for error in errors)
        return _REFUSED if refused else _FAILED
    would_go = not commit and any(item.plan is not None and item.plan.total for item in done)
    return _WOULD_GO if exit_code and would_go else 0
