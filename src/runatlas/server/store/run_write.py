"""Statements that make and change runs, with the rows that filters look at kept in step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from runatlas.model.run import Profile
from runatlas.server.store.engine import Insert, Store
from runatlas.server.store.schema import folders, run_labels, run_profiles, runs
from runatlas.server.store.statement import Connection, member_of, rows, unique

__all__ = [
    "ChangedRun",
    "add_run",
    "change_runs",
    "has_folder",
    "lock_runs",
    "write_config_texts",
    "write_label_texts",
    "write_labels",
    "write_profile",
]


class ChangedRun(NamedTuple):
    """A run about to be changed."""

    id: int
    project_id: int
    config: str
    labels: str


_C = runs.c
_LOCK = select(_C.id, _C.project_id, _C.config, _C.labels).where(member_of(_C.id, "runs")).with_for_update()
_DELETE_LABELS = delete(run_labels).where(member_of(run_labels.c.run_pk, "runs"))
_INSERT_LABELS = insert(run_labels)
_SET_CONFIG = update(runs).where(_C.id == bindparam("run_pk")).values(config=bindparam("config_text"))
_SET_LABELS = update(runs).where(_C.id == bindparam("run_pk")).values(labels=bindparam("labels_text"))


@cache
def _insert_run(dialect: str) -> Any:
    made: Insert = postgresql.insert(runs) if dialect == "postgresql" else sqlite.insert(runs)
    return made.on_conflict_do_nothing().returning(_C.id)


def add_run(store: Store, connection: Connection, values: Mapping[str, Any]) -> int | None:
    """Insert a run and return its row id; ``None`` when the project has a live run of that id."""
    found = connection.execute(_insert_run(store.dialect), values).first()
    return None if found is None else int(found[0])


def lock_runs(connection: Connection, run_keys: Sequence[int]) -> list[ChangedRun]:
    """Read runs that are about to be changed, and keep other transactions from changing them."""
    return [ChangedRun(*row) for row in rows(connection, _LOCK, {"runs": run_keys})]


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


def write_config_texts(connection: Connection, texts: Mapping[int, str]) -> None:
    """Replace configs."""
    if texts:
        connection.execute(_SET_CONFIG, [{"run_pk": key, "config_text": text} for key, text in texts.items()])


def write_label_texts(connection: Connection, texts: Mapping[int, str]) -> None:
    """Replace the ordered side of labels."""
    if texts:
        connection.execute(_SET_LABELS, [{"run_pk": key, "labels_text": text} for key, text in texts.items()])


def write_labels(connection: Connection, labels: Mapping[int, Iterable[str]], *, fresh: bool) -> None:
    """Replace the searchable side of labels; ``fresh`` runs have none yet."""
    if not fresh:
        connection.execute(_DELETE_LABELS, {"runs": list(labels)})
    values = [{"run_pk": key, "label": label} for key, held in labels.items() for label in held]
    if values:
        connection.execute(_INSERT_LABELS, values)


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


def has_folder(connection: Connection, project_id: int, folder_id: str) -> bool:
    """Tell whether a project has a folder."""
    wanted = folders.c.id == folder_id, folders.c.project_id == project_id
    return bool(rows(connection, select(folders.c.id).where(*wanted)))
