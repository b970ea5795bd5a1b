"""A run's own fields are declared once, and everything that is made of them agrees."""

from __future__ import annotations

import typing
from pathlib import Path

import attrs
import pytest

from runatlas.entities.run import Run
from runatlas.entities.run_patch import RunChanges
from runatlas.model.filter_language import parse_filter
from runatlas.model.run import OWN_FIELDS, RunDraft, RunPatch, RunRecord

_RECORD = typing.get_type_hints(RunRecord)


@pytest.mark.parametrize("given", [RunDraft, RunPatch])
def test_what_is_given_has_the_type_of_what_is_recorded(given: type) -> None:
    hints = typing.get_type_hints(given)
    for field in OWN_FIELDS.values():
        if field.attribute in hints and field.attribute not in {"id", "project"}:
            wanted = set(typing.get_args(hints[field.attribute])) or {hints[field.attribute]}
            recorded = _RECORD[field.attribute]
            assert wanted - {type(None)} <= {recorded, *typing.get_args(recorded)}, field


def test_what_can_be_changed_is_a_field_of_a_patch() -> None:
    assert set(RunChanges.__annotations__) <= set(attrs.fields_dict(RunPatch))


def test_what_is_shown_is_an_attribute_of_a_run() -> None:
    for field in OWN_FIELDS.values():
        if field.shown:
            assert isinstance(getattr(Run, field.name), property), field


def test_filters_and_their_page_know_every_field() -> None:
    page = Path(__file__).parents[3].joinpath("docs/filters.md").read_text()
    for field in OWN_FIELDS.values():
        if field.kind is not None and field.name != "colors":
            assert f"`{field.name}`" in page, field
            parse_filter(f"{field.name} {'or pin' if field.kind == 'bool' else 'is None'}")
