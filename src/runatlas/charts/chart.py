"""A chart that shows itself in a notebook."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runatlas.charts.style import INK, SIZE, fonts, plain
from runatlas.extra import load_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Chart", "dress", "label", "make_axes", "number_axis", "write_notes"]

_DPI, _SHOWN_DPI = 100, 200
"""Of a notebook's screen, and of the picture that it gets, which is shown at half its size and sharp."""
_WIDTH, _HEIGHT = 7.2, 3.6
_NOTES_MAX = 4
_LINE = 110
"""How many characters a note may have on one line."""
_IMAGES = ("image/png", "image/svg+xml")


class Chart:
    """A chart: the last line of a cell shows it.

    A notebook keeps one picture of it, a PNG; who asks for SVG gets that. What matplotlib's ``Axes`` can do, it can do:
    ``chart.set_title("…")``.

    Args:
        axes: The axes, one each panel.
        words: What is drawn, in words.
        notes: Sentences on what is missing or sampled; they stand below.

    Attributes:
        axes: The matplotlib axes; of several panels the first, ``figure.axes`` are all.
        figure: The matplotlib figure, which belongs to nobody else and has not to be closed.
        notes: Sentences on what is missing or sampled.

    Example:
        >>> from runatlas import Run
        >>> with Run(repo="./experiments", experiment="plots") as run:
        ...     for step in range(10):
        ...         run.log({"loss": 1 / (step + 1)})
        >>> chart = run.plot("loss")
        >>> chart
        <Chart: 1 line of loss by step>
        >>> chart.save("loss.svg")
        'loss.svg'
    """

    def __init__(self, axes: Sequence[Axes], words: str, notes: Sequence[str] = ()) -> None:
        self.axes = axes[0]
        self.figure: Figure = axes[0].get_figure(root=True)  # type: ignore[assignment]
        self.notes = tuple(notes)
        self._words = words

    def save(self, path: str | Path, **options: Any) -> str:
        """Write it to a file.

        Args:
            path: The file: ``.png``, ``.svg``, ``.pdf`` or what else matplotlib writes.
            **options: What matplotlib's ``savefig`` takes, such as ``dpi``.

        Returns:
            The file's path.

        Raises:
            OSError: The file cannot be written.
            ValueError: There is no such format.
        """
        self._write(Path(path), options)
        return str(path)

    def _write(self, file: Any, options: Mapping[str, Any]) -> None:
        self.figure.savefig(file, **{"facecolor": "white", "dpi": _SHOWN_DPI, **options})

    @property
    def fingerprint(self) -> str:
        """Changes with the values that are drawn, to nine digits, and with what they are called; not with the look."""
        told = "\n".join(part for axes in self.figure.axes for part in _drawn_values(axes))
        return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:16]

    def to_png(self) -> bytes:
        """Return it as a PNG, twice as large as it is shown."""
        return self._drawn("png")

    def to_svg(self) -> str:
        """Return it as SVG; its letters are shapes, so that it looks the same everywhere."""
        return self._drawn("svg").decode()

    def _drawn(self, kind: str) -> bytes:
        file = io.BytesIO()
        self._write(file, {"format": kind})
        return file.getvalue()

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = (round(inches * _DPI) for inches in self.figure.get_size_inches())
        return self.to_png(), {"width": width, "height": height}

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        wanted = [kind for kind in _IMAGES if (not include or kind in include) and kind not in (exclude or ())]
        told = {"text/plain": repr(self)}
        if not wanted:
            return told, {}
        if wanted[0] == "image/svg+xml":
            return told | {"image/svg+xml": self.to_svg()}, {}
        png, size = self._repr_png_()
        return {**told, "image/png": png}, {"image/png": size}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "axes":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.axes, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self.axes)})

    def __repr__(self) -> str:
        return f"<Chart: {self._words}>"


