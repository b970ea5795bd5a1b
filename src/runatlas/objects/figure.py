"""A tracked figure."""

from __future__ import annotations

import importlib.util
import io
import json
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from runatlas.model.series import ColumnType
from runatlas.objects.trackable import Encoded, Trackable, base64_text, require

__all__ = ["Figure"]


class Figure(Trackable):
    """A figure for ``run.track``, kept as plotly JSON.

    A matplotlib figure of lines and points is converted by plotly's own converter. That leaves out images, pies,
    arrows and more without an error, so a figure with anything else in it is kept as a picture inside a plotly figure.

    Args:
        obj: A plotly figure, a matplotlib figure, or a dict of plotly JSON.

    Raises:
        TypeError: It is none of these, or the dict holds something that is no JSON.

    Example:
        >>> Figure({"data": [{"y": [1, 2]}], "layout": {}}).data["data"]
        [{'y': [1, 2]}]
    """

    column_type: ClassVar[ColumnType] = "FIGURE"

    def __init__(self, obj: Any) -> None:
        self._data = _read(obj)

    @property
    def data(self) -> dict[str, Any]:
        """The figure as plotly JSON."""
        return self._data

    def encode(self) -> Encoded:
        """Return the figure in the form it is stored in."""
        return Encoded(data=self._data, suffix="json", mime_type="application/vnd.plotly.v1+json")

    def json(self) -> dict[str, Any]:
        """Return ``type`` and ``data``."""
        return {"type": "figure", "data": self._data}

    def __repr__(self) -> str:
        return f"Figure(keys={list(self._data)!r})"


def _read(obj: Any) -> dict[str, Any]:
    if isinstance(obj, Mapping):
        return _plain(obj)
    if hasattr(obj, "to_plotly_json") and hasattr(obj, "to_json"):
        return _checked(json.loads(obj.to_json()))
    if hasattr(obj, "savefig"):
        return _convert(obj)
    raise TypeError(f"obj: expected a plotly figure, a matplotlib figure or a dict, got {type(obj).__name__}")


def _plain(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the dict as JSON, so that a later change of the original does not show."""
    try:
        return _checked(json.loads(json.dumps(obj, default=_listed)))
    except (TypeError, ValueError) as error:
        raise TypeError(f"obj: the figure's dict is not JSON: {error}") from error


def _listed(value: Any) -> Any:
    """An array or a number of NumPy as plain ones."""
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _checked(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"obj: expected the figure to be a JSON object, got {type(value).__name__}")
    return value


_FRAME = frozenset({"Legend", "Spine", "Text", "XAxis", "YAxis"})
_FORMATTERS = frozenset({"AutoDateFormatter", "LogFormatterSciNotation", "ScalarFormatter"})
"""What matplotlib's classes are called that plotly's converter keeps: around what is drawn, and along an axis."""


def _is_understood(figure: Any) -> bool:
    """Tell whether plotly's converter keeps all of a figure: it passes over what it does not know."""
    places = {tuple(axes.get_position().bounds) for axes in figure.axes}
    known = [figure.patch, *figure.axes]
    return (
        len(places) == len(figure.axes)  # one on another, as of twinx, cannot be told apart
        and all(child in known for child in figure.get_children())
        and all(
            axes.name == "rectilinear" and all(_is_kept(child, axes) for child in axes.get_children())
            for axes in figure.axes
        )
    )


def _is_kept(child: Any, axes: Any) -> bool:
    kind = type(child).__name__
    if kind == "Line2D":
        return bool(child.get_transform() == axes.transData) and child.get_drawstyle() == "default"
    if kind == "PathCollection":
        return bool(child.get_offset_transform() == axes.transData)
    if kind in {"XAxis", "YAxis"} and type(child.get_major_formatter()).__name__ not in _FORMATTERS:
        return False
    return kind in _FRAME or child is axes.patch


def _convert(figure: Any) -> dict[str, Any]:
    if importlib.util.find_spec("plotly") is not None and _is_understood(figure):
        tools = require("plotly.tools", extra="media", purpose="converting a matplotlib figure")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _checked(json.loads(tools.mpl_to_plotly(figure).to_json()))
        except (ImportError, AttributeError, IndexError, KeyError, TypeError, ValueError):
            # The converter lags behind matplotlib; a picture of the figure is always right.
            return _picture(figure)
    return _picture(figure)


def _picture(figure: Any) -> dict[str, Any]:
    target = io.BytesIO()
    figure.savefig(target, format="png")
    source = "data:image/png;base64," + base64_text(target.getvalue())
    width, height = (round(float(inches) * float(figure.dpi)) for inches in figure.get_size_inches())
    image = {"source": source, "xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    hidden = {"visible": False}
    layout = {"images": [image], "width": width, "height": height, "xaxis": hidden, "yaxis": hidden}
    return {"data": [], "layout": layout}
