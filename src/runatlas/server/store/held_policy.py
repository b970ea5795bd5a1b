"""Statements about the policies that projects hold, and about the log of their evaluations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, func, insert, or_, select, update

from runatlas.errors import RunAtlasError
from runatlas.model.codec import decode, dumps, encode, loads
from runatlas.model.duration import HOUR_MS, parse_duration
from runatlas.model.held_policy import EVERY, EvaluationRecord, HeldPolicyRecord
from runatlas.model.page import PageRequest
from runatlas.model.policy import Policy
from runatlas.server.store.engine import Store
from runatlas.server.store.schema import held_policies, policy_evaluations, projects, users, workspaces
from runatlas.server.store.statement import Connection, rows

__all__ = [
    "DuePolicy",
    "Holder",
    "add_evaluation",
    "change_evaluation",
    "change_held_policy",
    "count_evaluations",
    "count_held_policies",
    "due_policies",
    "evaluation_page",
    "is_still_held",
    "keep_held_policy",
    "list_held_policies",
    "release_held_policy",
    "take_policy",
    "trim_evaluations",
]

_H, _E = held_policies.c, policy_evaluations.c
_seen = func.coalesce(_H.evaluated_at_ms, _H.held_at_ms)
_JOINED = held_policies.join(users, users.c.id == _H.user_id)
_RECORD = (
    _H.name,
    _H.policy,
    _H.every,
    _H.acts,
    users.c.username,
    _H.held_at_ms,
    _H.evaluated_at_ms,
    _H.next_at_ms,
)


class Holder(NamedTuple):
    """With whose rights a policy is evaluated."""

    user_id: int
    username: str
    as_owner: bool


class DuePolicy(NamedTuple):
    """A policy whose time has come."""

    id: int
    project_id: int
    workspace: str
    project: str
    record: HeldPolicyRecord
    holder: Holder


def list_held_policies(connection: Connection, project_id: int, name: str | None = None) -> list[HeldPolicyRecord]:
    """Read the policies of a project by name, or the one of that name."""
    statement = select(*_RECORD).select_from(_JOINED).where(_H.project_id == project_id)
    if name is not None:
        statement = statement.where(_H.name == name)
    return sorted((_record(row) for row in rows(connection, statement)), key=lambda record: record.name)


def count_held_policies(connection: Connection, project_id: int) -> int:
    """Count the policies of a project."""
    statement = select(func.count()).select_from(held_policies).where(_H.project_id == project_id)
    return int(connection.scalar(statement) or 0)


def keep_held_policy(
    store: Store, connection: Connection, project_id: int, record: HeldPolicyRecord, holder: Holder
) -> None:
    """Insert a policy, or write the one of its name anew; when that was evaluated last stays."""
    values = {
        "policy": dumps(encode(record.policy)),
        "every": record.every,
        "acts": record.acts,
        "user_id": holder.user_id,
        "as_owner": holder.as_owner,
        "held_at_ms": record.held_at_ms,
        "next_at_ms": record.next_at_ms,
    }
    statement = store.insert(held_policies).values(project_id=project_id, name=record.name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["project_id", "name"], set_=values))


def change_held_policy(
    connection: Connection, project_id: int, name: str, holder: Holder, now_ms: int, *, acts: bool
) -> bool:
    """Let a policy act or report only, in the name of who says so; false if there is none."""
    values = {"acts": acts, "user_id": holder.user_id, "as_owner": holder.as_owner, "held_at_ms": now_ms}
    statement = update(held_policies).where(_H.project_id == project_id, _H.name == name)
    return connection.execute(statement.values(**values)).rowcount > 0


def release_held_policy(connection: Connection, project_id: int, name: str) -> bool:
    """Delete a policy; false if there is none."""
    return connection.execute(delete(held_policies).where(_H.project_id == project_id, _H.name == name)).rowcount > 0


def due_policies(connection: Connection, now_ms: int, limit: int) -> list[DuePolicy]:
    """Read the policies whose time has come, the longest due first; those of projects in the trash wait.

    What was held or evaluated last in the future, by a clock that was wrong, is due too: its next time may never come.
    """
    joined = _JOINED.join(projects, projects.c.id == _H.project_id).join(
        workspaces, workspaces.c.id == projects.c.workspace_id
    )
    statement = (
        select(_H.id, _H.project_id, workspaces.c.username, projects.c.name, users.c.id, _H.as_owner, *_RECORD)
        .select_from(joined)
        .where(or_(_H.next_at_ms <= now_ms, _seen > now_ms + HOUR_MS), projects.c.trash_id.is_(None))
        .order_by(_H.next_at_ms, _H.id)
        .limit(limit)
    )
    found = []
    for key, project_id, workspace, project, user_id, as_owner, *row in rows(connection, statement):
        try:
            record = _record(row)
            parse_duration(record.every)
        except (RunAtlasError, ValueError):
            # One that is damaged is an empty policy, which is refused: it keeps no other from its turn.
            record = _record([row[0], "{}", EVERY, *row[3:]])
        holder = Holder(user_id, record.held_by, bool(as_owner))
        found.append(DuePolicy(key, project_id, workspace, project, record, holder))
    return found


def take_policy(connection: Connection, due: DuePolicy, now_ms: int, next_ms: int) -> bool:
    """Move on when a policy is due; false if somebody else did, or changed or released it since it was read."""
    statement = update(held_policies).where(
        _H.id == due.id,
        _H.next_at_ms == due.record.next_at_ms,
        _H.held_at_ms == due.record.held_at_ms,
        _H.acts == due.record.acts,
    )
    return connection.execute(statement.values(evaluated_at_ms=now_ms, next_at_ms=next_ms)).rowcount > 0


def is_still_held(connection: Connection, due: DuePolicy) -> bool:
    """Tell whether a policy is held as it was taken; it stays so until the transaction ends."""
    as_taken = (_H.id == due.id, _H.held_at_ms == due.record.held_at_ms, _H.acts == due.record.acts)
    return bool(rows(connection, select(_H.id).where(*as_taken).with_for_update()))


def add_evaluation(connection: Connection, project_id: int, record: EvaluationRecord) -> int:
    """Insert a line of the log, and return its row id."""
    statement = insert(policy_evaluations).values(
        project_id=project_id, name=record.name, at_ms=record.at_ms, record=dumps(encode(record))
    )
    return int(connection.execute(statement.returning(_E.id)).scalar_one())


def change_evaluation(connection: Connection, evaluation_id: int, record: EvaluationRecord) -> None:
    """Write a line of the log anew."""
    connection.execute(update(policy_evaluations).where(_E.id == evaluation_id).values(record=dumps(encode(record))))


def trim_evaluations(connection: Connection, project_id: int, before_ms: int, most: int) -> None:
    """Forget lines of a project's log that are older than that, and all but the newest so many."""
    of_project = _E.project_id == project_id
    last = select(_E.id).where(of_project).order_by(_E.id.desc()).offset(most).limit(1).scalar_subquery()
    connection.execute(delete(policy_evaluations).where(of_project, or_(_E.at_ms < before_ms, _E.id <= last)))


