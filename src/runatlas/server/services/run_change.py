"""What changing runs means: states and times that belong together, configs and labels kept searchable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import attrs

from runatlas.errors import ConflictError, NotFoundError, ValidationError
from runatlas.model.change import ChangeKind
from runatlas.model.codec import dumps, loads
from runatlas.model.config_name import DEPTH_MAX, check_depth
from runatlas.model.ids import validate_project_name
from runatlas.model.instant import iso_text
from runatlas.model.run import OWN_FIELDS, RUN_STATES, OwnField, Profile, RunDraft, RunPatch
from runatlas.model.run_config import change_config, merge_config
from runatlas.model.text import check_text
from runatlas.server.services.caller import Caller
from runatlas.server.services.journal import SOFT, Line, counted, differences, note_change, shown
from runatlas.server.services.validation import check_choice, check_fields, check_labels, check_time, checked
from runatlas.server.store.config import flatten, write_configs
from runatlas.server.store.engine import Store
from runatlas.server.store.journal import Fields
from runatlas.server.store.latest import forget_latest, freeze_latest
from runatlas.server.store.project import ProjectRow, keep_projects, touch_live_projects
from runatlas.server.store.run_text import keep_shown
from runatlas.server.store.run_write import (
    change_runs,
    has_folder,
    lock_runs,
    lock_runs_at_home,
    makers_of,
    read_metadata,
    write_fields,
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
    "check_noted",
    "check_own_fields",
    "check_patch",
    "json_text",
    "profile_texts",
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


Planned: TypeAlias = Callable[[Mapping[int, Mapping[str, Any]], Mapping[int, Fields]], None]


@attrs.frozen
class RunChange:
    """A change of runs.

    Attributes:
        columns: What all of them get, as ``change_runs`` takes it.
        edit_config: Makes the new config of the old one.
        edit_labels: Makes the new labels of the old ones.
        project: Where they move.
        metadata: Names of the profile's metadata to replace.
        kind: What kind of change it is.
        said: What is changed, for the journal: it follows ``changed 3 runs``.
        may_lose_labels: Whether runs may lose labels that others of them do not have.
        by_run: Whether the runs' own process says it.
    """

    columns: Mapping[str, Any]
    edit_config: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    edit_labels: Callable[[list[str]], list[str]] | None = None
    profile: Profile | None = None
    project: ProjectRow | None = None
    folder_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    kind: ChangeKind = "update"
    said: str = ""
    may_lose_labels: bool = True
    by_run: bool = False


def json_text(value: object, argument: str) -> str:
    """Return a JSON value as text that can be stored.

    Raises:
        ValidationError: Something in it is no JSON value, or it nests too deeply.
    """
    try:
        text = check_text(dumps(value), argument)
    except (TypeError, ValueError) as error:
        raise ValidationError(f"{argument}: {error}") from error
    except RecursionError:
        check_depth(value, argument)
        raise
    if text.count("{") + text.count("[") > DEPTH_MAX:
        check_depth(value, argument)
    if text.startswith('{"$float":') and not isinstance(loads(text), dict):
        raise ValidationError(f"{argument}: the key '$float' cannot stand alone beside {value['$float']!r}")  # type: ignore[index]
    return text


def profile_texts(profile: Profile) -> tuple[str, str, str]:
    """Return the sections of a profile as the store keeps them.

    Raises:
        ValidationError: One cannot be stored; the sentence names it.
    """
    check_fields(profile, ("requirements", "conda"))
    return json_text(profile.metadata, "profile"), profile.requirements, profile.conda


def stored(field: OwnField, value: Any) -> Any:
    """Return what the store keeps of one of a run's own fields: a tuple as JSON text.

    Raises:
        ValidationError: It cannot be stored.
    """
    if not isinstance(field.default, tuple):
        return value
    return json_text(list(value), field.name) if value else "[]"


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


def check_noted(patch: RunPatch) -> None:
    """Check that a patch gives nothing that the journal does not keep, and that no undo would bring back.

    Raises:
        ValidationError: It gives something of the profile.
    """
    for name in ("profile", "metadata"):
        if getattr(patch, name):
            raise ValidationError(f"{name}: it is what a run's own process records, and changed of one run at a time")


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
    return RunChange(
        columns,
        _config_edit(patch, exact_names=exact_names),
        _label_edit(patch),
        patch.profile,
        project,
        patch.folder_id,
        patch.metadata,
        kind=kind_of(patch),
        said=_said(patch),
        may_lose_labels=patch.labels is None or patch.replace_labels,
        by_run=patch.by_run,
    )


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


def apply_change(
    store: Store,
    connection: Connection,
    run_keys: Sequence[int],
    change: RunChange,
    author: Caller | None = None,
    *,
    planned: Planned | None = None,
) -> str:
    """Change runs within a write transaction.

    Args:
        store: The store.
        connection: The transaction.
        run_keys: The runs.
        change: What changes.
        author: Who the journal says to have changed them; ``None`` for what runs record of themselves.
        planned: Looks at the runs once they are locked, and at what would differ of them, by row id; what it raises
            keeps all of them as they are.

    Returns:
        The change's id in the journal; ``""`` if nothing is noted there.

    Raises:
        ConflictError: The project that they move to has a run of one's id, or they would lose different labels without
            that being said.
        NotFoundError: Their project has no such folder, or one of them or their project was deleted meanwhile.
    """
    now = store.clock()
    by_run = author is not None and _is_said_by_run(connection, run_keys, change, author)
    target = change.project
    if target is not None:
        lock_runs_at_home(connection, run_keys, lambda homes: touch_live_projects(connection, homes | {target.id}, now))
    elif author is not None:
        lock_runs_at_home(connection, run_keys, partial(keep_projects, connection))
    held = lock_runs(connection, run_keys, changed_columns(change))
    made = _made(held, change, planned)
    columns = dict(change.columns)
    if set(columns) - {"heartbeat_at_ms"} or _touches_more(change):
        columns["updated_at_ms"] = now
    if change.folder_id is not None:
        columns["folder_id"] = change.folder_id or None
    require_folders(connection, made.values())
    write_texts(connection, held, made)
    _write_profiles(store, connection, run_keys, change)
    moved = [key for key, fields in made.items() if fields["project_id"] != held[key]["project_id"]]
    if moved and change.project is not None:
        change_runs(connection, moved, {"project_id": change.project.id, "folder_id": None})
    if columns:
        change_runs(connection, run_keys, columns)
    _keep_for_listings(connection, run_keys, columns)
    if author is None or (by_run and _is_recording(change, held)):
        return ""
    fields = differences(held, made)
    if not fields:
        return ""
    places = list(dict.fromkeys(side[key]["project_id"] for side in (held, made) for key in fields))
    line = Line(change.kind, f"{_DONE[change.kind]} {counted(len(fields), ())}{change.said}", len(fields))
    return note_change(store, connection, author, line, runs=fields, projects=places)


def _keep_for_listings(connection: Connection, run_keys: Sequence[int], columns: Mapping[str, Any]) -> None:
    if (state := columns.get("state")) is not None:
        (freeze_latest if state in FINAL_STATES else forget_latest)(connection, run_keys)
    if "updated_at_ms" in columns:
        keep_shown(connection, run_keys)


def _made(
    held: Mapping[int, Mapping[str, Any]],
    change: RunChange,
    planned: Planned | None,
) -> dict[int, dict[str, Any]]:
    """Return what a change makes of runs, if it may; ``apply_change`` says what may be raised."""
    made = {key: foresee(fields, change) for key, fields in held.items()}
    if planned is not None:
        planned(held, differences(held, made))
    lost = lost_labels(held, change)
    if lost:
        raise ConflictError(lost)
    return made


def _write_profiles(store: Store, connection: Connection, run_keys: Sequence[int], change: RunChange) -> None:
    if change.profile is not None:
        write_profile(store, connection, run_keys, profile_texts(change.profile))
    if change.metadata:
        known = {key: loads(text) for key, text in read_metadata(connection, run_keys).items()}
        texts = {key: json_text({**known.get(key, {}), **change.metadata}, "metadata") for key in run_keys}
        write_metadata_texts(store, connection, texts)


def _is_said_by_run(connection: Connection, run_keys: Sequence[int], change: RunChange, author: Caller) -> bool:
    """Tell whether a run's own process says a change: of that run alone, with the rights of its maker or its own key.

    Who moves, protects, pins or archives a run decides something about it, also from within.
    """
    is_record = change.kind == "update" and not _DECIDED & set(change.columns)
    if not (change.by_run and is_record and len(run_keys) == 1):
        return False
    return author.run_cuid is not None or makers_of(connection, run_keys) == {author.user_id}


def _is_recording(change: RunChange, held: Mapping[int, Mapping[str, Any]]) -> bool:
    """Tell whether what runs say of themselves is part of what they record: while they go on, or begin to again."""
    goes_on = change.columns.get("state") == "RUNNING"
    return goes_on or all(held[key]["state"] not in FINAL_STATES for key in held)


_DECIDED = {"show", "pin", "baseline", "archived", "protected", "protected_reason"}
"""What a run's process records nothing by."""

