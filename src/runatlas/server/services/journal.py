"""The journal: one line a change, written in the transaction of the change itself, whoever asks for it and how."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from runatlas.model.change import LASTING, ChangedRunRecord, ChangeKind, ChangeRecord
from runatlas.model.codec import dumps, loads
from runatlas.model.ids import new_cuid
from runatlas.model.instant import iso_text
from runatlas.model.run import OWN_FIELDS
from runatlas.model.run_config import compare_configs
from runatlas.model.trash import RETENTION_MS
from runatlas.server.services.caller import Caller
from runatlas.server.store.engine import Store
from runatlas.server.store.journal import ChangeRow, Fields, ReachedRun, add_change
from runatlas.server.store.project import find_projects
from runatlas.server.store.statement import Connection

__all__ = [
    "CONTEXTS",
    "JSON_COLUMNS",
    "METRIC",
    "SOFT",
    "Line",
    "change_record",
    "changed_run",
    "counted",
    "differences",
    "field_name",
    "listed",
    "name_metric",
    "note_change",
    "shown",
]

JSON_COLUMNS = {field.column for field in OWN_FIELDS.values() if isinstance(field.default, tuple)}
"""The columns that hold JSON text."""

SOFT = "heartbeat_at_ms"
"""What a run says of itself by being alive, also after a change that gave it a state: that is no conflict."""

METRIC, CONTEXTS = "metric", "contexts"
"""What is kept of a run one of whose metrics got another key: the key, and the contexts that it was in."""

_NAMED = 3
_LISTED = 5
_WHAT_MAX = 500
_VALUE_MAX = 80


@attrs.frozen
class Line:
    """What is to be noted.

    Attributes:
        what: A sentence, for people.
        runs: How many runs it changed.
        workspace_id: Where; if it is left out, that of the projects.
        project: The name of the project, if none that is still there was reached.
        trash_id: The entry of the trash that a deletion made, or that was brought back or purged.
        expires_at_ms: Until when it can be taken back; for ``RETENTION_MS`` unless given.
        undoes: The change that is taken back.
    """

    kind: ChangeKind
    what: str
    runs: int = 0
    workspace_id: int | None = None
    project: str = ""
    trash_id: str | None = None
    expires_at_ms: int | None = None
    undoes: str | None = None


def note_change(
    store: Store,
    connection: Connection,
    caller: Caller,
    line: Line,
    *,
    runs: Mapping[int, Fields] | Collection[int] = (),
    projects: Mapping[int, Fields] | Collection[int] = (),
) -> str:
    """Write a line into the journal, within the transaction of the change.

    Args:
        store: The store.
        connection: The transaction.
        caller: Who made the change.
        line: What is to be noted.
        runs: The runs that it reached, and what it made of their fields, by row id.
        projects: The projects that it reached, and what it made of their own fields, by row id.

    Returns:
        The change's id.
    """
    now, cuid = store.clock(), new_cuid()
    found = find_projects(connection, projects)
    workspace_id = found[next(iter(projects))][0] if line.workspace_id is None else line.workspace_id
    expires = line.expires_at_ms
    if expires is None and line.kind not in LASTING:
        expires = now + RETENTION_MS
    values = {
        "cuid": cuid,
        "at_ms": now,
        "author": caller.username,
        "door": caller.door,
        "kind": line.kind,
        "kept": line.kind not in LASTING,
        "workspace_id": workspace_id,
        "project": next(iter(found.values()))[1] if len(found) == 1 else line.project,
        "what": _cut(line.what, _WHAT_MAX),
        "runs": line.runs,
        "trash_cuid": line.trash_id,
        "expires_at_ms": expires,
        "undoes": line.undoes,
    }
    add_change(connection, values, _pairs(projects), _pairs(runs))
    return cuid


def _pairs(reached: Mapping[int, Fields] | Collection[int]) -> Mapping[int, Fields]:
    return reached if isinstance(reached, Mapping) else dict.fromkeys(reached, Fields())


def differences(held: Mapping[int, Mapping[str, Any]], made: Mapping[int, Mapping[str, Any]]) -> dict[int, Fields]:
    """Tell what of the columns of runs, or of projects, is not as it was; what stays the same is left out.

    Args:
        held: The columns as they were, by row id.
        made: The same columns as they are made.
    """
    texts: dict[Any, Fields] = {}
    found: dict[int, Fields] = {}
    for key, old in held.items():
        new = made[key]
        names = tuple(name for name, value in old.items() if value != new[name])
        if not names:
            continue
        values = names, tuple(old[name] for name in names), tuple(new[name] for name in names)
        if values not in texts:
            texts[values] = _fields(*values)
        found[key] = texts[values]
    return found


def _fields(names: Sequence[str], old: Sequence[Any], new: Sequence[Any]) -> Fields:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name, first, second in zip(names, old, new, strict=True):
        if name == "config":
            before[name], after[name] = compare_configs(loads(first), loads(second))
        else:
            before[name], after[name] = (loads(first), loads(second)) if name in JSON_COLUMNS else (first, second)
    return Fields(dumps(before), dumps(after))


def name_metric(old: str, new: str, contexts: Sequence[str]) -> Fields:
    """Return what is kept of a run one of whose metrics got another key."""
    return Fields(*(dumps({METRIC: key, CONTEXTS: list(contexts)}) for key in (old, new)))


def counted(number: int, paths: Sequence[str]) -> str:
    """Return a number of runs for a sentence, with the first of their paths: ``2 runs: a/b/c, a/b/d``."""
    count = "1 run" if number == 1 else f"{number} runs"
    named = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
    return f"{count}: {named}" if named else count


def listed(names: Sequence[str]) -> str:
    """Return names for a sentence, of many the first ones."""
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def shown(value: Any) -> str:
    """Return a value for a sentence, not too long: texts in quotes, lists with commas, nothing as ``none``.

    Example:
        >>> shown("a b"), shown(("x", "y")), shown(""), shown([])
        ("'a b'", "'x', 'y'", 'none', 'none')
    """
    if value is None or (isinstance(value, (str, list, tuple)) and not value):
        return "none"
    return _cut(listed([*map(repr, value)]) if isinstance(value, (list, tuple)) else repr(value), _VALUE_MAX)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def change_record(row: ChangeRow) -> ChangeRecord:
    """Make the record of a line."""
    return ChangeRecord(
        id=row.cuid,
        at_ms=row.at_ms,
        by=row.author,
        door=row.door,
        kind=row.kind,
        workspace=row.workspace,
        project=row.project,
        what=row.what,
        runs=row.runs,
        trash_id=row.trash_cuid or "",
        expires_at_ms=row.expires_at_ms,
        undoes=row.undoes or "",
        undone_by=row.undone_by or "",
        undone_at_ms=row.undone_at_ms,
    )


_NAMES = {field.column: field.name for field in OWN_FIELDS.values() if field.column} | {"project_id": "project"}


def field_name(column: str) -> str:
    """Return what a column of runs is called by who reads it."""
    return _NAMES.get(column, column)


def changed_run(run: ReachedRun, project_names: Mapping[int, str]) -> ChangedRunRecord:
    """Make the record of what a change made of a run.

    Args:
        run: The run.
        project_names: The projects that it was moved from and to, by row id.
    """
    before, after = (
        dict(_told(loads(text), project_names)) if text is not None else {} for text in (run.before, run.after)
    )
    return ChangedRunRecord(run.path, run.cuid, run.name, before, after)


def _told(fields: Mapping[str, Any], project_names: Mapping[int, str]) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if name == "config":
            yield from ((f"config.{'.'.join(spot[0])}", spot[1]) for spot in value if len(spot) > 1)
        elif name == "project_id":
            yield "project", project_names.get(value, "")
        elif name == METRIC:
            yield name, value
        elif name != CONTEXTS:
            is_time = name.endswith("_ms") and value is not None
            yield _NAMES[name], iso_text(value) if is_time else value
