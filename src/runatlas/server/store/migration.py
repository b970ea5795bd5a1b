"""The schema's history: ordered steps, each applied once, under a lock, in one transaction.

An empty database is given the tables as they are now, and none of the steps that led to them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import attrs
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import DBAPIError

from runatlas.errors import StoreError
from runatlas.model.codec import loads
from runatlas.server.store.config import ConfigRow, flatten
from runatlas.server.store.latest import LATEST_MAX, latest_text
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import SCHEMA_VERSION, metadata, schema_version

__all__ = ["MIGRATIONS", "Migration", "is_current", "migrate", "read_version"]


@attrs.frozen
class Migration:
    """A step from the version before to ``version``; it may add and change, never lose."""

    version: int
    apply: Callable[[Connection], None]


def _grant_blobs(connection: Connection) -> None:
    """Note into which projects blobs were stored: before, what runs referred to and got was all that told it."""
    number = "BIGINT" if connection.dialect.name == "postgresql" else "INTEGER"
    without_rowid = "" if connection.dialect.name == "postgresql" else " WITHOUT ROWID"
    steps = (
        f"CREATE TABLE blob_grants (project_id {number} NOT NULL, sha256 VARCHAR(64) NOT NULL, "
        "CONSTRAINT pk_blob_grants PRIMARY KEY (project_id, sha256), "
        "CONSTRAINT fk_blob_grants_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE, "
        "CONSTRAINT fk_blob_grants_sha256 FOREIGN KEY(sha256) REFERENCES blobs (sha256) ON DELETE CASCADE"
        f"){without_rowid}",
        "CREATE INDEX ix_blob_grants_sha256 ON blob_grants (sha256)",
        "INSERT INTO blob_grants (project_id, sha256) "
        "SELECT runs.project_id, blob_refs.sha256 FROM blob_refs JOIN runs ON runs.id = blob_refs.run_pk "
        "UNION SELECT runs.project_id, uploads.sha256 FROM uploads JOIN runs ON runs.id = uploads.run_pk",
        "CREATE INDEX ix_runs_folder_id ON runs (folder_id)",
        "CREATE INDEX ix_model_versions_run_pk ON model_versions (run_pk)",
    )
    for step in steps:
        connection.execute(text(step))


_PAGE = 500


def _name_sections(connection: Connection) -> None:
    """Write the rows of configs anew: before, sections and lists had none that told what they hold."""
    page = text("SELECT id, config FROM runs WHERE id > :after AND config <> '{}' ORDER BY id LIMIT :size")
    clear = text("DELETE FROM run_configs WHERE run_pk = :run")
    insert = text(
        "INSERT INTO run_configs (run_pk, key, kind, number, text) VALUES (:run, :key, :kind, :number, :text)"
    )
    after = 0
    while found := connection.execute(page, {"after": after, "size": _PAGE}).all():
        after = found[-1][0]
        made = {run: made for run, config in found if (made := _rows_of(config)) is not None}
        if not made:
            continue
        connection.execute(clear, [{"run": run} for run in made])
        rows = [
            {"run": run, "key": key, "kind": kind, "number": number, "text": held}
            for run, given in made.items()
            for key, kind, number, held in given
        ]
        if rows:
            connection.execute(insert, rows)


def _rows_of(config: str) -> list[ConfigRow] | None:
    """Make the rows of one config; one that cannot be read keeps those it has, and no other run waits for it."""
    try:
        return flatten(loads(config))
    except (ValueError, AttributeError):
        return None


def _part_secret(connection: Connection) -> None:
    """Forget the signing secret: it lies in a file of its own, and whoever read the database may know this one."""
    connection.execute(text("DELETE FROM settings WHERE name = 'signing_secret'"))


def _open_lines(connection: Connection) -> None:
    """Let a line that is still being written be found."""
    connection.execute(text("ALTER TABLE logs ADD COLUMN open_key VARCHAR(100)"))
    connection.execute(text("CREATE INDEX ix_logs_open_key ON logs (run_pk, open_key) WHERE open_key IS NOT NULL"))


def _measure_points(connection: Connection) -> None:
    """Sum up what the chunks of series and the points of runs take: before, only reading all of them told it."""
    steps = (
        "ALTER TABLE series ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN point_count BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN point_bytes BIGINT NOT NULL DEFAULT 0",
        "UPDATE series SET bytes = COALESCE("
        "(SELECT SUM(LENGTH(chunks.data)) FROM chunks WHERE chunks.series_id = series.id), 0) WHERE chunk_count > 0",
        "UPDATE runs SET point_count = "
        "(SELECT SUM(series.count) FROM series WHERE series.run_pk = runs.id AND series.chunk_count > 0), "
        "point_bytes = (SELECT SUM(series.bytes) FROM series WHERE series.run_pk = runs.id) "
        "WHERE id IN (SELECT run_pk FROM series WHERE chunk_count > 0)",
    )
    for step in steps:
        connection.execute(text(step))


def _protect_runs(connection: Connection) -> None:
    """Let runs be protected from deletion."""
    connection.execute(text("ALTER TABLE runs ADD COLUMN protected BOOLEAN NOT NULL DEFAULT FALSE"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN protected_reason TEXT NOT NULL DEFAULT ''"))


def _hold_policies(connection: Connection) -> None:
    """Let projects hold policies of clean-up."""
    is_postgresql = connection.dialect.name == "postgresql"
    number, own = ("BIGINT", "BIGSERIAL") if is_postgresql else ("INTEGER", "INTEGER")
    steps = (
        f"CREATE TABLE held_policies (id {own} NOT NULL, project_id {number} NOT NULL, name VARCHAR(100) NOT NULL, "
        "policy TEXT NOT NULL, every VARCHAR(100) NOT NULL, acts BOOLEAN NOT NULL, "
        f"user_id {number} NOT NULL, as_owner BOOLEAN NOT NULL, held_at_ms BIGINT NOT NULL, evaluated_at_ms BIGINT, "
        "next_at_ms BIGINT NOT NULL, CONSTRAINT pk_held_policies PRIMARY KEY (id), "
        "CONSTRAINT uq_held_policies_project_id_name UNIQUE (project_id, name), "
        "CONSTRAINT fk_held_policies_project_id FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE, "
        "CONSTRAINT fk_held_policies_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_held_policies_next_at_ms ON held_policies (next_at_ms)",
        f"CREATE TABLE policy_evaluations (id {own} NOT NULL, project_id {number} NOT NULL, "
        "name VARCHAR(100) NOT NULL, at_ms BIGINT NOT NULL, record TEXT NOT NULL, "
        "CONSTRAINT pk_policy_evaluations PRIMARY KEY (id), CONSTRAINT fk_policy_evaluations_project_id "
        "FOREIGN KEY(project_id) REFERENCES projects (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_policy_evaluations_project_id_id ON policy_evaluations (project_id, id)",
    )
    for step in steps:
        connection.execute(text(step))


def _cut_data(connection: Connection) -> None:
    """Let rows of runs hold what was cut out of others."""
    connection.execute(text("ALTER TABLE runs ADD COLUMN cut_of VARCHAR(21)"))
    connection.execute(text("CREATE INDEX ix_runs_cut_of ON runs (cut_of) WHERE cut_of IS NOT NULL"))


def _keep_journal(connection: Connection) -> None:
    """Note from now on who changed what, and what it was before."""
    is_postgresql = connection.dialect.name == "postgresql"
    number, counted = ("BIGINT", "BIGSERIAL") if is_postgresql else ("INTEGER", "INTEGER")
    without_rowid = "" if is_postgresql else " WITHOUT ROWID"
    touched = (
        f'({{0}} {number} NOT NULL, {{1}} {number} NOT NULL, "before" TEXT, "after" TEXT, '
        "CONSTRAINT pk_{2} PRIMARY KEY ({0}, {1}), "
        "CONSTRAINT fk_{2}_{0} FOREIGN KEY({0}) REFERENCES changes (id) ON DELETE CASCADE, "
        "CONSTRAINT fk_{2}_{1} FOREIGN KEY({1}) REFERENCES {3} (id) ON DELETE CASCADE)"
    )
    steps = (
        f"CREATE TABLE changes (id {counted} NOT NULL, cuid VARCHAR(21) NOT NULL, at_ms BIGINT NOT NULL, "
        "author VARCHAR(25) NOT NULL, door VARCHAR(20) NOT NULL, kind VARCHAR(20) NOT NULL, "
        f"workspace_id {number} NOT NULL, project VARCHAR(100) NOT NULL, what TEXT NOT NULL, runs INTEGER NOT NULL, "
        "trash_cuid VARCHAR(21), expires_at_ms BIGINT, kept BOOLEAN NOT NULL, undoes VARCHAR(21), "
        "undone_by VARCHAR(21), undone_at_ms BIGINT, CONSTRAINT pk_changes PRIMARY KEY (id), "
        "CONSTRAINT uq_changes_cuid UNIQUE (cuid), CONSTRAINT fk_changes_workspace_id FOREIGN KEY(workspace_id) "
        "REFERENCES workspaces (id) ON DELETE CASCADE)",
        "CREATE INDEX ix_changes_workspace_id_id ON changes (workspace_id, id)",
        "CREATE INDEX ix_changes_trash_cuid ON changes (trash_cuid)",
        "CREATE INDEX ix_changes_expires_at_ms ON changes (expires_at_ms)",
        f"CREATE TABLE change_projects {touched.format('change_id', 'project_id', 'change_projects', 'projects')}",
        "CREATE INDEX ix_change_projects_project_id_change_id ON change_projects (project_id, change_id)",
        f"CREATE TABLE change_runs {touched.format('change_id', 'run_pk', 'change_runs', 'runs')}{without_rowid}",
        "CREATE INDEX ix_change_runs_run_pk_change_id ON change_runs (run_pk, change_id)",
    )
    for step in steps:
        connection.execute(text(step))


def _define_metrics(connection: Connection) -> None:
    """Let projects say of their metrics which way is better."""
    connection.execute(text("ALTER TABLE projects ADD COLUMN metrics TEXT NOT NULL DEFAULT '[]'"))


def _freeze_latest(connection: Connection) -> None:
    """Put the last values of ended runs into their rows: before, listings read them out of the rows of all series."""
    connection.execute(text("ALTER TABLE runs ADD COLUMN latest TEXT"))
    # Earlier versions kept them there, in forms of their own.
    connection.execute(text("DROP TABLE IF EXISTS run_latest"))
    page = text(
        "SELECT id FROM runs WHERE id > :after AND state IN ('FINISHED', 'CRASHED', 'ABORTED') AND cut_of IS NULL "
        "ORDER BY id LIMIT :size"
    )
    held = text(
        f"SELECT run_pk, {_KEY_AND_VALUE[connection.dialect.name]} FROM series WHERE run_pk > :after "  # noqa: S608
        "AND run_pk <= :last AND context = '' AND column_type IN ('FLOAT', 'BOOLEAN', 'STRING') AND count > 0"
    )
    keep = text("UPDATE runs SET latest = :latest WHERE id = :run")
    after = 0
    while found := [run for (run,) in connection.execute(page, {"after": after, "size": _PAGE})]:
        latest: dict[int, list[tuple[str | bytes, Any]]] = {run: [] for run in found}
        for run, *held_by_run in connection.execute(held, {"after": after, "last": found[-1]}):
            if run in latest:
                latest[run].append(tuple(held_by_run))
        after = found[-1]
        made = {run: _latest_of(values) for run, values in latest.items() if len(values) <= LATEST_MAX}
        if made:
            connection.execute(keep, [{"run": run, "latest": values} for run, values in made.items()])


_KEY_AND_VALUE = {
    "postgresql": "key, last_value",
    "sqlite": "CAST(key AS BLOB), CASE typeof(last_value) WHEN 'text' THEN x'' ELSE last_value END",
}
"""Without texts where these may be damaged: one that is no text ends the whole query."""


def _latest_of(held: Iterable[tuple[str | bytes, Any]]) -> str | None:
    """Make the text of one run's last values; one with damaged ones keeps none, and no other run waits for it."""
    with suppress(ValueError, TypeError):
        return latest_text(
            {key if isinstance(key, str) else key.decode(): math.nan if value is None else value for key, value in held}
        )
    return None