def _drawn_values(axes: Axes) -> Iterator[str]:
    """Write what axes show: lines, points and areas, in the order in which they were drawn."""
    yield f"{axes.get_title()}|{axes.get_xlabel()}|{axes.get_ylabel()}"
    for line in axes.get_lines():
        yield _digits(line.get_label(), line.get_xydata())
    for drawn in axes.collections:
        areas = [path.vertices for path in drawn.get_paths()]
        yield _digits(drawn.get_label(), drawn.get_offsets(), drawn.get_array(), *areas)


def _digits(name: object, *arrays: Any) -> str:
    numbers = (f"{number:.9g}" for held in arrays if held is not None for number in held.ravel().tolist())
    return f"{name}:{','.join(numbers)}"


def make_axes(panels: int = 1, *, share_y: bool = True) -> list[Any]:
    """Make the axes of a new figure, which belongs to nobody else, so that nothing has to be closed.

    Args:
        panels: How many.
        share_y: Whether they have one range of values.
    """
    figures = load_extra("matplotlib.figure", "plot()")
    columns = min(panels, 3)
    rows = -(-panels // columns)
    size = (_WIDTH if columns < 3 else 9.6, _HEIGHT if rows == 1 else 2.5 * rows + 0.6)
    figure = figures.Figure(figsize=size, dpi=_DPI, layout="constrained", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=panels > 1, sharey=share_y and panels > 1)
    found = list(grid.flat)
    for axes in found[panels:]:
        axes.remove()
    for place, axes in enumerate(found[:panels]):
        dress(axes)
        axes.xaxis.set_tick_params(labelbottom=place + columns >= panels)
    return found[:panels]


def dress(axes: Any) -> None:
    """Give axes their look, whatever style the process has set."""
    axes.set_facecolor("white")
    axes.grid(visible=True, color="#E3E3E3", linewidth=0.6, linestyle="-")
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color("#888888")
    axes.tick_params(which="both", color="#888888", labelcolor=INK, labelsize=SIZE - 1, labelfontfamily=list(fonts()))


def label(set_text: Any, text: str, most: int = 60, **options: Any) -> None:
    """Set a text of axes, as it is.

    Args:
        set_text: Such as ``axes.set_xlabel``.
        text: The text.
        most: How many characters are shown.
        **options: What matplotlib takes.
    """
    set_text(plain(text, most), **{"color": INK, "fontsize": SIZE, "fontfamily": list(fonts()), **options})


def write_notes(figure: Any, notes: Sequence[str]) -> None:
    """Write what is missing or sampled below the chart, in small letters."""
    if not notes:
        return
    shown = [plain(text, _LINE) for text in notes[:_NOTES_MAX]]
    if len(notes) > _NOTES_MAX:
        shown.append(f"… and {len(notes) - _NOTES_MAX} more notes")
    figure.supxlabel("\n".join(shown), x=0.01, ha="left", color="#555555", fontsize=SIZE - 2, fontfamily=list(fonts()))


def number_axis(axis: Any, *, is_log: bool, whole: bool = False) -> None:
    """Let an axis write its numbers plainly.

    Args:
        axis: ``axes.xaxis`` or ``axes.yaxis``.
        is_log: Whether it is a log axis.
        whole: Whether its numbers are whole ones, such as steps.
    """
    ticker = load_extra("matplotlib.ticker", "a chart")
    if is_log:
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(ticker.FuncFormatter(_MinorLabels(axis)))
    elif whole:
        axis.set_major_locator(ticker.MaxNLocator(nbins="auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(ticker.FuncFormatter(_whole))


class _MinorLabels:
    """Labels 2 and 5 between the powers of ten where there is less than a decade or two."""

    def __init__(self, axis: Any) -> None:
        self._axis = axis

    def __call__(self, value: float, _place: int | None) -> str:
        low, high = sorted(self._axis.get_view_interval())
        if low <= 0 or high / low > 60:
            return ""
        first = f"{value:e}"[0]
        return f"{value:g}" if first in ("2", "5") or high / low < 6 else ""


def _whole(value: float, _place: int | None) -> str:
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e4, "")):
        if abs(value) >= size:
            return f"{value / size:g}{sign}" if sign else f"{value / 1000:g}k"
    return f"{value:g}"
