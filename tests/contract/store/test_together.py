"""Several services' writes as one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest
from support.recording import Recorder, line

from runatlas.errors import ConflictError, NotFoundError
from runatlas.model.annotation import AnnotationDraft, AnnotationQuery
from runatlas.model.ids import RunPath
from runatlas.model.run import RunDraft
from runatlas.server.services.idempotency import InProgressError, ReusedKeyError


def _notes(recorder: Recorder, run: RunPath) -> list[str]:
    page = recorder.services.annotations.list_annotations(recorder.caller, run, AnnotationQuery())
    return [note.text for note in page.items]


def _note(recorder: Recorder, run: RunPath, text: str) -> None:
    recorder.services.annotations.create_annotation(recorder.caller, run, AnnotationDraft(text))


def _fail() -> NoReturn:
    raise RuntimeError("out of luck")


def test_all_of_it_is_there_afterwards(recorder: Recorder) -> None:
    with recorder.services.store.together():
        run = recorder.run("a")
        recorder.append(run, line("loss", 3))
        _note(recorder, run, "begun")
        assert _notes(recorder, run) == ["begun"]
    assert _notes(recorder, run) == ["begun"]
    assert recorder.services.catalog.get_catalog(recorder.caller, run)[0].points == 3


def test_nothing_of_it_is_there_when_it_fails(recorder: Recorder) -> None:
    run = recorder.run("a")
    with pytest.raises(RuntimeError), recorder.services.store.together():  # noqa: PT012  the block is what fails
        _note(recorder, run, "lost")
        with recorder.services.store.together():
            recorder.run("b")
        _fail()
    assert _notes(recorder, run) == []
    with pytest.raises(NotFoundError):
        recorder.services.runs.get_run(recorder.caller, recorder.project.run("b"))
    _note(recorder, run, "kept")
    assert _notes(recorder, run) == ["kept"]


def test_a_part_that_is_refused_takes_back_itself_only(recorder: Recorder) -> None:
    run = recorder.run("a")
    with recorder.services.store.together():
        _note(recorder, run, "before")
        with pytest.raises(ConflictError):
            recorder.services.runs.create_run(recorder.caller, RunDraft(recorder.project, id="a"))
        with pytest.raises(RuntimeError), recorder.services.store.together():  # noqa: PT012  the block is what fails
            _note(recorder, run, "lost")
            _fail()
        _note(recorder, run, "after")
    assert _notes(recorder, run) == ["before", "after"]


def test_an_answer_is_kept_with_its_effect_or_not_at_all(recorder: Recorder) -> None:
    requests, caller = recorder.services.idempotency, recorder.caller
    with pytest.raises(RuntimeError), recorder.services.store.together():  # noqa: PT012  the block is what fails
        assert requests.begin(caller, "key", "f") is None
        recorder.run("a")
        _fail()
    with recorder.services.store.together():
        assert requests.begin(caller, "key", "f") is None
        recorder.run("a")
        with pytest.raises(InProgressError):
            requests.begin(caller, "key", "f")
        requests.finish(caller, "key", 200, b"made")
    stored = requests.begin(caller, "key", "f")
    assert stored is not None
    assert stored.body == b"made"
    with pytest.raises(ReusedKeyError):
        requests.begin(caller, "key", "other")


def test_of_many_at_once_one_has_the_effect_and_all_get_its_answer(recorder: Recorder) -> None:
    requests, caller = recorder.services.idempotency, recorder.caller
    run = recorder.run("a")

    def ask(number: int) -> bytes:
        with recorder.services.store.together():
            stored = requests.begin(caller, "key", "f")
            if stored is not None:
                return stored.body
            _note(recorder, run, f"of {number}")
            requests.finish(caller, "key", 200, b"%d" % number)
            return b"%d" % number

    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(ask, range(6)))
    assert len(answers) == 1
    assert _notes(recorder, run) == [f"of {answers.pop().decode()}"]
