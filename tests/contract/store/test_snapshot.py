"""What one block reads is one state of the store, whatever others write meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from sqlalchemy import Connection, Engine, bindparam, delete, event, select
from support.database import Location

from runatlas.model.filters import Comparison, Field
from runatlas.model.ids import ProjectPath
from runatlas.model.page import PageRequest
from runatlas.model.run import RunDraft, RunQuery, RunSelection
from runatlas.server.services.services import Services
from runatlas.server.store.prepared import Prepared
from runatlas.server.store.schema import runs, settings

_VALUE = select(settings.c.value).where(settings.c.name == bindparam("name"))
_PREPARED = Prepared(_VALUE, "name")


def _on_the_driver(connection: Connection) -> str | None:
    row = _PREPARED.first(connection, "color")
    return None if row is None else str(row[0])


def _compiled(connection: Connection) -> str | None:
    return connection.execute(_VALUE, {"name": "color"}).scalar()


@pytest.mark.parametrize("first", [_on_the_driver, _compiled])
@pytest.mark.parametrize("second", [_on_the_driver, _compiled])
def test_what_is_read_twice_in_one_block_is_the_same(
    location: Location, first: Callable[[Connection], str | None], second: Callable[[Connection], str | None]
) -> None:
    store = location.open()
    try:
        with store.write() as connection:
            connection.execute(settings.insert(), {"name": "color", "value": "red"})
        with store.read() as connection:
            before = first(connection)
            with store.write() as writing:
                writing.execute(settings.update().where(settings.c.name == "color"), {"value": "blue"})
            assert (before, second(connection)) == ("red", "red")
        with store.read() as connection:
            assert (first(connection), second(connection)) == ("blue", "blue")
    finally:
        store.close()


def test_a_listing_goes_on_behind_a_run_that_went_while_its_page_was_read(services: Services) -> None:
    """Where a page ends is read behind its runs: a run that is gone by then must not look like the end of them all."""
    caller = services.owner()
    project = ProjectPath(caller.username, "p")
    for name in "abcd":
        services.runs.create_run(caller, RunDraft(project, id=name, name=name, state="FINISHED", create_project=True))
    gone: list[str] = []

    def remove_the_last(_: Connection, __: object, statement: str, *___: object) -> None:
        if "LIMIT" in statement and " runs.name " in statement and not gone:
            gone.append("c")
            with services.store.write() as connection:
                connection.execute(delete(runs).where(runs.c.run_id == "c"))

    event.listen(Engine, "after_cursor_execute", remove_the_last)
    try:
        named = Comparison(Field("STABLE", "name"), "NEQ", "e")
        query = RunQuery(RunSelection(project.workspace, project.project, filter=named), page=PageRequest(limit=2))
        first = services.runs.list_runs(caller, query)
    finally:
        event.remove(Engine, "after_cursor_execute", remove_the_last)
    assert ([run.id for run in first.items], gone) == (["d", "c"], ["c"])
    assert first.next_cursor is not None
    rest = services.runs.list_runs(caller, attrs.evolve(query, page=PageRequest(limit=2, cursor=first.next_cursor)))
    assert ([run.id for run in rest.items], rest.next_cursor) == (["b", "a"], None)