_DONE: dict[ChangeKind, str] = {
    "update": "changed",
    "move": "moved",
    "protect": "protected",
    "unprotect": "unprotected",
}
"""What is said to have been done to runs, by the kind of change."""


def kind_of(patch: RunPatch) -> ChangeKind:
    """Return what kind of change a patch is."""
    if patch.project is not None:
        return "move"
    only = {field.name for field in attrs.fields(RunPatch) if getattr(patch, field.name) != field.default}
    if patch.protected is not None and only <= {"protected", "protected_reason", "by_run"}:
        return "protect" if patch.protected else "unprotect"
    return "update"


def _said(patch: RunPatch) -> str:
    """Say what a patch gives: `` to other``, ``: name 'x', added tag 'good'``.

    Of configs only the keys: a value, such as a password, is to go with the run or when it is removed, and lines stay.
    """
    if kind_of(patch) in {"protect", "unprotect"}:
        return f": {patch.protected_reason}" if patch.protected_reason else ""
    where = "" if patch.project is None else f" to {patch.project}"
    given = {field.name: value for field in _SAID if (value := getattr(patch, field.name)) != field.default}
    rest = ", ".join(_say(name, value) for name, value in given.items())
    return f"{where}: {rest}" if rest else where


_SAID = [
    field
    for field in attrs.fields(RunPatch)
    if field.name not in {"by_run", "replace_labels", "profile", "project", "heartbeat_at_ms"}
]
_MARKS = {
    "pin": ("pinned", "not pinned any more"),
    "show": ("shown", "hidden"),
    "baseline": ("the baseline", "not the baseline any more"),
    "archived": ("archived", "taken out of the archive"),
    "protected": ("protected", "not protected any more"),
}
_WORDS = {
    "labels": "tags",
    "labels_added": "added tags",
    "labels_removed": "took away tags",
    "job_type": "job type",
    "protected_reason": "protected because",
    "config_removed": "took away config",
    "project_title": "title of the project",
}
"""What fields are called in sentences, where that is not their name."""


