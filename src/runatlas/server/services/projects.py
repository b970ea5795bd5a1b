"""The rules of projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import attrs

from runatlas.errors import ConflictError, NotFoundError, PermissionDeniedError
from runatlas.model.codec import decode, dumps, encode, loads
from runatlas.model.ids import ProjectPath, new_cuid, validate_project_name
from runatlas.model.metric import MetricDefinition, check_definitions, merge_definitions
from runatlas.model.page import Page
from runatlas.model.project import (
    ProjectCountRecord,
    ProjectDraft,
    ProjectPatch,
    ProjectQuery,
    ProjectRecord,
    ProjectSort,
    Visibility,
)
from runatlas.model.run import RUN_STATES
from runatlas.model.text import check_text
from runatlas.server.services.access import require_project, require_workspace, role_of
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import Line, differences, note_change, shown
from runatlas.server.services.paging import check_page, make_page, read_cursor, write_cursor
from runatlas.server.services.validation import check_choice, check_fields, check_labels, checked
from runatlas.server.store.engine import Store
from runatlas.server.store.project import (
    ProjectCounts,
    ProjectDetail,
    ProjectListing,
    ProjectRow,
    add_project,
    change_project,
    count_projects,
    find_project,
    list_projects,
    lock_project,
    project_counts,
    read_project,
)
from runatlas.server.store.statement import Connection, unique

__all__ = ["Projects", "insert_project", "list_project_page", "make_project"]

_SORTS = get_args(ProjectSort)
_VISIBILITIES = get_args(Visibility)


class Projects:
    """What may be done with projects."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get_project(self, caller: Caller, path: ProjectPath) -> ProjectRecord:
        """Return a project with its counts.

        Raises:
            NotFoundError: There is no such project.
        """
        with self._store.read() as connection:
            return _read(connection, caller, require_project(connection, caller, path, "read").id)

    def list_projects(self, caller: Caller, query: ProjectQuery) -> Page[ProjectRecord]:
        """List projects that the caller may read.

        Raises:
            NotFoundError: There is no such workspace.
        """
        with self._store.read() as connection:
            return list_project_page(connection, caller, query, visible_only=not caller.is_owner)

    def create_project(self, caller: Caller, draft: ProjectDraft) -> ProjectRecord:
        """Make a project; members of the workspace may.

        Raises:
            ConflictError: The workspace has one of that name.
            NotFoundError: There is no such workspace.
            PermissionDeniedError: The caller may not write to the workspace.
            ValidationError: Something in the draft is out of bounds.
        """
        with self._store.write() as connection:
            return _read(connection, caller, make_project(self._store, connection, caller, draft))

    def update_project(self, caller: Caller, path: ProjectPath, patch: ProjectPatch) -> ProjectRecord:
        """Change a project; members may, its visibility only owners.

        Returns:
            The project, with the line of the journal that takes it back.

        Raises:
            ConflictError: The new name is taken.
            NotFoundError: There is no such project.
            PermissionDeniedError: The caller may not.
            ValidationError: Something in the patch is out of bounds.
        """
        _check(patch)
        check_definitions(patch.metrics or ())
        names = ("name", "title", "description", "visibility")
        values = {name: value for name in names if (value := getattr(patch, name)) is not None}
        if patch.labels is not None:
            values["labels"] = dumps(patch.labels)
        defines = ("metrics",) if patch.metrics is not None else ()
        with self._store.write() as connection:
            found = require_project(connection, caller, path, "write")
            if patch.visibility not in (None, found.visibility):
                require_project(connection, caller, path, "manage")
            if patch.name not in (None, found.name):
                _require_free(connection, found.workspace, patch.name or "")
            change_id = ""
            if values or defines:
                held = lock_project(connection, found.id, [*values, *defines])
                if held is None:
                    raise NotFoundError(f"there is no project {path}")
                if patch.metrics is not None:
                    metrics = merge_definitions(_definitions(held["metrics"]), patch.metrics)
                    check_definitions(metrics)
                    values["metrics"] = dumps(encode(metrics))
                with unique(f"workspace {found.workspace!r} has a project {patch.name!r} already"):
                    change_project(connection, found.id, {**values, "updated_at_ms": self._store.clock()})
                change_id = self._note(connection, caller, found, held, values)
            return attrs.evolve(_read(connection, caller, found.id), change_id=change_id)

    def _note(
        self,
        connection: Connection,
        caller: Caller,
        project: ProjectRow,
        held: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> str:
        fields = differences({project.id: held}, {project.id: values})
        if not fields:
            return ""
        changed = [(name, new, held[name]) for name, new in values.items() if new != held[name]]
        given = ", ".join(f"{_said(name, new)} (was {_value(name, old)})" for name, new, old in changed)
        line = Line("project", f"changed project {project.workspace}/{held.get('name', project.name)}: {given}")
        return note_change(self._store, connection, caller, line, projects=fields)


def _said(name: str, value: Any) -> str:
    return f"{'tags' if name == 'labels' else name} {_value(name, value)}"


def _value(name: str, value: Any) -> str:
    """Return what a column of a project has, for a sentence."""
    if name == "labels":
        return shown(loads(value))
    if name == "metrics":
        return shown(
            [f"{each.key} ({', '.join(filter(None, (each.goal, each.unit)))})" for each in _definitions(value)]
        )
    return str(value) if name == "visibility" else shown(value)


def make_project(store: Store, connection: Connection, caller: Caller, draft: ProjectDraft) -> int:
    """Insert a project and return its row id; ``create_project`` says what may be raised."""
    made = insert_project(store, connection, caller, draft)
    line = Line("create", f"made project {draft.workspace or caller.username}/{draft.name}")
    note_change(store, connection, caller, line, projects=[made])
    return made


def insert_project(store: Store, connection: Connection, caller: Caller, draft: ProjectDraft) -> int:
    """Do what ``make_project`` does, and leave it to who asks to note it in the journal."""
    now_ms = store.clock()
    checked(validate_project_name, draft.name, "name")
    _check(draft)
    workspace = require_workspace(connection, caller, draft.workspace or caller.username, None)
    if role_of(caller, workspace.role) not in ("OWNER", "MEMBER"):
        raise PermissionDeniedError(f"{caller.username} may not make projects in workspace {workspace.username!r}")
    _require_free(connection, workspace.username, draft.name)
    values = {
        "cuid": new_cuid(),
        "workspace_id": workspace.id,
        "name": draft.name,
        "title": draft.title,
        "description": draft.description,
        "visibility": draft.visibility,
        "labels": dumps(draft.labels),
        "user_id": caller.user_id,
        "created_at_ms": now_ms,
        "updated_at_ms": now_ms,
    }
    with unique(f"workspace {workspace.username!r} has a project {draft.name!r} already"):
        return add_project(connection, values)


def list_project_page(
    connection: Connection, caller: Caller, query: ProjectQuery, *, visible_only: bool
) -> Page[ProjectRecord]:
    """List projects page by page; ``list_projects`` says what may be raised."""
    page = query.page
    check_page(page)
    check_choice(query.sort, _SORTS, "sort")
    check_choice(query.state, RUN_STATES, "state")
    check_text(query.search or "", "search")
    workspace_id = None
    if query.workspace is not None:
        looking = caller if visible_only else attrs.evolve(caller, is_owner=True)
        workspace_id = require_workspace(connection, looking, query.workspace, None).id
    listing = ProjectListing(
        caller.user_id, visible_only, workspace_id, query.sort, query.search, query.state, query.creator
    )
    name = f"projects {listing!r}"
    after = None if page.cursor is None else read_cursor(page.cursor, name, listing.kinds)
    found = list_projects(connection, listing, after, page.limit + 1, page.offset)
    counts = project_counts(connection, [row.id for row in found[: page.limit]]) if query.detail else {}
    total = count_projects(connection, listing) if page.with_total else None
    return make_page(
        found,
        page.limit,
        item=lambda row: _record(caller, row, counts.get(row.id)),
        cursor=lambda row: write_cursor(name, listing.keys(row)),
        total=total,
    )


def _check(record: ProjectDraft | ProjectPatch) -> None:
    if record.name is not None:
        checked(validate_project_name, record.name, "name")
    check_fields(record, ("title", "description"))
    check_choice(record.visibility, _VISIBILITIES, "visibility")
    check_labels(record.labels)


def _definitions(held: str) -> tuple[MetricDefinition, ...]:
    return decode(loads(held), tuple[MetricDefinition, ...])


def _require_free(connection: Connection, workspace: str, name: str) -> None:
    if find_project(connection, 0, workspace, name) is not None:
        raise ConflictError(f"workspace {workspace!r} has a project {name!r} already")


def _read(connection: Connection, caller: Caller, project_id: int) -> ProjectRecord:
    counts = project_counts(connection, [project_id])
    return _record(caller, read_project(connection, caller.user_id, project_id), counts[project_id])


def _record(caller: Caller, row: ProjectDetail, counts: ProjectCounts | None) -> ProjectRecord:
    return ProjectRecord(
        cuid=row.cuid,
        workspace=row.workspace,
        name=row.name,
        title=row.title,
        description=row.description,
        visibility=row.visibility,
        labels=tuple(loads(row.labels)),
        metrics=_definitions(row.metrics) if row.metrics != "[]" else (),
        role=role_of(caller, row.role),
        workspace_name=row.workspace_name,
        workspace_type=row.workspace_type,
        created_at_ms=row.created_at_ms,
        updated_at_ms=row.updated_at_ms,
        count=counts and _counts(counts),
        run_changed_at_ms=None if counts is None else counts.run_changed_at_ms,
    )


def _counts(counts: ProjectCounts) -> ProjectCountRecord:
    return ProjectCountRecord(
        experiments=counts.runs,
        contributors=counts.contributors,
        collaborators=counts.collaborators,
        running=counts.running,
    )
