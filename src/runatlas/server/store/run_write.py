"""Statements that make and change runs, with the rows that filters look at kept in step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Boolean, Select, bindparam, delete, func, insert, select, update

from runatlas.errors import NotFoundError
from runatlas.model.run import Profile
from runatlas.server.store.engine import Store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import folders, projects, run_labels, run_profiles, runs
from runatlas.server.store.statement import Connection, member_of, rows, unique

__all__ = [
    "add_run",
    "change_runs",
    "has_folder",
    "lock_runs",
    "lock_runs_at_home",
    "makers_of",
    "move_holders",
    "projects_of",
    "read_fields",
    "read_metadata",
    "write_fields",
    "write_labels",
    "write_metadata_texts",
    "write_profile",
]


_C = runs.c
_MOVED = runs.alias("moved")
_CHOSEN = member_of(_C.id, "runs")
_BOOLEANS = frozenset(column.name for column in runs.c if isinstance(column.type, Boolean))
_PROJECTS = select(_C.project_id).distinct().where(_CHOSEN)
_MAKERS = select(_C.user_id).distinct().where(_CHOSEN)
_FOLLOW = (
    update(runs)
    .where(_C.cut_of.in_(select(_MOVED.c.cuid).where(member_of(_MOVED.c.id, "runs"))))
    .values(project_id=bindparam("project"))
)
_DELETE_LABELS = delete(run_labels).where(member_of(run_labels.c.run_pk, "runs"))
_INSERT_LABELS = Prepared(
    insert(run_labels).values(run_pk=bindparam("run_pk"), label=bindparam("label")), "run_pk", "label"
)


_LATER = {"id", "trash_id", "cut_of", "point_count", "point_bytes"}
_ORDER = tuple(column.name for column in runs.c if column.name not in _LATER)
_LOCK_PROJECT = Prepared(
    select(projects.c.id).where(projects.c.id == bindparam("id"), projects.c.trash_id.is_(None)).with_for_update(), "id"
)
_TAKEN = Prepared(
    select(_C.id).where(_C.project_id == bindparam("id"), _C.run_id == bindparam("run"), _C.trash_id.is_(None)),
    "id",
    "run",
)
_INSERT = Prepared(insert(runs).values({name: bindparam(name) for name in _ORDER}).returning(_C.id), *_ORDER)


def add_run(connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Insert a run and return its row id; ``None`` when the project has a live run of that id.

    Raises:
        NotFoundError: The project was deleted by another transaction since it was found.
    """
    project_id = values["project_id"]
    # SQLite has one writer at a time; on PostgreSQL the project's row is what creators of one id wait for.
    if connection.dialect.name == "postgresql" and _LOCK_PROJECT.first(connection, project_id) is None:
        raise NotFoundError("the project was deleted meanwhile; no run was made")
    if _TAKEN.first(connection, project_id, values["run_id"]) is not None:
        return None
    return int(_INSERT.first(connection, *(values[name] for name in _ORDER))[0])


