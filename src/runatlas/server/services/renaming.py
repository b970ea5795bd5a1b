"""The rules of giving metrics and media of runs another key: in all their contexts, with what was cut out of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runatlas.errors import ValidationError
from runatlas.model.batch_check import check_indexed, check_key
from runatlas.model.run import RunSelection
from runatlas.model.text import did_you_mean
from runatlas.model.transfer import TransferItem, TransferPlanRecord
from runatlas.server.services.access import require_scope, selected_runs
from runatlas.server.services.caller import Caller
from runatlas.server.store.column import KeyedSeries, keyed_series, known_keys
from runatlas.server.store.held_policy import list_held_policies
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.run_write import projects_of
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import HeldRun, held_by_key

__all__ = ["Renamed", "check_keys", "find_renamed", "metric_in_way", "plan_metric"]

_KEYS_MAX = 2000
"""Among how many keys one is looked for that is like a mistyped one."""


class Renamed(NamedTuple):
    """A run that has what gets another key.

    Attributes:
        contexts: Of its series, as texts.
        points: How many these have, or steps of media.
        series: Their rows, and those of what was cut out of them and lies in the trash.
        in_way: Why they cannot be renamed; ``""`` if they can.
    """

    contexts: tuple[str, ...]
    points: int
    series: tuple[int, ...]
    in_way: str = ""


def find_renamed(
    connection: Connection,
    run_keys: Sequence[int],
    old: str,
    new: str,
    contexts: Mapping[int, Sequence[str]] | None = None,
) -> dict[int, Renamed]:
    """Find what has a key, and what is in the way of another one, by run; runs without it are left out.

    What lies in the trash is in the way too: it would come back into a series that it was not cut out of.

    Args:
        connection: An open transaction; one that renames holds the locks of the runs.
        run_keys: The runs.
        old: The key that they have.
        new: The key that they get.
        contexts: Those that each run must have; ``None`` for all that it has.

    Raises:
        ValidationError: The key is too long together with a context.
    """
    by_run: defaultdict[int, list[KeyedSeries]] = defaultdict(list)
    for one in keyed_series(connection, run_keys, (old, new)):
        by_run[one.run_pk].append(one)
    found = {}
    for run_pk in run_keys:
        own = by_run[run_pk]
        wanted = {one.context for one in own if one.key == old and one.entry is None}
        if contexts is not None:
            wanted = set(contexts[run_pk])
        for context in wanted:
            check_indexed(new + context, f"key {new!r} with the context {context}")
        if wanted:
            found[run_pk] = _renamed([one for one in own if one.context in wanted], wanted, old, new)
    return found


def _renamed(own: Sequence[KeyedSeries], wanted: set[str], old: str, new: str) -> Renamed:
    going = [one for one in own if one.key == old]
    live = [one for one in going if one.entry is None]
    # One of them is enough.
    told = [f"it has no {old!r}{_inside(context)} any more" for context in wanted - {one.context for one in live}]
    for one in own:
        if one.key == new and one.entry is None:
            told.append(f"it has {new!r}{_inside(one.context)} already")
        elif one.key == new:
            told.append(
                f"{new!r}{_inside(one.context)} was cut out of it and lies in the trash as entry {one.entry}; restore "
                "or purge that first"
            )
    points, ids = sum(one.points for one in live), tuple(one.id for one in going)
    return Renamed(tuple(sorted(wanted)), points, ids, min(told, default=""))


def _inside(context: str) -> str:
    return f" in the context {context}" if context else ""


def plan_metric(
    connection: Connection, caller: Caller, old: str, new: str, selection: RunSelection
) -> TransferPlanRecord:
    """Plan to give what has a key in these runs another one.

    Raises:
        NotFoundError: There is no such project or workspace.
        PermissionDeniedError: The caller may not write there.
        ValidationError: A key is none, or both are the same.
    """
    check_keys(old, new)
    chosen = selected_runs(connection, caller, selection, "write")
    held = held_by_key(connection, [row[0] for row in rows(connection, chosen.query)])
    keys = [run.id for run in held]
    found = find_renamed(connection, keys, old, new)
    items = tuple(_item(run, one, old) for run in held if (one := found.get(run.id)) is not None)
    in_way: tuple[str, ...] = ()
    if held and not items:
        in_way = (f"none of these runs has {old!r}{did_you_mean(old, known_keys(connection, keys, _KEYS_MAX))}",)
    notes = _notes(connection, held, items, old)
    if selection.filter is not None:
        notes += unknown_keys(connection, require_scope(connection, caller, selection, "write"), selection.filter)
    return TransferPlanRecord(
        "rename_metric", new, items, missing=chosen.missing, in_way=in_way, notes=notes, metric=old
    )


def _item(run: HeldRun, one: Renamed, old: str) -> TransferItem:
    why = metric_in_way(run, one, old)
    return TransferItem(
        path=run.path,
        target=run.path,
        cuid=run.cuid,
        name=run.name,
        state=run.state,
        in_way=f"{run.path}: {why}" if why else "",
        points=one.points,
    )


def _notes(connection: Connection, held: Sequence[HeldRun], items: Sequence[TransferItem], old: str) -> tuple[str, ...]:
    """Say who goes on naming the old key."""
    notes = []
    if writing := sum(item.state == "RUNNING" for item in items):
        notes.append(f"{writing} of the runs are still running: what they record as {old!r} from now on begins it anew")
    named = re.compile(rf"(?<![\w/]){re.escape(old)}(?![\w/])")
    for project_id in sorted(projects_of(connection, [run.id for run in held])) if items else ():
        for record in list_held_policies(connection, project_id):
            policy = record.policy
            if any(named.search(part) for part in (policy.where, *policy.keep_best, *policy.group_by)):
                notes.append(f"policy {record.name!r} of the project goes on naming {old!r}")
    return tuple(notes)


def metric_in_way(run: HeldRun, one: Renamed | None, old: str) -> str:
    """Say why a run's metric cannot get another key; ``""`` if it can."""
    if run.protected:
        return "it is protected" + (f" ({run.protected_reason})" if run.protected_reason else "")
    return f"it has no {old!r} any more" if one is None else one.in_way


def check_keys(old: str, new: str) -> None:
    """Check the key that something has, and the one that it is to get.

    Raises:
        ValidationError: One is none, or both are the same.
    """
    check_key(old)
    check_key(new)
    if old == new:
        raise ValidationError(f"target: {new!r} is the key that it has")
