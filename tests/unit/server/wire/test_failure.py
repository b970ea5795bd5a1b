from __future__ import annotations

import pytest
from litestar.exceptions import HTTPException, MethodNotAllowedException

from runatlas.errors import (
    AuthenticationError,
    ConflictError,
    ConnectionFailedError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    ResponseFormatError,
    RunAtlasError,
    ServerError,
    StoreError,
    ValidationError,
    error_for_status,
)
from runatlas.server.wire.failure import failure_of


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("no key"),
        PermissionDeniedError("no right"),
        NotFoundError("no run"),
        ConflictError("taken"),
        ValidationError("wrong"),
        ValidationError("wrong", code=400),
        ValidationError("too large", code=413),
        NotSupportedError("not here"),
    ],
)
def test_what_the_client_did_comes_back_as_the_same_error(error: RunAtlasError) -> None:
    failure = failure_of(error)
    assert failure is not None
    found = error_for_status(failure.status, failure.message)
    assert (type(found), found.message, found.code) == (type(error), error.message, error.code)
    assert failure.type == type(error).__name__


@pytest.mark.parametrize(
    "error",
    [
        StoreError("/home/ann/.runatlas cannot be written"),
        ServerError("elsewhere"),
        ConnectionFailedError("elsewhere"),
        ResponseFormatError("elsewhere"),
        KeyError("secret"),
        ValueError("secret"),
        HTTPException("secret", status_code=500),
    ],
)
def test_of_the_servers_own_errors_nothing_is_told(error: Exception) -> None:
    assert failure_of(error) is None


def test_a_failed_login_tells_how_to_log_in() -> None:
    failure = failure_of(AuthenticationError("no key"))
    assert failure is not None
    assert failure.headers["www-authenticate"].startswith("Bearer ")


def test_a_wrong_method_tells_the_right_ones() -> None:
    failure = failure_of(MethodNotAllowedException(headers={"Allow": "GET"}))
    assert failure is not None
    assert (failure.status, failure.headers) == (405, {"allow": "GET"})


def test_a_sentence_that_repeats_a_long_value_keeps_both_ends() -> None:
    failure = failure_of(ValidationError(f"name: {'x' * 100_000} is no name; use 1 to 100 letters"))
    assert failure is not None
    assert len(failure.message) < 1100
    assert failure.message.startswith("name: x")
    assert failure.message.endswith("use 1 to 100 letters")
