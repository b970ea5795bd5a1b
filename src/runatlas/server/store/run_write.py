"""Statements that make and change runs, with the rows that filters look at kept in step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import Boolean, bindparam, delete, func, insert, select, update

from runatlas.errors import NotFoundError
from runatlas.server.store.engine import Store
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.run import live_runs
from runatlas.server.store.schema import folders, projects, run_labels, run_profiles, runs
from runatlas.server.store.statement import Connection, listing, member_of, rows, unique

__all__ = [
    "add_profiles",
    "add_runs",
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
_PROJECTS = Prepared(select(_C.project_id).distinct().where(_CHOSEN), "runs")
_MAKERS = Prepared(select(_C.user_id).distinct().where(_CHOSEN), "runs")
_FOLLOW = (
    update(runs)
    .where(_C.cut_of.in_(select(_MOVED.c.cuid).where(member_of(_MOVED.c.id, "runs"))))
    .values(project_id=bindparam("project"))
)
_DELETE_LABELS = Prepared(delete(run_labels).where(member_of(run_labels.c.run_pk, "runs")), "runs")
_INSERT_LABELS = Prepared(
    insert(run_labels).values(run_pk=bindparam("run_pk"), label=bindparam("label")), "run_pk", "label"
)


_PROFILE = ("run_pk", "metadata", "requirements", "conda")
_INSERT_PROFILE = Prepared(insert(run_profiles).values({name: bindparam(name) for name in _PROFILE}), *_PROFILE)


_LATER = {"id", "trash_id", "cut_of", "latest", "shown", "shown_as_of_ms"}
_ORDER = tuple(column.name for column in runs.c if column.name not in _LATER)
_LOCK_PROJECT = Prepared(
    select(projects.c.id).where(projects.c.id == bindparam("id"), projects.c.trash_id.is_(None)).with_for_update(), "id"
)
_INSERT = Prepared(insert(runs).values({name: bindparam(name) for name in _ORDER}), *_ORDER)


def add_runs(connection: Connection, added: Sequence[Mapping[str, Any]]) -> list[int | None]:
    """Insert runs and return their row ids; ``None`` for one whose project has a live run of its id by then.

    Raises:
        NotFoundError: A project was deleted by another transaction since it was found.
    """
    ids: dict[int, list[str]] = {}
    for values in added:
        ids.setdefault(values["project_id"], []).append(values["run_id"])
    # SQLite has one writer at a time; on PostgreSQL the project's row is what creators of one id wait for.
    for project_id in sorted(ids) if connection.dialect.name == "postgresql" else ():
        if _LOCK_PROJECT.first(connection, project_id) is None:
            raise NotFoundError("the project was deleted meanwhile; no run was made")
    taken = _held(connection, ids)
    new: dict[_Place, Mapping[str, Any]] = {}
    for values in added:
        if (place := _place(values)) not in taken:
            new.setdefault(place, values)
    _INSERT.run_many(connection, [tuple(map(values.__getitem__, _ORDER)) for values in new.values()])
    made = _held(connection, ids) if new else {}
    return [made[_place(values)] if new.get(_place(values)) is values else None for values in added]


_Place: TypeAlias = tuple[int, str]
"""A project, and an id in it."""


def _place(values: Mapping[str, Any]) -> _Place:
    return values["project_id"], values["run_id"]


def _held(connection: Connection, ids: Mapping[int, Collection[str]]) -> dict[_Place, int]:
    """Return which live runs projects have of some ids, and their row ids."""
    return {
        (project_id, run_id): id_
        for project_id, named in ids.items()
        for run_id, id_ in live_runs(connection, project_id, named).items()
    }


def read_fields(connection: Connection, run_keys: Sequence[int], columns: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Read columns of live runs, by row id."""
    return _fields(connection, _live(tuple(columns), locked=False), run_keys, columns)


def lock_runs(
    connection: Connection, run_keys: Sequence[int], columns: Sequence[str] = ()
) -> dict[int, dict[str, Any]]:
    """Read columns of runs that are about to be changed, by row id, and keep other transactions from changing them.

    Raises:
        NotFoundError: One was deleted by another transaction since it was found.
    """
    # The order in which everyone locks rows, so that no two transactions wait for each other, is in
    # docs/architecture.md.
    found = _fields(connection, _live(tuple(columns), locked=True), run_keys, columns)
    if len(found) < len(set(run_keys)):
        raise NotFoundError("a run was deleted meanwhile; nothing was changed")
    return found


@lru_cache
def _live(columns: tuple[str, ...], *, locked: bool) -> Prepared:
    statement = select(_C.id, *(_C[name] for name in columns)).where(_CHOSEN, _C.trash_id.is_(None))
    return Prepared(statement.order_by(_C.id).with_for_update() if locked else statement, "runs")