def read_fields(connection: Connection, run_keys: Sequence[int], columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Read columns of live runs, by row id."""
    return _fields(connection, _live(tuple(columns)), run_keys, columns)


def lock_runs(
    connection: Connection, run_keys: Sequence[int], columns: Sequence[str] = ()
) -> dict[int, dict[str, Any]]:
    """Read columns of runs that are about to be changed, by row id, and keep other transactions from changing them.

    Raises:
        NotFoundError: One was deleted by another transaction since it was found.
    """
    # The order in which everyone locks rows, so that no two transactions wait for each other, is in
    # docs/architecture.md.
    locked = _live(tuple(columns)).order_by(_C.id).with_for_update()
    found = _fields(connection, locked, run_keys, columns)
    if len(found) < len(set(run_keys)):
        raise NotFoundError("a run was deleted meanwhile; nothing was changed")
    return found


@lru_cache
def _live(columns: tuple[str, ...]) -> Select[Any]:
    return select(_C.id, *(_C[name] for name in columns)).where(_CHOSEN, _C.trash_id.is_(None))


def _fields(
    connection: Connection, statement: Select[Any], run_keys: Sequence[int], columns: Sequence[str]
) -> dict[int, dict[str, Any]]:
    flags = [name in _BOOLEANS for name in columns]
    return {
        key: {
            name: bool(value) if is_flag else value for name, value, is_flag in zip(columns, values, flags, strict=True)
        }
        for key, *values in rows(connection, statement, {"runs": list(run_keys)})
    }


_LOCK = select(_C.id).where(_CHOSEN).order_by(_C.id).with_for_update()


def lock_runs_at_home(
    connection: Connection, run_keys: Sequence[int], lock_projects: Callable[[set[int]], object]
) -> None:
    """Lock the projects that runs lie in and the runs after them, in the order in which everyone does.

    A run may be moved while this waits: then the locks are let go and taken anew.

    Args:
        connection: The transaction.
        run_keys: The runs.
        lock_projects: Locks these projects, and perhaps others.
    """
    if connection.dialect.name != "postgresql":
        lock_projects(projects_of(connection, run_keys))
        return
    is_settled = False
    while not is_settled:
        with connection.begin_nested() as locks:
            homes = projects_of(connection, run_keys)
            lock_projects(homes)
            connection.execute(_LOCK, {"runs": list(run_keys)})
            is_settled = projects_of(connection, run_keys) == homes
            if not is_settled:
                locks.rollback()


def projects_of(connection: Connection, run_keys: Sequence[int]) -> set[int]:
    """Return the projects that runs lie in."""
    return {key for (key,) in rows(connection, _PROJECTS, {"runs": run_keys})}


def makers_of(connection: Connection, run_keys: Sequence[int]) -> set[int]:
    """Return the users who made runs."""
    return {key for (key,) in rows(connection, _MAKERS, {"runs": list(run_keys)})}


def change_runs(connection: Connection, run_keys: Sequence[int], values: Mapping[str, Any]) -> None:
    """Update columns of runs; ``finished_at_ms`` and ``pinned_at_ms`` of ``keep_*`` count only where there is none.

    Raises:
        ConflictError: The project that they are moved to has a run of one's id.
    """
    columns = dict(values)
    for name in ("finished_at_ms", "pinned_at_ms"):
        if f"keep_{name}" in columns:
            columns[name] = func.coalesce(_C[name], columns.pop(f"keep_{name}"))
    with unique("the project has a run of one of these ids already"):
        connection.execute(update(runs).where(member_of(_C.id, "runs", run_keys)).values(**columns))
    if "project_id" in columns:
        move_holders(connection, run_keys, columns["project_id"])


def move_holders(connection: Connection, run_keys: Sequence[int], project_id: int) -> None:
    """Let what was cut out of runs, and lies in the trash of their project, follow them to another one."""
    connection.execute(_FOLLOW, {"runs": list(run_keys), "project": project_id})


def write_fields(connection: Connection, made: Mapping[int, Mapping[str, Any]]) -> None:
    """Give each of some runs columns of its own.

    Raises:
        ConflictError: The project that one lies in then has a run of its id.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for key, values in made.items():
        given = {f"new_{name}": value for name, value in values.items()}
        groups.setdefault(tuple(values), []).append({"run_pk": key, **given})
    for columns, parameters in groups.items():
        new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
        with unique("the project has a run of one of these ids already"):
            connection.execute(update(runs).where(_C.id == bindparam("run_pk")).values(new), parameters)


def write_labels(connection: Connection, labels: Mapping[int, Iterable[str]], *, fresh: bool) -> None:
    """Replace the searchable side of labels; ``fresh`` runs have none yet."""
    if not fresh:
        connection.execute(_DELETE_LABELS, {"runs": list(labels)})
    _INSERT_LABELS.run_many(connection, [(key, label) for key, held in labels.items() for label in held])


def write_profile(
    store: Store, connection: Connection, run_keys: Iterable[int], profile: Profile, metadata: str
) -> None:
    """Replace the sections of profiles that are given; empty ones keep what is there."""
    sections = {"metadata": metadata, "requirements": profile.requirements, "conda": profile.conda}
    given = {name: text for name, text in sections.items() if text not in ("", "{}")}
    made = [{"run_pk": key, **sections} for key in run_keys]
    if not given or not made:
        return
    statement = store.insert(run_profiles).on_conflict_do_update(index_elements=["run_pk"], set_=given)
    connection.execute(statement, made)


def write_metadata_texts(store: Store, connection: Connection, texts: Mapping[int, str]) -> None:
    """Replace the metadata of profiles, keep their other sections."""
    sections = {"requirements": "", "conda": ""}
    for key, text in texts.items():
        made = store.insert(run_profiles).values(run_pk=key, metadata=text, **sections)
        connection.execute(made.on_conflict_do_update(index_elements=["run_pk"], set_={"metadata": text}))


def read_metadata(connection: Connection, run_keys: Sequence[int]) -> dict[int, str]:
    """Read the metadata of profiles, as text; runs without a profile are left out."""
    statement = select(run_profiles.c.run_pk, run_profiles.c.metadata)
    return dict(rows(connection, statement.where(member_of(run_profiles.c.run_pk, "runs", run_keys))))


def has_folder(connection: Connection, project_id: int, folder_id: str) -> bool:
    """Tell whether a project has a folder."""
    wanted = folders.c.id == folder_id, folders.c.project_id == project_id
    return bool(rows(connection, select(folders.c.id).where(*wanted)))
