"""What a deletion would take and keep, and whether that still is so when it is applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.data_cut import DataCut, check_cut
from runatlas.model.guard import Guard, TakenKind, guards_of
from runatlas.model.instant import iso_text
from runatlas.model.policy import Verdict
from runatlas.model.transfer import TransferItem
from runatlas.model.trash import DeletionPlanRecord, PlannedItem, TrashKind, guarded_error, planned_item
from runatlas.server.store.data_portion import Portion, find_portions, weigh_portions
from runatlas.server.store.registry import registered_sources
from runatlas.server.store.statement import Connection
from runatlas.server.store.trash import HeldRun, Weight, files_by_run, trashed_by_cuid, weigh

__all__ = ["changed_since", "check_data_cut", "plan_held", "require_portions", "require_same", "require_unguarded"]

_SHOWN = 5


def plan_held(
    connection: Connection,
    kind: TrashKind,
    held: Sequence[HeldRun],
    takes: tuple[TakenKind, ...],
    *,
    weighed: bool,
    verdicts: Mapping[int, Verdict] | None = None,
    cut: DataCut | None = None,
) -> DeletionPlanRecord:
    """Part runs into those that go and those that are guarded by what the deletion does not take.

    Args:
        connection: An open transaction.
        kind: What goes.
        held: The runs.
        takes: The kinds of guard that it takes.
        weighed: Whether it tells what hangs on all of the runs that go together.
        verdicts: What a policy says of each run, by row id; without it all of them go.
        cut: What is cut out of the runs, which stay; those that nothing is cut from are left out.
    """
    said = verdicts or dict.fromkeys((run.id for run in held), _GOES)
    portions: dict[int, Portion] = {}
    if cut is not None:
        portions = find_portions(connection, [run.id for run in held if said[run.id].goes], cut)
        held = [run for run in held if run.id in portions or not said[run.id].goes]
    guards = _guards_by_run(connection, held)
    weights = _weights(connection, held) if cut is None else {key: one.weight for key, one in portions.items()}
    items: list[PlannedItem] = []
    kept: list[PlannedItem] = []
    taken: list[HeldRun] = []
    for run in held:
        verdict = said[run.id]
        guarding = guards.get(run.id, ())
        is_taken = verdict.goes and all(guard.kind in takes for guard in guarding)
        judged = verdict.reason if is_taken or not verdict.goes else ""
        item = planned_item(run, run.path, guarding, weights.get(run.id, (0, 0, 0)), judged=judged)
        if is_taken:
            taken.append(run)
            items.append(item)
        else:
            kept.append(item)
    if cut is None:
        point_bytes = sum(run.point_bytes for run in taken)
        hanging = weigh(connection, [run.id for run in taken]) if weighed else Weight()
    else:
        own = {run.id: portions[run.id] for run in taken}
        point_bytes = sum(portion.point_bytes for portion in own.values())
        hanging = weigh_portions(connection, own)
    return DeletionPlanRecord(
        kind,
        tuple(items),
        points=sum(item.points or 0 for item in items),
        media=hanging.media,
        artifacts=hanging.artifacts,
        bytes=point_bytes + hanging.freed_bytes,
        kept=tuple(kept),
        takes=takes,
        cut=cut,
    )


_GOES = Verdict(goes=True, reason="")


def _guards_by_run(connection: Connection, held: Sequence[HeldRun]) -> dict[int, tuple[Guard, ...]]:
    """Return the guards of runs by row id; runs that nothing guards are left out."""
    sources = registered_sources(connection, [run.id for run in held])
    return {run.id: guards for run in held if (guards := guards_of(run, sources.get(run.id, ())))}


def _weights(connection: Connection, held: Sequence[HeldRun]) -> dict[int, tuple[int, int, int]]:
    """Return points, files and bytes of runs."""
    files = files_by_run(connection, [run.id for run in held])
    weights = {}
    for run in held:
        count, size = files.get(run.id, (0, 0))
        weights[run.id] = (run.points, count, run.point_bytes + size)
    return weights


def require_same(connection: Connection, plan: DeletionPlanRecord, held: Sequence[HeldRun], workspace_id: int) -> None:
    """Refuse a plan that is not of just these runs, and say what became of its own as far as the workspace knows."""
    changed = changed_since(
        connection, plan.items, held, workspace_id, lambda item, run: (item.path, item.state) == (run.path, run.state)
    )
    if changed:
        raise ConflictError(f"the plan is out of date, nothing was deleted; changed since: {changed}")


Item = TypeVar("Item", bound="PlannedItem | TransferItem")


def changed_since(
    connection: Connection,
    items: Sequence[Item],
    held: Sequence[HeldRun],
    workspace_id: int,
    is_same: Callable[[Item, HeldRun], bool],
) -> str:
    """Say what became of planned runs, as far as the workspace knows, and which are new; ``""`` if all are the same."""
    planned = {item.cuid: item for item in items}
    found = {run.cuid: run for run in held}
    changed = [item for item in planned.values() if item.cuid not in found or not is_same(item, found[item.cuid])]
    added = [run for run in held if run.cuid not in planned]
    if not changed and not added:
        return "" if len(items) == len(planned) else "it names a run twice"
    shown = changed[:_SHOWN]
    trashed = trashed_by_cuid(connection, [item.cuid for item in shown], workspace_id)
    told = [f"{item.path} ({_what_became(item, found.get(item.cuid), trashed.get(item.cuid))})" for item in shown]
    told += [f"{run.path} (new)" for run in added[: _SHOWN - len(shown)]]
    more = len(changed) + len(added) - len(told)
    return ", ".join([*told, *([f"and {more} more"] if more else [])])


def _what_became(item: PlannedItem | TransferItem, run: HeldRun | None, trashed: tuple[str, int] | None) -> str:
    """Say what became of a planned run; of one in another workspace nothing but that it is gone."""
    if trashed is not None:
        return f"in the trash since {iso_text(trashed[1])} as entry {trashed[0]}"
    if run is None or run.workspace != item.path.partition("/")[0]:
        return "no longer there"
    return f"now {run.path}" if run.path != item.path else f"{item.state} → {run.state}"


def require_unguarded(connection: Connection, plan: DeletionPlanRecord, held: Sequence[HeldRun]) -> None:
    """Refuse what came under a guard since it was planned, or was planned elsewhere and not by us."""
    guards = _guards_by_run(connection, held)
    listed = [planned_item(run, run.path, own) for run in held if (own := guards.get(run.id))]
    kept = [item for item in listed if not item.is_taken(plan.takes)]
    if kept:
        raise guarded_error(kept)


def require_portions(plan: DeletionPlanRecord, held: Sequence[HeldRun], taken: Mapping[int, Portion]) -> None:
    """Refuse a cut that took of a run, or of all together, something else than was planned.

    Args:
        plan: The plan.
        held: Its runs.
        taken: What was taken of each, by row.
    """
    planned = {item.cuid: item for item in plan.items}
    changed = []
    for run in held:
        item, portion = planned[run.cuid], taken.get(run.id, Portion())
        if (item.points, item.files) != (portion.points, len(portion.files)):
            changed.append(f"{item.path} ({_amount(item)} planned, {_amount_of(portion)} now)")
    media = sum(portion.media for portion in taken.values())
    files = sum(portion.artifacts for portion in taken.values())
    if not changed and (media, files) != (plan.media, plan.artifacts):
        changed.append(f"{plan.media} media and {plan.artifacts} files were planned, there are {media} and {files}")
    if changed:
        told = changed[:_SHOWN] + ([f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else [])
        raise ConflictError(f"the plan is out of date, nothing was deleted; changed since: {', '.join(told)}")


def _amount(item: PlannedItem) -> str:
    return f"{item.points} points and {item.files} files"


def _amount_of(portion: Portion) -> str:
    return f"{portion.points} points and {len(portion.files)} files"


def check_data_cut(cut: DataCut) -> None:
    """Check what is to be cut out of runs.

    Raises:
        ValidationError: It says nothing, or is out of bounds; the sentence says how.
    """
    try:
        check_cut(cut)
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error
