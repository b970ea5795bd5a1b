"""A workspace's labels are those that runs have and those that are kept."""

from __future__ import annotations

import pytest
from support.recording import Recorder

from runatlas.errors import ConflictError, ValidationError
from runatlas.model.run import RunPatch, RunSelection
from runatlas.server.services.labels import LabelRecord


def _listed(recorder: Recorder) -> list[LabelRecord]:
    return recorder.services.labels.list_labels(recorder.caller, recorder.caller.username)


def _give(recorder: Recorder, run: str, **change: tuple[str, ...]) -> None:
    chosen = RunSelection(recorder.caller.username, ids=(run,))
    recorder.services.runs.update_runs(recorder.caller, chosen, RunPatch(**change))  # type: ignore[arg-type]


def test_labels_of_runs_and_kept_ones_are_listed_with_their_counts(recorder: Recorder) -> None:
    labels, caller = recorder.services.labels, recorder.caller
    first, second = recorder.run().run, recorder.run().run
    for run in (first, second):
        _give(recorder, run, labels_added=("seen",))
    labels.create_label(caller, caller.username, LabelRecord("new", 0, "#fff", "not given yet"))
    assert _listed(recorder) == [LabelRecord("new", 0, "#fff", "not given yet"), LabelRecord("seen", 2)]
    _give(recorder, first, labels_removed=("seen",))
    _give(recorder, second, labels_removed=("seen",))
    assert [label.name for label in _listed(recorder)] == ["new"]


def test_a_kept_label_stays_when_no_run_has_it(recorder: Recorder) -> None:
    run = recorder.run().run
    _give(recorder, run, labels_added=("best",))
    recorder.services.labels.keep_label(recorder.caller, recorder.caller.username, "best")
    recorder.services.labels.keep_label(recorder.caller, recorder.caller.username, "best")
    _give(recorder, run, labels_removed=("best",))
    assert _listed(recorder) == [LabelRecord("best")]


def test_a_label_is_made_once(recorder: Recorder) -> None:
    labels, place = recorder.services.labels, recorder.caller.username
    _give(recorder, recorder.run().run, labels_added=("used",))
    labels.create_label(recorder.caller, place, LabelRecord("made"))
    for name in ("used", "made"):
        with pytest.raises(ConflictError):
            labels.create_label(recorder.caller, place, LabelRecord(name))
    with pytest.raises(ValidationError):
        labels.create_label(recorder.caller, place, LabelRecord(""))


def test_a_label_is_described_anew_replaced_and_dropped(recorder: Recorder) -> None:
    labels, caller, place = recorder.services.labels, recorder.caller, recorder.caller.username
    _give(recorder, recorder.run().run, labels_added=("used",))
    labels.replace_label(caller, place, "used", LabelRecord("used", 0, "#fff", "d"))
    assert _listed(recorder) == [LabelRecord("used", 1, "#fff", "d")]
    labels.create_label(caller, place, LabelRecord("made", 0, "#000"))
    with pytest.raises(ConflictError):
        labels.replace_label(caller, place, "made", LabelRecord("used"))
    assert _listed(recorder) == [LabelRecord("made", 0, "#000"), LabelRecord("used", 1, "#fff", "d")]
    labels.replace_label(caller, place, "made", LabelRecord("better"))
    labels.drop_label(caller, place, "used")
    assert _listed(recorder) == [LabelRecord("better"), LabelRecord("used", 1)]
    labels.drop_label(caller, place, "better")
    labels.drop_label(caller, place, "never there")
    assert _listed(recorder) == [LabelRecord("used", 1)]
