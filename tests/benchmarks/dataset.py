"""The data every system records: written down once, exact in 32-bit floats, so that every answer can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

__all__ = [
    "CURATED_METRICS",
    "METRICS",
    "TRACK_KEYS",
    "RunData",
    "Shape",
    "curve_run",
    "curve_sum",
    "matching",
    "rows",
    "runs",
    "served_runs",
    "value",
]

METRICS = ("loss", "accuracy", "lr", "grad_norm", "tokens_per_s")
CURATED_METRICS = ("val_loss", *(f"metric_{number}" for number in range(19)))
"""What each run of the store that is cleaned up has."""

TRACK_KEYS = tuple(f"metric_{number}" for number in range(10))
OPTIMIZERS = ("adam", "sgd", "lion")
MATCH_OPTIMIZER = "adam"
MATCH_BELOW = 1.853515625
"""``config.optimizer == MATCH_OPTIMIZER and summary.loss < MATCH_BELOW`` holds for 158 of 1,000 runs."""

EPOCH_S = 1_767_225_600
"""The first point's time: 2026-01-01 UTC; one second a step."""


@dataclass(frozen=True)
class Shape:
    """How much of everything there is; ``scale`` shrinks or stretches it."""

    scale: float = 1.0

    def of(self, count: int) -> int:
        """Return ``count`` scaled, never less than 10."""
        return max(10, round(count * self.scale))

    @property
    def runs(self) -> int:
        """Runs of the ordinary store."""
        return self.of(1_000)

    @property
    def many_runs(self) -> int:
        """Runs of the store that listing grows to."""
        return self.of(10_000)

    @property
    def heavy_runs(self) -> int:
        """Runs that have 10,000 points each."""
        return self.of(110)

    @property
    def most_runs(self) -> int:
        """Runs that are iterated with little memory."""
        return self.of(100_000)

    @property
    def points(self) -> int:
        """Points of a long metric."""
        return self.of(100_000)

    @property
    def most_points(self) -> int:
        """Points of the longest metric."""
        return self.of(1_000_000)

    @property
    def wide_runs(self) -> int:
        """Runs whose curves are read together."""
        return self.of(200)

    @property
    def wide_points(self) -> int:
        """Points of each of those curves."""
        return self.of(1_000)

    @property
    def tracked_steps(self) -> int:
        """Steps of ten values that a training loop tracks."""
        return self.of(10_000)


@dataclass(frozen=True)
class RunData:
    """One run: its parameters, tags and the values of each metric at steps 0, 1, 2, …"""

    name: str
    params: dict[str, str | int | float]
    tags: tuple[str, ...]
    metrics: dict[str, list[float]] = field(repr=False)

    @property
    def steps(self) -> int:
        """How many steps each metric has."""
        return len(next(iter(self.metrics.values())))

    @property
    def last(self) -> dict[str, float]:
        """The last value of each metric."""
        return {key: values[-1] for key, values in self.metrics.items()}


def value(run: int, metric: int, step: int) -> float:
    """Return a point: a multiple of 1/1024 below 4."""
    return ((run * 31 + metric * 17 + step * 7) % 4096) / 1024


def runs(count: int, *, metrics: tuple[str, ...] = METRICS, steps: int = 50, first: int = 0) -> Iterator[RunData]:
    """Yield ``count`` runs of 20 parameters, 3 tags and ``metrics`` over ``steps`` steps, numbered from ``first``."""
    for run in range(first, first + count):
        params: dict[str, str | int | float] = {"optimizer": OPTIMIZERS[run % 3], "learning_rate": run / 1024}
        params |= {f"option_{number}": f"choice-{(run + number) % 5}" for number in range(4)}
        params |= {f"size_{number}": (run * number) % 1000 for number in range(7)}
        params |= {f"rate_{number}": ((run + number) % 1024) / 1024 for number in range(7)}
        yield RunData(
            name=f"run-{run:06d}",
            params=params,
            tags=("benchmark", f"fold-{run % 10}", "even" if run % 2 == 0 else "odd"),
            metrics={key: [value(run, index, step) for step in range(steps)] for index, key in enumerate(metrics)},
        )


def matching(data: RunData) -> bool:
    """Tell whether the filter under measurement takes this run."""
    return data.params["optimizer"] == MATCH_OPTIMIZER and data.last["loss"] < MATCH_BELOW


def curve_run(points: int) -> RunData:
    """Return a run of one long metric, ``loss``."""
    values = [value(0, 0, step) for step in range(points)]
    return RunData(name="run-000000", params={"kind": "curve"}, tags=(), metrics={"loss": values})


def served_runs(shape: Shape) -> Iterator[RunData]:
    """Yield the runs that clients of one server read: the first ones have long curves, the last one the longest."""
    yield from runs(shape.wide_runs, steps=shape.wide_points)
    yield from runs(shape.runs - shape.wide_runs - 1, first=shape.wide_runs)
    yield replace(curve_run(shape.most_points), name="run-longest")


def curve_sum(points: int, *, metric: int = 0) -> float:
    """Return what the points of run 0 add up to, exactly."""
    return sum((metric * 17 + step * 7) % 4096 for step in range(points)) / 1024


def rows(steps: int) -> list[dict[str, float]]:
    """Return what a training loop tracks: ten values a step."""
    return [{key: value(0, number, step) for number, key in enumerate(TRACK_KEYS)} for step in range(steps)]
