"""Making a run, or finding it again by the id that its client chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.account import UserRef
from runatlas.model.codec import loads
from runatlas.model.ids import ProjectPath, RunPath, new_cuid, validate_project_name, validate_run_id
from runatlas.model.project import ProjectDraft
from runatlas.model.run import OWN_FIELDS, RUN_PARTS, Profile, RunDraft, RunRecord
from runatlas.model.run_config import merge_config
from runatlas.server.services.access import require_project, require_run
from runatlas.server.services.caller import Caller
from runatlas.server.services.projects import make_project
from runatlas.server.services.run_change import (
    FINAL_STATES,
    RunChange,
    apply_change,
    check_own_fields,
    json_text,
    profile_texts,
    state_values,
    stored,
)
from runatlas.server.services.validation import check_choice, check_fields, checked
from runatlas.server.store.account import display_name
from runatlas.server.store.config import flatten, write_configs
from runatlas.server.store.engine import Store
from runatlas.server.store.latest import freeze_new
from runatlas.server.store.project import ProjectRow, touch_projects
from runatlas.server.store.run_record import read_runs
from runatlas.server.store.run_text import keep_shown
from runatlas.server.store.run_version import RunVersion, add_version
from runatlas.server.store.run_write import add_profiles, add_runs, lock_runs, write_labels
from runatlas.server.store.statement import Connection

__all__ = ["check_draft", "find_or_make_run", "project_of", "values_of"]

_STORED = [field for field in OWN_FIELDS.values() if field.column]
_LISTS = [field for field in _STORED if isinstance(field.default, tuple)]
_PLAIN = [(field.column, field.attribute, field.default) for field in _STORED if field not in _LISTS]
_RULED = {"id", "cuid", "state", "labels", "created_at_ms", "finished_at_ms"}
"""What resuming a run leaves, or changes by a rule of its own."""

_ON_CONFLICT = ("resume", "keep", "fail", "replace")


def find_or_make_run(store: Store, caller: Caller, draft: RunDraft) -> tuple[RunRecord, bool]:
    """Make a run, or find it by id as ``draft.if_exists`` says.

    Returns:
        The run with every part, and whether it is new.

    Raises:
        ConflictError: The id is taken and ``if_exists`` is ``fail``.
        NotFoundError: There is no such project, and ``create_project`` is false.
        ValidationError: Something in the draft is out of bounds.
    """
    try:
        return _find_or_make(store, caller, draft)
    except (ConflictError, NotFoundError):
        if not draft.create_project:
            raise
    # Another transaction may have made or deleted the project meanwhile; anything else is said again.
    return _find_or_make(store, caller, draft)


def _find_or_make(store: Store, caller: Caller, draft: RunDraft) -> tuple[RunRecord, bool]:
    check_draft(draft)
    config = json_text(draft.config, "config")
    flat = flatten(draft.config)
    labels = list(dict.fromkeys(draft.labels))
    with store.write() as connection:
        project = project_of(store, connection, caller, draft)
        values = values_of(caller, draft, project, store.clock())
        values |= {"config": config, "labels": json_text(labels, "labels")}
        (run_key,) = add_runs(connection, [values])
        if run_key is None:
            return _find(store, connection, caller, draft), False
        if flat:
            write_configs(connection, {run_key: flat}, fresh=True)
        if labels:
            write_labels(connection, {run_key: labels}, fresh=True)
        if draft.profile is not None:
            add_profiles(connection, {run_key: profile_texts(draft.profile)})
        if draft.state in FINAL_STATES:
            freeze_new(connection, {run_key: {}})
            keep_shown(connection, [run_key])
        touch_projects(connection, [project.id], values["updated_at_ms"])
        name = display_name(connection, caller.user_id)
    user = None if name is None else UserRef(caller.username, name)
    return _record(draft, project, values, user), True


def check_draft(draft: RunDraft) -> None:
    """Check all of a draft but its config.

    Raises:
        ValidationError: Something is out of bounds; the sentence names it.
    """
    if draft.id is not None:
        checked(validate_run_id, draft.id, "id")
    checked(validate_project_name, draft.project.project, "project")
    check_own_fields(draft)
    check_fields(draft, ("project_title",))
    check_choice(draft.if_exists, _ON_CONFLICT, "if_exists")


def project_of(store: Store, connection: Connection, caller: Caller, draft: RunDraft) -> ProjectRow:
    """Find the project of a draft, or make it if the draft says so.

    Raises:
        NotFoundError: There is none, and ``create_project`` is false, or no such workspace.
        PermissionDeniedError: The caller may not write to it.
    """
    try:
        return require_project(connection, caller, draft.project, "write")
    except NotFoundError:
        if not draft.create_project:
            raise
    path: ProjectPath = draft.project
    make_project(store, connection, caller, ProjectDraft(path.project, path.workspace, title=draft.project_title))
    return require_project(connection, caller, path, "write")


def values_of(caller: Caller, draft: RunDraft, project: ProjectRow, now_ms: int) -> dict[str, Any]:
    """Return the columns of a new run without points, but for its config and labels."""
    cuid = new_cuid()
    finished = draft.finished_at_ms
    if finished is None and draft.state in FINAL_STATES:
        finished = now_ms
    return {
        **{column: getattr(draft, attribute, default) for column, attribute, default in _PLAIN},
        **{field.column: stored(field, getattr(draft, field.attribute, field.default)) for field in _LISTS},
        "cuid": cuid,
        "project_id": project.id,
        "run_id": cuid if draft.id is None else draft.id,
        "user_id": caller.user_id,
        "created_at_ms": now_ms if draft.created_at_ms is None else draft.created_at_ms,
        "updated_at_ms": now_ms,
        "finished_at_ms": None if draft.state == "RUNNING" else finished,
        "heartbeat_at_ms": now_ms if draft.state == "RUNNING" else None,
        "point_count": 0,
        "point_bytes": 0,
    }


def _record(draft: RunDraft, project: ProjectRow, values: Mapping[str, Any], user: UserRef | None) -> RunRecord:
    """The record of a new run, as reading it would answer."""
    own: dict[str, Any] = {
        field.attribute: tuple(loads(values[field.column])) if field.default == () else values[field.column]
        for field in _STORED
    }
    return RunRecord(
        workspace=project.workspace,
        project=project.name,
        project_cuid=project.cuid,
        user=user,
        **own,
        config=loads(values["config"]),
        summary={},
        profile=draft.profile or Profile(),
    )


def _find(store: Store, connection: Connection, caller: Caller, draft: RunDraft) -> RunRecord:
    path = RunPath(draft.project.workspace, draft.project.project, draft.id or "")
    if draft.if_exists == "fail":
        raise ConflictError(f"project {draft.project} has a run {draft.id!r} already")
    found = require_run(connection, caller, path, "write")
    if draft.if_exists == "resume":
        apply_change(store, connection, [found.id], _resumption(draft, store.clock()))
    if draft.if_exists == "replace":
        _replace(store, connection, found.id, draft)
    return read_runs(connection, [found.id], RUN_PARTS)[0]


def _replace(store: Store, connection: Connection, run_key: int, draft: RunDraft) -> None:
    """Give a run another description and config, and keep the ones it had."""
    held = lock_runs(connection, [run_key], ("description", "config"))[run_key]
    config = json_text(draft.config, "config")
    if held == {"description": draft.description, "config": config}:
        return
    add_version(connection, run_key, RunVersion(store.clock(), **held))

    change = RunChange({"description": draft.description}, edit_config=lambda _: loads(config))
    apply_change(store, connection, [run_key], change)


def _resumption(draft: RunDraft, now_ms: int) -> RunChange:
    """What resuming changes: the run goes on, and what is given is merged into what it has."""
    columns: dict[str, Any] = {
        field.column: stored(field, value)
        for field in _STORED
        if field.attribute not in _RULED and (value := getattr(draft, field.attribute, field.default)) != field.default
    }
    columns |= state_values("RUNNING", None, now_ms)
    config = json_text(draft.config, "config")
    profile: Profile | None = draft.profile
    return RunChange(
        columns,
        edit_config=(lambda held: merge_config(held, loads(config))) if draft.config else None,
        edit_labels=(lambda held: list(dict.fromkeys([*held, *draft.labels]))) if draft.labels else None,
        profile=profile,
    )
