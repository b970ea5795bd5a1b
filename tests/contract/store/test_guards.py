"""A run that one protects while another deletes it is protected or deleted, and whoever was later is told."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from support.patience import eventually
from support.recording import Recorder

from runatlas.errors import ConflictError, RunAtlasError
from runatlas.model.ids import RunPath
from runatlas.model.run import RunDraft, RunPatch

DELETIONS: dict[str, Callable[[Recorder, RunPath], object]] = {
    "runs": lambda recorder, run: recorder.services.trash.delete_runs(recorder.caller, recorder.selection(run)),
    "run": lambda recorder, run: recorder.services.trash.delete_run(recorder.caller, run),
    "project": lambda recorder, run: recorder.services.trash.delete_project(recorder.caller, run.project_path),
}


def _made(recorder: Recorder) -> RunPath:
    draft = RunDraft(recorder.project, state="FINISHED", create_project=True)
    return recorder.services.runs.create_run(recorder.caller, draft)[0].path


def _protect(recorder: Recorder, run: RunPath) -> object:
    patch = RunPatch(protected=True, protected_reason="paper")
    return recorder.services.runs.update_runs(recorder.caller, recorder.selection(run), patch)


def _meanwhile(recorder: Recorder, first: Callable[[], object], second: Callable[[], object]) -> None:
    """Do the second while the first is not yet committed, and raise what it raises."""
    services = recorder.services

    def waits() -> bool:
        with services.store.read() as connection:
            return bool(connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

    with ThreadPoolExecutor(1) as pool:
        with services.store.together():
            first()
            later = pool.submit(second)
            # SQLite lets one write at a time: there the second one has not begun.
            assert services.store.dialect == "sqlite" or eventually(waits)
        later.result(60)


@pytest.mark.parametrize("deletion", DELETIONS)
def test_what_is_protected_first_is_kept(recorder: Recorder, deletion: str) -> None:
    run = _made(recorder)
    try:
        _meanwhile(recorder, lambda: _protect(recorder, run), lambda: DELETIONS[deletion](recorder, run))
    except ConflictError as error:
        assert "is protected: paper" in error.message  # noqa: PT017 - on SQLite a deletion of many keeps it and goes on
    assert recorder.services.runs.get_run(recorder.caller, run).protected


@pytest.mark.parametrize("deletion", DELETIONS)
def test_what_is_deleted_first_is_not_protected_in_the_trash(recorder: Recorder, deletion: str) -> None:
    run = _made(recorder)
    with pytest.raises(RunAtlasError, match=r"deleted|no run|no project"):
        _meanwhile(recorder, lambda: DELETIONS[deletion](recorder, run), lambda: _protect(recorder, run))
