"""Notes on a run, with the time they were made."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.model.page import PageRequest

__all__ = ["ANNOTATION_MAX", "AnnotationDraft", "AnnotationQuery", "AnnotationRecord"]

ANNOTATION_MAX = 16_000
"""The most characters of an annotation."""


@attrs.frozen
class AnnotationDraft:
    """A note to be made."""

    text: str
    metadata: dict[str, Any] = attrs.field(factory=dict)
    event_id: str | None = None


@attrs.frozen
class AnnotationRecord:
    """A note."""

    id: str
    text: str
    metadata: dict[str, Any]
    author: str
    created_at_ms: int


@attrs.frozen
class AnnotationQuery:
    """Which notes of one run, oldest first; both bounds inclusive."""

    from_ms: int | None = None
    to_ms: int | None = None
    page: PageRequest = PageRequest()
