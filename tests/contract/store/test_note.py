"""A note is read, changed and deleted by who may write to its run."""

from __future__ import annotations

import pytest
from support.recording import Recorder

from runatlas.errors import NotFoundError, ValidationError
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery
from runatlas.model.ids import RunPath
from runatlas.server.services.annotations import EDITED


def _texts(recorder: Recorder, run: RunPath) -> list[str]:
    listed = recorder.services.annotations.list_annotations(recorder.caller, run, AnnotationQuery())
    return [note.text for note in listed.items]


def test_a_note_is_changed_and_deleted(recorder: Recorder) -> None:
    notes, caller, run = recorder.services.annotations, recorder.caller, recorder.run()
    first = notes.create_annotation(caller, run, AnnotationDraft("first", {"n": [1, None]}))
    second = notes.create_annotation(caller, run, AnnotationDraft("second"))
    assert notes.get_annotation(caller, run, first.id) == first
    changed = notes.update_annotation(caller, run, first.id, "changed")
    assert notes.get_annotation(caller, run, first.id) == changed
    assert (changed.created_at_ms, changed.author, changed.metadata["n"]) == (
        first.created_at_ms,
        first.author,
        [1, None],
    )
    assert changed.metadata[EDITED] >= first.created_at_ms
    assert _texts(recorder, run) == ["changed", "second"]
    notes.delete_annotation(caller, run, second.id)
    assert _texts(recorder, run) == ["changed"]


def test_a_note_is_one_of_its_run(recorder: Recorder) -> None:
    notes, caller = recorder.services.annotations, recorder.caller
    run, other = recorder.run(), recorder.run()
    note = notes.create_annotation(caller, run, AnnotationDraft("kept"))
    for name, place in ((note.id, other), ("none", run)):
        with pytest.raises(NotFoundError):
            notes.get_annotation(caller, place, name)
        with pytest.raises(NotFoundError):
            notes.update_annotation(caller, place, name, "x")
        with pytest.raises(NotFoundError):
            notes.delete_annotation(caller, place, name)
    for text in ("", "x" * 16_001, "a\x00b"):
        with pytest.raises(ValidationError):
            notes.update_annotation(caller, run, note.id, text)
    assert _texts(recorder, run) == ["kept"]