def _say(name: str, value: Any) -> str:
    if name in _MARKS:
        return _MARKS[name][not value]
    if name in {"config", "metadata", "config_removed"}:
        return f"{_WORDS.get(name, name)} {shown(tuple(value))}"
    if name == "finished_at_ms":
        return f"ended at {iso_text(value)[:19].replace('T', ' ')} UTC"
    if name == "folder_id":
        return "into a folder" if value else "out of its folder"
    words = _WORDS.get(name, name)
    is_one = name in {"labels_added", "labels_removed"} and len(value) == 1
    return f"{words.removesuffix('s') if is_one else words} {shown(value)}"


def changed_columns(change: RunChange) -> list[str]:
    """Return the columns of runs that a change looks at: those that it may change, the project and the state."""
    # Only to be alive is no change.
    plain = (name.removeprefix("keep_") for name in change.columns if "state" in change.columns or name != SOFT)
    texts = {"config": change.edit_config, "labels": change.edit_labels}
    edited = (name for name, edit in texts.items() if edit is not None)
    moved = ("folder_id",) if change.project is not None or change.folder_id is not None else ()
    return list(dict.fromkeys(("project_id", "state", *plain, *edited, *moved)))


def foresee(held: Mapping[str, Any], change: RunChange) -> dict[str, Any]:
    """Return what a change makes of columns of a run; configs and labels are JSON text.

    Raises:
        ValidationError: The new config cannot be stored.
    """
    made = dict(held)
    if change.project is not None and held["project_id"] != change.project.id:
        made |= {"project_id": change.project.id, "folder_id": None}
    if change.folder_id is not None:
        made["folder_id"] = change.folder_id or None
    for name, value in change.columns.items():
        own = name.removeprefix("keep_")
        if own in held and (own == name or held[own] is None):
            made[own] = value
    if change.edit_config is not None:
        made["config"] = json_text(change.edit_config(loads(held["config"])), "config")
    if change.edit_labels is not None:
        made["labels"] = dumps(change.edit_labels(loads(held["labels"])))
    return made


