"""A tracked text."""

from __future__ import annotations

from typing import Any, ClassVar

from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded, Trackable

__all__ = ["Text"]

_SHOWN = 60


class Text(Trackable):
    """A text value for ``run.track``.

    Args:
        text: The content.
        caption: Shown beside it.

    Raises:
        TypeError: ``text`` is ``None``, bytes or an array, of which ``str`` makes another text.

    Example:
        >>> Text("prediction: cat").json()
        {'type': 'text', 'data': 'prediction: cat'}
    """

    column_type: ClassVar[ColumnType] = "TEXT"

    def __init__(self, text: str, caption: str = "") -> None:
        given: Any = text
        if isinstance(given, (bytes, bytearray)):
            raise TypeError(f"text: expected a string, got {type(given).__name__}; decode them first")
        if given is None:
            raise TypeError("text: expected a string, got None; leave it out where there is none")
        if getattr(given, "shape", ()):
            raise TypeError(
                f"text: expected a string, got {type(given).__name__}, whose str() leaves out most of it; "
                "make the text of it that you want"
            )
        self._data = str(text)
        self._caption = caption

    @property
    def data(self) -> str:
        """The content."""
        return self._data

    @property
    def caption(self) -> str:
        """What is shown beside the text."""
        return self._caption

    def encode(self) -> Encoded:
        """Return the text in the form it is stored in."""
        return Encoded(data={"text": self._data}, suffix="txt", mime_type="text/plain", caption=self._caption)

    def json(self) -> dict[str, Any]:
        """Return ``type`` and ``data``."""
        return {"type": "text", "data": self._data}

    def __repr__(self) -> str:
        shown = self._data if len(self._data) <= _SHOWN else self._data[:_SHOWN] + "..."
        return f"Text({shown!r})"
