"""The rules of runs: reading, listing, making and changing them."""

from __future__ import annotations

from collections.abc import Collection

from runatlas.model.change import UpdateRecord
from runatlas.model.filters import Field
from runatlas.model.ids import ProjectPath, RunPath
from runatlas.model.page import Page
from runatlas.model.run import RUN_PARTS, RunDraft, RunPatch, RunQuery, RunRecord, RunSelection
from runatlas.model.run_check import check_config_keys, check_groups, check_statistics
from runatlas.model.run_group import RunGroupRecord, RunValues
from runatlas.model.text import check_text
from runatlas.server.services.access import require_cuids, require_project, require_run, require_runs, require_scope
from runatlas.server.services.caller import Caller
from runatlas.server.services.paging import check_page, read_cursor, write_cursor
from runatlas.server.services.run_change import apply_change, change_of_patch, check_noted, check_patch
from runatlas.server.services.run_creation import find_or_make_run
from runatlas.server.services.validation import check_choice
from runatlas.server.store.engine import Store
from runatlas.server.store.run_group import group_runs, list_values
from runatlas.server.store.run_key import unknown_keys
from runatlas.server.store.run_order import make_order
from runatlas.server.store.run_record import count_runs, list_runs, read_runs
from runatlas.server.store.selection import Scope, resolve_ids, selection_condition
from runatlas.server.store.statement import Condition, Connection

__all__ = ["Runs"]