def _keep_sessions(connection: Connection) -> None:
    """Keep who is signed in to the pages, so that it can be ended, and until when a one-time password is good."""
    number = "BIGINT" if connection.dialect.name == "postgresql" else "INTEGER"
    steps = (
        "ALTER TABLE users ADD COLUMN password_until_ms BIGINT",
        f"CREATE TABLE sessions (id VARCHAR(21) NOT NULL, user_id {number} NOT NULL, key_id VARCHAR(21), "
        "token_hash VARCHAR(64) NOT NULL, browser TEXT NOT NULL, created_at_ms BIGINT NOT NULL, "
        "used_at_ms BIGINT NOT NULL, CONSTRAINT pk_sessions PRIMARY KEY (id), "
        "CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, "
        "CONSTRAINT fk_sessions_key_id FOREIGN KEY(key_id) REFERENCES api_keys (id) ON DELETE CASCADE, "
        "CONSTRAINT uq_sessions_token_hash UNIQUE (token_hash))",
        "CREATE INDEX ix_sessions_user_id ON sessions (user_id)",
    )
    for step in steps:
        connection.execute(text(step))


def _show_runs(connection: Connection) -> None:
    """Give runs a place for what listings say of them, and for their last values."""
    if "shown" not in {column["name"] for column in inspect(connection).get_columns("runs")}:
        connection.execute(text("ALTER TABLE runs ADD COLUMN shown TEXT"))
    connection.execute(text("ALTER TABLE runs ADD COLUMN shown_as_of_ms BIGINT"))
    _freeze_latest(connection)


