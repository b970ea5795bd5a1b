"""The answer of every call."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from runatlas import ApiResponse
from runatlas.errors import NotFoundError, RunAtlasError
from runatlas.model.account import UserRef

GONE: ApiResponse[Any] = ApiResponse.failure(NotFoundError("no such run"))


class Table:
    """Something with an attribute, a form as JSON, and one as HTML."""

    rows = 3

    def json(self) -> dict[str, int]:
        return {"rows": self.rows}

    def _repr_html_(self) -> str:
        return "<table/>"


def test_a_success_has_data_and_no_error() -> None:
    answer = ApiResponse.success({"loss": 0.5})
    assert (answer.ok, answer.code, answer.errmsg, answer.error) == (True, 200, "", None)
    assert answer.unwrap() == {"loss": 0.5}
    assert answer
    assert "loss" in answer
    assert len(answer) == 1
    assert list(answer) == ["loss"]
    assert answer["loss"] == 0.5
    assert ApiResponse.success(1, code=201).code == 201


def test_a_failure_has_an_error_and_no_data() -> None:
    assert (GONE.ok, GONE.code, GONE.errmsg, GONE.data) == (False, 404, "no such run", None)
    assert not GONE
    for use in (GONE.unwrap, lambda: GONE["loss"], lambda: "loss" in GONE, lambda: len(GONE), lambda: list(GONE)):
        with pytest.raises(NotFoundError, match="no such run"):
            use()


def test_attributes_of_the_data_are_handed_on() -> None:
    answer: Any = ApiResponse.success(Table())
    assert answer.rows == 3
    with pytest.raises(AttributeError, match="columns"):
        _ = answer.columns
    with pytest.raises(AttributeError, match="_hidden"):
        _ = answer._hidden
    failed: Any = GONE
    with pytest.raises(NotFoundError):
        _ = failed.rows
    assert "<table/>" in answer._repr_html_()
    assert "no such run" in failed._repr_html_()
    assert "done" in ApiResponse.success(None)._repr_html_()


def test_what_shows_itself_in_its_own_way_is_not_shown_in_ours() -> None:
    class Drawing:
        def _repr_mimebundle_(
            self, include: object = None, exclude: object = None
        ) -> tuple[dict[str, bytes], dict[str, int]]:
            return {"image/png": b"drawn"}, {"width": 3}

    drawing = Drawing()
    answer = ApiResponse.success(drawing)
    assert answer._repr_mimebundle_() == ({"image/png": b"drawn"}, {"width": 3})
    assert answer._display_() is drawing
    assert "text/html" in ApiResponse.success(3)._repr_mimebundle_()


def test_only_our_errors_become_answers() -> None:
    def wrong() -> None:
        raise ValueError("yours")

    def gone() -> None:
        raise NotFoundError("no such run")

    assert ApiResponse.of(gone).code == 404
    with pytest.raises(ValueError, match="yours"):
        ApiResponse.of(wrong)


def test_json_unstructures_what_is_inside() -> None:
    answer: ApiResponse[Any] = ApiResponse.success({"a": [Table()], "b": (UserRef("ann"), 1)})
    assert answer.json() == {
        "ok": True,
        "code": 200,
        "errmsg": "",
        "data": {"a": [{"rows": 3}], "b": [{"username": "ann", "name": ""}, 1]},
    }
    assert GONE.json() == {"ok": False, "code": 404, "errmsg": "no such run", "data": None}


def test_answers_are_copied_and_pickled() -> None:
    for twin in (copy.copy(GONE), copy.deepcopy(GONE), pickle.loads(pickle.dumps(GONE))):
        assert (twin.code, twin.errmsg) == (404, "no such run")
        with pytest.raises(RunAtlasError):
            twin.unwrap()
    assert repr(GONE) == "ApiResponse(ok=False, code=404, errmsg='no such run')"
    assert repr(ApiResponse.success(1)) == "ApiResponse(ok=True, data=1)"


def test_a_notebook_can_complete_keys() -> None:
    assert ApiResponse.success({"loss": 1, ("run", "acc"): 2})._ipython_key_completions_() == ["loss"]
    assert ApiResponse.success([1, 2])._ipython_key_completions_() == []
    assert ApiResponse.failure(NotFoundError("no"))._ipython_key_completions_() == []


def test_a_stored_error_is_raised_where_the_caller_asks_and_keeps_its_cause() -> None:
    def fail() -> int:
        raise NotFoundError("no such run") from KeyError("k3x9q2ab")

    answer = ApiResponse.of(fail)
    for ask in (answer.unwrap, lambda: answer["loss"], lambda: len(answer)) * 2:
        with pytest.raises(NotFoundError) as told:
            ask()
        assert isinstance(told.value.__cause__, KeyError)
        assert {frame.name for frame in told.traceback} <= {
            told.traceback[0].name,
            "<lambda>",
            "__getitem__",
            "__len__",
            "unwrap",
        }