def lost_labels(held: Mapping[int, Mapping[str, Any]], change: RunChange) -> str:
    """Say that runs would lose labels that others of them do not have, if nobody said so; ``""`` if they would not."""
    if change.may_lose_labels or len(held) < 2:
        return ""
    different = {frozenset(labels): labels for labels in (loads(fields["labels"]) for fields in held.values())}
    if len(different) < 2:
        return ""
    first, second, *_ = (f"[{shown(labels) if labels else ''}]" for labels in different.values())
    return (
        f"labels: these {len(held)} runs have different ones, such as {first} and {second}, which would be lost; give "
        "labels_added=… to add to them, labels_removed=… to take some away, or replace_labels=True to replace them all"
    )


def _touches_more(change: RunChange) -> bool:
    more = (
        *(change.edit_config, change.edit_labels, change.profile),
        *(change.project, change.folder_id, change.metadata),
    )
    return any(item is not None for item in more)


def require_folders(connection: Connection, made: Iterable[Mapping[str, Any]]) -> None:
    """Check that the folders that runs are to lie in are folders of their projects.

    Raises:
        NotFoundError: One is none.
    """
    places = {(fields["project_id"], folder) for fields in made if (folder := fields.get("folder_id"))}
    for project_id, folder_id in sorted(places):
        if not has_folder(connection, project_id, folder_id):
            raise NotFoundError(f"there is no folder {folder_id!r}")


def write_texts(
    connection: Connection, held: Mapping[int, Mapping[str, Any]], made: Mapping[int, Mapping[str, Any]]
) -> None:
    """Write those configs and labels of runs that are not as they were, and what filters look at of them."""
    configs, labels = (
        {key: fields[name] for key, fields in made.items() if name in fields and fields[name] != held[key][name]}
        for name in ("config", "labels")
    )
    if configs:
        write_fields(connection, {key: {"config": text} for key, text in configs.items()})
        write_configs(connection, {key: flatten(loads(text)) for key, text in configs.items()}, fresh=False)
    if labels:
        write_fields(connection, {key: {"labels": text} for key, text in labels.items()})
        write_labels(connection, {key: loads(text) for key, text in labels.items()}, fresh=False)
