"""What a server's directory holds, read past the server: to see that a request changed nothing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from runatlas.server.store.schema import metadata

__all__ = ["Keeping", "State"]

_UNTOLD = {"last_used_at_ms"}
"""The columns that any request may change, refused ones too."""

Row = dict[str, Any]


@attrs.frozen
class State:
    """The rows of every table, and the files beside them."""

    tables: dict[str, list[Row]]
    files: frozenset[str]

    def within(self, workspaces: Collection[str]) -> dict[str, list[Row]]:
        """Return the rows of these workspaces, of their projects, of the runs in those, and so on."""
        found: dict[str, list[Row]] = {}
        keys: dict[str, set[Any]] = {}
        for table in metadata.sorted_tables:
            rows = self.tables[table.name]
            if table.name == "workspaces":
                held = [row for row in rows if row["username"] in workspaces]
            else:
                above = [(key.parent.name, key.column.table.name) for key in table.foreign_keys]
                held = [row for row in rows if any(row[name] in keys.get(parent, ()) for name, parent in above)]
            if "id" in table.c:
                keys[table.name] = {row["id"] for row in held}
            found[table.name] = held
        return found


class Keeping:
    """Reads the state of a directory, anew only when something was written there.

    Args:
        directory: What a server serves, with SQLite.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = sqlite3.connect(directory / "runatlas.db", isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._version = -1
        self._tables: dict[str, list[Row]] = {}

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def read(self) -> State:
        """Return the state."""
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version, self._tables = version, {name: self._rows(name) for name in metadata.tables}
        return State(self._tables, frozenset(self._files()))

    def _rows(self, table: str) -> list[Row]:
        rows = self._connection.execute(f"SELECT * FROM {table}")
        return [{name: row[name] for name in row.keys() if name not in _UNTOLD} for row in rows]  # noqa: SIM118

    def _files(self) -> list[str]:
        """The files below the directory's own, but for those that are still arriving."""
        found: list[str] = []
        places = [each.path for each in os.scandir(self._directory) if each.is_dir()]
        # By os.walk it would take three times as long, before and after thousands of requests.
        while places:
            for each in os.scandir(places.pop()):
                if each.is_dir():
                    places.append(each.path)
                elif not each.name.endswith(".part"):
                    found.append(each.path)
        return found
