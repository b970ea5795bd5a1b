"""A store: made once by whoever comes first, changed in transactions, never by halves."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.compiler import SQLCompiler
from support.database import Location, Place
from support.forked import FORKS
from support.recording import Recorder, line, rows_of
from support.worker import record_at_once, record_shared, record_until_killed

from runatlas.errors import StoreError
from runatlas.model.ids import new_cuid
from runatlas.model.project import ProjectQuery
from runatlas.model.series import PointQuery, SummaryQuery
from runatlas.server.services.services import Services
from runatlas.server.store.installation import owner_name
from runatlas.server.store.migration import MIGRATIONS, Migration, migrate
from runatlas.server.store.schema import (
    SCHEMA_VERSION,
    memberships,
    metadata,
    schema_version,
    settings,
    users,
    workspaces,
)

NEXT = SCHEMA_VERSION + 1


def processes(*calls: tuple[Any, ...]) -> list[Any]:
    started = [FORKS.Process(target=target, args=arguments) for target, *arguments in calls]
    for process in started:
        process.start()
    return started


def finish(started: list[Any]) -> None:
    for process in started:
        process.join(120)
    assert [process.exitcode for process in started] == [0] * len(started)


def test_a_new_store_has_its_owner_and_their_workspace(services: Services) -> None:
    with services.store.read() as connection:
        (user,) = connection.execute(select(users.c.id, users.c.username, users.c.is_root))
        (workspace,) = connection.execute(select(workspaces.c.id, workspaces.c.username, workspaces.c.workspace_type))
        member = connection.execute(select(memberships)).one()
    assert tuple(user[1:]) == (owner_name(), True)
    assert tuple(workspace[1:]) == (owner_name(), "PERSON")
    assert tuple(member) == (workspace[0], user[0], "OWNER")


def test_a_commit_waits_for_the_disk_whatever_the_database_is_set_to(location: Location) -> None:
    store = location.open()
    asked = "PRAGMA synchronous"
    if store.dialect == "postgresql":
        asked = "SHOW synchronous_commit"
        with store.write() as connection:
            connection.execute(text("ALTER ROLE CURRENT_USER SET synchronous_commit = off"))
    store.close()
    store = location.open()
    with store.write() as connection:
        assert connection.scalar(text(asked)) in ("on", 2)
        if store.dialect == "postgresql":
            connection.execute(text("ALTER ROLE CURRENT_USER RESET synchronous_commit"))
    store.close()


def test_a_store_keeps_its_secret(location: Location) -> None:
    first, second = location.open(), location.open()
    assert first.secret == second.secret
    assert len(first.secret) == 32
    assert first.database_bytes() > 0
    for store in (first, second):
        store.close()
        store.close()


def test_a_transaction_that_fails_changes_nothing(services: Services) -> None:
    store = services.store
    added = settings.insert().values(name="a", value="1")

    def fail() -> None:
        with store.write() as connection:
            connection.execute(added)
            raise KeyError

    def add_twice() -> None:
        with store.write() as connection:
            connection.execute(added)
            connection.execute(added)

    for change, error in ((fail, KeyError), (add_twice, IntegrityError)):
        with pytest.raises(error):
            change()
    with store.read() as connection:
        assert connection.scalar(select(func.count()).where(settings.c.name == "a")) == 0


def test_what_the_database_says_of_statements_is_told_as_an_error_of_the_store(services: Services) -> None:
    """A table that somebody removed, a role that may not read one, or a statement that is wrong, on either engine."""
    store = services.store

    def read(wrong: str) -> None:
        with store.read() as connection:
            connection.execute(text(wrong))

    def write(wrong: str) -> None:
        with store.write() as connection:
            connection.execute(text(wrong))

    write("DROP TABLE annotations")
    for act in (read, write):
        with pytest.raises(StoreError, match=r"is not the database that was opened .*annotations"):
            act("SELECT id FROM annotations")
        with pytest.raises(StoreError, match=r"failed: .*syntax error"):
            act("SELECT FROM WHERE")
    if store.dialect == "postgresql":
        role = f"role_{new_cuid()}"
        with pytest.raises(StoreError, match="give your user the right") as caught:
            write(f"CREATE ROLE {role}; SET LOCAL ROLE {role}; SELECT * FROM runs")
        assert "LINE 1" not in caught.value.message


def test_a_reader_sees_one_moment(services: Services) -> None:
    store = services.store
    names = select(func.count()).select_from(settings)
    with store.read() as reader:
        before = reader.scalar(names)
        with store.write() as writer:
            writer.execute(settings.insert().values(name="a", value="1"))
        assert reader.scalar(names) == before
    with store.read() as reader:
        assert reader.scalar(names) == (before or 0) + 1


def test_who_reads_while_a_store_is_closed_reads_on_and_leaves_no_connection(new_location: Place) -> None:
    store = new_location().open()
    with store.read() as connection:
        driver: Any = connection.connection.driver_connection
        store.close()
        assert connection.execute(select(users.c.is_root)).scalar_one()
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        driver.execute("SELECT 1")


def test_a_closed_store_is_neither_read_nor_changed(new_location: Place) -> None:
    store = new_location().open()
    store.close()
    for use in (store.read, store.write, store.together):
        with pytest.raises(StoreError, match=r"the store in .* was closed"), use():
            pass
    store.close()


def test_who_begins_while_a_store_is_closed_leaves_no_connection(new_location: Place) -> None:
    store = new_location().open()

    def close_meanwhile() -> int:
        store.close()
        return 0

    store.clock = close_meanwhile
    with store.read() as connection:
        driver: Any = connection.connection.driver_connection
    with pytest.raises((sqlite3.ProgrammingError, psycopg.OperationalError), match="closed"):
        driver.execute("SELECT 1")


def test_a_conflict_can_be_settled_in_the_insert(services: Services) -> None:
    store = services.store
    for value in ("1", "2"):
        insert = store.insert(settings).values(name="a", value=value)
        with store.write() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": value}))
    with store.read() as connection:
        assert connection.scalar(select(settings.c.value).where(settings.c.name == "a")) == "2"


def test_what_one_store_compiled_serves_another(location: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    def use() -> None:
        services = location.services()
        services.projects.list_projects(services.owner(), ProjectQuery())
        services.close()

    use()
    compiled: list[str] = []
    compile_one = SQLCompiler.__init__

    def compile_and_tell(compiler: SQLCompiler, *arguments: Any, **options: Any) -> None:
        compile_one(compiler, *arguments, **options)
        compiled.append(compiler.string)

    monkeypatch.setattr(SQLCompiler, "__init__", compile_and_tell)
    use()
    assert not compiled


def test_threads_write_one_after_another(services: Services) -> None:
    store = services.store
    with store.write() as connection:
        connection.execute(settings.insert().values(name="n", value="0"))

    def count_up() -> None:
        for _ in range(20):
            with store.write() as connection:
                row = select(settings.c.value).where(settings.c.name == "n").with_for_update()
                value = int(connection.execute(row).scalar_one())
                connection.execute(settings.update().where(settings.c.name == "n").values(value=str(value + 1)))

    threads = [threading.Thread(target=count_up) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.scalar(select(settings.c.value).where(settings.c.name == "n")) == "100"


def test_the_schema_of_a_newer_version_is_left_alone(location: Location) -> None:
    store = location.open()
    with store.write() as connection:
        connection.execute(schema_version.insert().values(version=99))
    store.close()
    told = rf"schema 99, this one knows {SCHEMA_VERSION}\).*pip install --upgrade runatlas"
    with pytest.raises(StoreError, match=told):
        location.open()


def test_tables_of_another_program_are_left_alone(location: Location) -> None:
    store = location.open()
    with store.write() as connection:
        metadata.drop_all(connection)
        connection.execute(text("CREATE TABLE theirs (id integer)"))
    store.close()
    with pytest.raises(StoreError, match="holds the tables of another program"):
        location.open()


def _add_flavour(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE settings ADD COLUMN flavour text DEFAULT 'plain'"))


def _fail(connection: Connection) -> None:
    connection.execute(text("CREATE TABLE half (id integer)"))
    raise KeyError


def test_migrations_are_applied_once_and_keep_everything(services: Services) -> None:
    steps = (*MIGRATIONS, Migration(NEXT, _add_flavour))
    with services.store.write() as connection:
        before = connection.execute(select(settings)).all()
        assert migrate(connection, steps) == SCHEMA_VERSION
    with services.store.write() as connection:
        assert migrate(connection, steps) == NEXT
        found = connection.execute(text("SELECT name, value, flavour FROM settings")).all()
    assert [(*row, "plain") for row in before] == [tuple(row) for row in found]


def test_a_migration_that_fails_changes_nothing(services: Services) -> None:
    with pytest.raises(KeyError), services.store.write() as connection:
        migrate(connection, (*MIGRATIONS, Migration(NEXT, _add_flavour), Migration(NEXT + 1, _fail)))
    with services.store.read() as connection:
        assert "half" not in inspect(connection).get_table_names()
        assert "flavour" not in {column["name"] for column in inspect(connection).get_columns("settings")}
        assert connection.scalar(select(func.max(schema_version.c.version))) == SCHEMA_VERSION


def test_processes_that_make_a_store_at_once_share_it(new_location: Place) -> None:
    location, count, batches = new_location(), 6, 20
    barrier = FORKS.Barrier(count)
    finish(processes(*((record_at_once, location, barrier, number, batches) for number in range(count))))
    services = location.services()
    try:
        assert len(services.projects.list_projects(services.owner(), ProjectQuery()).items) == count
        for number in range(count):
            recorder = Recorder.of(services, f"project-{number}")
            run = recorder.project.run(f"run-{number}")
            block = services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
            assert block.steps.to_pylist() == list(range(batches * 10))
    finally:
        services.close()


def test_processes_that_write_one_run_lose_nothing(recorder: Recorder, location: Location) -> None:
    count, batches = 4, 40
    run = recorder.run("shared")
    finish(processes(*((record_shared, location, "shared", number, batches) for number in range(count))))
    selection = recorder.selection(run)
    block = recorder.services.points.read_points(recorder.caller, PointQuery(selection))
    assert block.steps.to_pylist() == list(range(count * batches * 5))
    (summary,) = recorder.services.points.read_summaries(recorder.caller, SummaryQuery(selection)).items
    assert (summary.count, summary.first_step, summary.last_step) == (800, 0, 799)


def test_a_killed_process_loses_nothing_acknowledged(recorder: Recorder, location: Location) -> None:
    run = recorder.run("killed")
    receiver, sender = FORKS.Pipe(duplex=False)
    (process,) = processes((record_until_killed, location, "killed", sender))
    sender.close()
    acknowledged = 0
    while acknowledged < 50:
        acknowledged = receiver.recv()
    process.kill()
    process.join(60)
    with suppress(EOFError):
        while True:
            acknowledged = receiver.recv()
    block = recorder.services.points.read_points(recorder.caller, PointQuery(recorder.selection(run)))
    found = rows_of(block)
    applied = len(found["killed", "a", ()]) // 7
    assert applied in {acknowledged + 1, acknowledged + 2}
    assert [row[0] for row in found["killed", "a", ()]] == list(range(applied * 7))
    assert len(found["killed", "b", ()]) == applied * 7
    assert not recorder.append(run, line("a", 7), writer="w", sequence=acknowledged).applied


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_what_is_asked_again_and_again_is_prepared(services: Services) -> None:
    caller = services.owner()
    for _ in range(20):
        services.projects.list_projects(caller, ProjectQuery())
    with services.store.read() as connection:
        prepared = connection.execute(text("SELECT statement FROM pg_prepared_statements")).scalars().all()
    assert any("FROM projects" in statement for statement in prepared)
