"""What changing runs means: states and times that belong together, configs and labels kept searchable."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import validate_project_name
from runatlas.model.run import OWN_FIELDS, RUN_STATES, OwnField, Profile, RunDraft, RunPatch
from runatlas.model.run_config import change_config, merge_config
from runatlas.model.text import check_text
from runatlas.server.services.validation import check_choice, check_fields, check_labels, check_time, checked
from runatlas.server.store.config import flatten, write_configs
from runatlas.server.store.engine import Store
from runatlas.server.store.project import ProjectRow, touch_live_projects
from runatlas.server.store.run_write import (
    ChangedRun,
    change_runs,
    has_folder,
    lock_runs,
    projects_of,
    read_metadata,
    write_config_texts,
    write_label_texts,
    write_labels,
    write_metadata_texts,
    write_profile,
)
from runatlas.server.store.statement import Connection

__all__ = [
    "FINAL_STATES",
    "RunChange",
    "apply_change",
    "change_of_patch",
    "check_own_fields",
    "check_patch",
    "json_text",
    "state_values",
    "stored",
]

FINAL_STATES = frozenset(RUN_STATES) - {"RUNNING", "OFFLINE"}
"""A run in one of these has come to its end."""

_RULED = {"state", "labels", "pin", "finished_at_ms", "heartbeat_at_ms", "folder_id"}
"""What a patch changes by a rule of its own."""

_PLAIN = [
    field
    for field in OWN_FIELDS.values()
    if field.column and field.attribute in attrs.fields_dict(RunPatch) and field.attribute not in _RULED
]


@attrs.frozen
class RunChange:
    """A change of runs.

    Attributes:
        columns: What all of them get, as ``change_runs`` takes it.
        edit_config: Makes the new config of the old one.
        edit_labels: Makes the new labels of the old ones.
        project: Where they move.
        metadata: Names of the profile's metadata to replace.
    """

    columns: Mapping[str, Any]
    edit_config: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    edit_labels: Callable[[list[str]], list[str]] | None = None
    profile: Profile | None = None
    project: ProjectRow | None = None
    folder_id: str | None = None
    metadata: Mapping[str, Any] | None = None


def json_text(value: object, argument: str) -> str:
    """Return a JSON value as text that can be stored.

    Raises:
        ValidationError: Something in it is no JSON value, or it nests too deeply.
    """
    try:
        return check_text(dumps(value), argument)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{argument}: {error}") from error
    except RecursionError as error:
        raise ValidationError(f"{argument}: it nests too deeply") from error


def stored(field: OwnField, value: Any) -> Any:
    """Return what the store keeps of one of a run's own fields: a tuple as JSON text.

    Raises:
        ValidationError: It cannot be stored.
    """
    return json_text(list(value), field.name) if isinstance(field.default, tuple) else value


def check_own_fields(given: RunDraft | RunPatch) -> None:
    """Check those of a run's own fields that a draft or a patch gives.

    Raises:
        ValidationError: One is out of bounds; the sentence names it.
    """
    for field in OWN_FIELDS.values():
        value = getattr(given, field.attribute, None)
        if value is None or field.attribute in {"id", "project", "folder_id"}:
            continue
        if field.name == "state":
            check_choice(value, RUN_STATES, "state")
        elif field.kind == "labels":
            check_labels(value)
        elif field.attribute.endswith("_ms"):
            check_time(value, field.attribute)
        elif isinstance(field.default, str):
            check_fields(given, (field.attribute,))


def check_patch(patch: RunPatch) -> None:
    """Check everything of a patch that needs no look at the runs.

    Raises:
        ValidationError: Something is out of bounds; the sentence names it.
    """
    check_own_fields(patch)
    check_labels(patch.labels_added, "labels_added")
    if patch.project is not None:
        checked(validate_project_name, patch.project, "project")
    if patch.config is not None:
        json_text(patch.config, "config")
        flatten(patch.config)


def state_values(state: str | None, finished_at_ms: int | None, now_ms: int) -> dict[str, Any]:
    """Return what a new state and a given end mean: a final state has an end, RUNNING has none, and no error.

    Args:
        state: The new state; ``None`` keeps.
        finished_at_ms: The end that was given.
        now_ms: The end of a run that gets to a final state and has none yet.
    """
    values: dict[str, Any] = {} if state is None else {"state": state}
    if state == "RUNNING":
        values |= {"finished_at_ms": None, "error": "", "heartbeat_at_ms": now_ms}
    elif finished_at_ms is not None:
        values["finished_at_ms"] = finished_at_ms
    elif state in FINAL_STATES:
        values["keep_finished_at_ms"] = now_ms
    return values


def change_of_patch(
    patch: RunPatch, now_ms: int, project: ProjectRow | None, *, exact_names: bool = False
) -> RunChange:
    """Make the change that a patch means.

    Args:
        patch: The patch.
        now_ms: The time.
        project: The row of ``patch.project``.
        exact_names: Whether the names in its config are names of the outermost level, also those with dots.
    """
    columns: dict[str, Any] = {
        field.column: stored(field, value) for field in _PLAIN if (value := getattr(patch, field.attribute)) is not None
    }
    if patch.heartbeat_at_ms is not None:
        # When it came counts, not what the clock of its machine says.
        columns["heartbeat_at_ms"] = now_ms
    columns |= state_values(patch.state, patch.finished_at_ms, now_ms)
    if patch.protected is False:
        columns["protected_reason"] = ""
    if patch.pin is not None:
        columns["pin"] = patch.pin
        columns["keep_pinned_at_ms" if patch.pin else "pinned_at_ms"] = now_ms if patch.pin else None
    edit_config = _config_edit(patch, exact_names=exact_names)
    return RunChange(columns, edit_config, _label_edit(patch), patch.profile, project, patch.folder_id, patch.metadata)


def _config_edit(patch: RunPatch, *, exact_names: bool) -> Callable[[dict[str, Any]], dict[str, Any]] | None:
    if not patch.config and not patch.config_removed:
        return None
    given = loads(dumps(patch.config or {}))

    def edit_exactly(config: dict[str, Any]) -> dict[str, Any]:
        kept = {name: value for name, value in config.items() if name not in patch.config_removed}
        return merge_config(kept, given)

    return edit_exactly if exact_names else lambda config: change_config(config, given, patch.config_removed)


def _label_edit(patch: RunPatch) -> Callable[[list[str]], list[str]] | None:
    if patch.labels is None and not patch.labels_added and not patch.labels_removed:
        return None
    return lambda labels: list(patch.relabel(labels))


def apply_change(store: Store, connection: Connection, run_keys: Sequence[int], change: RunChange) -> None:
    """Change runs within a write transaction.

    Raises:
        ConflictError: The project that they move to has a run of one's id.
        NotFoundError: Their project has no such folder, or one of them or their project was deleted meanwhile.
    """
    now = store.clock()
    if change.project is not None:
        touch_live_projects(connection, projects_of(connection, run_keys) | {change.project.id}, now)
    locked = lock_runs(connection, run_keys)
    columns = dict(change.columns)
    if set(columns) - {"heartbeat_at_ms"} or _touches_more(change):
        columns["updated_at_ms"] = now
    columns |= _place(connection, locked, change)
    if change.edit_config is not None:
        _edit_configs(connection, locked, change.edit_config)
    if change.edit_labels is not None:
        _edit_labels(connection, locked, change.edit_labels)
    if change.profile is not None:
        metadata = json_text(change.profile.metadata, "profile")
        write_profile(store, connection, run_keys, change.profile, metadata)
    if change.metadata:
        held = {key: loads(text) for key, text in read_metadata(connection, run_keys).items()}
        made = {key: json_text({**held.get(key, {}), **change.metadata}, "metadata") for key in run_keys}
        write_metadata_texts(store, connection, made)
    if columns:
        change_runs(connection, run_keys, columns)


def _touches_more(change: RunChange) -> bool:
    more = (
        *(change.edit_config, change.edit_labels, change.profile),
        *(change.project, change.folder_id, change.metadata),
    )
    return any(item is not None for item in more)


def _place(connection: Connection, locked: Collection[ChangedRun], change: RunChange) -> dict[str, Any]:
    """The columns that say where runs lie; a folder is one of the run's project."""
    columns: dict[str, Any] = {}
    projects = {run.project_id for run in locked}
    if change.project is not None and projects != {change.project.id}:
        projects = {change.project.id}
        columns = {"project_id": change.project.id, "folder_id": None}
    if change.folder_id is not None:
        columns["folder_id"] = change.folder_id or None
        if change.folder_id and not all(has_folder(connection, key, change.folder_id) for key in projects):
            raise NotFoundError(f"there is no folder {change.folder_id!r}")
    return columns


def _edit_configs(
    connection: Connection, locked: Collection[ChangedRun], edit: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    texts, flat = {}, {}
    for run in locked:
        config = edit(loads(run.config))
        text = json_text(config, "config")
        if text != run.config:
            texts[run.id], flat[run.id] = text, flatten(config)
    write_config_texts(connection, texts)
    write_configs(connection, flat, fresh=False)


def _edit_labels(
    connection: Connection, locked: Collection[ChangedRun], edit: Callable[[list[str]], list[str]]
) -> None:
    made = {run.id: edit(loads(run.labels)) for run in locked}
    changed = {run.id: made[run.id] for run in locked if dumps(made[run.id]) != run.labels}
    write_label_texts(connection, {key: dumps(labels) for key, labels in changed.items()})
    write_labels(connection, changed, fresh=False)
