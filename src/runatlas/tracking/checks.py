"""What counts as a number, a step, a name, a key and a context; anything else raises at once."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from runatlas.model.codec import context_text, make_context
from runatlas.model.config_value import check_path, is_masked
from runatlas.model.series import Context
from runatlas.model.text import is_storable, storable
from runatlas.tracking.step import STEP_MAX, STEP_MIN
from runatlas.tracking.worker import attempt

__all__ = [
    "as_context",
    "as_key",
    "as_name",
    "as_number",
    "as_whole",
    "check_label",
    "clean_text",
    "flatten",
]

_LABEL_MAX = 500

_NAME_MAX, _BYTES_MAX = 1000, 2400
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MESSAGE_MAX = 1_000_000


def as_number(value: Any, name: str) -> float | int | bool:
    """Return a value as a plain number: of any library, also in an array or tensor of one element.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if is_masked(value):
        raise TypeError(f"{name}: a masked value is no number; leave it out, or record math.nan")
    if callable(getattr(value, "item", None)):
        return _single(value, name)
    if hasattr(value, "__float__"):
        made, problem = attempt(partial(float, value))
        if made is None:
            raise TypeError(f"{name}: {type(value).__name__} gives no number; {problem}")
        return made
    hint = next((hint for kind, hint in _WAYS_OUT if isinstance(value, kind)), "")
    hint = next((f"; wrap it in runatlas.objects.{kind}" for has, kind in _SEEN if hasattr(value, has)), hint)
    raise TypeError(f"{name}: {type(value).__name__} is no number and has no json(){hint}")


_WAYS_OUT: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "; wrap it in runatlas.objects.Text"),
    (type(None), "; leave it out, or record math.nan"),
    (
        (list, tuple),
        "; record each number under a name of its own, or wrap them in runatlas.objects.Distribution",
    ),
)


_SEEN = (("getbands", "Image"), ("savefig", "Figure"), ("to_plotly_json", "Figure"))
"""What pictures of Pillow's and figures have, and what keeps them."""


def _single(value: Any, name: str) -> float | int | bool:
    found, problem = attempt(value.item)
    if problem:
        raise TypeError(
            f"{name}: expected one number, got {type(value).__name__} of several; "
            f"wrap them in runatlas.objects.Distribution, or in Image; {problem}"
        )
    is_time = getattr(getattr(value, "dtype", None), "kind", "") in {"m", "M"}
    if isinstance(found, (int, float)) and not is_time:
        return found
    kind = type(value if is_time else found).__name__
    raise TypeError(f"{name}: {kind} is no number and has no json()")


def as_whole(value: Any, argument: str) -> int | None:
    """Return a step or epoch as a plain whole number, ``None`` as it is.

    Raises:
        TypeError: It is none.
        ValueError: It does not fit into 64 bits.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise TypeError(f"{argument}: expected a whole number, got bool")
    if is_masked(value):
        raise TypeError(f"{argument}: expected a whole number, got a masked value")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{argument}: expected a whole number, got {type(value).__name__}") from None
    if not STEP_MIN <= number <= STEP_MAX:
        raise ValueError(f"{argument}: {number} does not fit into 64 bits")
    return number


def as_name(name: Any) -> str:
    """Return the name of a series.

    Raises:
        TypeError: It is no string.
        ValueError: It is missing, too long, or has characters that no name has.
    """
    if name is None:
        raise ValueError("name: metric `name` is required")
    if not isinstance(name, str):
        raise TypeError(f"name: expected a string, got {type(name).__name__}")
    if not name or len(name) > _NAME_MAX or len(name.encode(errors="replace")) > _BYTES_MAX:
        raise ValueError(f"name: expected 1 to {_NAME_MAX} characters, got {len(name)}")
    if _CONTROL.search(name) or not is_storable(name):
        raise ValueError(f"name: {name!r} must not have control characters or lone surrogates")
    return str(name)


def as_key(key: Any) -> str:
    """Return the dotted key of a param.

    Raises:
        TypeError: It is no string.
        ValueError: One of its parts is empty, or it leads deeper than a config nests.
    """
    if not isinstance(key, str):
        raise TypeError(f"key: expected a string, got {type(key).__name__}")
    if not key or any(not part for part in key.split(".")):
        raise ValueError(f"key: {key!r} is no name or dotted path, such as 'hparams.lr'")
    return check_path(key, "key")


def as_context(context: Any) -> Context:
    """Return a context in its canonical form.

    Raises:
        TypeError: It is no mapping from text to text, numbers, booleans or ``None``.
        ValueError: It is too long.
    """
    if context is not None and not isinstance(context, Mapping):
        raise TypeError(f"context: expected a dict, got {type(context).__name__}")
    made = make_context({key: _plain(value) for key, value in context.items()} if context else None)
    text = context_text(made)
    if not is_storable(text) or len(text.encode(errors="replace")) > _BYTES_MAX - _NAME_MAX:
        raise ValueError(f"context: it has at most {_BYTES_MAX - _NAME_MAX} bytes as JSON, and no lone surrogates")
    return made


def clean_text(text: Any, argument: str) -> str:
    """Return a message as it can be stored: what no database holds as text is U+FFFD, and what is too long is cut.

    Raises:
        TypeError: It is no string.
    """
    if not isinstance(text, str):
        raise TypeError(f"{argument}: expected a string, got {type(text).__name__}")
    if len(text) > _MESSAGE_MAX:
        text = f"{text[:_MESSAGE_MAX]} [{len(text) - _MESSAGE_MAX} more characters]"
    return storable(text)


def _plain(value: Any) -> Any:
    if is_masked(value):
        return None
    return value.item() if hasattr(value, "item") and callable(value.item) else value


def flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Take dicts inside a dict apart, their names joined by ``/``.

    Raises:
        TypeError: A name is no string.
    """
    for name, value in data.items():
        if type(name) is not str:
            as_name(name)
        if isinstance(value, Mapping) and not callable(getattr(value, "json", None)):
            yield from flatten(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def check_label(value: Any, argument: str = "value") -> str:
    """Return the name of a tag.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty or too long.
    """
    label = clean_text(value, argument).strip()
    if not 1 <= len(label) <= _LABEL_MAX:
        raise ValueError(f"{argument}: expected 1 to {_LABEL_MAX} characters, got {len(label)}")
    return label
