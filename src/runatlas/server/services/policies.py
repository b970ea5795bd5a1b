"""The rules of policies that a project holds: who may, when they are due, and what an evaluation may do."""

from __future__ import annotations

import logging
from typing import NamedTuple

import attrs

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError, RunAtlasError, ValidationError
from runatlas.model.codec import dumps, encode
from runatlas.model.duration import parse_duration
from runatlas.model.held_policy import EVERY, EvaluationRecord, HeldPolicyRecord, validate_policy_name
from runatlas.model.ids import ProjectPath, new_cuid
from runatlas.model.page import Page, PageRequest
from runatlas.model.policy import Policy
from runatlas.model.text import check_text
from runatlas.server.services.access import require_project
from runatlas.server.services.caller import Caller
from runatlas.server.services.cleaning import Cleaning, require_policy
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.trash import Trash
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.held_policy import (
    DuePolicy,
    Holder,
    add_evaluation,
    change_evaluation,
    change_held_policy,
    count_evaluations,
    count_held_policies,
    due_policies,
    evaluation_page,
    is_still_held,
    keep_held_policy,
    list_held_policies,
    release_held_policy,
    take_policy,
    trim_evaluations,
)

__all__ = ["HELD_MAX", "LOG_MAX", "LOG_MS", "Evaluation", "Policies"]

_log = logging.getLogger(__name__)

HELD_MAX = 20
"""How many policies a project may hold."""

LOG_MAX = 2000
LOG_MS = 400 * 24 * 3600 * 1000
"""How many lines the log of a project keeps, and for how long."""

_POLICY_MAX = 16_000
_DUE_AT_ONCE = 1000
_SHOWN = 20


class Evaluation(NamedTuple):
    """An evaluation that was begun, with the line of the log that it will end."""

    due: DuePolicy
    line: int
    record: EvaluationRecord


