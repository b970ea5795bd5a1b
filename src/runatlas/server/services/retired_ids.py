"""Run ids of the caller's own workspace that must not come back by themselves.

A deleted id is free at once for whoever makes a run with it. Writers that make a run of whatever id they hold would
bring a deleted run back as an empty one; they ask here first.
"""

from __future__ import annotations

from collections.abc import Collection

from runatlas.model.ids import validate_run_id
from runatlas.model.text import check_text
from runatlas.server.services.access import require_workspace
from runatlas.server.services.caller import Caller
from runatlas.server.services.validation import checked
from runatlas.server.store.engine import Store
from runatlas.server.store.retired_id import free_id, is_retired, retire_ids

__all__ = ["Retirement"]


class Retirement:
    """Which run ids are retired."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def retire_ids(self, caller: Caller, run_ids: Collection[str]) -> None:
        """Retire ids, whether there are runs of them or not.

        Raises:
            ValidationError: One cannot be a run's id.
        """
        for run_id in run_ids:
            checked(validate_run_id, check_text(run_id, "run"), "run")
        with self._store.write() as connection:
            place = require_workspace(connection, caller, caller.username, "write").id
            retire_ids(self._store, connection, place, run_ids, self._store.clock())

    def free_id(self, caller: Caller, run_id: str) -> None:
        """Let an id be written to again.

        Raises:
            ValidationError: It cannot be a run's id.
        """
        checked(validate_run_id, check_text(run_id, "run"), "run")
        with self._store.write() as connection:
            place = require_workspace(connection, caller, caller.username, "write").id
            free_id(self._store, connection, place, run_id, self._store.clock())

    def is_retired(self, caller: Caller, run_id: str) -> bool:
        """Tell whether an id that no run has was deleted, here or by the trash, and not freed since."""
        check_text(run_id, "run")
        with self._store.read() as connection:
            return is_retired(connection, require_workspace(connection, caller, caller.username, "read").id, run_id)
