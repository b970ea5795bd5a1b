"""Ids of deleted runs stay retired until they are freed, however the runs were deleted."""

from __future__ import annotations

import pytest
from support.recording import Recorder

from runatlas.errors import ValidationError
from runatlas.model.run import RunSelection


def _retired(recorder: Recorder, run_id: str) -> bool:
    return recorder.services.retirement.is_retired(recorder.caller, run_id)


def test_an_id_is_retired_until_it_is_freed_and_may_be_retired_again(recorder: Recorder) -> None:
    retirement, caller = recorder.services.retirement, recorder.caller
    assert not _retired(recorder, "a")
    retirement.retire_ids(caller, ["a", "b"])
    assert _retired(recorder, "a")
    retirement.free_id(caller, "a")
    assert not _retired(recorder, "a")
    assert _retired(recorder, "b")
    retirement.retire_ids(caller, ["a"])
    assert _retired(recorder, "a")


def test_a_run_in_the_trash_retires_its_id(recorder: Recorder) -> None:
    run = recorder.run()
    assert not _retired(recorder, run.run)
    trash = recorder.services.trash
    chosen = RunSelection(run.workspace, run.project, ids=(run.run,))
    trash.delete(recorder.caller, trash.plan_run_deletion(recorder.caller, chosen, force=True))
    assert _retired(recorder, run.run)
    recorder.services.retirement.free_id(recorder.caller, run.run)
    assert not _retired(recorder, run.run)


def test_what_cannot_be_an_id_cannot_be_retired(recorder: Recorder) -> None:
    with pytest.raises(ValidationError):
        recorder.services.retirement.retire_ids(recorder.caller, ["a/b"])
