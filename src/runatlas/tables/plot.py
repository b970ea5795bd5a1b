"""Lines on axes, with matplotlib if it is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runatlas.tables.frame import load_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from runatlas.tables.series import Series

__all__ = ["plot_series"]

_LEGEND_MAX = 20


def plot_series(
    series: Sequence[Series], runs: int, *, ax: Axes | None, path: str | Path | None, by: str, line: Mapping[str, Any]
) -> Axes:
    """Draw series as lines.

    Args:
        series: What to draw; empty ones are left out.
        runs: How many runs they belong to.
        ax: Axes to draw on; new ones if ``None``.
        path: An image file to write as well.
        by: ``"step"`` or ``"time"``.
        line: What matplotlib's ``plot`` takes.

    Returns:
        The axes.
    """
    if by not in {"step", "time"}:
        raise ValueError(f"by: expected 'step' or 'time', got {by!r}")
    drawn = [item for item in series if len(item)]
    if by == "time" and any(item.timestamps is None for item in drawn):
        raise ValueError("by: 'time' needs times; read the metrics without ignore_timestamp")
    axes: Any = ax if ax is not None else _make_axes()
    keys = {item.key for item in drawn}
    for item in drawn:
        across = item.steps.to_pylist() if by == "step" else item.times
        axes.plot(across, item.values.to_pylist(), label=_line_name(item, runs, len(keys)), **line)
    axes.set_xlabel(by)
    if len(keys) == 1:
        axes.set_ylabel(next(iter(keys)))
    if 1 < len(drawn) <= _LEGEND_MAX:
        axes.legend()
    if path is not None:
        axes.figure.savefig(Path(path))
    return axes  # type: ignore[no-any-return]


def _make_axes() -> Any:
    """Make axes of a figure that belongs to nobody else, so that nothing has to be closed."""
    figure = load_extra("matplotlib.figure", "plot()")
    return figure.Figure(layout="constrained").subplots()


def _line_name(series: Series, runs: int, keys: int) -> str:
    run = series.run_name or series.run
    if runs < 2:
        return series.label
    return run if keys == 1 else f"{run} {series.label}"
