"""Names of files kept with a run."""

from __future__ import annotations

import pytest

from runatlas.model.artifact import validate_artifact_name


@pytest.mark.parametrize("name", ["a", "weights/last.pt", "a b/ü.txt", "...", "a/..b", "x" * 1000])
def test_names_that_stay_inside(name: str) -> None:
    assert validate_artifact_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", ".", "a/./b", "..", "a/../b", "a\\b", "a\x00", "a\nb", "x" * 1001]
)
def test_names_that_do_not(name: str) -> None:
    with pytest.raises(ValueError, match=r"^file: "):
        validate_artifact_name(name, argument="file")


def test_only_text_is_a_name() -> None:
    with pytest.raises(TypeError, match="name: expected a string, got int"):
        validate_artifact_name(5)  # type: ignore[arg-type]
