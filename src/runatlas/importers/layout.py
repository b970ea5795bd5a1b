"""Which field of a record means what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from runatlas.model.config_name import check_depth
from runatlas.model.ids import project_names

__all__ = ["MalformedRecordError", "RecordLayout"]


class MalformedRecordError(ValueError):
    """A record that is no run; the sentence says what is wrong where."""


@attrs.frozen(kw_only=True)
class RecordLayout:
    """How records of a file become runs.

    Attributes:
        project: The project that every record goes to.
        project_field: The field that names a record's project; excludes ``project``.
        id_fields: The fields that tell runs apart; without any, the whole record does.
        name_field: The field that names the run; without it, the id fields' values do.
        config_fields: The fields that become the config; ``None`` takes all but the points.
        tag_fields: The fields whose values, or lists of values, become labels.
        points_field: The field that has the points.

    Raises:
        ValueError: A name is empty, or ``project`` and ``project_field`` are both given, or neither.
    """

    project: str | None = None
    project_field: str | None = None
    id_fields: tuple[str, ...] = ()
    name_field: str | None = None
    config_fields: tuple[str, ...] | None = None
    tag_fields: tuple[str, ...] = ()
    points_field: str = "points"

    def __attrs_post_init__(self) -> None:
        if (self.project is None) == (self.project_field is None):
            raise ValueError("project: give either a project or the field that names it")
        if self.project is not None:
            project_names(self.project, argument="project")
        named = {"id_fields": self.id_fields, "config_fields": self.config_fields or (), "tag_fields": self.tag_fields}
        for argument in ("project_field", "name_field", "points_field"):
            value = getattr(self, argument)
            named[argument] = () if value is None else (value,)
        for argument, names in named.items():
            if not all(names):
                raise ValueError(f"{argument}: a field's name must not be empty")

    def project_of(self, record: Mapping[str, Any]) -> tuple[str, str]:
        """Return the name of the project that a record goes to, and the title it needs beside that.

        Raises:
            ValueError: The record's field is missing, or can name no project.
        """
        if self.project is not None:
            return project_names(self.project, argument="project")
        field = self.project_field or ""
        try:
            return project_names(self.required(record, field), argument=field)
        except TypeError as error:
            raise MalformedRecordError(str(error)) from None

    def identity_of(self, record: Mapping[str, Any]) -> list[list[Any]]:
        """Return what tells the record's run from others: pairs of field and value.

        Raises:
            MalformedRecordError: The record lacks one of the fields.
        """
        if not self.id_fields:
            return [[name, record[name]] for name in sorted(record)]
        return [[name, self.required(record, name)] for name in self.id_fields]

    def name_of(self, record: Mapping[str, Any]) -> str:
        """Return the run's name; ``""`` if nothing names it.

        Raises:
            MalformedRecordError: The record lacks the field.
        """
        if self.name_field is not None:
            return _text(self.required(record, self.name_field))
        return "/".join(filter(None, (_text(record.get(name)) for name in self.id_fields)))

    def config_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the run's config: nulls are kept, missing fields are missing.

        Raises:
            ValidationError: It nests too deeply.
        """
        wanted = self.config_fields
        if wanted is None:
            wanted = tuple(name for name in record if name != self.points_field)
        config = {name: record[name] for name in wanted if name in record}
        check_depth(config, "config")  # what carries too deep a config to a server would be refused with all in it
        return config

    def labels_of(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the run's labels, each once, in the order of the fields."""
        found: dict[str, None] = {}
        for name in self.tag_fields:
            value = record.get(name)
            for item in value if isinstance(value, list) else [value]:
                if _text(item):
                    found[_text(item)] = None
        return tuple(found)

    @staticmethod
    def required(record: Mapping[str, Any], name: str) -> Any:
        """Return a field's value, which may be null.

        Raises:
            MalformedRecordError: The record lacks it.
        """
        if name not in record:
            raise MalformedRecordError(f"there is no field {name!r}")
        return record[name]


def _text(value: Any) -> str:
    return "" if value is None else str(value)
