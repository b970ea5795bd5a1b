"""Media logged at a step, blobs and links to them."""

from __future__ import annotations

from typing import Any

import attrs

from runatlas.model.series import ColumnType, Context

__all__ = ["BlobRecord", "LinkRecord", "MediaDraft", "MediaItem", "MediaPage", "MediaQuery", "MediaRecord"]


@attrs.frozen
class BlobRecord:
    """Bytes in the blob store, named by their content."""

    sha256: str
    size: int


@attrs.frozen
class LinkRecord:
    """Where something can be fetched without further credentials.

    Attributes:
        url: ``http(s)://`` and signed, or ``file://`` for an embedded store.
        expires_at_ms: ``None`` for a ``file://`` link.
    """

    url: str
    name: str = ""
    size: int | None = None
    expires_at_ms: int | None = None


@attrs.frozen
class MediaItem:
    """One object of a step.

    Attributes:
        path: Its name inside the run, such as ``media/image/005-1a2b3c4d.png``.
        sha256: Its blob; ``None`` for inline data.
        data: Inline content as a JSON object (``{"text": ...}``, histograms, figures); ``None`` when it is a blob.
        url: Given out by reads.
        meta: What else its type needs (width, height, rate, ...): flat JSON.
    """

    path: str
    sha256: str | None = None
    size: int = 0
    mime_type: str = "application/octet-stream"
    caption: str = ""
    data: dict[str, Any] | None = None
    meta: dict[str, Any] = attrs.field(factory=dict)
    url: str | None = None
    expires_at_ms: int | None = None


@attrs.frozen
class MediaDraft:
    """Objects logged at one step; a repeated (key, context, step) replaces."""

    key: str
    step: int
    items: tuple[MediaItem, ...]
    column_type: ColumnType
    context: Context = ()
    epoch: int | None = None
    time_ms: int = 0


@attrs.frozen
class MediaRecord:
    """Objects of one series at one step."""

    key: str
    step: int
    items: tuple[MediaItem, ...]
    column_type: ColumnType
    context: Context = ()
    epoch: int | None = None
    time_ms: int = 0


@attrs.frozen
class MediaQuery:
    """Which media of one run.

    Attributes:
        keys: ``None`` means every media key.
        step: Only that step; ``None`` means the latest step of each key, unless ``all``.
        all: Every step.
    """

    keys: tuple[str, ...] | None = None
    step: int | None = None
    all: bool = False


@attrs.frozen
class MediaPage:
    """The media found; ``steps`` are all steps that have any for those keys, ascending."""

    items: tuple[MediaRecord, ...]
    steps: tuple[int, ...]
