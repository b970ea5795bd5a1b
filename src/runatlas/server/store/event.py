"""The ids of events: each is applied once a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, select

from runatlas.server.store.prepared import Prepared, listing
from runatlas.server.store.schema import event_ids
from runatlas.server.store.statement import member_of

__all__ = ["add_events", "known_events"]

_KNOWN = Prepared(
    select(event_ids.c.event_id).where(
        event_ids.c.run_pk == bindparam("run_pk"), member_of(event_ids.c.event_id, "ids")
    ),
    "run_pk",
    "ids",
)
_ADD = Prepared(
    event_ids.insert().values(run_pk=bindparam("run_pk"), event_id=bindparam("event_id")), "run_pk", "event_id"
)


def known_events(connection: Connection, run_pk: int, ids: Collection[str]) -> set[str]:
    """Return those of the ids that were applied to the run."""
    return {found for (found,) in _KNOWN.all(connection, run_pk, listing(connection, ids))}


def add_events(connection: Connection, run_pk: int, ids: Iterable[str]) -> None:
    """Remember ids, none of which is known yet."""
    _ADD.run_many(connection, [(run_pk, event_id) for event_id in ids])
