"""Which field of a record means what."""

from __future__ import annotations

from typing import Any

import pytest

from runatlas.importers.layout import MalformedRecordError, RecordLayout
from runatlas.model.ids import project_name_of

RECORD = {
    "track": "short",
    "name": "SOAP",
    "lr": 0.1,
    "nothing": None,
    "tags": ["a", 1, "a", None],
    "points": [[0, {}]],
}


def test_fields_become_what_the_layout_says() -> None:
    layout = RecordLayout(
        project_field="track",
        id_fields=("name", "nothing"),
        name_field="name",
        config_fields=("lr", "nothing", "absent"),
        tag_fields=("tags", "track", "absent"),
    )
    assert layout.project_of(RECORD) == ("short", "")
    assert layout.identity_of(RECORD) == [["name", "SOAP"], ["nothing", None]]
    assert layout.name_of(RECORD) == "SOAP"
    assert layout.config_of(RECORD) == {"lr": 0.1, "nothing": None}
    assert layout.labels_of(RECORD) == ("a", "1", "short")


def test_without_fields_there_are_defaults() -> None:
    layout = RecordLayout(project="all")
    assert layout.project_of(RECORD) == ("all", "")
    assert layout.identity_of(RECORD) == [[name, RECORD[name]] for name in sorted(RECORD)]
    assert layout.name_of(RECORD) == ""
    assert layout.config_of(RECORD) == {name: value for name, value in RECORD.items() if name != "points"}
    assert layout.labels_of(RECORD) == ()
    assert RecordLayout(project="all", id_fields=("name", "nothing", "lr")).name_of(RECORD) == "SOAP/0.1"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "project: give either a project or the field that names it"),
        ({"project": "a", "project_field": "b"}, "project: give either a project or the field that names it"),
        ({"project": " "}, "project: ' ' is no name of a project"),
        ({"project_field": ""}, "project_field: a field's name must not be empty"),
        ({"project": "a", "id_fields": ("x", "")}, "id_fields: a field's name must not be empty"),
        ({"project": "a", "config_fields": ("",)}, "config_fields: a field's name must not be empty"),
        ({"project": "a", "points_field": ""}, "points_field: a field's name must not be empty"),
    ],
)
def test_a_layout_must_make_sense(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared
        RecordLayout(**fields)
    assert str(caught.value).startswith(message)


def test_a_text_that_is_no_name_is_the_title_of_a_project() -> None:
    layout = RecordLayout(project_field="track")

    for title in ("my project", "\u9879\u76ee", "cifar/resnet"):
        name, kept = layout.project_of({"track": title})
        assert (name, kept) == (project_name_of(title), title)


@pytest.mark.parametrize("value", [None, 5, " ", "", "..", "a\x00b"])
def test_a_project_must_have_a_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^track: "):
        RecordLayout(project_field="track").project_of({"track": value})


def test_missing_fields_are_named() -> None:
    layout = RecordLayout(project_field="track", id_fields=("run",), name_field="name")
    for read, name in ((layout.project_of, "track"), (layout.identity_of, "run"), (layout.name_of, "name")):
        with pytest.raises(MalformedRecordError, match=f"there is no field '{name}'"):
            read({})
