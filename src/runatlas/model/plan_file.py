"""A deletion plan as a file: JSON that says what it is, so that nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

from runatlas.errors import RunAtlasError, ValidationError
from runatlas.model import codec
from runatlas.model.text import check_text
from runatlas.model.trash import DeletionPlanRecord, PlannedItem

__all__ = ["PLAN_MAX", "read_plan", "write_plan"]

PLAN_MAX = 256 << 20
"""How many bytes a plan may have: one of a hundred thousand runs has a tenth of it."""

_TIME_MAX = 253_402_300_799_999
"""The end of the year 9999, in Unix milliseconds."""

_FORMAT, _VERSION = "runatlas deletion plan", 1


def write_plan(record: DeletionPlanRecord, store: str) -> bytes:
    """Write a plan, and the location of the store that it is of, as the content of a file."""
    document = {"format": _FORMAT, "version": _VERSION, "store": store, "plan": codec.encode(record)}
    return json.dumps(document, indent=1).encode() + b"\n"


def read_plan(content: bytes) -> tuple[DeletionPlanRecord, str]:
    """Read a plan, and the location of the store that it is of, from the content of a file.

    Raises:
        ValueError: It is none, or damaged; the sentence says how.
    """
    if len(content) > PLAN_MAX:
        raise ValueError(f"it has more than {PLAN_MAX >> 20} MiB, which no plan has")
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON, or damaged: {error}") from error
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"it does not say that it is a {_FORMAT}")
    if type(document.get("version")) is not int or document["version"] != _VERSION:
        raise ValueError(f"it is of version {document.get('version')!r:.20}, this RunAtlas knows {_VERSION}")
    store = document.get("store")
    if not isinstance(store, str) or not store:
        raise ValueError("it does not say of which store it is")
    try:
        record = codec.decode(document.get("plan"), DeletionPlanRecord, strict=True)
        for item in (*record.items, *record.kept):
            _check_item(item)
    except (RunAtlasError, RecursionError) as error:
        raise ValueError(f"its plan is damaged: {error}") from error
    return record, store


def _check_item(item: PlannedItem) -> None:
    """Check of a run what a table and a page of it are made of.

    Raises:
        ValidationError: A text is none that a store holds, or the time is none that a run begins at.
    """
    for name in ("path", "cuid", "name", "reason"):
        check_text(getattr(item, name), name)
    if not 0 <= item.created_at_ms <= _TIME_MAX:
        raise ValidationError(f"created_at_ms: {item.created_at_ms} is no time that a run begins at")
