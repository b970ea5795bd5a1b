"""What is brought back while others delete its project or purge it is alive and to be seen, or lies in the trash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import pytest
from sqlalchemy import func, select
from support.meeting import meanwhile
from support.recording import Recorder

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.run import RunDraft, RunQuery
from runatlas.server.store.schema import projects, runs

RESTORES: dict[str, Callable[[Recorder, str], object]] = {
    "all": lambda recorder, entry: recorder.services.trash.restore(recorder.caller, entry),
    "some": lambda recorder, entry: recorder.services.trash.restore_runs(recorder.caller, entry, ["a"]),
}


def _delete(recorder: Recorder, *names: str) -> str:
    services = recorder.services
    chosen = recorder.selection(*(recorder.run(name) for name in names))
    plan = services.trash.plan_run_deletion(recorder.caller, chosen, force=True)
    return services.trash.delete(recorder.caller, plan).trash_id


def _delete_project(recorder: Recorder) -> str:
    return recorder.services.trash.delete_project(recorder.caller, recorder.project, force=True).trash_id


def _alive(recorder: Recorder) -> list[str]:
    found = recorder.services.runs.list_runs(recorder.caller, RunQuery(recorder.selection()))
    return sorted(run.path.run for run in found.items)


def _lost(recorder: Recorder) -> int:
    """How many runs are alive in a project that lies in the trash."""
    lost = select(func.count()).select_from(runs.join(projects))
    with recorder.services.store.read() as connection:
        return connection.scalar(lost.where(runs.c.trash_id.is_(None), projects.c.trash_id.is_not(None))) or 0


@pytest.mark.parametrize("restore", RESTORES)
def test_runs_do_not_come_back_into_a_project_that_is_deleted(recorder: Recorder, restore: str) -> None:
    entry = _delete(recorder, "a", "b")
    with pytest.raises(ConflictError, match="itself in the trash"):
        meanwhile(recorder.services, lambda: _delete_project(recorder), lambda: RESTORES[restore](recorder, entry))
    assert _lost(recorder) == 0


@pytest.mark.parametrize("restore", RESTORES)
def test_a_project_goes_with_the_runs_that_came_back_or_stays(recorder: Recorder, restore: str) -> None:
    entry = _delete(recorder, "a", "b")
    try:
        meanwhile(recorder.services, lambda: RESTORES[restore](recorder, entry), lambda: _delete_project(recorder))
    except ConflictError as error:
        assert "the plan is out of date" in error.message  # noqa: PT017 - on SQLite it is made of what came back
        assert "a" in _alive(recorder)
    assert _lost(recorder) == 0


@pytest.mark.parametrize("makes_project", [False, True])
def test_no_run_is_made_in_a_project_that_is_deleted(recorder: Recorder, makes_project: bool) -> None:
    recorder.run("a")
    draft = RunDraft(recorder.project, id="b", create_project=makes_project)
    make = partial(recorder.services.runs.create_run, recorder.caller, draft)
    with nullcontext() if makes_project else pytest.raises(NotFoundError, match="project"):
        meanwhile(recorder.services, lambda: _delete_project(recorder), make)
    assert _lost(recorder) == 0
    if makes_project:
        assert _alive(recorder) == ["b"], "in a project of that name that is made for it"


def test_what_came_back_is_counted_once(recorder: Recorder) -> None:
    services, caller = recorder.services, recorder.caller
    entry = _delete(recorder, "a", "b")
    some, rest = meanwhile(
        services,
        lambda: services.trash.restore_runs(caller, entry, ["a"]),
        lambda: services.trash.restore(caller, entry),
    )
    assert (some.runs, rest.runs) == (1, 1)


def test_what_came_back_is_not_purged(recorder: Recorder) -> None:
    services, caller = recorder.services, recorder.caller
    older, project = _delete(recorder, "a"), _delete_project(recorder)
    for entry in (project, older):
        with pytest.raises(NotFoundError, match="there is no deletion"):
            meanwhile(
                services,
                partial(services.trash.restore, caller, entry),
                partial(services.purging.purge, caller, trash_id=entry),
            )
    assert _alive(recorder) == ["a"]


def test_of_an_entry_of_which_some_came_back_the_rest_is_purged(recorder: Recorder) -> None:
    services, caller = recorder.services, recorder.caller
    entry = _delete(recorder, "a", "b")
    _, purged = meanwhile(
        services,
        lambda: services.trash.restore_runs(caller, entry, ["a"]),
        lambda: services.purging.purge(caller, trash_id=entry),
    )
    assert (purged.entries, purged.runs, _alive(recorder)) == (1, 1, ["a"])
