"""Files kept with a run."""

from __future__ import annotations

import re

import attrs

__all__ = ["ArtifactDraft", "ArtifactRecord", "validate_artifact_name"]

_NAME_MAX = 1000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@attrs.frozen
class ArtifactDraft:
    """A file whose bytes are in the blob store already; a repeated name replaces.

    Attributes:
        name: A path inside the run, with ``/`` between its parts.
    """

    name: str
    sha256: str
    size: int
    mime_type: str = "application/octet-stream"


@attrs.frozen
class ArtifactRecord:
    """A stored file; ``url`` works without further credentials until ``expires_at_ms``."""

    name: str
    sha256: str
    size: int
    mime_type: str
    created_at_ms: int
    url: str | None = None
    expires_at_ms: int | None = None


def validate_artifact_name(name: str, *, argument: str = "name") -> str:
    """Return ``name`` if it is a path inside a run.

    That is: relative, without ``..``, empty parts, backslashes or control characters.

    Raises:
        TypeError: It is not a string.
        ValueError: It has another form; the sentence names ``argument``.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument}: expected a string, got {type(name).__name__}")
    parts = name.split("/")
    if not name or len(name) > _NAME_MAX or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{argument}: {name!r} is not a path inside a run, such as 'weights/last.pt'")
    if "\\" in name or _CONTROL.search(name):
        raise ValueError(f"{argument}: {name!r} must not have backslashes or control characters")
    return name
