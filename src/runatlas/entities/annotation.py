"""What is said of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from runatlas.entities.base import ListedEntity
from runatlas.entities.collection import Collection
from runatlas.model.annotation import AnnotationQuery, AnnotationRecord
from runatlas.model.ids import RunPath
from runatlas.model.instant import iso_text
from runatlas.model.page import Page, PageRequest, each_item

__all__ = ["Annotation", "Annotations"]


class Annotation(ListedEntity[RunPath, AnnotationRecord]):
    """A note on a run."""

    _SHOWN = ("text", "author", "created_at", "metadata")
    _JSON = ("id", "text", "metadata", "author", "created_at")

    _MISSING = "run {} has no annotation {!r}"

    __slots__ = ()

    def _listed(self) -> Iterable[AnnotationRecord]:
        backend = self._handle.backend
        return each_item(lambda page: backend.list_annotations(self._place, AnnotationQuery(page=page)))

    @property
    def id(self) -> str:
        """The note's id."""
        return self._key

    @property
    def text(self) -> str:
        """What it says."""
        return self._held().text

    @property
    def metadata(self) -> dict[str, Any]:
        """What was noted beside the text."""
        return self._held().metadata

    @property
    def author(self) -> str:
        """Who made it."""
        return self._held().author

    @property
    def created_at(self) -> str:
        """When it was made: ISO 8601."""
        return iso_text(self._held().created_at_ms)


class Annotations(Collection[Annotation, AnnotationRecord]):
    """A run's notes, oldest first."""

    _listed_in: RunPath

    def _read(self, page: PageRequest) -> Page[AnnotationRecord]:
        return self._handle.backend.list_annotations(self._listed_in, AnnotationQuery(page=page))

    def _count(self) -> int:
        return sum(1 for _ in self)

    def _make(self, record: AnnotationRecord) -> Annotation:
        return Annotation(self._handle, self._listed_in, record.id, record)
