"""A tracked figure."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import warnings
from collections.abc import Mapping
from datetime import date
from types import ModuleType
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
        TypeError: It is none of these, a part of a figure, or the dict holds something that is no JSON.

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
    if isinstance(obj, ModuleType):
        raise TypeError("obj: expected a figure, got a module; of matplotlib.pyplot take plt.gcf()")
    if hasattr(obj, "savefig"):
        return _convert(obj)
    raise TypeError(f"obj: expected a plotly figure, a matplotlib figure or a dict, got {type(obj).__name__}")


def _plain(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the dict as JSON, so that a later change of the original does not show."""
    try:
        # JSON has no NaN: plotly writes null.
        copied = json.loads(json.dumps(obj, default=_listed), parse_constant=lambda _: None)
    except (TypeError, ValueError) as error:
        raise TypeError(f"obj: the figure's dict is not JSON: {error}") from error
    return _checked(copied)


def _listed(value: Any) -> Any:
    """An array or a number of NumPy as plain ones, and times as plotly writes them."""
    if isinstance(value, date):
        return value.isoformat() if value == value else None  # noqa: PLR0124 (pandas' NaT is a date, and not itself)
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "M" and type(value).__module__ == "numpy":
        # Of nanoseconds it would make whole numbers.
        return value.astype("datetime64[us]").tolist()
    if callable(getattr(value, "tolist", None)) and kind != "m":
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _checked(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not ("data" in value or "layout" in value):
        raise TypeError("obj: expected a whole figure, with its traces as data; put traces into a go.Figure first")
    traces = value.get("data", [])
    if not isinstance(traces, list) or not all(isinstance(trace, dict) for trace in traces):
        raise TypeError("obj: expected the figure's data to be a list of traces, each of them a dict")
    return value


_FORMATTERS = {
    "XAxis": frozenset({"AutoDateFormatter", "LogFormatterSciNotation", "ScalarFormatter"}),
    "YAxis": frozenset({"LogFormatterSciNotation", "ScalarFormatter"}),
}
_MARKERS = frozenset({"", " ", "None", "none", "o", ".", "v", "^", "<", ">", "s", "+", "x", "*", "D", "d"})
"""What plotly's converter keeps: classes of matplotlib's that say what stands along an axis, and markers of lines."""
_MARKUP = re.compile(r"[$<&\n]")
"""What plotly shows otherwise than matplotlib does."""


def _is_understood(figure: Any) -> bool:
    """Tell whether plotly's converter keeps all of a figure: it passes over what it does not know."""
    places = {tuple(axes.get_position().bounds) for axes in figure.axes}
    known = [figure.patch, *figure.axes]
    return (
        len(places) == len(figure.axes)  # one on another, as of twinx, cannot be told apart
        and all(child in known for child in figure.get_children())
        and all(_is_plain(axes) and all(_is_kept(child, axes) for child in axes.get_children()) for axes in figure.axes)
        # Plotly has one legend for all axes, of all lines that are in them.
        and (len(figure.axes) == 1 or all(axes.get_legend() is None for axes in figure.axes))
    )


def _is_plain(axes: Any) -> bool:
    """Tell whether the converter keeps what axes are, apart from what is drawn in them."""
    return bool(
        axes.name == "rectilinear"
        and axes.axison
        and axes.get_aspect() == "auto"
        and not (axes.get_title("left") or axes.get_title("right"))
        and not any(map(_MARKUP.search, (axes.get_title(), axes.get_xlabel(), axes.get_ylabel())))
        # It knows how high points lie along lines only.
        and (not axes.collections or axes.get_xscale() == axes.get_yscale() == "linear")
    )


def _is_kept(child: Any, axes: Any) -> bool:
    kind = type(child).__name__
    if not child.get_visible():
        return kind == "Spine"
    if kind == "Line2D":
        return bool(
            child.get_transform() == axes.transData
            and child.get_drawstyle() == "default"
            and str(child.get_marker()) in _MARKERS
            and child.get_markevery() is None
            and child.get_fillstyle() == "full"
        )
    if kind == "PathCollection":
        return bool(child.get_offset_transform() == axes.transData) and _is_of_dots(child)
    if kind in {"Legend", "Text"}:
        return _is_said(child, axes)
    if kind in _FORMATTERS:
        return type(child.get_major_formatter()).__name__ in _FORMATTERS[kind]
    return kind == "Spine" or child is axes.patch


def _is_said(child: Any, axes: Any) -> bool:
    """Tell whether the converter keeps a text, or a legend, which it makes anew of the names of all lines."""
    if hasattr(child, "get_text"):
        return not (child.get_rotation() or child.get_bbox_patch() or _MARKUP.search(child.get_text()))
    said, names = [text.get_text() for text in child.get_texts()], [line.get_label() for line in axes.lines]
    is_plain = not child.get_title().get_text() and not any(map(_MARKUP.search, said))
    return is_plain and not axes.collections and said == names


def _is_of_dots(points: Any) -> bool:
    """Tell whether points are filled circles: all others lose their shape, or their colour."""
    paths = points.get_paths()
    return len(points.get_facecolor()) > 0 and all(
        path.codes is not None and set(path.codes[1:-1]) == {path.CURVE4} for path in paths
    )


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