def count_evaluations(connection: Connection, project_id: int, name: str | None) -> int:
    """Count the lines of a project's log, or those of the policy of that name."""
    wanted = and_(_E.project_id == project_id, *(() if name is None else (_E.name == name,)))
    return int(connection.scalar(select(func.count()).select_from(policy_evaluations).where(wanted)) or 0)


def evaluation_page(
    connection: Connection, project_id: int, name: str | None, page: PageRequest, after: int | None
) -> list[tuple[int, EvaluationRecord]]:
    """Read the log, newest first and one line more than the page holds, each with its row id.

    Args:
        connection: An open transaction.
        project_id: The project's row.
        name: Only of the policy of that name.
        page: Which part.
        after: The row id of the last line of the page before.
    """
    wanted = and_(_E.project_id == project_id, *(() if name is None else (_E.name == name,)))
    if after is not None:
        wanted = and_(wanted, _E.id < after)
    statement = select(_E.id, _E.record).where(wanted).order_by(_E.id.desc()).limit(page.limit + 1).offset(page.offset)
    return [(key, decode(loads(text), EvaluationRecord)) for key, text in rows(connection, statement)]


def _record(row: Sequence[Any]) -> HeldPolicyRecord:
    name, policy, every, acts, *rest = row
    return HeldPolicyRecord(name, decode(loads(policy), Policy), every, bool(acts), *rest)