class Policies:
    """What may be done with the policies of projects.

    Whoever manages a project lets it hold policies, and whoever reads it may read them and their log. ``list_due``,
    ``begin``, ``evaluate`` and ``fail`` are for who evaluates them, which is no caller.
    """

    def __init__(self, store: Store, cleaning: Cleaning, trash: Trash) -> None:
        self._store = store
        self._cleaning = cleaning
        self._trash = trash

    def list_policies(self, caller: Caller, project: ProjectPath) -> tuple[HeldPolicyRecord, ...]:
        """List the policies that a project holds, by name.

        Raises:
            NotFoundError: There is no such project.
        """
        with self._store.read() as connection:
            return tuple(list_held_policies(connection, require_project(connection, caller, project, "read").id))

    def hold_policy(
        self, caller: Caller, project: ProjectPath, name: str, policy: Policy, *, every: str = EVERY, acts: bool = False
    ) -> HeldPolicyRecord:
        """Let a project hold a policy, in place of the one of that name; it is due at once.

        Raises:
            ConflictError: The project holds as many policies as it may.
            NotFoundError: There is no such project.
            PermissionDeniedError: The caller does not manage it.
            ValidationError: The policy, its name or ``every`` cannot be understood.
        """
        checked(validate_policy_name, name, "name")
        check_text(name, "name")
        checked(parse_duration, every, "every")
        require_policy(policy)
        if len(check_text(dumps(encode(policy)), "policy")) > _POLICY_MAX:
            raise ValidationError(f"policy: more than {_POLICY_MAX} characters are too many")
        now = self._store.clock()
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "manage")
            before = list_held_policies(connection, found.id, name)
            if not before and count_held_policies(connection, found.id) >= HELD_MAX:
                raise ConflictError(f"project {project} holds {HELD_MAX} policies already; release one of them")
            evaluated = before[0].evaluated_at_ms if before else None
            record = HeldPolicyRecord(name, policy, every.strip(), acts, caller.username, now, evaluated, now)
            keep_held_policy(self._store, connection, found.id, record, _holder(caller))
        return record

    def switch_policy(self, caller: Caller, project: ProjectPath, name: str, *, acts: bool) -> HeldPolicyRecord:
        """Let a policy act from its next evaluation on, or report only; it is evaluated with the caller's rights then.

        Raises:
            NotFoundError: There is no such project, or it holds no such policy.
            PermissionDeniedError: The caller does not manage the project.
        """
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "manage")
            check_text(name, "name")
            now = self._store.clock()
            if not change_held_policy(connection, found.id, name, _holder(caller), now, acts=acts):
                raise _no_policy(project, name)
            return list_held_policies(connection, found.id, name)[0]

    def release_policy(self, caller: Caller, project: ProjectPath, name: str) -> None:
        """Let a project hold a policy no longer; its log stays.

        Raises:
            NotFoundError: There is no such project, or it holds no such policy.
            PermissionDeniedError: The caller does not manage the project.
        """
        with self._store.write() as connection:
            found = require_project(connection, caller, project, "manage")
            if not release_held_policy(connection, found.id, check_text(name, "name")):
                raise _no_policy(project, name)

    def list_evaluations(
        self, caller: Caller, project: ProjectPath, page: PageRequest, *, policy: str | None = None
    ) -> Page[EvaluationRecord]:
        """List what evaluations of a project's policies did, newest first; of one policy if it is named.

        Raises:
            NotFoundError: There is no such project.
        """
        check_page(page)
        name = None if policy is None else check_text(policy, "policy")
        listing = f"evaluations {project} {name}"
        after = None if page.cursor is None else read_cursor(page.cursor, listing, ["int"])[0]
        with self._store.read() as connection:
            found = require_project(connection, caller, project, "read")
            held = evaluation_page(connection, found.id, name, page, after)
            total = count_evaluations(connection, found.id, name) if page.with_total else None
        return make_page(
            held, page.limit, item=lambda row: row[1], cursor=lambda row: write_cursor(listing, [row[0]]), total=total
        )

    # -- evaluation ---------------------------------------------------------------------------------------------

    def list_due(self) -> list[DuePolicy]:
        """List policies whose time has come, the longest due first: the first thousand."""
        with self._store.read() as connection:
            return due_policies(connection, self._store.clock(), _DUE_AT_ONCE)

    def begin(self, due: DuePolicy) -> Evaluation | None:
        """Take a policy that is due, so that nobody else does, and note that its evaluation began.

        It is due again at the next of its times that is to come; those that were missed are not made up for.

        Returns:
            The evaluation; ``None`` if somebody else took it, or it was changed meanwhile.
        """
        now = self._store.clock()
        held = due.record
        every = parse_duration(held.every, argument="every")
        missed = (now - held.next_at_ms) // every
        path = f"{due.workspace}/{due.project}"
        record = EvaluationRecord(new_cuid(), path, held.name, held.policy, held.acts, held.held_by, now, "begun")
        with self._store.write() as connection:
            if not take_policy(connection, due, now, held.next_at_ms + (missed + 1) * every):
                return None
            line = add_evaluation(connection, due.project_id, record)
            trim_evaluations(connection, due.project_id, now - LOG_MS, LOG_MAX)
        return Evaluation(due, line, record)

    def evaluate(self, begun: Evaluation) -> EvaluationRecord:
        """Evaluate a policy with the rights of who holds it: what goes and the line of the log are one transaction.

        Raises:
            StoreError: The line of the log cannot be written; nothing went.
        """
        due, record = begun.due, begun.record
        holder = due.holder
        caller = Caller(holder.user_id, holder.username, is_owner=holder.as_owner, door="policy")
        try:
            plan, rules = self._cleaning.plan_counted(caller, due.workspace, record.policy, project=due.project)
            items = plan.items[:_SHOWN]
            record = attrs.evolve(record, taken=plan.total, kept=len(plan.kept), rules=rules, items=items)
            if plan.refusal is not None:
                raise plan.refusal
            if not record.acts:
                return self._end(begun, attrs.evolve(record, outcome="planned"))
            with self._store.together():
                with self._store.read() as connection:
                    if not is_still_held(connection, due):
                        raise ConflictError("nothing was deleted: the policy was changed or released meanwhile")
                deleted = self._trash.delete(caller, plan)
                return self._end(begun, attrs.evolve(record, outcome="deleted", trash_id=deleted.trash_id))
        except RunAtlasError as error:
            return self._end(begun, _ended_by(error, record))

    def fail(self, begun: Evaluation, error: Exception) -> EvaluationRecord:
        """Note that an evaluation failed for a reason that nobody thought of.

        Raises:
            StoreError: It cannot be noted.
        """
        return self._end(begun, _failed(error, begun.record))

    def _end(self, begun: Evaluation, record: EvaluationRecord) -> EvaluationRecord:
        with self._store.write() as connection:
            change_evaluation(connection, begun.line, record)
        return record


def _holder(caller: Caller) -> Holder:
    return Holder(caller.user_id, caller.username, caller.is_owner)


def _no_policy(project: ProjectPath, name: str) -> NotFoundError:
    return NotFoundError(f"project {project} holds no policy {name!r}")


def _ended_by(error: RunAtlasError, record: EvaluationRecord) -> EvaluationRecord:
    """Say why an evaluation took nothing: it was refused by rules, or something was out of order."""
    sentence = str(error)
    if isinstance(error, (PermissionDeniedError, NotFoundError)):
        sentence = f"{record.held_by}, who holds the policy, may not delete runs here any more: {sentence}"
    elif not isinstance(error, (ConflictError, ValidationError)):
        _log.warning("the policy %r of %s was not evaluated: %s", record.name, record.project, sentence)
        return _failed(error, record)
    return attrs.evolve(record, outcome="refused", reason=sentence)


def _failed(error: Exception, record: EvaluationRecord) -> EvaluationRecord:
    """Say that something was out of order; what it says itself may name what readers of the project may not see."""
    reason = f"{type(error).__name__}: the log of the process that evaluated it says more"
    return attrs.evolve(record, outcome="failed", reason=reason)