class Runs:
    """What may be done with runs."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_run(self, caller: Caller, path: RunPath) -> RunRecord:
        """Return a run with every part.

        Raises:
            NotFoundError: The project has no run of that id or cuid.
        """
        with self._store.read() as connection:
            found = require_run(connection, caller, path, "read")
            return read_runs(connection, [found.id], RUN_PARTS)[0]

    def locate_runs(self, caller: Caller, cuids: Collection[str]) -> dict[str, RunPath]:
        """Find the paths of runs by cuid, in whatever projects they are.

        Raises:
            NotFoundError: One is none, or the caller may not see it.
        """
        with self._store.read() as connection:
            found = require_cuids(connection, caller, cuids, "read")
        return {cuid: RunPath(row.project.workspace, row.project.name, row.run_id) for cuid, row in found.items()}

    def list_runs(self, caller: Caller, query: RunQuery, *, as_text: bool = False) -> Page[RunRecord]:
        """List runs by keyset: no run twice, none left out, also while runs are added or deleted.

        Args:
            caller: Who asks.
            query: What for.
            as_text: Whether configs stay the JSON texts that they are kept as, checked: for who only passes them on.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: The page, the filter, a sort, a part or a statistic is none.
        """
        page = query.page
        check_page(page)
        for part in query.parts:
            check_choice(part, RUN_PARTS, "parts")
        check_statistics(query.statistics)
        check_config_keys(query.config_keys)
        order = make_order(query.sorts, query.groups)
        listing = f"runs {query.selection!r} {query.sorts!r} {query.groups!r}"
        after = None if page.cursor is None else read_cursor(page.cursor, listing, order.kinds)
        with self._store.read() as connection:
            scope = require_scope(connection, caller, query.selection, "read")
            condition = _narrowed(connection, scope, query.selection)
            found = list_runs(
                connection,
                scope,
                condition,
                order,
                after=after,
                limit=page.limit,
                offset=page.offset,
                parts=query.parts,
                statistics=query.statistics,
                config_keys=query.config_keys,
                as_text=as_text,
            )
            total = count_runs(connection, _all_of(scope, condition)) if page.with_total else None
            notes = _notes(connection, caller, query) if page.with_total else ()
        more = None if found.next_values is None else write_cursor(listing, found.next_values)
        return Page(tuple(found.records), more, total, notes)

    def count_runs(self, caller: Caller, selection: RunSelection) -> int:
        """Count runs without loading them.

        Raises:
            NotFoundError: There is no such project or workspace.
        """
        with self._store.read() as connection:
            return count_runs(connection, _condition(connection, caller, selection))

    def group_runs(
        self, caller: Caller, selection: RunSelection, fields: tuple[Field, ...]
    ) -> tuple[RunGroupRecord, ...]:
        """Count runs by the values that they have in some fields, without loading them.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: There are too many fields or groups, or runs cannot be grouped by a field.
        """
        check_groups(fields)
        with self._store.read() as connection:
            return group_runs(connection, _condition(connection, caller, selection), fields)

    def list_values(
        self, caller: Caller, selection: RunSelection, fields: tuple[Field, ...], metrics: tuple[Field, ...], limit: int
    ) -> list[RunValues]:
        """List what the newest runs have in the fields that they are grouped by, and of metrics.

        Args:
            caller: Who asks.
            selection: Which runs.
            fields: What they are grouped by.
            metrics: Statistics of metrics.
            limit: How many runs.

        Raises:
            NotFoundError: There is no such project or workspace.
            ValidationError: Runs cannot be grouped by a field, or a statistic is none.
        """
        check_groups(fields)
        check_statistics(metrics)
        with self._store.read() as connection:
            return list_values(connection, _condition(connection, caller, selection), fields, metrics, limit)

    def describe_unknown(self, caller: Caller, selection: RunSelection, fields: tuple[Field, ...]) -> tuple[str, ...]:
        """Say which of some configs and metrics no run has, and what is near.

        Raises:
            NotFoundError: There is no such project or workspace.
        """
        with self._store.read() as connection:
            scope = require_scope(connection, caller, selection, "read")
            return unknown_keys(connection, scope, None, fields=fields)

    def create_run(self, caller: Caller, draft: RunDraft) -> tuple[RunRecord, bool]:
        """Make a run, or find it by id as ``draft.if_exists`` says.

        Returns:
            The run with every part, and whether it is new.

        Raises:
            ConflictError: The id is taken and ``if_exists`` is ``fail``.
            NotFoundError: There is no such project, and ``create_project`` is false.
            PermissionDeniedError: The caller may not write to the project.
            ValidationError: Something in the draft is out of bounds.
        """
        self._store.require_room()
        return find_or_make_run(self._store, caller, draft)

    def update_run(self, caller: Caller, path: RunPath, patch: RunPatch) -> RunRecord:
        """Change one run, which a caller with an ingestion key may if it is the key's run.

        Returns:
            The run with every part.

        Raises:
            ConflictError: The project that it moves to has a run of its id.
            NotFoundError: There is no such run, project or folder.
            PermissionDeniedError: The caller may not write to it.
            ValidationError: Something in the patch is out of bounds.
        """
        check_patch(patch)
        with self._store.write() as connection:
            found = require_run(connection, caller, path, "write")
            target = None
            if patch.project is not None:
                target = require_project(connection, caller, ProjectPath(path.workspace, patch.project), "write")
            change = change_of_patch(patch, self._store.clock(), target)
            apply_change(self._store, connection, [found.id], change, caller)
            return read_runs(connection, [found.id], RUN_PARTS)[0]

    def update_runs(
        self, caller: Caller, selection: RunSelection, patch: RunPatch, *, exact_names: bool = False
    ) -> UpdateRecord:
        """Change all selected runs in one transaction, and note it in the journal.

        A final state sets the end of a run that has none, RUNNING takes it away. Empty sections of a profile keep
        what is there.

        Args:
            caller: Who asks.
            selection: Which runs.
            patch: What to change.
            exact_names: Whether the names in its config are names of the outermost level, also those with dots.

        Returns:
            How many were changed, and what takes that back.

        Raises:
            ConflictError: The project that they move to has a run of one's id, or they have different labels that a
                patch without ``replace_labels`` would replace.
            NotFoundError: A selected id is no run, or there is no such project or folder; nothing is changed then.
            PermissionDeniedError: The caller may not write to the project.
            ValidationError: Something in the patch is out of bounds, or is of the profile, for several runs.
        """
        check_patch(patch)
        with self._store.write() as connection:
            keys = require_runs(connection, caller, selection, "write")
            target = None
            if patch.project is not None:
                path = ProjectPath(selection.workspace, patch.project)
                target = require_project(connection, caller, path, "write")
            if not keys:
                return UpdateRecord(0)
            if len(keys) > 1:
                check_noted(patch)
            change = change_of_patch(patch, self._store.clock(), target, exact_names=exact_names)
            return UpdateRecord(len(keys), apply_change(self._store, connection, keys, change, caller))


def _notes(connection: Connection, caller: Caller, query: RunQuery) -> tuple[str, ...]:
    """Say what a listing asks for that no run has."""
    named = [*(sort.field for sort in query.sorts), *query.groups, *query.statistics]
    if query.selection.filter is None and not named:
        return ()
    scope = require_scope(connection, caller, query.selection, "read")
    return unknown_keys(connection, scope, query.selection.filter, fields=named)


def _condition(connection: Connection, caller: Caller, selection: RunSelection) -> Condition:
    scope = require_scope(connection, caller, selection, "read")
    return _all_of(scope, _narrowed(connection, scope, selection))


def _all_of(scope: Scope, narrowed: Condition | None) -> Condition:
    return scope.condition if narrowed is None else narrowed


def _narrowed(connection: Connection, scope: Scope, selection: RunSelection) -> Condition | None:
    """Return the condition of a selection; ``None`` if it is all runs of its scope."""
    if selection == RunSelection(selection.workspace, selection.project):
        return None
    ids = selection.ids
    check_text("".join(ids or ()), "ids")
    keys = None if ids is None else resolve_ids(connection, scope, ids)[0]
    return selection_condition(connection, scope, keys, selection.filter, check_text(selection.search or "", "search"))
