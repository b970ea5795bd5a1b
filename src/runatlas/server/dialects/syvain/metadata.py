"""The metadata of metrics: any JSON object, kept as the flat context of a series and given back as it was.

Texts, numbers, booleans and null are a context's values as they are. Anything else is its canonical JSON text behind
``json:``; so is a text that begins like that. What is too long for a name is kept apart, and a digest stands for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from runatlas.model.codec import context_text, make_context
from runatlas.model.series import Context

__all__ = ["DIGEST_NAME", "as_texts", "canonical", "context_of", "is_long", "metadata_of", "same_json", "text_hash"]

DIGEST_NAME = "metadata_sha256"
"""The one name in a context that stands for something longer."""

_PREFIX = "json:"
_NAME_BYTES = 2400
_INT64 = range(-(2**63), 2**63)


def canonical(value: Any) -> str:
    """Return the JSON text that equal values share."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def context_of(metadata: Mapping[str, Any]) -> Context:
    """Make the context of metadata.

    Example:
        >>> context_of({"split": "train", "shape": [2, 3]})
        (('shape', 'json:[2,3]'), ('split', 'train'))
    """
    return make_context({name: _flat(value) for name, value in metadata.items()})


def _flat(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        return _PREFIX + canonical(value) if value.startswith(_PREFIX) else value
    if value is None or isinstance(value, (bool, float)) or (isinstance(value, int) and value in _INT64):
        return value
    return _PREFIX + canonical(value)


def metadata_of(context: Context, kept: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the metadata that a context stands for, also one that another protocol wrote.

    Args:
        context: The context.
        kept: What its run keeps by digest.

    Example:
        >>> metadata_of((("shape", "json:[2,3]"), ("split", "train")), {})
        {'shape': [2, 3], 'split': 'train'}
    """
    if len(context) == 1 and context[0][0] == DIGEST_NAME and context[0][1] in kept:
        return kept[str(context[0][1])]
    return {name: _deep(value) for name, value in context}


def _deep(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(_PREFIX):
        return value
    try:
        return json.loads(value[len(_PREFIX) :])
    except (ValueError, RecursionError):
        return value


def is_long(name: str, context: Context) -> bool:
    """Tell whether a series' name and context are more than the store takes as a name."""
    return len((name + context_text(context)).encode(errors="replace")) > _NAME_BYTES


def same_json(left: Any, right: Any) -> bool:
    """Tell whether two JSON values are equal and of one type.

    Example:
        >>> same_json(1, 1.0), same_json(1, True), same_json([1], ["1"])
        (True, False, False)
    """
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def as_texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return metadata for readers that know texts only: other values as JSON."""
    return {name: value if isinstance(value, str) else canonical(value) for name, value in metadata.items()}


def text_hash(metadata: Mapping[str, str]) -> str:
    """Return a hash of metadata."""
    return hashlib.sha256(canonical(metadata).encode(errors="surrogatepass")).hexdigest()
