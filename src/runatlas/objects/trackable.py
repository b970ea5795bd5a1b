"""What every tracked object can do: say what it is, and become bytes or JSON."""

from __future__ import annotations

import base64
import importlib
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, ClassVar

import attrs

from runatlas.model.series import ColumnType

__all__ = ["Encoded", "Trackable", "base64_text", "numbers_of", "require"]


@attrs.frozen
class Encoded:
    """An object in the form it is stored in: a blob, or JSON beside the step.

    Attributes:
        payload: The blob's bytes; ``None`` for an object that is stored as ``data``.
        suffix: What the blob's name ends with, without the dot.
        data: The JSON object of one that has no blob.
        meta: What else its type needs (width, height, rate, ...): flat JSON.
    """

    payload: bytes | None = None
    suffix: str = ""
    mime_type: str = "application/json"
    caption: str = ""
    data: dict[str, Any] | None = None
    meta: dict[str, Any] = attrs.field(factory=dict)


class Trackable(ABC):
    """An object that ``run.track`` takes.

    What it was made of is copied when it is made; encoding may wait, and then happens off the training thread.
    """

    column_type: ClassVar[ColumnType]

    @abstractmethod
    def encode(self) -> Encoded:
        """Return the object in the form it is stored in."""

    @abstractmethod
    def json(self) -> dict[str, Any]:
        """Return the object as plain JSON with its ``type``."""


def base64_text(payload: bytes) -> str:
    """Return bytes as base64 text."""
    return base64.b64encode(payload).decode("ascii")


def numbers_of(data: Any, argument: str, purpose: str) -> Any:
    """Return the numbers of an array, a tensor of any library or nested lists as a NumPy array of their own.

    Masked elements are left as NaN. Kinds of floats that NumPy does not know (bfloat16) become 32 bits.

    Args:
        data: What holds them.
        argument: What to call it in messages.
        purpose: What needs NumPy.

    Raises:
        ImportError: NumPy is not installed.
        TypeError: They are no numbers.
    """
    numpy = require("numpy", extra="media", purpose=purpose)
    try:
        found = _array_of(numpy, data.detach().cpu() if hasattr(data, "detach") else data)
    except (TypeError, RuntimeError) as error:  # the latter of a torch tensor that has no values
        if not hasattr(data, "__array__"):
            raise
        raise TypeError(f"{argument}: {type(data).__name__} is no array of numbers: {error}") from error
    if isinstance(found, numpy.ma.MaskedArray):
        found = found.astype("float64").filled(numpy.nan) if found.mask.any() else found.data
    if found.dtype.kind not in "buif":
        raise TypeError(f"{argument}: expected an array of numbers, got one of {found.dtype}")
    return numpy.asarray(found)


def _array_of(numpy: Any, data: Any) -> Any:
    # An array of its own: copied afterwards, since torch cannot be asked for a copy.
    try:
        return numpy.array(numpy.asanyarray(data), subok=True)
    except TypeError:
        if not callable(getattr(data, "float", None)):
            raise
    return numpy.array(numpy.asanyarray(data.float()))


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import a module that an extra brings.

    Raises:
        ImportError: It is not installed; the sentence says what installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".", maxsplit=1)[0]
        raise ImportError(f"{purpose} needs {package}; pip install 'runatlas[{extra}]'") from error
