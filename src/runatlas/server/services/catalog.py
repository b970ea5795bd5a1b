"""What series a run has."""

from __future__ import annotations

from itertools import groupby

from runatlas.model.ids import RunPath
from runatlas.model.series import CatalogEntry
from runatlas.server.services.access import require_run
from runatlas.server.services.caller import Caller
from runatlas.server.store.catalog import run_catalog
from runatlas.server.store.engine import Store

__all__ = ["Catalog"]


class Catalog:
    """What may be asked of a run's series without reading their points."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_catalog(self, caller: Caller, run: RunPath) -> tuple[CatalogEntry, ...]:
        """List a run's scalar metrics by key, with their contexts."""
        with self._store.read() as connection:
            found = require_run(connection, caller, run, "read")
            held = run_catalog(connection, found.id)
        entries = []
        for key, group in groupby(held, key=lambda row: row[0]):
            members = list(group)
            contexts = tuple(context for _, context, _ in members)
            entries.append(CatalogEntry(key, contexts, sum(count for _, _, count in members)))
        return tuple(entries)