def _fields(
    connection: Connection, statement: Prepared, run_keys: Sequence[int], columns: Sequence[str]
) -> dict[int, dict[str, Any]]:
    flags = [name in _BOOLEANS for name in columns]
    return {
        key: {
            name: bool(value) if is_flag else value for name, value, is_flag in zip(columns, values, flags, strict=True)
        }
        for key, *values in statement.all(connection, listing(connection.dialect, run_keys))
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
    return {key for (key,) in _PROJECTS.all(connection, listing(connection.dialect, run_keys))}


def makers_of(connection: Connection, run_keys: Sequence[int]) -> set[int]:
    """Return the users who made runs."""
    return {key for (key,) in _MAKERS.all(connection, listing(connection.dialect, run_keys))}


def change_runs(connection: Connection, run_keys: Sequence[int], values: Mapping[str, Any]) -> None:
    """Update columns of runs; ``finished_at_ms`` and ``pinned_at_ms`` of ``keep_*`` count only where there is none.

    Raises:
        ConflictError: The project that they are moved to has a run of one's id.
    """
    names = tuple(values)
    with unique("the project has a run of one of these ids already"):
        _change(names).run(connection, *values.values(), listing(connection.dialect, run_keys))
    if "project_id" in values:
        move_holders(connection, run_keys, values["project_id"])


@lru_cache
def _change(names: tuple[str, ...]) -> Prepared:
    new: dict[str, Any] = {}
    for name in names:
        column = name.removeprefix("keep_")
        given = bindparam(f"new_{name}", type_=_C[column].type)
        new[column] = given if column == name else func.coalesce(_C[column], given)
    # The values are bound in the order in which they are given, and not in that of the table.
    statement = update(runs).where(_CHOSEN).ordered_values(*new.items())
    return Prepared(statement, *(f"new_{name}" for name in names), "runs")


def move_holders(connection: Connection, run_keys: Sequence[int], project_id: int) -> None:
    """Let what was cut out of runs, and lies in the trash of their project, follow them to another one."""
    connection.execute(_FOLLOW, {"runs": list(run_keys), "project": project_id})


def write_fields(connection: Connection, made: Mapping[int, Mapping[str, Any]]) -> None:
    """Give each of some runs columns of its own.

    Raises:
        ConflictError: The project that one lies in then has a run of its id.
    """
    groups: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for key, values in made.items():
        groups.setdefault(tuple(values), []).append((*values.values(), key))
    for columns, parameters in groups.items():
        with unique("the project has a run of one of these ids already"):
            _set_fields(columns).run_many(connection, parameters)


@lru_cache
def _set_fields(columns: tuple[str, ...]) -> Prepared:
    new = ((_C[name], bindparam(f"new_{name}", type_=_C[name].type)) for name in columns)
    statement = update(runs).where(_C.id == bindparam("run_pk")).ordered_values(*new)
    return Prepared(statement, *(f"new_{name}" for name in columns), "run_pk")


def write_labels(connection: Connection, labels: Mapping[int, Iterable[str]], *, fresh: bool) -> None:
    """Replace the searchable side of labels; ``fresh`` runs have none yet."""
    if not fresh:
        _DELETE_LABELS.run(connection, listing(connection.dialect, labels))
    _INSERT_LABELS.run_many(connection, [(key, label) for key, held in labels.items() for label in held])


def add_profiles(connection: Connection, profiles: Mapping[int, tuple[str, str, str]]) -> None:
    """Give new runs their profiles: metadata as text, requirements, and conda."""
    given = {key: sections for key, sections in profiles.items() if sections not in {("{}", "", ""), ("", "", "")}}
    _INSERT_PROFILE.run_many(connection, [(key, *sections) for key, sections in given.items()])


def write_profile(store: Store, connection: Connection, run_keys: Iterable[int], texts: tuple[str, str, str]) -> None:
    """Replace the sections of profiles that are given; empty ones keep what is there."""
    sections = dict(zip(("metadata", "requirements", "conda"), texts, strict=True))
    given = {name: text for name, text in sections.items() if text not in ("", "{}")}
    made = [{"run_pk": key, **sections} for key in run_keys]
    if not given or not made:
        return
    statement = store.insert(run_profiles).on_conflict_do_update(index_elements=["run_pk"], set_=given)
    connection.execute(statement, made)


def write_metadata_texts(store: Store, connection: Connection, texts: Mapping[int, str]) -> None:
    """Replace the metadata of profiles, keep their other sections."""
    made = store.insert(run_profiles)
    replaced = made.on_conflict_do_update(index_elements=["run_pk"], set_={"metadata": made.excluded.metadata})
    sections = {"requirements": "", "conda": ""}
    connection.execute(replaced, [{"run_pk": key, "metadata": text, **sections} for key, text in texts.items()])


def read_metadata(connection: Connection, run_keys: Sequence[int]) -> dict[int, str]:
    """Read the metadata of profiles, as text; runs without a profile are left out."""
    statement = select(run_profiles.c.run_pk, run_profiles.c.metadata)
    return dict(rows(connection, statement.where(member_of(run_profiles.c.run_pk, "runs", run_keys))))


def has_folder(connection: Connection, project_id: int, folder_id: str) -> bool:
    """Tell whether a project has a folder."""
    wanted = folders.c.id == folder_id, folders.c.project_id == project_id
    return bool(rows(connection, select(folders.c.id).where(*wanted)))
