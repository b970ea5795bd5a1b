"""The profile of a run as this protocol takes it: sections whose keys are replaced one by one, and never taken away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from runatlas.backends.swanlab.client import unsupported
from runatlas.errors import ValidationError
from runatlas.model.codec import dumps, loads
from runatlas.model.run import Profile
from runatlas.model.run_config import change_config, merge_config
from runatlas.model.text import check_text

__all__ = ["changed_config", "check_values", "config_section", "merged_config", "metadata_section", "profile_sections"]


def check_values(values: Mapping[str, Any], what: str) -> None:
    """Check values that are to be written, at the outermost level of a config or of metadata.

    Raises:
        NotSupportedError: One cannot be said: no number, or what stands for nothing here.
        ValidationError: One is no JSON value.
    """
    try:
        text = check_text(dumps(dict(values)), what)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValidationError(f"{what}: {error}") from error
    if _has_special(loads(text)):
        raise unsupported(f"NaN and no infinities in a {what}")
    stands_for_none: tuple[Any, ...] = ({},) if what == "config" else (None,)
    for key, value in values.items():
        if value in stands_for_none:
            raise unsupported(f"{'empty object' if what == 'config' else 'null'} as {key!r} of a {what}")


def _has_special(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_special(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_special(item) for item in value)
    return isinstance(value, float) and not math.isfinite(value)


def merged_config(held: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put a config into the one that a run has."""
    made = merge_config(held, given)
    check_values(made, "config")
    return made


def changed_config(held: Mapping[str, Any], given: Mapping[str, Any], removed: tuple[str, ...]) -> dict[str, Any]:
    """Set and take away what dotted keys name.

    Raises:
        NotSupportedError: The new config cannot be written in place of the old one.
        ValidationError: A value is none of JSON's.
    """
    made = change_config(held, given, removed)
    _check_kept(held, made, "config")
    check_values(made, "config")
    return made


def _check_kept(held: Mapping[str, Any], made: Mapping[str, Any], what: str) -> None:
    gone = sorted(held.keys() - made.keys())
    if gone:
        raise unsupported(f"way to take {', '.join(map(repr, gone))} out of a {what}")


def config_section(config: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Wrap a config; what is said of keys that are there already stays.

    Args:
        config: The whole config.
        held: The wrapped one that the server has.
    """
    made = {}
    for place, (key, value) in enumerate(config.items()):
        known = held.get(key)
        said = known if isinstance(known, dict) and "value" in known else {"sort": place, "desc": ""}
        made[key] = {**said, "value": value}
    return {"config": made}


def metadata_section(held: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Make the section that replaces some names of the metadata.

    Raises:
        NotSupportedError: A value cannot be said.
        ValidationError: A value is none of JSON's.
    """
    check_values(given, "metadata")
    return {"metadata": {**held, **given}} if given else {}


def profile_sections(held: Profile, given: Profile) -> list[dict[str, Any]]:
    """Make the sections that replace those of a profile that are given, one a request.

    Raises:
        NotSupportedError: Metadata would have to be taken away, or cannot be said.
        ValidationError: A value is none of JSON's.
    """
    sections: list[dict[str, Any]] = []
    if given.metadata:
        _check_kept(held.metadata, given.metadata, "profile")
        sections.append(metadata_section({}, given.metadata))
    sections += [
        {name: text}
        for name, text in (("requirements", given.requirements), ("conda", given.conda))
        if text and text != getattr(held, name)
    ]
    return sections
