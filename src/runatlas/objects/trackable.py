"""What every tracked object can do: say what it is, and become bytes or JSON."""

from __future__ import annotations

import base64
import importlib
from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any, ClassVar

import attrs

from runatlas.model.series import ColumnType

__all__ = ["Encoded", "Trackable", "require"]


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