def _index_trash(connection: Connection) -> None:
    """Take what is not in the trash out of its indexes: SQLite looked through them in place of better ones."""
    for table in ("projects", "runs"):
        connection.execute(text(f"DROP INDEX ix_{table}_trash_id"))
        step = f"CREATE INDEX ix_{table}_trash_id ON {table} (trash_id) WHERE trash_id IS NOT NULL"
        connection.execute(text(step))


MIGRATIONS: tuple[Migration, ...] = (
    Migration(2, _grant_blobs),
    Migration(3, _name_sections),
    Migration(4, _part_secret),
    Migration(5, _open_lines),
    Migration(6, _measure_points),
    Migration(7, _protect_runs),
    Migration(8, _hold_policies),
    Migration(9, _cut_data),
    Migration(10, _keep_journal),
    Migration(11, _define_metrics),
    Migration(13, _keep_sessions),
    Migration(15, _show_runs),
    Migration(16, _index_trash),
)
"""From version 1 to ``SCHEMA_VERSION``, in order; what 12 and 14 did is done by 15. Each says its SQL itself: tables go
on changing behind it."""


_VERSION = Prepared(text("SELECT max(version) FROM schema_version"))


def is_current(connection: Connection) -> bool:
    """Tell quickly whether the schema is the newest; where that cannot be told, it is not."""
    try:
        found = _VERSION.first(connection)
    except DBAPIError:
        return False
    return found is not None and found[0] == MIGRATIONS[-1].version


