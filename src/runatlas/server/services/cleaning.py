"""The rules of clean-up by a policy: what it takes, what it leaves and why, with the guards that always hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import attrs

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.data_cut import DataCut
from runatlas.model.filters import And, Comparison, Field
from runatlas.model.guard import FORCED
from runatlas.model.held_policy import RuleCount
from runatlas.model.policy import JudgedRun, Policy, Rule, Verdict, judge, read_policy, require_bounds
from runatlas.model.run import RunSelection
from runatlas.model.text import check_text
from runatlas.model.trash import DeletionPlanRecord, TrashKind
from runatlas.server.services.access import require_scope, selected_runs
from runatlas.server.services.caller import Caller
from runatlas.server.services.deletion_plan import plan_held
from runatlas.server.store.cleaning import judged_runs, named_in_section
from runatlas.server.store.engine import Store
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.statement import Connection, rows
from runatlas.server.store.trash import held_by_key

__all__ = ["Cleaning", "require_policy"]


_SHOWN = 3


class Cleaning:
    """What may be done with policies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def plan_cleaning(
        self, caller: Caller, workspace: str, policy: Policy, *, project: str | None = None, force: bool = False
    ) -> DeletionPlanRecord:
        """Tell what a policy takes of a project or workspace, and what of the runs that it looks at stays, and why.

        Raises:
            ConflictError: It would take all runs of a group, or more than its ``max``.
            NotFoundError: There is no such project or workspace.
            PermissionDeniedError: The caller may not delete there.
            ValidationError: The policy cannot be understood, or is empty.
        """
        return self.plan_counted(caller, workspace, policy, project=project, force=force)[0]

    def plan_counted(
        self, caller: Caller, workspace: str, policy: Policy, *, project: str | None = None, force: bool = False
    ) -> tuple[DeletionPlanRecord, tuple[RuleCount, ...]]:
        """Plan as ``plan_cleaning`` does, and count for how many runs each part of the policy, or a guard, decided."""
        rule = require_policy(policy)
        takes = FORCED if force else ()
        selection = RunSelection(workspace, project, filter=rule.where)
        with self._store.read() as connection:
            scope = require_scope(connection, caller, selection, "write")
            chosen = selected_runs(connection, caller, selection, "write")
            held = held_by_key(connection, [row[0] for row in rows(connection, chosen.query)])
            judged = judged_runs(connection, held, rule)
            said = judge(rule, judged, self._store.clock())
            verdicts = {run.id: verdict for run, verdict in zip(held, said, strict=True)}
            cut = None if policy.thin is None else DataCut(None, thin=policy.thin)
            kind: TrashKind = "runs" if cut is None else "data"
            plan = plan_held(connection, kind, held, takes, weighed=True, verdicts=verdicts, cut=cut)
            notes = unknown_keys(connection, scope, _named(rule), trashed=not plan.items)
            notes += _sections(connection, rule, [run.id for run in held], judged)
        gone = {item.cuid for item in plan.items}
        try:
            require_bounds(rule, judged, [run.cuid in gone for run in judged])
        except ConflictError as error:  # what was mistyped is often why, and comes first
            raise ConflictError("; ".join((*notes, str(error)))) from None
        return attrs.evolve(plan, notes=notes), _counted(plan, {run.cuid: verdicts[run.id] for run in held})


def _sections(
    connection: Connection, rule: Rule, run_keys: Sequence[int], judged: Sequence[JudgedRun]
) -> tuple[str, ...]:
    """Say which groups are none, as what they are made by is a section of every config, and so has no value."""
    found = []
    for place, field in enumerate(rule.groups):
        if field.type == "CONFIG" and all(run.groups[place] is None for run in judged):
            inner = named_in_section(connection, run_keys, field.key, _SHOWN)
            named = ", ".join(f"config.{name}" for name in inner)
            if inner:
                found.append(f"config {field.key!r} is a section, which has no value to group by; use such as {named}")
    return tuple(found)


def _counted(plan: DeletionPlanRecord, verdicts: Mapping[str, Verdict]) -> tuple[RuleCount, ...]:
    counts: Counter[tuple[str, bool]] = Counter()
    for item in plan.items:
        counts.update((rule, True) for rule in verdicts[item.cuid].rules)
    for item in plan.kept:
        verdict = verdicts[item.cuid]
        counts.update((rule, False) for rule in (*item.guards, *(() if verdict.goes else verdict.rules)))
    return tuple(RuleCount(rule, runs, goes) for (rule, goes), runs in counts.most_common())


def require_policy(policy: Policy) -> Rule:
    """Understand a policy.

    Raises:
        ValidationError: It cannot be understood, or is empty.
    """
    for name in ("keep_best", "keep_labels"):
        check_text("".join(getattr(policy, name)), name)
    try:
        return read_policy(policy)
    except (TypeError, ValueError) as error:
        raise ValidationError(str(error)) from error


def _named(rule: Rule) -> And:
    """Return a filter that names all that the policy names: a metric or label that no run has keeps none of them."""
    fields = (*rule.groups, *(Field("SCALAR", best.metric) for best in rule.best))
    labels = (Comparison(Field("STABLE", "labels"), "CONTAIN", label) for label in rule.policy.keep_labels)
    named = (*(Comparison(field, "NEQ", None) for field in fields), *labels)
    return And(named if rule.where is None else (rule.where, *named))
