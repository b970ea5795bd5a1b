"""Events: what was applied to a run under an id, each once, and what came with it beside its point."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, select

from runatlas.server.store.engine import Store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import event_ids, long_contexts
from runatlas.server.store.schema import stepless_events as stepless_table
from runatlas.server.store.statement import listing, member_of

__all__ = [
    "add_events",
    "keep_long_context",
    "known_events",
    "long_contexts_of",
    "received_times",
    "stepless_events",
]

_C = event_ids.c
_OF_RUN = _C.run_pk == bindparam("run_pk")
_KNOWN = Prepared(select(_C.event_id).where(_OF_RUN, member_of(_C.event_id, "ids")), "run_pk", "ids")
_ROW = ("run_pk", "event_id", "received_at_ms")
_ADD = Prepared(event_ids.insert().values({name: bindparam(name) for name in _ROW}), *_ROW)
_ADD_STEPLESS = Prepared(
    stepless_table.insert().values(run_pk=bindparam("run_pk"), event_id=bindparam("event_id")), "run_pk", "event_id"
)
_STEPLESS = Prepared(select(stepless_table.c.event_id).where(stepless_table.c.run_pk == bindparam("run_pk")), "run_pk")
_RECEIVED = Prepared(
    select(_C.event_id, _C.received_at_ms).where(
        _OF_RUN, member_of(_C.event_id, "ids"), _C.received_at_ms.is_not(None)
    ),
    "run_pk",
    "ids",
)
_LONG = Prepared(
    select(long_contexts.c.sha256, long_contexts.c.metadata).where(long_contexts.c.run_pk == bindparam("run_pk")),
    "run_pk",
)


def known_events(connection: Connection, run_pk: int, ids: Collection[str]) -> set[str]:
    """Return those of the ids that were applied to the run."""
    return {found for (found,) in _KNOWN.all(connection, run_pk, listing(connection.dialect, ids))}


def add_events(
    connection: Connection, run_pk: int, ids: Iterable[str], now_ms: int, stepless: Collection[str] = ()
) -> None:
    """Remember ids, none of which is known yet.

    Args:
        connection: A write transaction.
        run_pk: The run's row.
        ids: The ids.
        now_ms: When the events arrived.
        stepless: Those that came without a step.
    """
    fresh = list(ids)
    _ADD.run_many(connection, [(run_pk, event_id, now_ms) for event_id in fresh])
    if stepless:
        _ADD_STEPLESS.run_many(connection, [(run_pk, event_id) for event_id in fresh if event_id in stepless])


def stepless_events(connection: Connection, run_pk: int) -> frozenset[str]:
    """Return the ids of a run's events that came without a step."""
    return frozenset(found for (found,) in _STEPLESS.all(connection, run_pk))


def received_times(connection: Connection, run_pk: int, ids: Collection[str]) -> dict[str, int]:
    """Return when events of a run arrived, by id."""
    return dict(_RECEIVED.all(connection, run_pk, listing(connection.dialect, ids)))


def keep_long_context(store: Store, connection: Connection, run_pk: int, sha256: str, text: str) -> None:
    """Note what a digest stands for."""
    row = store.insert(long_contexts).values(run_pk=run_pk, sha256=sha256, metadata=text)
    connection.execute(row.on_conflict_do_nothing())


def long_contexts_of(connection: Connection, run_pk: int) -> dict[str, str]:
    """Return what the digests of a run stand for."""
    return dict(_LONG.all(connection, run_pk))