def read_version(connection: Connection) -> int:
    """Return the schema's version; 0 for an empty database.

    Raises:
        StoreError: The database has tables, but not ours.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        return 0
    if schema_version.name not in tables:
        raise StoreError("the database holds the tables of another program; use another directory or database")
    return connection.scalar(select(func.max(schema_version.c.version))) or 0


def migrate(connection: Connection, migrations: Sequence[Migration] = MIGRATIONS, *, create: bool = True) -> int:
    """Bring the schema to the newest version; the connection must be in a transaction that keeps others out.

    Args:
        connection: Inside a transaction, which takes back every step when one fails.
        migrations: The steps, in order.
        create: Whether an empty database may be filled.

    Returns:
        The version it had before.

    Raises:
        StoreError: A newer RunAtlas made the database, or it is empty and must not be filled.
    """
    found = read_version(connection)
    if found == 0 and not create:
        raise StoreError("the database is empty; check the path")
    newest = migrations[-1].version
    if found > newest:
        raise StoreError(
            f"the database was written by a newer RunAtlas (schema {found}, this one knows {newest}); "
            "upgrade with: pip install --upgrade runatlas"
        )
    reached = found
    if found == 0:
        metadata.create_all(connection, checkfirst=False)
        reached = _note(connection, SCHEMA_VERSION)
    for migration in migrations:
        if migration.version > reached:
            migration.apply(connection)
            reached = _note(connection, migration.version)
    return found


def _note(connection: Connection, version: int) -> int:
    connection.execute(schema_version.insert().values(version=version))
    return version
